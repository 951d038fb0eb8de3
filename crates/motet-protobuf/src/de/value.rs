//! One value of a field.

use serde::de::{Deserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::compound::{Bytes, Entries, Oneof, Packed, Records, Variant, Zeros, finish_oneof};
use super::message::Message;
use super::reader::Reader;
use crate::Error;
use crate::desc::{Card, Coding, FieldDesc, Leaf, Scalar};

/// The whole input.
pub(super) const ROOT: u8 = 0;
/// A field whose tag has been read.
pub(super) const PRESENT: u8 = 1;
/// An element of a list, behind its tag if it has one.
pub(super) const ELEMENT: u8 = 2;
/// A field that is not there: zero, empty, `None`, or a message without fields.
pub(super) const ABSENT: u8 = 3;

/// Two words, so that serde's generated code passes it in registers; the mode costs nothing.
pub(super) struct Value<'r, 'b, const MODE: u8> {
    pub(super) reader: &'r mut Reader<'b>,
    pub(super) field: &'static FieldDesc,
}

impl<'r, 'b, const MODE: u8> Value<'r, 'b, MODE> {
    #[inline]
    fn integer(&mut self) -> Result<u64, Error> {
        if MODE == ABSENT {
            return Ok(0);
        }
        match self.field.coding {
            Coding::Varint => self.reader.varint(),
            Coding::Zigzag => self.zigzag(),
            Coding::Fixed64 => Ok(u64::from_le_bytes(self.reader.array()?)),
            Coding::Fixed32 => Ok(self.fixed32_integer()?),
            Coding::Length => Err(self.mismatch()),
        }
    }

    fn zigzag(&mut self) -> Result<u64, Error> {
        let mut value = self.reader.varint()?;
        if matches!(self.field.ty.leaf(), Leaf::Scalar(Scalar::Sint32)) {
            value &= u64::from(u32::MAX);
        }
        Ok(value >> 1 ^ (value & 1).wrapping_neg())
    }

    fn fixed32_integer(&mut self) -> Result<u64, Error> {
        let value = u32::from_le_bytes(self.reader.array()?);
        Ok(match self.field.ty.leaf() {
            Leaf::Scalar(Scalar::Sfixed32) => value as i32 as u64,
            _ => value.into(),
        })
    }

    #[inline]
    fn delimited(&mut self) -> Result<&'b [u8], Error> {
        match (MODE, self.field.coding) {
            (ABSENT, _) => Ok(&[]),
            (_, Coding::Length) => self.reader.delimited(),
            _ => Err(self.mismatch()),
        }
    }

    #[inline]
    fn fixed32(&mut self) -> Result<u32, Error> {
        match (MODE, self.field.coding) {
            (ABSENT, _) => Ok(0),
            (_, Coding::Fixed32) => Ok(u32::from_le_bytes(self.reader.array()?)),
            _ => Err(self.mismatch()),
        }
    }

    #[inline]
    fn fixed64(&mut self) -> Result<u64, Error> {
        match (MODE, self.field.coding) {
            (ABSENT, _) => Ok(0),
            (_, Coding::Fixed64) => Ok(u64::from_le_bytes(self.reader.array()?)),
            _ => Err(self.mismatch()),
        }
    }

    #[inline]
    fn str(&mut self) -> Result<&'b str, Error> {
        let text = self.delimited()?;
        std::str::from_utf8(text).map_err(|_| Error::mismatch("a string in UTF-8"))
    }

    /// Runs `read` on the message that stands here, takes `size` bytes in memory and must be read
    /// to its end.
    #[inline]
    fn message<R>(mut self, size: usize, read: impl FnOnce(&mut Reader<'b>) -> Result<R, Error>) -> Result<R, Error> {
        if MODE == ROOT {
            return read(self.reader);
        }
        let inner = self.delimited()?;
        let reader = self.reader;
        reader.descend(size)?;
        let rest = std::mem::replace(&mut reader.bytes, inner);
        let value = read(reader)?;
        reader.bytes = rest;
        reader.ascend();
        Ok(value)
    }

    #[inline]
    fn fields<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Leaf::Message(desc) = self.field.ty.leaf() else { return Err(self.mismatch()) };
        let desc = desc();
        self.message(size_of::<V::Value>(), |reader| {
            let tag = reader.tag()?;
            let mut message = Message::new(reader, desc, tag);
            let value = visitor.visit_seq(&mut message)?;
            message.finish()?;
            Ok(value)
        })
    }

    #[inline]
    fn list<'de, V: Visitor<'de>>(mut self, visitor: V, len: usize) -> Result<V::Value, Error> {
        if matches!((self.field.ty.card(), self.field.ty.leaf()), (Card::One, Leaf::Bytes)) {
            let mut bytes = Bytes::new(self.delimited()?, if MODE == ABSENT { len } else { 0 });
            return bytes.finish_after(|bytes| visitor.visit_seq(bytes));
        }
        if self.field.ty.card() != Card::List {
            return Err(self.mismatch());
        }
        match MODE {
            ABSENT => visitor.visit_seq(Zeros { reader: self.reader, field: self.field, len }),
            PRESENT if self.field.is_packed() => {
                let Self { reader, field } = self;
                let inner = reader.delimited()?;
                let rest = std::mem::replace(&mut reader.bytes, inner);
                let value = visitor.visit_seq(&mut Packed::new(reader, field))?;
                if !reader.bytes.is_empty() {
                    return Err(Error::mismatch("fewer elements"));
                }
                reader.bytes = rest;
                Ok(value)
            }
            PRESENT => {
                let mut records = Records::new(self.reader, self.field);
                let value = visitor.visit_seq(&mut records)?;
                records.finish()?;
                Ok(value)
            }
            _ => Err(self.mismatch()),
        }
    }

    #[cold]
    fn mismatch(&self) -> Error {
        let written = self.field.ty.leaf().expected();
        Error::unsupported(format!("its Deserialize implementation does not read {written}"))
    }
}

