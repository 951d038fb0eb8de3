//! From a value, as its sender's types describe it, to serde.

use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::{
    Error, Reader, Type, Types, rust_name, same_name,
    types::{Field, Names, inline_definitions},
    wire::MAX_DEPTH,
};

/// Drives serde from a value. Fields of structs are found whatever the case and the underscores of
/// their names; those that the sender left out because they were zero are zero.
pub(crate) struct De<'t, 'r, 'de> {
    types: &'t Types,
    id: i64,
    input: &'r mut Reader<'de>,
    depth: usize,
}

impl<'t, 'r, 'de> De<'t, 'r, 'de> {
    /// The value behind a message's type. It must be read to its end.
    pub(crate) fn top(types: &'t Types, id: i64, input: &'r mut Reader<'de>) -> Result<De<'t, 'r, 'de>, Error> {
        types.top(id, input)?;
        Ok(De { types, id, input, depth: 0 })
    }

    fn inner<'a>(
        types: &'t Types,
        id: i64,
        input: &'a mut Reader<'de>,
        depth: usize,
    ) -> Result<De<'t, 'a, 'de>, Error> {
        if depth > MAX_DEPTH {
            return Err(Error::new("the value nests too deep"));
        }
        Ok(De { types, id, input, depth })
    }

    /// The value in an interface: the name of its type, the type, and its bytes behind their count.
    fn interface<V: Visitor<'de>>(self, visitor: V, optional: bool) -> Result<V::Value, Error> {
        if self.input.bytes()?.is_empty() {
            return visitor.visit_none();
        }
        // What is defined here is known already: see `Types::absorb`.
        let id = self.input.int()?;
        let id = inline_definitions(id, self.input, |_, _| Ok(()))?;
        let mut inside = Reader::new(self.input.bytes()?);
        let mut top = De::top(self.types, id, &mut inside)?;
        top.depth = self.depth + 1;
        if top.depth > MAX_DEPTH {
            return Err(Error::new("the value nests too deep"));
        }
        if optional { visitor.visit_some(top) } else { top.deserialize_any(visitor) }
    }

    fn structure<V: Visitor<'de>>(self, names: Option<&'static [&'static str]>, visitor: V) -> Result<V::Value, Error> {
        let Type::Struct(_, fields) = self.types.get(self.id)? else { return self.deserialize_any(visitor) };
        let names = names.map(|names| self.types.names(self.id, fields, names));
        let depth = self.depth + 1;
        Members {
            types: self.types,
            fields,
            names,
            input: self.input,
            depth,
            at: 0,
            numbers: Field::default(),
            next: Next::Unread,
        }
        .give(visitor)
    }
}

