//! Errors as go-micro writes them: `{"id":…,"code":…,"detail":…,"status":…}`, fields of no value left out.

use motet_core::{Code, Executed, Status};
use serde::{Deserialize, Serialize};

/// The most bytes of a message that travel.
const MAX_DETAIL: usize = 4 << 10;

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct MicroError {
    #[serde(skip_serializing_if = "String::is_empty")]
    id: String,
    #[serde(skip_serializing_if = "is_zero")]
    code: i32,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    status: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(code: &i32) -> bool {
    *code == 0
}

/// HTTP's number and words for a code, as go-micro uses them.
fn number(code: Code) -> (i32, &'static str) {
    match code {
        Code::InvalidArgument | Code::OutOfRange => (400, "Bad Request"),
        Code::Unauthenticated => (401, "Unauthorized"),
        Code::PermissionDenied => (403, "Forbidden"),
        Code::NotFound => (404, "Not Found"),
        Code::DeadlineExceeded => (408, "Request Timeout"),
        Code::AlreadyExists | Code::Aborted => (409, "Conflict"),
        Code::FailedPrecondition => (412, "Precondition Failed"),
        Code::ResourceExhausted => (429, "Too Many Requests"),
        Code::Cancelled => (499, ""),
        Code::Unimplemented => (501, "Not Implemented"),
        Code::Unavailable => (503, "Service Unavailable"),
        _ => (500, "Internal Server Error"),
    }
}

fn code(number: i32) -> Code {
    match number {
        400 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        405 | 501 => Code::Unimplemented,
        408 | 504 => Code::DeadlineExceeded,
        409 => Code::AlreadyExists,
        412 => Code::FailedPrecondition,
        429 => Code::ResourceExhausted,
        499 => Code::Cancelled,
        500 => Code::Internal,
        503 => Code::Unavailable,
        _ => Code::Unknown,
    }
}

/// A status as the text of an error. Its id is the reason, else the service's name. A method that is
/// not served here is told in go-micro's own words, which are plain text.
pub fn write_error(status: &Status, service: &str) -> String {
    if status.message().starts_with(NOT_FOUND) {
        return status.message().to_owned();
    }
    let (code, words) = number(status.code());
    let detail = status.message();
    let error = MicroError {
        id: status.reason().unwrap_or(service).to_owned(),
        code,
        detail: detail[..detail.floor_char_boundary(MAX_DETAIL)].to_owned(),
        status: words.to_owned(),
    };
    serde_json::to_string(&error).unwrap_or_else(|_| status.code().name().to_owned())
}

/// What a server of go-micro says where it has no such service, or it no such method.
const NOT_FOUND: &str = "rpc: can't find ";
/// What it says of an endpoint that is no two words with a dot between them.
const ILL_FORMED: &str = "rpc: service/endpoint request ill-formed: ";

/// The status of a text. One that is no error of go-micro's is a message without a code.
pub fn read_error(text: &str, service: &str) -> Status {
    if text.starts_with(NOT_FOUND) || text.starts_with(ILL_FORMED) {
        return Status::unimplemented(text.to_owned()).with_executed(Executed::No);
    }
    let error: MicroError = match serde_json::from_str(text) {
        Ok(error) => error,
        Err(_) => MicroError { detail: text.to_owned(), ..MicroError::default() },
    };
    let message = if error.detail.is_empty() { error.status } else { error.detail };
    // The handler's word, or that of a server that could not read the request.
    let status = Status::new(code(error.code), message);
    match error.id.is_empty() || error.id == service {
        true => status,
        false => status.with_reason(error.id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of Go's `errors.Error()`.
    const GOLDEN: [(&str, Code, &str, Option<&str>); 6] = [
        (
            r#"{"id":"go.micro.srv.greeter","code":404,"detail":"no such name","status":"Not Found"}"#,
            Code::NotFound,
            "no such name",
            Some("go.micro.srv.greeter"),
        ),
        (
            r#"{"id":"greeter","code":408,"detail":"<nil>","status":"Request Timeout"}"#,
            Code::DeadlineExceeded,
            "<nil>",
            None,
        ),
        (r#"{"id":"greeter","code":500,"detail":"x","status":"Internal Server Error"}"#, Code::Internal, "x", None),
        (r#"{"id":"greeter","code":409,"detail":"x","status":"Conflict"}"#, Code::AlreadyExists, "x", None),
        (r#"{"id":"greeter","code":401,"detail":"x","status":"Unauthorized"}"#, Code::Unauthenticated, "x", None),
        (r#"{"id":"greeter","code":403,"detail":"x","status":"Forbidden"}"#, Code::PermissionDenied, "x", None),
    ];

    #[test]
    fn golden_errors_are_read_and_written() {
        for (text, code, message, reason) in GOLDEN {
            let status = read_error(text, "greeter");
            assert_eq!((status.code(), status.message(), status.reason()), (code, message, reason), "{text}");
            assert_eq!(status.executed(), Executed::Unknown);
            assert_eq!(write_error(&status, "greeter"), text);
        }
    }

    #[test]
    fn plain_text_is_a_message() {
        for text in ["divide by zero", "7 things", "{", "null", "[]", "\"x\""] {
            let status = read_error(text, "greeter");
            assert_eq!(status.code(), Code::Unknown, "{text}");
        }
        assert_eq!(read_error("divide by zero", "").message(), "divide by zero");
        let partial = read_error(r#"{"code":405,"status":"Method Not Allowed"}"#, "");
        assert_eq!((partial.code(), partial.message()), (Code::Unimplemented, "Method Not Allowed"));
    }

    #[test]
    fn what_is_not_served_is_known_by_its_words() {
        for text in [
            "rpc: can't find service Nobody",
            "rpc: can't find method Mod",
            "rpc: service/endpoint request ill-formed: x",
        ] {
            let status = read_error(text, "greeter");
            assert_eq!((status.code(), status.executed()), (Code::Unimplemented, Executed::No));
        }
        assert_eq!(write_error(&read_error("rpc: can't find service X", ""), "g"), "rpc: can't find service X");
    }

    #[test]
    fn every_code_comes_back_as_itself_or_its_kind() {
        for code in Code::ALL {
            let read = read_error(&write_error(&Status::new(code, "x"), "g"), "g").code();
            let expected = match code {
                Code::OutOfRange => Code::InvalidArgument,
                Code::Aborted => Code::AlreadyExists,
                Code::Unknown | Code::DataLoss => Code::Internal,
                other => other,
            };
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn a_long_message_is_cut() {
        let text = write_error(&Status::internal("☺".repeat(4000)), "g");
        assert!(text.len() < MAX_DETAIL + 100, "{}", text.len());
    }
}
