//! Descriptors: what a message, a field and an enum are, as data that lives for ever.

mod enumeration;
mod field;
mod message;
mod types;

pub use enumeration::{EnumDesc, VariantDesc};
pub use field::FieldDesc;
pub use message::{MessageDesc, MessageKind, order};
pub(crate) use types::Coding;
pub use types::{Card, Encoding, FieldType, Leaf, Scalar};
