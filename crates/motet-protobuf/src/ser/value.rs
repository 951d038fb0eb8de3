//! One value of a field.

use serde::Serialize;
use serde::ser::Serializer;

use super::compound::{List, Map, Message, Tuple, VariantMessage};
use super::writer::Writer;
use crate::Error;
use crate::desc::{Card, Coding, FieldDesc, Leaf, MessageDesc};

/// The whole message: neither tag nor length.
pub(super) const ROOT: u8 = 0;
/// A field: left out when it is zero or empty.
pub(super) const FIELD: u8 = 1;
/// What an option, an unpacked list or a variant holds: written even if it is zero.
pub(super) const PRESENT: u8 = 2;
/// An element of a packed list: no tag.
pub(super) const PACKED: u8 = 3;

/// Two words, so that serde's generated code passes it in registers; the mode costs nothing.
pub(super) struct Value<'v, 'a, const MODE: u8> {
    pub(super) writer: &'v mut Writer<'a>,
    pub(super) field: &'static FieldDesc,
}

impl<'v, 'a, const MODE: u8> Value<'v, 'a, MODE> {
    #[inline]
    fn integer(self, value: u64) -> Result<(), Error> {
        if MODE == FIELD && value == 0 {
            return Ok(());
        }
        match self.field.coding {
            Coding::Varint => self.varint(value),
            Coding::Zigzag => self.varint(value << 1 ^ ((value as i64) >> 63) as u64),
            Coding::Fixed64 => return self.fixed64(value),
            Coding::Fixed32 => return self.fixed32_integer(value),
            Coding::Length => return self.byte(value),
        }
        Ok(())
    }

    #[inline]
    fn varint(self, value: u64) {
        match MODE {
            PACKED => self.writer.varint(value),
            _ => self.writer.tagged_varint(self.field, value),
        }
    }

    fn fixed32_integer(self, value: u64) -> Result<(), Error> {
        let fits = i32::try_from(value as i64).is_ok() || u32::try_from(value).is_ok();
        if fits { self.fixed32(value as u32) } else { Err(self.mismatch()) }
    }

    #[inline]
    fn fixed32(self, value: u32) -> Result<(), Error> {
        if self.field.coding != Coding::Fixed32 {
            return Err(self.mismatch());
        }
        match MODE {
            PACKED => self.writer.fixed32(value),
            _ => self.writer.tagged_fixed32(self.field, value),
        }
        Ok(())
    }

    #[inline]
    fn fixed64(self, value: u64) -> Result<(), Error> {
        if self.field.coding != Coding::Fixed64 {
            return Err(self.mismatch());
        }
        match MODE {
            PACKED => self.writer.fixed64(value),
            _ => self.writer.tagged_fixed64(self.field, value),
        }
        Ok(())
    }

    /// An element of bytes that come through serde's sequence.
    fn byte(self, value: u64) -> Result<(), Error> {
        match (self.field.ty.leaf(), u8::try_from(value)) {
            (Leaf::Bytes, Ok(byte)) if MODE == PACKED => self.writer.byte(byte),
            _ => return Err(self.mismatch()),
        }
        Ok(())
    }

    #[inline]
    fn delimited(self, value: &[u8]) -> Result<(), Error> {
        if MODE == FIELD && value.is_empty() {
            return Ok(());
        }
        if !matches!(self.field.ty.leaf(), Leaf::String | Leaf::Bytes) || MODE == PACKED {
            return Err(self.mismatch());
        }
        self.writer.delimited(self.field, value);
        Ok(())
    }

    #[inline]
    fn message(self) -> Result<Message<'v, 'a>, Error> {
        let Leaf::Message(desc) = self.field.ty.leaf() else { return Err(self.mismatch()) };
        self.message_of(desc())
    }

    #[inline]
    fn message_of(self, desc: &'static MessageDesc) -> Result<Message<'v, 'a>, Error> {
        if MODE == ROOT {
            return Ok(Message::root(self.writer, desc));
        }
        self.writer.tag(self.field);
        Message::nested(self.writer, desc)
    }

    /// The field of a oneof's variant, inside the message that holds the oneof.
    #[inline]
    fn variant(self, index: u32) -> Result<(Message<'v, 'a>, &'static FieldDesc), Error> {
        let Leaf::Message(desc) = self.field.ty.leaf() else { return Err(self.mismatch()) };
        let desc = desc();
        let Some(field) = desc.fields.get(index as usize) else { return Err(self.mismatch()) };
        Ok((self.message_of(desc)?, field))
    }

    fn variant_message(self, index: u32) -> Result<VariantMessage<'v, 'a>, Error> {
        let (outer, field) = self.variant(index)?;
        let Message { writer, prefix, .. } = outer;
        let inner = Value::<PRESENT> { writer, field }.message()?;
        Ok(VariantMessage { inner, outer: prefix })
    }

