//! Typed access to a part of the tree: a serde deserializer that knows where every value came from.
//!
//! Its errors name the source, the key and what was expected, and never quote a value, which might
//! be a secret. Keys that a struct does not know are errors; values that came as text, from the
//! environment or a flag, are read as what the field asks for. [`std::time::Duration`] is written
//! as text such as `"10s"`.

use std::fmt;

use serde::de::{
    self, DeserializeSeed, Deserializer, Expected, IntoDeserializer, Unexpected, Visitor,
    value::{MapAccessDeserializer, StringDeserializer},
};
use serde_json::{Map, Value};

use super::{nearest, tree::Origins};
use crate::duration;

/// A value at its place in the tree.
pub(super) struct Located<'a> {
    pub(super) value: Value,
    pub(super) path: Vec<String>,
    pub(super) origins: &'a Origins,
    /// Keys beside those of the struct at the top that are known, and read by somebody else.
    pub(super) also: &'a [&'a str],
}

/// What is wrong, and where.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) path: Option<Vec<String>>,
    pub(super) what: String,
    /// Whether the text came from code that may have put the value into it.
    pub(super) foreign: bool,
}

impl Problem {
    fn new(what: String) -> Problem {
        Problem { path: None, what, foreign: false }
    }

    fn at(mut self, path: &[String]) -> Problem {
        self.path.get_or_insert_with(|| path.to_vec());
        self
    }
}

impl de::Error for Problem {
    fn custom<T: fmt::Display>(message: T) -> Problem {
        Problem { foreign: true, ..Problem::new(message.to_string()) }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Problem {
        Problem::new(format!("must be {}, not {}", readable(expected), kind(found)))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Problem {
        Problem::new(format!("must be {}", readable(expected)))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Problem {
        Problem::new(format!("must be {}, not {length} values", readable(expected)))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Problem {
        let names: Vec<_> = expected.iter().map(|name| format!("{name:?}")).collect();
        Problem::new(format!("must be one of {}", names.join(", ")))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Problem {
        Problem::new(unknown(field, expected.iter().copied()))
    }

    fn missing_field(field: &'static str) -> Problem {
        Problem::new(format!("needs the key {field:?}"))
    }

    fn duplicate_field(field: &'static str) -> Problem {
        Problem::new(format!("has the key {field:?} twice"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Problem {}

/// What a wrong key is told.
fn unknown<'a>(key: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(key, known.clone()) {
        Some(near) => format!("is no known key; did you mean {near:?}?"),
        None => {
            let mut all: Vec<_> = known.collect();
            all.sort_unstable();
            format!("is no known key; there are: {}", all.join(", "))
        }
    }
}

fn kind(found: Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a whole number",
        Unexpected::Float(_) => "a number",
        Unexpected::Char(_) | Unexpected::Str(_) => "text",
        Unexpected::Unit | Unexpected::Option => "nothing",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a section",
        _ => "something else",
    }
}

fn readable(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "a whole number".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number or its negative".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" | "a borrowed string" => "text".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a section".to_owned(),
        _ if text.starts_with("struct ") => "a section".to_owned(),
        _ => text,
    }
}

impl<'a> Located<'a> {
    fn child(&self, key: String, value: Value) -> Located<'a> {
        let mut path = self.path.clone();
        path.push(key);
        Located { value, path, origins: self.origins, also: &[] }
    }

    /// The value, if it came as text that is to be read as the field's type.
    fn text(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) if self.origins.is_text(&self.path) => Some(text),
            _ => None,
        }
    }

    /// Replaces text by the TOML value it spells, if it spells one of the kind asked for.
    fn spelled(mut self, wanted: fn(&Value) -> bool) -> Located<'a> {
        if let Some(value) = self.text().and_then(spelled).filter(wanted) {
            self.value = value;
        }
        self
    }

    fn visit<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let path = self.path.clone();
        let outcome = match self.value.clone() {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(value), _) => visitor.visit_u64(value),
                (_, Some(value)) => visitor.visit_i64(value),
                _ => visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_string(text),
            Value::Array(items) => visitor.visit_seq(Items { parent: &self, items: items.into_iter(), at: 0 }),
            Value::Object(entries) => {
                visitor.visit_map(Entries { parent: &self, entries: entries.into_iter(), value: None })
            }
        };
        outcome.map_err(|problem| problem.at(&path))
    }

    /// Refuses keys that the struct does not have.
    fn known_only(&self, fields: &'static [&'static str]) -> Result<(), Problem> {
        let Value::Object(entries) = &self.value else { return Ok(()) };
        let known = fields.iter().copied().chain(self.also.iter().copied());
        match entries.keys().find(|key| known.clone().all(|field| field != *key)) {
            Some(key) => {
                let mut path = self.path.clone();
                path.push(key.clone());
                Err(Problem::new(unknown(key, known)).at(&path))
            }
            None => Ok(()),
        }
    }
}

