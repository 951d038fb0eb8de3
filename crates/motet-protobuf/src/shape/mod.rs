//! How Rust types become protobuf types.

mod std_types;

use crate::desc::{EnumDesc, FieldDesc, FieldType, MessageDesc, MessageKind, VariantDesc};

/// A type that can stand in a message.
///
/// Its serde format must be the one that [`Shape::TYPE`] says. Numbers, text, bytes, lists, maps,
/// options and tuples have a shape; `#[motet::message]` gives one to structs and enums.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no protobuf shape",
    label = "cannot stand in a message",
    note = "a type of your own gets one from `#[motet::message]`",
    note = "a field of a foreign type says what serde writes it as: `#[motet(shape = \"String\")]`; \
            `Duration` and `SystemTime` also need `#[serde(with = \"…\")]`"
)]
pub trait Shape {
    /// How often it stands there, as a type: one of those in [`single`].
    type Card;

    /// The protobuf type.
    const TYPE: FieldType;

    /// Whether a list of it is bytes.
    #[doc(hidden)]
    const BYTE: bool = false;
}

/// The message of a struct or of an enum with data.
///
/// A `PART` above 0 describes the fields that one variant of an enum has, for its message.
pub trait Describe<const PART: usize = 0>: Sized {
    /// The type's name, without its module and type arguments.
    const NAME: &'static str;
    /// The fields in the order of declaration, which is the order in which serde visits them.
    const FIELDS: &'static [FieldDesc];
    /// The fields' positions by ascending number: `&order::<N>(Self::FIELDS)`.
    const ORDER: &'static [u16];
    /// The module that declares the type: `module_path!()`.
    const MODULE: &'static str = "";
    /// The type's documentation.
    const DOC: &'static str = "";
    /// What the message comes from.
    const KIND: MessageKind = MessageKind::Struct;
    /// The shapes of a generic type's arguments.
    const ARGUMENTS: &'static [FieldType] = &[];
    /// For a oneof, the position of the variant that stands for absent and unknown ones.
    const OTHER: Option<u16> = None;
    /// All of it, checked.
    const MESSAGE: &'static MessageDesc = &MessageDesc::of::<Self, PART>();
}

/// An enum without data.
pub trait DescribeEnum: Sized {
    /// The type's name, without its module.
    const NAME: &'static str;
    /// The variants in the order of declaration.
    const VARIANTS: &'static [VariantDesc];
    /// The module that declares the type: `module_path!()`.
    const MODULE: &'static str = "";
    /// The type's documentation.
    const DOC: &'static str = "";
    /// The position of the variant that stands for unknown numbers.
    const OTHER: Option<u16> = None;
    /// All of it.
    const ENUM: &'static EnumDesc = &EnumDesc::of::<Self>();
}

/// Cardinalities as types, so that what protobuf cannot nest does not compile.
pub mod single {
    /// Exactly one value.
    #[derive(Debug)]
    pub enum One {}
    /// One value or none.
    #[derive(Debug)]
    pub enum Optional {}
    /// A list.
    #[derive(Debug)]
    pub enum List {}
    /// A map.
    #[derive(Debug)]
    pub enum Map {}

    /// What may stand in an option, a list, a map or a variant: one value.
    #[diagnostic::on_unimplemented(
        message = "protobuf cannot nest options, lists and maps in one another",
        label = "an option, list or map stands inside another here",
        note = "put the inner one into a struct with `#[motet::message]`, or leave out the `Option`: \
                an absent list or map is an empty one"
    )]
    pub trait Single {}

    impl Single for One {}
}
