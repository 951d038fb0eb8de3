//! Values with parts besides messages: lists, bytes as lists, maps and variants.

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::reader::Reader;
use super::value::{ABSENT, ELEMENT, PRESENT, Value};
use crate::Error;
use crate::desc::{Coding, FieldDesc, Leaf, MessageDesc};

/// The elements of a packed list, which is the rest of the reader's input.
pub(super) struct Packed<'r, 'b> {
    reader: &'r mut Reader<'b>,
    field: &'static FieldDesc,
    len: usize,
    index: usize,
}

impl<'r, 'b> Packed<'r, 'b> {
    #[inline]
    pub(super) fn new(reader: &'r mut Reader<'b>, field: &'static FieldDesc) -> Self {
        let len = match field.coding {
            Coding::Fixed64 => reader.bytes.len() / 8,
            Coding::Fixed32 => reader.bytes.len() / 4,
            // Each varint has one last byte.
            _ => reader.bytes.iter().filter(|&&byte| byte < 0x80).count(),
        };
        Self { reader, field, len, index: 0 }
    }
}

impl<'de> SeqAccess<'de> for Packed<'_, '_> {
    type Error = Error;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.reader.bytes.is_empty() {
            return Ok(None);
        }
        self.reader.charge(size_of::<T::Value>())?;
        match seed.deserialize(Value::<ELEMENT> { reader: self.reader, field: self.field }) {
            Ok(value) => {
                self.index += 1;
                Ok(Some(value))
            }
            Err(error) => Err(error.in_item(self.index)),
        }
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.len - self.index.min(self.len))
    }
}

/// The elements of a list, each behind a tag of its own. The first tag has been read.
pub(super) struct Records<'r, 'b> {
    reader: &'r mut Reader<'b>,
    field: &'static FieldDesc,
    index: usize,
    ended: bool,
}

impl<'r, 'b> Records<'r, 'b> {
    #[inline]
    pub(super) fn new(reader: &'r mut Reader<'b>, field: &'static FieldDesc) -> Self {
        Self { reader, field, index: 0, ended: false }
    }

    #[inline]
    pub(super) fn finish(&self) -> Result<(), Error> {
        if self.ended { Ok(()) } else { Err(Error::mismatch("fewer elements")) }
    }
}

impl<'de> SeqAccess<'de> for Records<'_, '_> {
    type Error = Error;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.ended || (self.index > 0 && !self.reader.continues_with(self.field.tag)?) {
            self.ended = true;
            return Ok(None);
        }
        // A message is charged when it begins.
        if !matches!(self.field.ty.leaf(), Leaf::Message(_)) {
            self.reader.charge(size_of::<T::Value>())?;
        }
        match seed.deserialize(Value::<ELEMENT> { reader: self.reader, field: self.field }) {
            Ok(value) => {
                self.index += 1;
                Ok(Some(value))
            }
            Err(error) => Err(error.in_item(self.index)),
        }
    }
}

/// The elements of an absent list: none, or zeros for an array.
pub(super) struct Zeros<'r, 'b> {
    pub(super) reader: &'r mut Reader<'b>,
    pub(super) field: &'static FieldDesc,
    pub(super) len: usize,
}

impl<'de> SeqAccess<'de> for Zeros<'_, '_> {
    type Error = Error;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(len) = self.len.checked_sub(1) else { return Ok(None) };
        self.len = len;
        seed.deserialize(Value::<ABSENT> { reader: self.reader, field: self.field }).map(Some)
    }
}

/// Bytes for a type that takes them one by one.
pub(super) struct Bytes<'b> {
    bytes: std::slice::Iter<'b, u8>,
    /// Zeros that follow, for an array that is absent.
    zeros: usize,
}

impl<'b> Bytes<'b> {
    pub(super) fn new(bytes: &'b [u8], zeros: usize) -> Self {
        Self { bytes: bytes.iter(), zeros }
    }

    pub(super) fn finish_after<R>(&mut self, read: impl FnOnce(&mut Self) -> Result<R, Error>) -> Result<R, Error> {
        let value = read(self)?;
        if self.bytes.len() > 0 {
            return Err(Error::mismatch("fewer bytes"));
        }
        Ok(value)
    }
}

impl<'de> SeqAccess<'de> for Bytes<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let byte = match (self.bytes.next(), self.zeros.checked_sub(1)) {
            (Some(&byte), _) => byte,
            (None, Some(zeros)) => {
                self.zeros = zeros;
                0
            }
            (None, None) => return Ok(None),
        };
        seed.deserialize(byte.into_deserializer()).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.bytes.len() + self.zeros)
    }
}

/// The entries of a map, each behind a tag of its own. The first tag, if any, has been read.
pub(super) struct Entries<'r, 'b> {
    reader: &'r mut Reader<'b>,
    field: &'static FieldDesc,
    entry: &'static MessageDesc,
    /// Whether a tag of this map has been read, so that an entry follows.
    more: bool,
    /// What follows the entry being read.
    rest: &'b [u8],
    tag: u32,
}