/// The TOML value that a text spells: `8`, `true`, `["a", "b"]`, `{ a = 1 }`.
pub(super) fn spelled(text: &str) -> Option<Value> {
    let mut table: toml::Table = toml::from_str(&format!("value = {}", text.trim())).ok()?;
    let alone = table.len() == 1;
    table.remove("value").filter(|_| alone).map(super::tree::to_json)
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty, $what:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
            match self.text() {
                Some(text) => match text.trim().parse::<$type>() {
                    Ok(value) => visitor.$visit(value).map_err(|problem: Problem| problem.at(&self.path)),
                    Err(_) => Err(Problem::new(concat!("must be ", $what).to_owned()).at(&self.path)),
                },
                None => self.visit(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Located<'_> {
    type Error = Problem;

    numbers! {
        deserialize_bool visit_bool bool, "true or false";
        deserialize_u8 visit_u8 u8, "a whole number below 256";
        deserialize_u16 visit_u16 u16, "a whole number below 65536";
        deserialize_u32 visit_u32 u32, "a whole number";
        deserialize_u64 visit_u64 u64, "a whole number";
        deserialize_i8 visit_i8 i8, "a whole number or its negative";
        deserialize_i16 visit_i16 i16, "a whole number or its negative";
        deserialize_i32 visit_i32 i32, "a whole number or its negative";
        deserialize_i64 visit_i64 i64, "a whole number or its negative";
        deserialize_f32 visit_f32 f32, "a number";
        deserialize_f64 visit_f64 f64, "a number";
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.spelled(|_| true).visit(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Problem> {
        if let Some(text) = self.text() {
            let by_comma = || text.split(',').map(str::trim).filter(|part| !part.is_empty());
            let list = spelled(text).filter(Value::is_array);
            self.value = list.unwrap_or_else(|| by_comma().map(Value::from).collect());
        }
        self.visit(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.spelled(Value::is_object).visit(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        if (name, fields) == ("Duration", &["secs", "nanos"]) {
            return self.duration(visitor);
        }
        let located = self.spelled(Value::is_object);
        located.known_only(fields)?;
        located.visit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let path = self.path.clone();
        let located = self.spelled(Value::is_object);
        let outcome = match &located.value {
            Value::String(name) => visitor.visit_enum(IntoDeserializer::<Problem>::into_deserializer(name.clone())),
            Value::Object(entries) => {
                let entries = Entries { parent: &located, entries: entries.clone().into_iter(), value: None };
                visitor.visit_enum(MapAccessDeserializer::new(entries))
            }
            _ => Err(Problem::new("must be text".to_owned())),
        };
        outcome.map_err(|problem| problem.at(&path))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.visit(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.visit(visitor)
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

impl Located<'_> {
    fn duration<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let time = self.value.as_str().and_then(duration::parse);
        let Some(time) = time else {
            let number = self.value.is_number() || self.value.as_str().is_some_and(|text| text.parse::<f64>().is_ok());
            let fix = if number { "; a number needs a unit: \"5s\" is five seconds" } else { "" };
            return Err(Problem::new(format!("must be {}{fix}", duration::EXPECTED)).at(&self.path));
        };
        let parts = [time.as_secs(), u64::from(time.subsec_nanos())].map(Value::from).to_vec();
        Located { value: Value::Array(parts), ..self }.visit(visitor)
    }
}

struct Items<'a, 'b> {
    parent: &'b Located<'a>,
    items: std::vec::IntoIter<Value>,
    at: usize,
}

impl<'de> de::SeqAccess<'de> for Items<'_, '_> {
    type Error = Problem;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Problem> {
        let Some(value) = self.items.next() else { return Ok(None) };
        let item = self.parent.child(self.at.to_string(), value);
        self.at += 1;
        let path = item.path.clone();
        seed.deserialize(item).map(Some).map_err(|problem| problem.at(&path))
    }
}

struct Entries<'a, 'b> {
    parent: &'b Located<'a>,
    entries: <Map<String, Value> as IntoIterator>::IntoIter,
    value: Option<(String, Value)>,
}

impl<'de> de::MapAccess<'de> for Entries<'_, '_> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Problem> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        self.value = Some((key.clone(), value));
        let key: StringDeserializer<Problem> = key.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        let (key, value) = self.value.take().ok_or_else(|| Problem::new("has no value".to_owned()))?;
        let entry = self.parent.child(key, value);
        let path = entry.path.clone();
        seed.deserialize(entry).map_err(|problem| problem.at(&path))
    }
}
