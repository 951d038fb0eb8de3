//! What Go's `net/rpc` says when a call fails (its `server.go`), for protocols that carry no more than
//! a text.

use motet_core::{Code, Dispatcher, Executed, Kind, Route, Status};

const NO_SERVICE: &str = "rpc: can't find service ";
const NO_METHOD: &str = "rpc: can't find method ";
const ILL_FORMED: &str = "rpc: service/method request ill-formed: ";
const STOPPING: &str = "motet: not run: ";

/// The unary method of a name such as `Greeter.Hello`.
///
/// # Errors
/// Unimplemented, executed: no, in the words of Go's server.
pub fn go_find(dispatcher: &Dispatcher, name: &str) -> Result<Route, Status> {
    let no = |text: String| Err(Status::unimplemented(text).with_executed(Executed::No));
    let Some(route) = dispatcher.find_dotted(name) else {
        let shown: String = name.chars().take(256).collect();
        if let Some(several) = dispatcher.ambiguous(name) {
            return no(format!("{NO_METHOD}{shown}: {}", several.message()));
        }
        let Some((service, _)) = name.rsplit_once('.') else { return no(format!("{ILL_FORMED}{shown}")) };
        let serves = |route: &Route| {
            route.method().service() == service
                || route.method().dotted().rsplit_once('.').is_some_and(|(known, _)| known == service)
        };
        let known = dispatcher.routes().iter().any(serves);
        return no(format!("{}{shown}", if known { NO_METHOD } else { NO_SERVICE }));
    };
    match route.method().kind {
        Kind::Unary => Ok(route),
        _ => no(format!("{} is a method with streams, which this protocol does not have", route.method().path)),
    }
}

/// The text that a status is to peers who get nothing else. It is never empty, which would mean
/// success, and says of calls that may be made again that they did not run.
pub fn go_text(status: &Status) -> String {
    let message = if status.message().is_empty() { status.code().name() } else { status.message() };
    match status.executed() {
        Executed::No if status.code() != Code::Unimplemented && status.may_retry() => format!("{STOPPING}{message}"),
        _ => message.to_owned(),
    }
}

/// The status of an error of which a peer sent only the text.
pub fn go_error(text: &str) -> Status {
    let text = if text.is_empty() { "unspecified error" } else { text };
    if [NO_SERVICE, NO_METHOD, ILL_FORMED].iter().any(|known| text.starts_with(known)) {
        return Status::unimplemented(text.to_owned()).with_executed(Executed::No);
    }
    match text.strip_prefix(STOPPING) {
        Some(message) => Status::unavailable(message.to_owned()).with_executed(Executed::No),
        // The handler's word, or that of a server that could not read the request.
        None => Status::new(Code::Unknown, text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_could_not_find_did_not_run_and_of_other_errors_nobody_can_tell() {
        for text in
            ["rpc: can't find service a.B", "rpc: can't find method a.B", "rpc: service/method request ill-formed: x"]
        {
            let status = go_error(text);
            assert_eq!((status.code(), status.executed()), (Code::Unimplemented, Executed::No));
        }
        let status = go_error("divide by zero");
        assert_eq!(
            (status.code(), status.executed(), status.message()),
            (Code::Unknown, Executed::Unknown, "divide by zero")
        );
    }

    #[test]
    fn a_refused_call_may_be_made_again_and_no_text_is_empty() {
        let refused = Status::unavailable("the server is stopping").with_executed(Executed::No);
        assert_eq!(go_error(&go_text(&refused)), refused);
        assert_eq!(go_text(&Status::not_found("")), "NOT_FOUND");
        assert_eq!(go_text(&Status::not_found("no such book").with_executed(Executed::Yes)), "no such book");
    }
}
