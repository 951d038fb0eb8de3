//! What a service method returns.

use motet_core::{Carry, Codec, Payload, RpcError, Status};

/// The `Result` that a service method returns, whatever alias it is written as.
#[diagnostic::on_unimplemented(
    message = "a service method returns `Result<Reply, Error>`, not `{Self}`",
    label = "not a `Result`",
    note = "the network can fail where the method cannot: write `Result<{Self}, motet::Status>`"
)]
pub trait Outcome {
    /// The reply.
    type Reply;
    /// The error.
    type Error;
}

impl<T, E> Outcome for Result<T, E> {
    type Reply = T;
    type Error = E;
}

/// What the error of a service method has to be.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a service method",
    label = "neither `motet::Status` nor a typed error",
    note = "an enum of your own becomes a typed error by `#[derive(motet::RpcError)]`; \
            errors of other libraries travel as `motet::Status`"
)]
pub trait ServiceError: RpcError {}

#[diagnostic::do_not_recommend]
impl<E: RpcError> ServiceError for E {}

/// What the derive of a typed error without messages needs.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no messages",
    label = "neither `message` nor `Display`",
    note = "give each variant a message, `#[rpc(code = NotFound, message = \"…\")]`, or implement `Display`, \
            with thiserror for example"
)]
pub trait Speaks {
    /// The message.
    fn text(&self) -> String;
}

#[diagnostic::do_not_recommend]
impl<T: std::fmt::Display> Speaks for T {
    fn text(&self) -> String {
        self.to_string()
    }
}

/// The message of a typed error.
pub fn text<T: Speaks>(error: &T) -> String {
    error.text()
}

/// The fields of a typed error's variant, to be written in the codec of the call.
pub fn details<C: Carry>(_: C, fields: C::Value) -> Payload {
    C::payload(fields, Codec::PROTOBUF)
}

/// The fields of a typed error's variant, if the status holds them.
pub fn variant<C: Carry>(_: C, status: &Status) -> Option<C::Value> {
    status.details().cloned().and_then(|details| C::take(details).ok())
}

/// Does not compile unless `T` is a `Result`.
pub const fn check_outcome<T: Outcome>() {}

/// Does not compile unless `T` may be the error of a service method.
pub const fn check_error<T: ServiceError>() {}

/// What an optional method answers that nobody implemented.
///
/// # Errors
/// Always Unimplemented.
pub fn unimplemented<T, E: ServiceError>(path: &'static str) -> Result<T, E> {
    Err(E::from_status(Status::unimplemented(format!("{path}: this service does not implement the method"))))
}