impl<'r, 'b> Entries<'r, 'b> {
    #[inline]
    pub(super) fn new(
        reader: &'r mut Reader<'b>,
        field: &'static FieldDesc,
        entry: &'static MessageDesc,
        more: bool,
    ) -> Self {
        Self { reader, field, entry, more, rest: &[], tag: 0 }
    }

    /// Reads the part at `index`; parts come in order, like the fields of any message.
    #[inline]
    fn part<'de, T: DeserializeSeed<'de>>(&mut self, index: usize, seed: T) -> Result<T::Value, Error> {
        let field = &self.entry.fields[index];
        while self.tag != field.tag && self.tag != 0 {
            match self.entry.index_of(self.tag >> 3) {
                Some(other) if other > index => break,
                Some(_) => return Err(Error::disorder()),
                None => self.reader.skip(self.tag)?,
            }
            self.tag = self.reader.tag()?;
        }
        let reader = &mut *self.reader;
        let value = if self.tag == field.tag {
            let value = seed.deserialize(Value::<PRESENT> { reader, field });
            self.tag = self.reader.tag()?;
            value
        } else {
            seed.deserialize(Value::<ABSENT> { reader, field })
        };
        value.map_err(Error::in_entry)
    }
}

impl<'de> MapAccess<'de> for Entries<'_, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if !self.more {
            return Ok(None);
        }
        let entry = self.reader.delimited()?;
        self.reader.descend(size_of::<K::Value>())?;
        self.rest = std::mem::replace(&mut self.reader.bytes, entry);
        self.tag = self.reader.tag()?;
        self.part(0, seed).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        self.reader.charge(size_of::<V::Value>())?;
        let value = self.part(1, seed)?;
        while self.tag != 0 {
            if self.entry.index_of(self.tag >> 3).is_some() {
                return Err(Error::disorder());
            }
            self.reader.skip(self.tag)?;
            self.tag = self.reader.tag()?;
        }
        self.reader.bytes = self.rest;
        self.reader.ascend();
        self.more = self.reader.continues_with(self.field.tag)?;
        Ok(value)
    }
}

/// A variant without data, by its position.
pub(super) struct Variant(pub(super) u32);

impl<'de> EnumAccess<'de> for Variant {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        Ok((seed.deserialize(position(self.0))?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Error> {
        Err(no_data())
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        Err(no_data())
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Error> {
        Err(no_data())
    }
}

#[cold]
fn no_data() -> Error {
    Error::unsupported("a variant has data that its enum does not describe")
}

fn position(index: u32) -> U32Deserializer<Error> {
    index.into_deserializer()
}

/// The one variant that a message holding a oneof contains.
pub(super) struct Oneof<'r, 'b> {
    reader: &'r mut Reader<'b>,
    field: &'static FieldDesc,
    index: u32,
    /// Whether the field is there; if not, it is the variant for unknown ones.
    present: bool,
}

impl<'r, 'b> Oneof<'r, 'b> {
    pub(super) fn new(reader: &'r mut Reader<'b>, desc: &'static MessageDesc) -> Result<Self, Error> {
        loop {
            let tag = reader.tag()?;
            let index = if tag == 0 { None } else { desc.index_of(tag >> 3) };
            match index {
                Some(index) if desc.fields[index].tag == tag => {
                    let field = &desc.fields[index];
                    return Ok(Self { reader, field, index: index as u32, present: true });
                }
                Some(_) => return Err(Error::disorder()),
                None if tag != 0 => reader.skip(tag)?,
                None => break,
            }
        }
        match desc.other_index() {
            Some(other) => {
                let field = &desc.fields[usize::from(other)];
                Ok(Self { reader, field, index: other.into(), present: false })
            }
            None => Err(Error::mismatch(format!("a known variant of {}", desc.name()))),
        }
    }

    fn payload<R>(self, read: impl FnOnce(Value<'r, 'b, PRESENT>) -> Result<R, Error>) -> Result<R, Error> {
        let Self { reader, field, .. } = self;
        read(Value { reader, field }).map_err(|error| error.in_field(field.json_name()))
    }
}

/// Reads what follows the variant: another one, the last of which would count, is a disorder.
pub(super) fn finish_oneof(reader: &mut Reader<'_>, desc: &'static MessageDesc) -> Result<(), Error> {
    loop {
        match reader.tag()? {
            0 => return Ok(()),
            tag if desc.index_of(tag >> 3).is_some() => return Err(Error::disorder()),
            tag => reader.skip(tag)?,
        }
    }
}

impl<'de, 'r, 'b> EnumAccess<'de> for Oneof<'r, 'b> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        Ok((seed.deserialize(position(self.index))?, self))
    }
}

impl<'de> VariantAccess<'de> for Oneof<'_, '_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.present {
            true => self.payload(serde::Deserialize::deserialize),
            false => Ok(()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        self.payload(|value| seed.deserialize(value))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.payload(|value| value.deserialize_tuple_struct("", len, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.payload(|value| value.deserialize_struct("", fields, visitor))
    }
}