    #[cold]
    fn mismatch(&self) -> Error {
        let expected = self.field.ty.leaf().expected();
        Error::unsupported(format!("its Serialize implementation does not write {expected}"))
    }
}

impl<'v, 'a, const MODE: u8> Serializer for Value<'v, 'a, MODE> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = List<'v, 'a>;
    type SerializeTuple = Tuple<'v, 'a>;
    type SerializeTupleStruct = Message<'v, 'a>;
    type SerializeTupleVariant = VariantMessage<'v, 'a>;
    type SerializeMap = Map<'v, 'a>;
    type SerializeStruct = Message<'v, 'a>;
    type SerializeStructVariant = VariantMessage<'v, 'a>;

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.integer(value.into())
    }

    #[inline]
    fn serialize_i8(self, value: i8) -> Result<(), Error> {
        self.integer(value as u64)
    }

    #[inline]
    fn serialize_i16(self, value: i16) -> Result<(), Error> {
        self.integer(value as u64)
    }

    #[inline]
    fn serialize_i32(self, value: i32) -> Result<(), Error> {
        self.integer(value as u64)
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Result<(), Error> {
        self.integer(value as u64)
    }

    #[inline]
    fn serialize_u8(self, value: u8) -> Result<(), Error> {
        // In bytes a zero is as good as any other.
        self.integer(value.into())
    }

    #[inline]
    fn serialize_u16(self, value: u16) -> Result<(), Error> {
        self.integer(value.into())
    }

    #[inline]
    fn serialize_u32(self, value: u32) -> Result<(), Error> {
        self.integer(value.into())
    }

    #[inline]
    fn serialize_u64(self, value: u64) -> Result<(), Error> {
        self.integer(value)
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        // By bits: minus zero is written.
        if MODE == FIELD && value.to_bits() == 0 { Ok(()) } else { self.fixed32(value.to_bits()) }
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        if MODE == FIELD && value.to_bits() == 0 { Ok(()) } else { self.fixed64(value.to_bits()) }
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        match self.field.ty.leaf() {
            Leaf::String => self.serialize_str(value.encode_utf8(&mut [0; 4])),
            _ => self.integer(u32::from(value).into()),
        }
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), Error> {
        self.delimited(value.as_bytes())
    }

    #[inline]
    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        self.delimited(value)
    }

    #[inline]
    fn serialize_none(self) -> Result<(), Error> {
        Ok(())
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(Value::<PRESENT> { writer: self.writer, field: self.field })
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.message()?.close();
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, index: u32, _: &'static str) -> Result<(), Error> {
        if let Leaf::Enum(desc) = self.field.ty.leaf() {
            let Some(variant) = desc().variants().get(index as usize) else {
                return Err(self.mismatch());
            };
            return self.integer(i64::from(variant.number()) as u64);
        }
        self.variant_message(index)?.close();
        Ok(())
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let (message, field) = self.variant(index)?;
        let Message { writer, prefix, .. } = message;
        value
            .serialize(Value::<PRESENT> { writer: &mut *writer, field })
            .map_err(|error| error.in_field(field.json_name()))?;
        Message::end(writer, prefix);
        Ok(())
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<List<'v, 'a>, Error> {
        let is_list = MODE == FIELD && self.field.ty.card() == Card::List;
        if !is_list && !matches!(self.field.ty.leaf(), Leaf::Bytes) {
            return Err(self.mismatch());
        }
        Ok(List::new(self.writer, self.field, len))
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Tuple<'v, 'a>, Error> {
        // An array is a list; a tuple in a list is an element of it.
        let is_list = MODE == FIELD && self.field.ty.card() == Card::List;
        Ok(match is_list || matches!(self.field.ty.leaf(), Leaf::Bytes) {
            true => Tuple::List(self.serialize_seq(Some(len))?),
            false => Tuple::Message(self.message()?),
        })
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Message<'v, 'a>, Error> {
        self.message()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<VariantMessage<'v, 'a>, Error> {
        self.variant_message(index)
    }

    #[inline]
    fn serialize_map(self, _: Option<usize>) -> Result<Map<'v, 'a>, Error> {
        match (self.field.ty.card(), self.field.ty.leaf()) {
            (Card::Map, Leaf::Message(entry)) if MODE == FIELD => Ok(Map::new(self.writer, self.field, entry().fields)),
            _ => Err(self.mismatch()),
        }
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Message<'v, 'a>, Error> {
        self.message()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<VariantMessage<'v, 'a>, Error> {
        self.variant_message(index)
    }

    /// As in JSON, so that one description of a foreign type serves both.
    fn is_human_readable(&self) -> bool {
        true
    }
}
