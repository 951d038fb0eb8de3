//! The messages of `google.rpc` that carry an error, and Motet's own detail.

use prost::Message;

/// `google.rpc.Status`, the value of `grpc-status-details-bin`.
#[derive(Clone, PartialEq, Message)]
pub struct RpcStatus {
    /// The code's number.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// For people.
    #[prost(string, tag = "2")]
    pub message: String,
    /// For programs.
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub struct Any {
    /// `type.googleapis.com/` and the name of the message.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The message.
    #[prost(bytes = "bytes", tag = "2")]
    pub value: bytes::Bytes,
}

/// `google.rpc.ErrorInfo`: the reason of a typed error.
#[derive(Clone, PartialEq, Message)]
pub struct ErrorInfo {
    /// `GreetError.NameTooLong`.
    #[prost(string, tag = "1")]
    pub reason: String,
    /// Whose reason it is; Motet leaves it empty.
    #[prost(string, tag = "2")]
    pub domain: String,
}

/// `motet.Details`: the fields of a typed error in the call's codec.
#[derive(Clone, PartialEq, Message)]
pub struct Details {
    /// Such as `application/protobuf`.
    #[prost(string, tag = "1")]
    pub content_type: String,
    /// The fields.
    #[prost(bytes = "bytes", tag = "2")]
    pub body: bytes::Bytes,
}

/// What stands before the name of a message in [`Any::type_url`].
pub const TYPE_URL: &str = "type.googleapis.com/";
/// The name of [`ErrorInfo`].
pub const ERROR_INFO: &str = "google.rpc.ErrorInfo";
/// The name of the message that lists broken constraints.
pub const BAD_REQUEST: &str = "google.rpc.BadRequest";
/// The name of [`Details`].
pub const DETAILS: &str = "motet.Details";

impl Any {
    /// A message of this name.
    pub fn of(name: &str, value: impl Into<bytes::Bytes>) -> Any {
        Any { type_url: format!("{TYPE_URL}{name}"), value: value.into() }
    }

    /// The name of the message.
    pub fn name(&self) -> &str {
        self.type_url.rsplit('/').next().unwrap_or_default()
    }
}
