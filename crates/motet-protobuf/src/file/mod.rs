//! Services as protobuf files: what other languages compile, and what reflection tells.
//!
//! A [`ServiceFile`] names a service's methods and the shapes of their bodies;
//! [`ServiceFile::encode`] gives the `FileDescriptorProto` of a file that holds the service and every
//! message and enum that it reaches, with their documentation as comments. One file holds one service,
//! so that it needs no other file but those of protobuf itself.
//!
//! - Fields have the names and numbers of the descriptor; `json_name` is the name that serde gives them.
//! - An enum without data is an enum whose values bear its name: `Color::DarkRed` is
//!   `COLOR_DARK_RED`. That of 0 stands first; where there is none, `COLOR_UNSPECIFIED` is.
//! - An enum with data is a message with one oneof.
//! - A generic type's name has its arguments: `Page<User>` is `PageUser`; a tuple's has its fields:
//!   `(u32, String)` is `TupleUint32String`.
//! - Two types of one name are told apart by their modules: `b::User` beside `a::User` is `BUser`.

mod build;
mod comments;
mod names;
mod same;

use prost::Message as _;

use crate::desc::FieldType;

/// A service and its methods, to be written as a protobuf file.
#[derive(Clone, Debug, Default)]
pub struct ServiceFile<'a> {
    /// The name of the file, such as `greeter.proto`.
    pub file: &'a str,
    /// The full name of the service, such as `greeter.Greeter`.
    pub service: &'a str,
    /// What it is for.
    pub doc: &'a str,
    /// The methods.
    pub methods: Vec<MethodFile<'a>>,
}

/// A method of a [`ServiceFile`].
#[derive(Clone, Debug)]
pub struct MethodFile<'a> {
    /// The name, such as `Hello`.
    pub name: &'a str,
    /// What it does.
    pub doc: &'a str,
    /// The request, or one message of its stream.
    pub request: Body,
    /// The reply, or one message of its stream.
    pub reply: Body,
    /// Whether the request is a stream.
    pub client_streaming: bool,
    /// Whether the reply is a stream.
    pub server_streaming: bool,
    /// Whether callers should move away from it.
    pub deprecated: bool,
    /// Whether it may be called again.
    pub idempotency: Idempotency,
}

/// Whether a method may be called again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Idempotency {
    /// Nothing is known.
    #[default]
    Unknown,
    /// Twice is as good as once.
    Idempotent,
    /// It changes nothing.
    NoSideEffects,
}

/// What a method takes or gives.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Body {
    /// A message that is described: [`FieldType::is_message`] holds.
    Message(FieldType),
    /// `google.protobuf.Empty`.
    Empty,
    /// `google.protobuf.Struct`: an object whose fields are known at run time only.
    Struct,
}

impl ServiceFile<'_> {
    /// The encoded `google.protobuf.FileDescriptorProto`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        build::file(self).encode_to_vec()
    }
}
