//! go-micro's flavour: gRPC whose callers say so in a field, and whose errors are a message of its own.
//!
//! Its client takes the first detail of an error for a Go error without asking what it is: one that is
//! another message ends its process. So its callers get this one and no other.

use std::time::Duration;

use http::HeaderMap;
use motet_core::{Code, Status};
use prost::Message;

use super::rpc::Any;

/// The field that go-micro's clients send beside `content-type`.
pub(crate) const X_CONTENT_TYPE: &str = "x-content-type";
/// The field in which they say the time that they give a call, in nanoseconds.
pub(crate) const TIMEOUT: &str = "timeout";
/// The name of [`MicroError`].
pub(crate) const ERROR: &str = "errors.Error";

/// `errors.Error` of go-micro.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct MicroError {
    /// Whose error it is; Motet's reason.
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    /// HTTP's number.
    #[prost(int32, tag = "2")]
    pub(crate) code: i32,
    /// For people.
    #[prost(string, tag = "3")]
    pub(crate) detail: String,
    /// HTTP's words for the number.
    #[prost(string, tag = "4")]
    pub(crate) status: String,
}

/// Whether a caller is go-micro's.
pub(crate) fn is_caller(headers: &HeaderMap) -> bool {
    headers.contains_key(X_CONTENT_TYPE)
}

/// The time that a caller gives a call.
pub(crate) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    headers.get(TIMEOUT)?.to_str().ok()?.parse().ok().map(Duration::from_nanos)
}

/// A status as the one detail that go-micro's client understands; `message` is how much of its text
/// travels.
pub(crate) fn detail(status: &Status, message: &str) -> Any {
    let number = match status.code() {
        Code::DeadlineExceeded => http::StatusCode::REQUEST_TIMEOUT,
        Code::FailedPrecondition => http::StatusCode::PRECONDITION_FAILED,
        code => motet_http::http_status(code),
    };
    let error = MicroError {
        id: status.reason().unwrap_or_default().to_owned(),
        code: number.as_u16().into(),
        detail: message.to_owned(),
        status: number.canonical_reason().unwrap_or_default().to_owned(),
    };
    Any::of(ERROR, error.encode_to_vec())
}

/// What a service of go-micro says of an error, beside its code.
pub(crate) fn with_detail(status: Status, detail: &[u8]) -> Status {
    let Ok(error) = MicroError::decode(detail) else { return status };
    let status = if error.detail.is_empty() { status } else { status.with_message(error.detail) };
    if error.id.is_empty() { status } else { status.with_reason(error.id) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `proto.Marshal(errors.NotFound("greeter", "no Ada"))` of go-micro 4.11.
    const GOLDEN: &[u8] = b"\x0a\x07greeter\x10\x94\x03\x1a\x06no Ada\x22\x09Not Found";

    #[test]
    fn go_micro_s_error_is_read_and_written() {
        let status = with_detail(Status::not_found(r#"{"id":"greeter"}"#), GOLDEN);
        assert_eq!((status.message(), status.reason()), ("no Ada", Some("greeter")));
        let any = detail(&status, status.message());
        assert_eq!((any.name(), &any.value[..]), ("errors.Error", GOLDEN));
        assert_eq!(with_detail(Status::internal("x"), b"\xff").message(), "x");
    }
}
