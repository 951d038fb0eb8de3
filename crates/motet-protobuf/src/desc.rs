//! Descriptors: what a message, a field and an enum are, as data that lives for ever.

use crate::shape::{Describe, DescribeEnum, Shape};
use crate::wire::{self, MAX_NUMBER, MAX_VARINT};

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

/// The type of a field: how often a leaf may stand there.
#[derive(Clone, Copy, Debug)]
pub struct FieldType {
    card: Card,
    leaf: Leaf,
}

/// How often a value stands in a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Card {
    /// Once; absent means zero.
    One,
    /// Once or not at all.
    Optional,
    /// Any number of times.
    List,
    /// Any number of times, each a key and a value.
    Map,
}

/// What stands in a field. Messages and enums are reached through a function, so that a type may
/// contain itself.
#[derive(Clone, Copy, Debug)]
pub enum Leaf {
    /// A number, a bool or a character.
    Scalar(Scalar),
    /// UTF-8 text.
    String,
    /// Bytes.
    Bytes,
    /// A message; with [`Card::Map`] the map's entry.
    Message(fn() -> &'static MessageDesc),
    /// An enum without data.
    Enum(fn() -> &'static EnumDesc),
}

/// The protobuf type of a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "they are protobuf's own words")]
pub enum Scalar {
    Bool,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Float,
    Double,
}

/// How a field writes its integers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Encoding {
    /// Varints, small when the number is small and not negative.
    #[default]
    Default,
    /// Always four or eight bytes.
    Fixed,
    /// Varints that are small when the number is near zero.
    Zigzag,
}

/// An enum without data.
#[derive(Clone, Copy, Debug)]
pub struct EnumDesc {
    variants: &'static [VariantDesc],
    other: Option<u16>,
    name: &'static str,
    module: &'static str,
    doc: &'static str,
}

/// A variant of an [`EnumDesc`].
#[derive(Clone, Copy, Debug)]
pub struct VariantDesc {
    number: i32,
    name: &'static str,
    json_name: &'static str,
    doc: &'static str,
}

/// How a leaf's values stand on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Coding {
    Varint,
    Zigzag,
    Fixed32,
    Fixed64,
    Length,
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
        let coding = ty.leaf.coding();
        let wire_type = match ty.card {
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
            sensitive: false,
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
        matches!(self.ty.card, Card::List) && !matches!(self.coding, Coding::Length)
    }
}

impl FieldType {
    /// Once.
    #[must_use]
    pub const fn one(leaf: Leaf) -> Self {
        Self { card: Card::One, leaf }
    }

    /// Once, as the message that `T` describes.
    #[must_use]
    pub const fn message<T: Describe>() -> Self {
        Self::part::<T, 0>()
    }

    /// Once, as a message that `T` describes besides its own: that of an enum's variant.
    #[must_use]
    pub const fn part<T: Describe<PART>, const PART: usize>() -> Self {
        Self::one(Leaf::Message(descriptor::<T, PART>))
    }

    /// Once, as the enum that `T` describes.
    #[must_use]
    pub const fn enumeration<T: DescribeEnum>() -> Self {
        Self::one(Leaf::Enum(enum_descriptor::<T>))
    }

    /// The same leaf, so often.
    #[must_use]
    pub const fn times(self, card: Card) -> Self {
        Self { card, ..self }
    }

    /// How often.
    #[must_use]
    pub const fn card(&self) -> Card {
        self.card
    }

    /// What.
    #[must_use]
    pub const fn leaf(&self) -> Leaf {
        self.leaf
    }

    /// Whether it is one message, as the root of an encoding must be.
    #[must_use]
    pub const fn is_message(&self) -> bool {
        matches!((self.card, self.leaf), (Card::One, Leaf::Message(_)))
    }

    const fn encoded(self, encoding: Encoding) -> Self {
        let leaf = match (encoding, self.leaf) {
            (Encoding::Default, leaf) => leaf,
            (encoding, Leaf::Scalar(scalar)) => Leaf::Scalar(scalar.encoded(encoding)),
            _ => panic!("`fixed` and `zigzag` are for integers"),
        };
        Self { card: self.card, leaf }
    }
}

fn descriptor<T: Describe<PART>, const PART: usize>() -> &'static MessageDesc {
    T::MESSAGE
}