macro_rules! integers {
    ($($deserialize:ident $visit:ident $ty:ty;)+) => {$(
        #[inline]
        fn $deserialize<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
            // Longer integers are cut, as every implementation does.
            visitor.$visit(self.integer()? as $ty)
        }
    )+};
}

impl<'de, const MODE: u8> Deserializer<'de> for Value<'_, '_, MODE> {
    type Error = Error;

    integers! {
        deserialize_i8 visit_i32 i32;
        deserialize_i16 visit_i32 i32;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
        deserialize_u8 visit_u32 u32;
        deserialize_u16 visit_u32 u32;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(self.integer()? != 0)
    }

    #[inline]
    fn deserialize_f32<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_f32(f32::from_bits(self.fixed32()?))
    }

    #[inline]
    fn deserialize_f64<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_f64(f64::from_bits(self.fixed64()?))
    }

    fn deserialize_char<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        let code = self.integer()?;
        match u32::try_from(code).ok().and_then(char::from_u32) {
            Some(character) => visitor.visit_char(character),
            None => Err(Error::mismatch("the number of a character")),
        }
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(self.str()?)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(self.str()?)
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bytes(self.delimited()?)
    }

    #[inline]
    fn deserialize_byte_buf<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bytes(self.delimited()?)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if MODE == ABSENT { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Leaf::Message(desc) = self.field.ty.leaf() else { return Err(self.mismatch()) };
        let desc = desc();
        self.message(0, |reader| {
            let tag = reader.tag()?;
            Message::new(reader, desc, tag).finish()
        })?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.list(visitor, 0)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        let is_list = MODE != ELEMENT && self.field.ty.card() == Card::List;
        if is_list || matches!(self.field.ty.leaf(), Leaf::Bytes) {
            self.list(visitor, len)
        } else {
            self.fields(visitor)
        }
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.fields(visitor)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let (Card::Map, Leaf::Message(entry)) = (self.field.ty.card(), self.field.ty.leaf()) else {
            return Err(self.mismatch());
        };
        let mut entries = Entries::new(self.reader, self.field, entry(), MODE != ABSENT);
        visitor.visit_map(&mut entries)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.fields(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.field.ty.leaf() {
            Leaf::Enum(desc) => {
                let desc = desc();
                match desc.index_of(self.integer()? as i32) {
                    Some(index) => visitor.visit_enum(Variant(index as u32)),
                    None => Err(Error::mismatch(format!("a known value of enum {}", desc.name()))),
                }
            }
            Leaf::Message(desc) => {
                let desc = desc();
                self.message(size_of::<V::Value>(), |reader| {
                    let value = visitor.visit_enum(Oneof::new(reader, desc)?)?;
                    finish_oneof(reader, desc)?;
                    Ok(value)
                })
            }
            _ => Err(self.mismatch()),
        }
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match (self.field.ty.card(), self.field.ty.leaf()) {
            (Card::List, _) if MODE != ELEMENT => self.deserialize_seq(visitor),
            (Card::Map, _) => self.deserialize_map(visitor),
            (_, Leaf::String) => self.deserialize_str(visitor),
            (_, Leaf::Bytes) => self.deserialize_bytes(visitor),
            (_, Leaf::Message(_)) => self.fields(visitor),
            (_, Leaf::Enum(_)) => self.deserialize_i32(visitor),
            (_, Leaf::Scalar(scalar)) => match scalar {
                Scalar::Bool => self.deserialize_bool(visitor),
                Scalar::Float => self.deserialize_f32(visitor),
                Scalar::Double => self.deserialize_f64(visitor),
                Scalar::Int32 | Scalar::Sint32 | Scalar::Sfixed32 => self.deserialize_i32(visitor),
                Scalar::Int64 | Scalar::Sint64 | Scalar::Sfixed64 => self.deserialize_i64(visitor),
                Scalar::Uint32 | Scalar::Fixed32 => self.deserialize_u32(visitor),
                Scalar::Uint64 | Scalar::Fixed64 => self.deserialize_u64(visitor),
            },
        }
    }

    fn is_human_readable(&self) -> bool {
        true
    }

    forward_to_deserialize_any! { i128 u128 identifier ignored_any }
}
