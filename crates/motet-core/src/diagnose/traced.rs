//! A deserializer around another that notes where a value is refused.
//!
//! Whatever the inner format is, its values reach the type's visitor through [`Seen`], which lets the
//! visitor fail with a [`Problem`] and keeps that aside; the format's own error, which may quote the
//! input, is thrown away on the way out.

use std::{cell::Cell, fmt};

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor},
};

use super::problem::{Problem, Segment};

/// Where the visitor's problem waits while the format's error travels outwards.
type Aside<'a> = &'a Cell<Option<Problem>>;

pub(super) fn trace<'de, S: DeserializeSeed<'de>>(
    seed: S,
    names: &[&'static str],
    deserializer: &mut dyn erased_serde::Deserializer<'de>,
) -> Option<Problem> {
    let aside = Cell::new(None);
    let problem = seed.deserialize(Traced { inner: deserializer, aside: &aside, names, key: None }).err()?;
    // An error of the format itself says nothing that may be shown.
    (!problem.is_unknown()).then_some(problem)
}

/// The problem that was put aside, else one of which nothing is known.
fn problem(aside: Aside<'_>) -> Problem {
    aside.take().unwrap_or_else(Problem::unknown)
}

/// A deserializer of any format.
struct Traced<'a, D> {
    inner: D,
    aside: Aside<'a>,
    /// The names of the fields of the object that is expected here, where they are known.
    names: &'a [&'static str],
    /// Where to note the key, if this is one.
    key: Option<&'a Cell<Segment>>,
}

/// The visitor of a type, between it and the format.
struct Seen<'a, V> {
    visitor: V,
    aside: Aside<'a>,
    names: &'a [&'static str],
    key: Option<(&'a Cell<Segment>, &'a [&'static str])>,
}

impl<'a, D> Traced<'a, D> {
    fn seen<'de, V: Visitor<'de>, R>(
        self,
        names: &'a [&'static str],
        visitor: V,
        read: impl FnOnce(D, Seen<'a, V>) -> Result<R, D::Error>,
    ) -> Result<R, Problem>
    where
        D: Deserializer<'de>,
    {
        let names = if names.is_empty() { self.names } else { names };
        // The key of a map says in its own words what it should be: formats read it as they like.
        let expected = self.key.is_some().then(|| Expected(&visitor).to_string());
        let key = self.key.map(|key| (key, self.names));
        let seen = Seen { visitor, aside: self.aside, names, key };
        read(self.inner, seen).map_err(|_| match (self.aside.take(), expected) {
            (Some(problem), _) => problem,
            (None, Some(expected)) => Problem::expected(&format!("a key that is {expected}")),
            (None, None) => Problem::unknown(),
        })
    }
}

struct Expected<'v, V>(&'v V);

impl<'de, V: Visitor<'de>> fmt::Display for Expected<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }
}

