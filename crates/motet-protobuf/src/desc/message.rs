//! Messages: structs, tuples, enums with data and the entries of maps.

use super::field::FieldDesc;
use super::types::FieldType;
use crate::shape::Describe;

/// A message: its fields in the order in which its type declares them.
#[derive(Clone, Copy, Debug)]
pub struct MessageDesc {
    pub(crate) fields: &'static [FieldDesc],
    order: &'static [u16],
    other: Option<u16>,
    kind: MessageKind,
    name: &'static str,
    module: &'static str,
    doc: &'static str,
    arguments: &'static [FieldType],
}

/// What a [`MessageDesc`] describes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum MessageKind {
    /// A struct.
    Struct,
    /// A tuple: a message without a name of its own.
    Tuple,
    /// An enum with data: its fields are the variants, all in one oneof.
    Oneof,
    /// One entry of a map: `key` and `value`.
    Entry,
}

impl MessageDesc {
    pub(crate) const fn of<T: Describe<PART>, const PART: usize>() -> Self {
        let desc = Self {
            fields: T::FIELDS,
            order: T::ORDER,
            other: T::OTHER,
            kind: T::KIND,
            name: T::NAME,
            module: T::MODULE,
            doc: T::DOC,
            arguments: T::ARGUMENTS,
        };
        desc.check();
        desc
    }

    /// The type's name, without its module and type arguments; empty for tuples and entries.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The module that declares the type, as `module_path!` gives it.
    #[must_use]
    pub const fn module(&self) -> &'static str {
        self.module
    }

    /// The type's documentation.
    #[must_use]
    pub const fn doc(&self) -> &'static str {
        self.doc
    }

    /// What the message comes from.
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        self.kind
    }

    /// The arguments of a generic type: `Page<User>` and `Page<Order>` share a name and differ here.
    #[must_use]
    pub const fn arguments(&self) -> &'static [FieldType] {
        self.arguments
    }

    /// The fields, or the variants of a oneof, as declared.
    #[must_use]
    pub const fn fields(&self) -> &'static [FieldDesc] {
        self.fields
    }

    /// The variant of a oneof that stands for those that are absent or unknown.
    #[must_use]
    pub fn other(&self) -> Option<&'static FieldDesc> {
        self.other.and_then(|index| self.fields.get(usize::from(index)))
    }

    /// The field of that number.
    #[must_use]
    pub fn field(&self, number: u32) -> Option<&'static FieldDesc> {
        self.index_of(number).map(|index| &self.fields[index])
    }

    pub(crate) fn index_of(&self, number: u32) -> Option<usize> {
        let number_at = |at: &u16| self.fields[usize::from(*at)].number();
        self.order.binary_search_by_key(&number, number_at).ok().map(|at| usize::from(self.order[at]))
    }

    pub(crate) fn other_index(&self) -> Option<u16> {
        self.other
    }

    const fn check(&self) {
        assert!(self.order.len() == self.fields.len(), "ORDER must be order(FIELDS)");
        let mut at = 1;
        while at < self.order.len() {
            let before = self.fields[self.order[at - 1] as usize].number();
            let number = self.fields[self.order[at] as usize].number();
            assert!(before < number, "two fields have the same number");
            at += 1;
        }
    }
}

/// The positions of `fields` by ascending number, for [`Describe::ORDER`].
#[must_use]
pub const fn order<const N: usize>(fields: &[FieldDesc]) -> [u16; N] {
    assert!(fields.len() == N && N <= u16::MAX as usize);
    let mut order = [0; N];
    let mut filled = 0;
    while filled < N {
        let mut at = filled;
        while at > 0 && fields[order[at - 1] as usize].number() > fields[filled].number() {
            order[at] = order[at - 1];
            at -= 1;
        }
        order[at] = filled as u16;
        filled += 1;
    }
    order
}