impl<'de> Deserializer<'de> for De<'_, '_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.types.get(self.id)? {
            Type::Bool => visitor.visit_bool(self.input.bool()?),
            Type::Int => visitor.visit_i64(self.input.int()?),
            Type::Uint => visitor.visit_u64(self.input.uint()?),
            Type::Float => visitor.visit_f64(self.input.float()?),
            Type::Bytes | Type::Opaque => visitor.visit_borrowed_bytes(self.input.bytes()?),
            Type::String | Type::Text => visitor.visit_borrowed_str(self.input.text()?),
            Type::Complex => Err(Error::new("complex numbers are not carried")),
            Type::Interface => self.interface(visitor, false),
            Type::Array(of, len) => {
                let left = self.input.count()?;
                if left as u64 != *len {
                    return Err(Error::new("an array has not the length of its type"));
                }
                let seq = Items { types: self.types, of: *of, input: self.input, left, depth: self.depth + 1 };
                visitor.visit_seq(seq)
            }
            Type::Slice(of) => {
                let left = self.input.count()?;
                visitor.visit_seq(Items { types: self.types, of: *of, input: self.input, left, depth: self.depth + 1 })
            }
            Type::Map(key, value) => {
                let left = self.input.count()?;
                let (types, depth) = (self.types, self.depth + 1);
                visitor.visit_map(Entries { types, key: *key, value: *value, input: self.input, left, depth })
            }
            Type::Struct(..) => self.structure(None, visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.types.get(self.id)? {
            Type::Interface => self.interface(visitor, true),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.structure(Some(names), visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.types.skip(self.id, self.input, false, self.depth)?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    /// A text is a variant without fields; of a struct the field that is there is the variant.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let find = |name: &str| {
            let known = variants.iter().find(|known| same_name(known, name));
            known.copied().ok_or_else(|| Error::new("there is no such variant"))
        };
        match self.types.get(self.id)? {
            Type::Struct(_, fields) => {
                let mut numbers = Field::default();
                let at = numbers.next(fields.len(), self.input)?.ok_or_else(|| Error::new("a variant is missing"))?;
                let content = De::inner(self.types, fields[at].1, self.input, self.depth + 1)?;
                let value = visitor.visit_enum(Variant { name: find(&fields[at].0)?, content: Some(content) })?;
                match numbers.next(fields.len(), self.input)? {
                    None => Ok(value),
                    Some(_) => Err(Error::new("a value has two variants")),
                }
            }
            Type::String => visitor.visit_enum(Variant { name: find(self.input.text()?)?, content: None }),
            _ => Err(Error::new("a variant is expected")),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf seq tuple
        tuple_struct map identifier
    }
}

struct Items<'t, 'r, 'de> {
    types: &'t Types,
    of: i64,
    input: &'r mut Reader<'de>,
    left: usize,
    depth: usize,
}

impl<'de> SeqAccess<'de> for Items<'_, '_, 'de> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(De::inner(self.types, self.of, self.input, self.depth)?).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

struct Entries<'t, 'r, 'de> {
    types: &'t Types,
    key: i64,
    value: i64,
    input: &'r mut Reader<'de>,
    left: usize,
    depth: usize,
}

impl<'de> MapAccess<'de> for Entries<'_, '_, 'de> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(De::inner(self.types, self.key, self.input, self.depth)?).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(De::inner(self.types, self.value, self.input, self.depth)?)
    }
}

/// The fields of a struct in order, those that were left out too.
struct Members<'t, 'r, 'de> {
    types: &'t Types,
    fields: &'t [(String, i64)],
    /// What the receiver calls them, where it says.
    names: Option<Arc<Names>>,
    input: &'r mut Reader<'de>,
    depth: usize,
    at: usize,
    numbers: Field,
    next: Next,
}

/// The next field that is there.
#[derive(Clone, Copy, PartialEq)]
enum Next {
    Unread,
    At(usize),
    End,
}

impl<'de> Members<'_, '_, 'de> {
    fn give<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        let Some(names) = self.names.clone().filter(|names| names.is_in_order()) else {
            return visitor.visit_map(self);
        };
        match visitor.visit_seq(&mut self) {
            Ok(value) => match self.at == self.fields.len() && self.reach()? == Next::End {
                true => Ok(value),
                false => Err(Error::new("a struct has more fields than its receiver reads")),
            },
            Err(error) => {
                if self.at == 0 {
                    self.types.refuse(&names);
                }
                Err(error)
            }
        }
    }

    /// The next field that is there.
    fn reach(&mut self) -> Result<Next, Error> {
        if self.next == Next::Unread {
            self.next = self.numbers.next(self.fields.len(), self.input)?.map_or(Next::End, Next::At);
        }
        Ok(self.next)
    }
}

impl<'de> SeqAccess<'de> for &mut Members<'_, '_, 'de> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        if self.at == self.fields.len() {
            return Ok(None);
        }
        self.reach()?;
        self.input.step()?;
        self.next_value_seed(seed).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.fields.len() - self.at)
    }
}

