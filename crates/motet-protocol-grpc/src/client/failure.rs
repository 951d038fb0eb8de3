//! What a connection's errors say about a call.

use std::time::Duration;

use motet_core::{Code, Deadline, Executed, Status};
use tokio::time::Instant;

use crate::wire::code_of_reset;

/// The status of a call whose stream failed after it was sent.
///
/// A remote GOAWAY ends only those streams that came after the last which it names; the others go on,
/// and end with an I/O error if the connection does before them.
pub(super) fn of_stream(error: &h2::Error) -> Status {
    let reason = error.reason();
    if error.is_go_away() && error.is_remote() {
        let why = reason.map_or(String::new(), |reason| format!(": {reason}"));
        return Status::unavailable(format!("the peer takes no more calls{why}")).with_executed(Executed::No);
    }
    if error.is_reset() && error.is_remote() {
        let code = reason.map_or(Code::Unknown, |reason| code_of_reset(reason.into()));
        let status = Status::new(code, format!("the peer has reset the call: {error}"));
        return match reason {
            Some(h2::Reason::REFUSED_STREAM) => status.with_executed(Executed::No),
            _ => status,
        };
    }
    if error.is_io() {
        return Status::unavailable(format!("the connection was lost: {error}"));
    }
    Status::internal(format!("the peer broke the rules of HTTP/2: {error}"))
}

/// The status of a call that could not be sent.
pub(super) fn of_sending(error: &h2::Error) -> Status {
    Status::unavailable(format!("the connection takes no more calls: {error}")).with_executed(Executed::No)
}

/// The status of a call at whose deadline the peer has reset its stream, as grpc-go does: it says
/// cancelled, a moment before the caller's own clock would have said why.
pub(super) fn at_deadline(status: Status, deadline: Option<Deadline>, method: &str) -> Status {
    /// The peer's clock may run out a little earlier.
    const EARLY: Duration = Duration::from_millis(10);
    match deadline {
        Some(own) if status.code() == Code::Cancelled && own.at <= Instant::now() + EARLY => own.status(method),
        _ => status,
    }
}

#[cfg(test)]
mod tests {
    use motet_core::Limit;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reset_at_the_deadline_is_the_deadline_s() {
        let deadline = Deadline::after(Duration::from_millis(50), Limit::Caller);
        let code = |status| at_deadline(status, Some(deadline), "a/b").code();
        assert_eq!(code(Status::cancelled("reset")), Code::Cancelled, "far from it");
        tokio::time::advance(Duration::from_millis(45)).await;
        assert_eq!(code(Status::cancelled("reset")), Code::DeadlineExceeded);
        assert_eq!(code(Status::not_found("nobody")), Code::NotFound);
        assert_eq!(at_deadline(Status::cancelled("reset"), None, "a/b").code(), Code::Cancelled);
    }
}
