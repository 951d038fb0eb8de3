//! What is wrong with a body that could not be decoded, said without quoting it.
//!
//! Codec libraries put the offending value into their error texts. Here the body is read a second
//! time, on the error path only, by a deserializer whose error keeps nothing but the path of field
//! names, the kind of value found and the type expected.

mod problem;
mod traced;

use std::marker::PhantomData;

use serde::de::{self, DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

pub(crate) use problem::Problem;

/// The problem that a seed has with a value. `names` are those of the value's fields, where the seed
/// does not tell them to the deserializer itself.
#[cold]
#[inline(never)]
pub(crate) fn trace<'de, S: DeserializeSeed<'de>>(
    seed: S,
    names: &[&'static str],
    deserializer: &mut dyn erased_serde::Deserializer<'de>,
) -> Option<Problem> {
    traced::trace(seed, names, deserializer)
}

/// As [`trace`], of a type.
#[cold]
#[inline(never)]
pub(crate) fn trace_type<T: DeserializeOwned>(
    deserializer: &mut dyn erased_serde::Deserializer<'_>,
) -> Option<Problem> {
    trace(PhantomData::<T>, &[], deserializer)
}

/// The problem with a JSON body: `trace` reads it again.
#[cold]
#[inline(never)]
pub(crate) fn json(
    bytes: &[u8],
    trace: impl FnOnce(&mut dyn erased_serde::Deserializer<'_>) -> Option<Problem>,
) -> String {
    // The texts of syntax errors are fixed; only those about values quote them.
    if let Err(error) = serde_json::from_slice::<Skim>(bytes) {
        return format!("not JSON: {error}");
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    described(trace(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut json)))
}

/// The problem with a MessagePack body: `trace` reads it again.
#[cold]
#[inline(never)]
pub(crate) fn msgpack(
    bytes: &[u8],
    depth: usize,
    error: &rmp_serde::decode::Error,
    trace: impl FnOnce(&mut dyn erased_serde::Deserializer<'_>) -> Option<Problem>,
) -> String {
    use rmp_serde::decode::Error;
    match error {
        Error::InvalidMarkerRead(_) | Error::InvalidDataRead(_) => return "it ends too early".to_owned(),
        Error::DepthLimitExceeded => return format!("it nests deeper than {depth} levels"),
        _ => {}
    }
    let mut msgpack = rmp_serde::Deserializer::from_read_ref(bytes);
    msgpack.set_max_depth(depth);
    described(trace(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut msgpack)))
}

/// The problem with a protobuf body of a prost type. Its texts are fixed but for the numbers of
/// impossible keys and foreign type names.
pub(crate) fn prost(error: &prost::DecodeError) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("failed to decode Protobuf message: ").unwrap_or(&text);
    let quotes = ["invalid key value", "invalid wire type value", "unexpected type URL"];
    match quotes.iter().find_map(|quote| text.find(quote).map(|at| at + quote.len())) {
        Some(end) => text[..end].to_owned(),
        None => text.to_owned(),
    }
}

fn described(problem: Option<Problem>) -> String {
    problem.map_or_else(|| "a field has the wrong type or is missing".to_owned(), |problem| problem.to_string())
}

/// Any value, read to its end and forgotten: text is checked, depth is limited.
struct Skim;

impl<'de> de::Deserialize<'de> for Skim {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Skim, D::Error> {
        deserializer.deserialize_any(Skim)
    }
}

impl<'de> Visitor<'de> for Skim {
    type Value = Skim;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Skim, E> {
        Ok(Skim)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Skim, E> {
        Ok(Skim)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Skim, E> {
        Ok(Skim)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Skim, E> {
        Ok(Skim)
    }

    fn visit_str<E>(self, _: &str) -> Result<Skim, E> {
        Ok(Skim)
    }

    fn visit_unit<E>(self) -> Result<Skim, E> {
        Ok(Skim)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Skim, A::Error> {
        while seq.next_element::<Skim>()?.is_some() {}
        Ok(Skim)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Skim, A::Error> {
        while map.next_entry::<IgnoredAny, Skim>()?.is_some() {}
        Ok(Skim)
    }
}

#[cfg(test)]
mod tests;
