//! The types of fields: how often what may stand there, and how it is written.

use super::enumeration::EnumDesc;
use super::message::MessageDesc;
use crate::shape::single::Single;
use crate::shape::{Describe, DescribeEnum, Shape};
use crate::wire;

/// The type of a field: how often a leaf may stand there.
#[derive(Clone, Copy, Debug)]
pub struct FieldType {
    card: Card,
    leaf: Leaf,
    sensitive: bool,
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

/// How a leaf's values stand on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Coding {
    Varint,
    Zigzag,
    Fixed32,
    Fixed64,
    Length,
}

impl FieldType {
    /// Once.
    #[must_use]
    pub const fn one(leaf: Leaf) -> Self {
        Self { card: Card::One, leaf, sensitive: false }
    }

    /// The type of `T`, which must be one value: what a variant may hold.
    #[must_use]
    pub const fn single<T: Shape<Card: Single>>() -> Self {
        T::TYPE
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

    /// The same with its integers written so. Panics, which fails the build in a constant, when
    /// there are none.
    #[must_use]
    pub const fn encoded(self, encoding: Encoding) -> Self {
        let leaf = match (encoding, self.leaf) {
            (Encoding::Default, leaf) => leaf,
            (encoding, Leaf::Scalar(scalar)) => Leaf::Scalar(scalar.encoded(encoding)),
            _ => panic!("`fixed` and `zigzag` are for integers"),
        };
        Self { leaf, ..self }
    }

    /// The same, its values kept out of logs and tools wherever the type stands.
    #[must_use]
    pub const fn with_sensitive(self) -> Self {
        Self { sensitive: true, ..self }
    }

    /// Whether its values must not be shown.
    #[must_use]
    pub const fn is_sensitive(&self) -> bool {
        self.sensitive
    }
}

fn descriptor<T: Describe<PART>, const PART: usize>() -> &'static MessageDesc {
    T::MESSAGE
}

fn enum_descriptor<T: DescribeEnum>() -> &'static EnumDesc {
    T::ENUM
}

impl Leaf {
    pub(super) const fn coding(self) -> Coding {
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
            Self::Message(desc) if desc().name().is_empty() => "a message".into(),
            Self::Message(desc) => format!("message {}", desc().name()),
            Self::Enum(desc) => format!("enum {}", desc().name()),
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
