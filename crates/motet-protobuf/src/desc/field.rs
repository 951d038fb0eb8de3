//! Fields: a name, a number and a type.

use super::types::{Card, Coding, Encoding, FieldType};
use crate::shape::Shape;
use crate::wire::{self, MAX_NUMBER, MAX_VARINT};

/// A field of a message, or a variant of a oneof.
#[derive(Clone, Copy, Debug)]
pub struct FieldDesc {
    /// The tag as it stands on the wire, first byte lowest.
    pub(crate) tag_bytes: u64,
    pub(crate) tag: u32,
    pub(crate) tag_len: u8,
    pub(crate) coding: Coding,
    pub(crate) unwritten: bool,
    sensitive: bool,
    pub(crate) ty: FieldType,
    pub(crate) name: &'static str,
    json_name: &'static str,
    doc: &'static str,
}

impl FieldDesc {
    /// A field named `name` that holds a `T`.
    #[must_use]
    pub const fn of<T: Shape>(name: &'static str, number: u32) -> Self {
        Self::new(name, number, Encoding::Default, T::TYPE)
    }

    /// A field of the given type. Panics, which fails the build in a constant, when the number is
    /// none that a field may have or the encoding does not fit the type.
    #[must_use]
    pub const fn new(name: &'static str, number: u32, encoding: Encoding, ty: FieldType) -> Self {
        assert!(number >= 1 && number <= MAX_NUMBER, "field numbers are 1 to 536870911");
        assert!(number < 19_000 || number > 19_999, "numbers 19000 to 19999 are reserved");
        let ty = ty.encoded(encoding);
        let coding = ty.leaf().coding();
        let wire_type = match ty.card() {
            Card::List => wire::LENGTH,
            _ => coding.wire_type(),
        };
        // Strings and messages have the wire type of a packed list, so this is right for every list.
        let tag = number << 3 | wire_type as u32;
        let mut bytes = [0; MAX_VARINT];
        let tag_len = wire::put_varint(&mut bytes, tag as u64);
        let [a, b, c, d, e, ..] = bytes;
        Self {
            tag_bytes: u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]),
            tag,
            tag_len: tag_len as u8,
            coding,
            unwritten: false,
            sensitive: ty.is_sensitive(),
            ty,
            name,
            json_name: name,
            doc: "",
        }
    }

    /// A descriptor for a whole message, which has neither tag nor length.
    pub(crate) const fn root(ty: FieldType) -> Self {
        Self::new("", 1, Encoding::Default, ty)
    }

    /// The same with its documentation.
    #[must_use]
    pub const fn with_doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }

    /// The same with the name that serde gives it.
    #[must_use]
    pub const fn with_json_name(mut self, name: &'static str) -> Self {
        self.json_name = name;
        self
    }

    /// The same, its values kept out of logs and tools.
    #[must_use]
    pub const fn with_sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    /// The same, read but never written (serde's `skip_serializing`).
    #[must_use]
    pub const fn without_writing(mut self) -> Self {
        self.unwritten = true;
        self
    }

    /// The name in the type's declaration.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The name that serde, and so JSON, gives it.
    #[must_use]
    pub const fn json_name(&self) -> &'static str {
        self.json_name
    }

    /// The field's documentation.
    #[must_use]
    pub const fn doc(&self) -> &'static str {
        self.doc
    }

    /// The field's number.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.tag >> 3
    }

    /// The field's type.
    #[must_use]
    pub const fn ty(&self) -> FieldType {
        self.ty
    }

    /// Whether its values must not be shown.
    #[must_use]
    pub const fn is_sensitive(&self) -> bool {
        self.sensitive
    }

    /// A list whose elements stand in one piece, without tags.
    pub(crate) const fn is_packed(&self) -> bool {
        matches!(self.ty.card(), Card::List) && !matches!(self.coding, Coding::Length)
    }
}
