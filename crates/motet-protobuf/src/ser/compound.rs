//! Values with parts: messages, lists, maps and variants.

use serde::Serialize;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
    SerializeTupleVariant,
};

use super::value::{FIELD, PACKED, PRESENT, Value};
use super::writer::{Prefix, Writer};
use crate::Error;
use crate::desc::{Coding, FieldDesc, MessageDesc};

/// A message whose fields come in the order of its descriptor.
pub(super) struct Message<'v, 'a> {
    pub(super) writer: &'v mut Writer<'a>,
    fields: std::slice::Iter<'static, FieldDesc>,
    pub(super) prefix: Option<Prefix>,
}

impl<'v, 'a> Message<'v, 'a> {
    #[inline]
    pub(super) fn root(writer: &'v mut Writer<'a>, desc: &'static MessageDesc) -> Self {
        Self { writer, fields: desc.fields.iter(), prefix: None }
    }

    #[inline]
    pub(super) fn nested(writer: &'v mut Writer<'a>, desc: &'static MessageDesc) -> Result<Self, Error> {
        let prefix = Some(writer.open_message()?);
        Ok(Self { writer, fields: desc.fields.iter(), prefix })
    }

    #[inline]
    pub(super) fn close(self) {
        Self::end(self.writer, self.prefix);
    }

    #[inline]
    pub(super) fn end(writer: &mut Writer<'_>, prefix: Option<Prefix>) {
        if let Some(prefix) = prefix {
            writer.close_message(prefix);
        }
    }

    #[inline]
    fn field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let field = self.next_field()?;
        value
            .serialize(Value::<FIELD> { writer: &mut *self.writer, field })
            .map_err(|error| error.in_field(field.json_name()))
    }

    /// Fields that serde leaves out altogether are in the descriptor for reading only.
    #[inline]
    fn next_field(&mut self) -> Result<&'static FieldDesc, Error> {
        loop {
            match self.fields.next() {
                Some(field) if field.unwritten => {}
                Some(field) => return Ok(field),
                None => return Err(Error::unsupported("it has more fields")),
            }
        }
    }
}

impl SerializeStruct for Message<'_, '_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Result<(), Error> {
        self.field(value)
    }

    #[inline]
    fn skip_field(&mut self, _: &'static str) -> Result<(), Error> {
        self.next_field().map(drop)
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

impl SerializeTupleStruct for Message<'_, '_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.field(value)
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

/// A variant's own message inside the message that holds the oneof.
pub(super) struct VariantMessage<'v, 'a> {
    pub(super) inner: Message<'v, 'a>,
    pub(super) outer: Option<Prefix>,
}

impl VariantMessage<'_, '_> {
    pub(super) fn close(self) {
        let Message { writer, prefix, .. } = self.inner;
        Message::end(writer, prefix);
        Message::end(writer, self.outer);
    }
}

impl SerializeStructVariant for VariantMessage<'_, '_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Result<(), Error> {
        self.inner.field(value)
    }

    fn skip_field(&mut self, _: &'static str) -> Result<(), Error> {
        self.inner.next_field().map(drop)
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

impl SerializeTupleVariant for VariantMessage<'_, '_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.inner.field(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

/// A list, packed or not, or bytes that come one by one.
pub(super) struct List<'v, 'a> {
    writer: &'v mut Writer<'a>,
    field: &'static FieldDesc,
    index: usize,
    /// The whole list's, if it is packed, with the position of its tag.
    prefix: Option<(Prefix, usize)>,
}

impl<'v, 'a> List<'v, 'a> {
    #[inline]
    pub(super) fn new(writer: &'v mut Writer<'a>, field: &'static FieldDesc, _: Option<usize>) -> Self {
        let before = writer.len();
        writer.forget_siblings();
        let is_bytes = matches!(field.ty.leaf(), crate::Leaf::Bytes) && field.ty.card() != crate::Card::List;
        let prefix = (field.coding != Coding::Length || is_bytes).then(|| {
            writer.tag(field);
            (writer.open(), before)
        });
        Self { writer, field, index: 0, prefix }
    }

    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let (writer, field) = (&mut *self.writer, self.field);
        let written = match self.prefix {
            Some(_) => value.serialize(Value::<PACKED> { writer, field }),
            None => value.serialize(Value::<PRESENT> { writer, field }),
        };
        let index = self.index;
        self.index += 1;
        written.map_err(|error| error.in_item(index))
    }

    #[inline]
    fn close(self) {
        if let Some((prefix, before)) = self.prefix {
            self.writer.close_unless_empty(prefix, before);
        }
        self.writer.forget_siblings();
    }
}

impl SerializeSeq for List<'_, '_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

/// An array, which is a list, or a tuple, which is a message.
pub(super) enum Tuple<'v, 'a> {
    List(List<'v, 'a>),
    Message(Message<'v, 'a>),
}

impl SerializeTuple for Tuple<'_, '_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        match self {
            Self::List(list) => list.element(value),
            Self::Message(message) => message.field(value),
        }
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        match self {
            Self::List(list) => list.close(),
            Self::Message(message) => message.close(),
        }
        Ok(())
    }
}

/// A map: one message per entry.
pub(super) struct Map<'v, 'a> {
    writer: &'v mut Writer<'a>,
    field: &'static FieldDesc,
    entry: &'static [FieldDesc],
    prefix: Option<Prefix>,
}

impl<'v, 'a> Map<'v, 'a> {
    #[inline]
    pub(super) fn new(writer: &'v mut Writer<'a>, field: &'static FieldDesc, entry: &'static [FieldDesc]) -> Self {
        writer.forget_siblings();
        Self { writer, field, entry, prefix: None }
    }

    #[inline]
    fn part<T: Serialize + ?Sized>(&mut self, index: usize, value: &T) -> Result<(), Error> {
        let field = &self.entry[index];
        value.serialize(Value::<FIELD> { writer: &mut *self.writer, field }).map_err(Error::in_entry)
    }
}

impl SerializeMap for Map<'_, '_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.writer.tag(self.field);
        self.prefix = Some(self.writer.open_message()?);
        self.part(0, key)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.part(1, value)?;
        Message::end(self.writer, self.prefix.take());
        Ok(())
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        self.writer.forget_siblings();
        Ok(())
    }
}
