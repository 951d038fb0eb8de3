//! Codes in other tables: docs/errors.md has them side by side.

use h2::Reason;
use motet_core::Code;

/// The code of an HTTP answer that is none of gRPC, as a proxy gives it
/// (<https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>).
pub fn code_of_http(status: u16) -> Code {
    match status {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        _ => Code::Unknown,
    }
}

/// The code of a stream that HTTP/2 has reset
/// (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#errors>).
pub fn code_of_reset(reason: u32) -> Code {
    match Reason::from(reason) {
        Reason::REFUSED_STREAM => Code::Unavailable,
        Reason::CANCEL => Code::Cancelled,
        Reason::ENHANCE_YOUR_CALM => Code::ResourceExhausted,
        Reason::INADEQUATE_SECURITY => Code::PermissionDenied,
        Reason::NO_ERROR
        | Reason::PROTOCOL_ERROR
        | Reason::INTERNAL_ERROR
        | Reason::FLOW_CONTROL_ERROR
        | Reason::SETTINGS_TIMEOUT
        | Reason::FRAME_SIZE_ERROR
        | Reason::COMPRESSION_ERROR
        | Reason::CONNECT_ERROR => Code::Internal,
        _ => Code::Unknown,
    }
}

/// The name of a code in Connect's errors (<https://connectrpc.com/docs/protocol#error-codes>).
pub fn connect_name(code: Code) -> &'static str {
    match code {
        Code::Cancelled => "canceled",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
        _ => "unknown",
    }
}

/// The code of a name in Connect's errors; names that nobody defined are [`Code::Unknown`].
pub fn connect_code(name: &str) -> Code {
    Code::ALL.into_iter().find(|code| connect_name(*code) == name).unwrap_or(Code::Unknown)
}

/// The HTTP status of a unary Connect error.
pub fn connect_http_status(code: Code) -> u16 {
    match code {
        Code::Cancelled => 499,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::DeadlineExceeded => 504,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::Aborted => 409,
        Code::PermissionDenied => 403,
        Code::ResourceExhausted => 429,
        Code::Unimplemented => 501,
        Code::Unavailable => 503,
        Code::Unauthenticated => 401,
        _ => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_errors_has_connect_s_names_and_statuses() {
        let page = include_str!("../../../../docs/errors.md");
        for code in Code::ALL {
            let row = format!("| {} | {} | {} |", code.name(), connect_name(code), connect_http_status(code));
            assert!(page.contains(&row), "docs/errors.md lacks: {row}");
            assert_eq!(connect_code(connect_name(code)), code);
        }
    }

    #[test]
    fn the_page_of_errors_has_what_http_answers_and_resets_mean() {
        let page = include_str!("../../../../docs/errors.md");
        for status in [400, 401, 403, 404, 429, 502, 503, 504] {
            let row = format!("| HTTP {status} | {} |", code_of_http(status).name());
            assert!(page.contains(&row), "docs/errors.md lacks: {row}");
        }
        for (reason, name) in [
            (8, "CANCEL"),
            (7, "REFUSED_STREAM"),
            (11, "ENHANCE_YOUR_CALM"),
            (12, "INADEQUATE_SECURITY"),
            (1, "PROTOCOL_ERROR"),
        ] {
            let row = format!("| reset {name} | {} |", code_of_reset(reason).name());
            assert!(page.contains(&row), "docs/errors.md lacks: {row}");
        }
    }
}