/// What the format's own reader would take it for does not matter: the visitor is shown what stands
/// there, and says what it thinks of it. Keys are read as asked for, since JSON has text for all.
macro_rules! shown {
    ($($name:ident)*) => {$(
        fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
            match self.key {
                Some(_) => self.seen(&[], visitor, |inner, seen| inner.$name(seen)),
                None => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Traced<'_, D> {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.seen(&[], visitor, |inner, seen| inner.deserialize_any(seen))
    }

    shown! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64 deserialize_char
        deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_unit
        deserialize_seq deserialize_map deserialize_identifier deserialize_ignored_any
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.seen(&[], visitor, |inner, seen| inner.deserialize_i128(seen))
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.seen(&[], visitor, |inner, seen| inner.deserialize_u128(seen))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.seen(&[], visitor, |inner, seen| inner.deserialize_option(seen))
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Problem> {
        self.seen(&[], visitor, |inner, seen| inner.deserialize_unit_struct(name, seen))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Problem> {
        self.seen(&[], visitor, |inner, seen| inner.deserialize_newtype_struct(name, seen))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_any(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.seen(fields, visitor, |inner, seen| inner.deserialize_any(seen))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.seen(variants, Enumeration { variants, visitor }, |inner, seen| inner.deserialize_any(seen))
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

impl<'a, V> Seen<'a, V> {
    /// Gives the visitor its value; its problem is put aside.
    fn give<'de, E: de::Error>(self, visit: impl FnOnce(V) -> Result<V::Value, Problem>) -> Result<V::Value, E>
    where
        V: Visitor<'de>,
    {
        visit(self.visitor).map_err(|problem| {
            self.aside.set(Some(problem));
            E::custom("refused")
        })
    }

    fn note_key(&self, name: &str) {
        if let Some((key, names)) = self.key
            && let Some(known) = names.iter().find(|known| **known == name)
        {
            key.set(Segment::Field(known));
        }
    }

    fn part<D>(inner: D, aside: Aside<'a>) -> Traced<'a, D> {
        Traced { inner, aside, names: &[], key: None }
    }
}

macro_rules! values {
    ($($name:ident: $ty:ty)*) => {$(
        fn $name<E: de::Error>(self, value: $ty) -> Result<V::Value, E> {
            self.give(|visitor| visitor.$name(value))
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Seen<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    values! {
        visit_bool: bool visit_i8: i8 visit_i16: i16 visit_i32: i32 visit_i64: i64 visit_i128: i128
        visit_u8: u8 visit_u16: u16 visit_u32: u32 visit_u64: u64 visit_u128: u128 visit_f32: f32
        visit_f64: f64 visit_char: char visit_bytes: &[u8] visit_borrowed_bytes: &'de [u8]
        visit_byte_buf: Vec<u8>
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<V::Value, E> {
        self.note_key(text);
        self.give(|visitor| visitor.visit_str(text))
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<V::Value, E> {
        self.note_key(text);
        self.give(|visitor| visitor.visit_borrowed_str(text))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<V::Value, E> {
        self.note_key(&text);
        self.give(|visitor| visitor.visit_string(text))
    }

    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        self.give(Visitor::visit_unit)
    }

    fn visit_none<E: de::Error>(self) -> Result<V::Value, E> {
        self.give(Visitor::visit_none)
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let part = Self::part(inner, self.aside);
        self.give(|visitor| visitor.visit_some(part))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let part = Self::part(inner, self.aside);
        self.give(|visitor| visitor.visit_newtype_struct(part))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<V::Value, A::Error> {
        let elements = Elements { seq, aside: self.aside, names: self.names, at: 0 };
        self.give(|visitor| visitor.visit_seq(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        let entries = Entries { map, aside: self.aside, names: self.names, key: Segment::Entry };
        self.give(|visitor| visitor.visit_map(entries))
    }
}

/// A seed whose deserializer is traced.
struct Part<'a, S> {
    seed: S,
    aside: Aside<'a>,
    names: &'a [&'static str],
    key: Option<&'a Cell<Segment>>,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Part<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        let traced = Traced { inner, aside: self.aside, names: self.names, key: self.key };
        self.seed.deserialize(traced).map_err(|problem| {
            self.aside.set(Some(problem));
            de::Error::custom("refused")
        })
    }
}

fn part<S>(seed: S, aside: Aside<'_>) -> Part<'_, S> {
    Part { seed, aside, names: &[], key: None }
}

struct Elements<'a, A> {
    seq: A,
    aside: Aside<'a>,
    names: &'a [&'static str],
    at: usize,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<'_, A> {
    type Error = Problem;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Problem> {
        let segment = self.names.get(self.at).map_or(Segment::Item(self.at), |name| Segment::Field(name));
        self.at += 1;
        self.seq.next_element_seed(part(seed, self.aside)).map_err(|_| problem(self.aside).inside(segment))
    }

    fn size_hint(&self) -> Option<usize> {
        self.seq.size_hint()
    }
}

struct Entries<'a, A> {
    map: A,
    aside: Aside<'a>,
    names: &'a [&'static str],
    key: Segment,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Entries<'_, A> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Problem> {
        let key = Cell::new(Segment::Entry);
        let read = self.map.next_key_seed(Part { seed, aside: self.aside, names: self.names, key: Some(&key) });
        self.key = key.get();
        read.map_err(|_| problem(self.aside))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Problem> {
        let key = self.key;
        self.map.next_value_seed(part(seed, self.aside)).map_err(|_| problem(self.aside).inside(key))
    }

    fn size_hint(&self) -> Option<usize> {
        self.map.size_hint()
    }
}

/// The visitor of an enum, shown what stands there: a name, or an object of one entry.
struct Enumeration<V> {
    variants: &'static [&'static str],
    visitor: V,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Enumeration<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a variant, or an object of that name alone")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<V::Value, E> {
        self.visitor.visit_enum(name.into_deserializer())
    }

    // MessagePack may have the position in place of the name.
    fn visit_u64<E: de::Error>(self, at: u64) -> Result<V::Value, E> {
        match usize::try_from(at).ok().and_then(|at| self.variants.get(at)) {
            Some(name) => self.visit_str(name),
            None => Err(E::invalid_type(de::Unexpected::Unsigned(at), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_enum(Variant(map))
    }
}

/// The one entry of an object: a variant and its data.
struct Variant<A>(A);

impl<'de, A: MapAccess<'de>> EnumAccess<'de> for Variant<A> {
    type Error = A::Error;
    type Variant = Variant<A>;

    fn variant_seed<S: DeserializeSeed<'de>>(mut self, seed: S) -> Result<(S::Value, Variant<A>), A::Error> {
        match self.0.next_key_seed(seed)? {
            Some(variant) => Ok((variant, self)),
            None => Err(de::Error::invalid_length(0, &"an object with one entry")),
        }
    }
}

impl<'de, A: MapAccess<'de>> Variant<A> {
    fn data<S: DeserializeSeed<'de>>(mut self, seed: S) -> Result<S::Value, A::Error> {
        let value = self.0.next_value_seed(seed)?;
        match self.0.next_key::<de::IgnoredAny>()? {
            None => Ok(value),
            Some(_) => Err(de::Error::invalid_length(2, &"an object with one entry")),
        }
    }
}

impl<'de, A: MapAccess<'de>> VariantAccess<'de> for Variant<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.data(std::marker::PhantomData)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        self.data(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.data(Shaped { visitor, read: Shape::Tuple(len) })
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.data(Shaped { visitor, read: Shape::Struct(fields) })
    }
}

/// The data of a variant, as the seed of it.
struct Shaped<V> {
    visitor: V,
    read: Shape,
}

enum Shape {
    Tuple(usize),
    Struct(&'static [&'static str]),
}

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Shaped<V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        match self.read {
            Shape::Tuple(len) => deserializer.deserialize_tuple(len, self.visitor),
            Shape::Struct(fields) => deserializer.deserialize_struct("", fields, self.visitor),
        }
    }
}