impl<'de> MapAccess<'de> for Members<'_, '_, 'de> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        use serde::de::IntoDeserializer;
        loop {
            self.reach()?;
            let Some((name, id)) = self.fields.get(self.at) else { return Ok(None) };
            self.input.step()?;
            let known = match &self.names {
                None => return seed.deserialize(rust_name(name).into_deserializer()).map(Some),
                Some(names) => names.all[self.at],
            };
            if let Some(known) = known {
                return seed.deserialize(known.into_deserializer()).map(Some);
            }
            if self.next == Next::At(self.at) {
                self.types.skip(*id, self.input, false, self.depth)?;
                self.next = Next::Unread;
            }
            self.at += 1;
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let id = self.fields.get(self.at).ok_or_else(|| Error::new("there are no more fields"))?.1;
        let here = self.next == Next::At(self.at);
        self.at += 1;
        if !here {
            return seed.deserialize(Zero { types: self.types, id, input: self.input, depth: self.depth });
        }
        self.next = Next::Unread;
        seed.deserialize(De::inner(self.types, id, self.input, self.depth)?)
    }
}

struct Variant<'t, 'r, 'de> {
    name: &'static str,
    content: Option<De<'t, 'r, 'de>>,
}

impl<'t, 'r, 'de> EnumAccess<'de> for Variant<'t, 'r, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        use serde::de::IntoDeserializer;
        Ok((seed.deserialize(self.name.into_deserializer())?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, '_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.content {
            None => Ok(()),
            Some(content) => serde::Deserialize::deserialize(content),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self.content.ok_or_else(|| Error::new("a variant has no content"))?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        let content = self.content.ok_or_else(|| Error::new("a variant has no content"))?;
        content.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, names: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.content.ok_or_else(|| Error::new("a variant has no content"))?.structure(Some(names), visitor)
    }
}

/// What was left out: the zero of its type.
struct Zero<'t, 'r, 'de> {
    types: &'t Types,
    id: i64,
    /// Nothing is read from it: it counts the work.
    input: &'r mut Reader<'de>,
    depth: usize,
}

impl<'de> Deserializer<'de> for Zero<'_, '_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        use serde::de::value::{MapDeserializer, SeqDeserializer};
        match self.types.get(self.id)? {
            Type::Bool => visitor.visit_bool(false),
            Type::Int => visitor.visit_i64(0),
            Type::Uint => visitor.visit_u64(0),
            Type::Float => visitor.visit_f64(0.0),
            Type::Bytes | Type::Opaque => visitor.visit_borrowed_bytes(&[]),
            Type::String | Type::Text => visitor.visit_borrowed_str(""),
            Type::Complex => Err(Error::new("complex numbers are not carried")),
            Type::Interface => visitor.visit_none(),
            Type::Array(..) | Type::Slice(_) => {
                visitor.visit_seq(SeqDeserializer::<_, Error>::new(std::iter::empty::<()>()))
            }
            Type::Map(..) => visitor.visit_map(MapDeserializer::<_, Error>::new(std::iter::empty::<((), ())>())),
            Type::Struct(..) => self.structure(None, visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_none()
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.structure(Some(names), visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        Err(Error::new("a variant is missing"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf seq tuple
        tuple_struct map identifier ignored_any
    }
}

impl<'de> Zero<'_, '_, 'de> {
    fn structure<V: Visitor<'de>>(self, names: Option<&'static [&'static str]>, visitor: V) -> Result<V::Value, Error> {
        let Type::Struct(_, fields) = self.types.get(self.id)? else { return self.deserialize_any(visitor) };
        if self.depth > MAX_DEPTH {
            return Err(Error::new("the value nests too deep"));
        }
        let names = names.map(|names| self.types.names(self.id, fields, names));
        let depth = self.depth + 1;
        Members {
            types: self.types,
            fields,
            names,
            input: self.input,
            depth,
            at: 0,
            numbers: Field::default(),
            next: Next::End,
        }
        .give(visitor)
    }
}