fn enum_descriptor<T: DescribeEnum>() -> &'static EnumDesc {
    T::ENUM
}

impl Leaf {
    const fn coding(self) -> Coding {
        match self {
            Self::Scalar(scalar) => scalar.coding(),
            Self::Enum(_) => Coding::Varint,
            Self::String | Self::Bytes | Self::Message(_) => Coding::Length,
        }
    }

    /// What an error says should stand here.
    pub(crate) fn expected(self) -> String {
        match self {
            Self::Scalar(scalar) => scalar.name().into(),
            Self::String => "string".into(),
            Self::Bytes => "bytes".into(),
            Self::Message(desc) if desc().name.is_empty() => "a message".into(),
            Self::Message(desc) => format!("message {}", desc().name),
            Self::Enum(desc) => format!("enum {}", desc().name),
        }
    }
}

impl Scalar {
    /// Protobuf's keyword.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Sint32 => "sint32",
            Self::Sint64 => "sint64",
            Self::Fixed32 => "fixed32",
            Self::Fixed64 => "fixed64",
            Self::Sfixed32 => "sfixed32",
            Self::Sfixed64 => "sfixed64",
            Self::Float => "float",
            Self::Double => "double",
        }
    }

    const fn encoded(self, encoding: Encoding) -> Self {
        match (encoding, self) {
            (Encoding::Default, scalar) => scalar,
            (Encoding::Fixed, Self::Int32) => Self::Sfixed32,
            (Encoding::Fixed, Self::Int64) => Self::Sfixed64,
            (Encoding::Fixed, Self::Uint32) => Self::Fixed32,
            (Encoding::Fixed, Self::Uint64) => Self::Fixed64,
            (Encoding::Zigzag, Self::Int32) => Self::Sint32,
            (Encoding::Zigzag, Self::Int64) => Self::Sint64,
            (Encoding::Fixed, _) => panic!("`fixed` is for integers"),
            (Encoding::Zigzag, _) => panic!("`zigzag` is for signed integers"),
        }
    }

    const fn coding(self) -> Coding {
        match self {
            Self::Bool | Self::Int32 | Self::Int64 | Self::Uint32 | Self::Uint64 => Coding::Varint,
            Self::Sint32 | Self::Sint64 => Coding::Zigzag,
            Self::Fixed32 | Self::Sfixed32 | Self::Float => Coding::Fixed32,
            Self::Fixed64 | Self::Sfixed64 | Self::Double => Coding::Fixed64,
        }
    }
}

impl Coding {
    pub(crate) const fn wire_type(self) -> u8 {
        match self {
            Self::Varint | Self::Zigzag => wire::VARINT,
            Self::Fixed32 => wire::FIXED32,
            Self::Fixed64 => wire::FIXED64,
            Self::Length => wire::LENGTH,
        }
    }
}

impl EnumDesc {
    pub(crate) const fn of<T: DescribeEnum>() -> Self {
        Self {
            variants: T::VARIANTS,
            other: T::OTHER,
            name: T::NAME,
            module: T::MODULE,
            doc: T::DOC,
        }
    }

    /// The type's name, without its module.
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

    /// The variants, as declared.
    #[must_use]
    pub const fn variants(&self) -> &'static [VariantDesc] {
        self.variants
    }

    /// The variant that stands for numbers that no variant has.
    #[must_use]
    pub fn other(&self) -> Option<&'static VariantDesc> {
        self.other.and_then(|index| self.variants.get(usize::from(index)))
    }

    /// The position of the variant that `number` reads as.
    #[inline]
    pub(crate) fn index_of(&self, number: i32) -> Option<usize> {
        let has = |variant: &VariantDesc| variant.number == number;
        match usize::try_from(number) {
            // Variants are numbered from 0 unless told otherwise.
            Ok(index) if self.variants.get(index).is_some_and(has) => Some(index),
            _ => self.variants.iter().position(has).or(self.other.map(usize::from)),
        }
    }
}

impl VariantDesc {
    /// A variant.
    #[must_use]
    pub const fn new(name: &'static str, number: i32) -> Self {
        Self { number, name, json_name: name, doc: "" }
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

    /// The variant's documentation.
    #[must_use]
    pub const fn doc(&self) -> &'static str {
        self.doc
    }

    /// The variant's number.
    #[must_use]
    pub const fn number(&self) -> i32 {
        self.number
    }
}
