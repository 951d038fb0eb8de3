//! What errors carry.

use motet_protocol_grpc::wire::rpc::{Any, BAD_REQUEST, ERROR_INFO, ErrorInfo, RpcStatus};
use prost::Message;

/// What asks for an error with details: `ErrorInfo`, or `BadRequest`.
pub(crate) const WITH_REASON: &str = "with a reason";
/// As [`WITH_REASON`].
pub(crate) const WITH_VIOLATIONS: &str = "with violations";
const REASON: &str = "Interop.Detailed";

/// `google.rpc.BadRequest`.
#[derive(Clone, PartialEq, Message)]
struct BadRequest {
    #[prost(message, repeated, tag = "1")]
    field_violations: Vec<FieldViolation>,
}

#[derive(Clone, PartialEq, Message)]
struct FieldViolation {
    #[prost(string, tag = "1")]
    field: String,
    #[prost(string, tag = "2")]
    description: String,
}

/// The error that a message asks for.
pub(crate) fn status(code: i32, message: &str) -> tonic::Status {
    let detail = match message {
        WITH_REASON => {
            let info = ErrorInfo { reason: REASON.to_owned(), domain: "motet.test".to_owned() };
            Any::of(ERROR_INFO, info.encode_to_vec())
        }
        WITH_VIOLATIONS => {
            let violation = FieldViolation { field: "payload".to_owned(), description: "it is a test".to_owned() };
            Any::of(BAD_REQUEST, BadRequest { field_violations: vec![violation] }.encode_to_vec())
        }
        _ => return tonic::Status::new(code.into(), message),
    };
    let whole = RpcStatus { code, message: message.to_owned(), details: vec![detail] };
    tonic::Status::with_details(code.into(), message, whole.encode_to_vec().into())
}

/// Whether an error has what its message asked for.
pub(crate) fn are_there(message: &str, status: &tonic::Status) -> anyhow::Result<bool> {
    let whole = RpcStatus::decode(status.details())?;
    for detail in whole.details {
        let found = match detail.name() {
            ERROR_INFO => message == WITH_REASON && ErrorInfo::decode(detail.value)?.reason == REASON,
            BAD_REQUEST => {
                let violations = BadRequest::decode(detail.value)?.field_violations;
                message == WITH_VIOLATIONS && violations.len() == 1 && violations[0].field == "payload"
            }
            _ => false,
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}
