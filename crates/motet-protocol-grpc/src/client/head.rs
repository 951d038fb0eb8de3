//! The head of a request, and of a reply.

use std::time::Duration;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
    header::{CONTENT_TYPE, TE, USER_AGENT},
    uri::PathAndQuery,
};
use motet_core::{Call, Codec, Codecs, Executed, Metadata, Result, Status};
use tokio::time::Instant;

use super::connection::Inner;
use crate::{
    content,
    flavour::{CONNECT_VERSION, Flavour},
    wire::{Compression, code_of_http, connect, metadata, status, timeout},
};

/// What clients of gRPC-Web say, so that proxies know them.
const GRPC_WEB: HeaderName = HeaderName::from_static("x-grpc-web");
const AGENT: &str = concat!("grpc-rust-motet/", env!("CARGO_PKG_VERSION"));
const WEB_AGENT: &str = concat!("grpc-web-rust-motet/", env!("CARGO_PKG_VERSION"));
const CONNECT_AGENT: &str = concat!("connect-rust-motet/", env!("CARGO_PKG_VERSION"));

/// The head of the request of a call whose messages have prefixes.
///
/// # Errors
/// As [`begin`].
pub(super) fn request(
    connection: &Inner,
    call: &Call,
    codec: &Codec,
    compression: Option<Compression>,
) -> Result<Request<()>> {
    let flavour = connection.flavour;
    let mut request = begin(connection, call)?;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, flavour.content_type_of(codec));
    headers.insert(flavour.accept_encoding(), HeaderValue::from_static(Compression::ACCEPTED));
    if let Some(compression) = compression {
        headers.insert(flavour.encoding(), HeaderValue::from_static(compression.name()));
    }
    Ok(request)
}

/// The head of a call's request, without what it says of the body.
///
/// # Errors
/// InvalidArgument for a method whose name cannot stand in a path; the deadline's status when it has
/// passed.
pub(super) fn begin(connection: &Inner, call: &Call) -> Result<Request<()>> {
    let flavour = connection.flavour;
    let path = call.method.proto_path();
    let path = PathAndQuery::try_from(format!("/{path}")).map_err(|_| {
        let shown: String = path.chars().filter(|c| !c.is_control()).take(128).collect();
        let what = flavour.name();
        Status::invalid_argument(format!("method {shown:?} cannot be called by {what}: its name is no path"))
            .with_executed(Executed::No)
    })?;
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(connection.scheme.clone());
    uri.authority = Some(connection.authority.clone());
    uri.path_and_query = Some(path);
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = Uri::from_parts(uri).map_err(|_| Status::internal("the call's address is no URI"))?;
    let headers = request.headers_mut();
    headers.reserve(6 + call.metadata.len());
    let (name, value, agent) = match flavour {
        Flavour::Grpc => (TE, "trailers", AGENT),
        Flavour::Web | Flavour::WebText => (GRPC_WEB, "1", WEB_AGENT),
        Flavour::Connect => (CONNECT_VERSION, "1", CONNECT_AGENT),
    };
    headers.insert(name, HeaderValue::from_static(value));
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    if let Some(left) = remaining(call)? {
        let left = match flavour {
            Flavour::Connect => connect::format_timeout(left),
            _ => timeout::format(left),
        };
        headers.insert(flavour.timeout(), HeaderValue::try_from(left).expect("digits and a letter"));
    }
    if call.one_way {
        headers.insert(metadata::ONE_WAY, HeaderValue::from_static("1"));
    }
    metadata::write(&call.metadata, headers);
    Ok(request)
}

/// The time that is left to tell the peer.
///
/// # Errors
/// The deadline's status, executed: no, when there is none.
fn remaining(call: &Call) -> Result<Option<Duration>> {
    let Some(deadline) = call.deadline else { return Ok(None) };
    let now = call.started.unwrap_or_else(Instant::now);
    let left = deadline.at.saturating_duration_since(now);
    if left.is_zero() {
        return Err(deadline.status(&call.method.path).with_executed(Executed::No));
    }
    Ok(Some(left))
}

/// What the head of a reply says.
pub(super) struct ReplyHead {
    pub(super) initial: Metadata,
    pub(super) codec: Codec,
    pub(super) compression: Option<Compression>,
}

/// Reads the head of a reply whose messages have prefixes. A head that is all there is holds the trailers.
///
/// # Errors
/// The status in it; what an answer means that is none of the flavour.
pub(super) fn reply<B>(flavour: Flavour, response: &Response<B>, is_all: bool, codecs: &Codecs) -> Result<ReplyHead> {
    let headers = response.headers();
    let content_type = content_type(headers);
    let is_ours = content_type.is_some_and(|name| content::subtype(name, flavour.content_type()).is_some());
    if is_all && flavour != Flavour::Connect && (headers.contains_key(status::GRPC_STATUS) || is_ours) {
        return match status::read(headers, codecs) {
            Ok(Some(status)) => Err(status),
            Ok(None) => Ok(ReplyHead { initial: metadata::read(headers)?, codec: Codec::PROTOBUF, compression: None }),
            Err(status::Missing) => Err(no_status()),
        };
    }
    if !response.status().is_success() || !is_ours {
        return Err(foreign(flavour, response.status(), headers, codecs));
    }
    Ok(ReplyHead {
        initial: metadata::read(headers)?,
        codec: content::codec(content_type.unwrap_or_default(), flavour.content_type(), codecs)?,
        compression: compression(headers, &flavour.encoding())?,
    })
}

/// The content type of an answer.
pub(super) fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok())
}

/// How an answer is compressed.
///
/// # Errors
/// Internal: a peer that answers in what was not offered breaks the protocol.
pub(super) fn compression(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Compression>> {
    let named = headers.get(name).map(|name| Compression::named(name.to_str().unwrap_or("?")));
    named.transpose().map(Option::flatten).map_err(|status| Status::internal(status.message().to_owned()))
}

/// An answer of something else: a proxy's, or a peer's that does not speak it.
pub(super) fn foreign(flavour: Flavour, http: StatusCode, headers: &HeaderMap, codecs: &Codecs) -> Status {
    if flavour != Flavour::Connect
        && let Ok(Some(status)) = status::read(headers, codecs)
    {
        return status;
    }
    let shown: String =
        content_type(headers).unwrap_or("none").chars().filter(char::is_ascii_graphic).take(64).collect();
    let (what, http) = (flavour.name(), http.as_u16());
    Status::new(code_of_http(http), format!("the answer is none of {what}: HTTP status {http}, content type {shown}"))
}

/// The peer ended a call without saying how.
pub(super) fn no_status() -> Status {
    Status::internal("the peer ended the call without a grpc-status")
}

#[cfg(test)]
mod tests {
    use motet_core::Code;

    use super::*;

    fn answer(http: u16, headers: &[(&'static str, &'static str)], is_all: bool) -> Result<(), Code> {
        let mut response = Response::builder().status(http);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let response = response.body(()).expect("valid");
        reply(Flavour::Grpc, &response, is_all, &Codecs::default()).map(drop).map_err(|status| status.code())
    }

    #[test]
    fn the_others_have_content_types_of_their_own() {
        let read = |flavour, content_type: &str| {
            let response = Response::builder().header(CONTENT_TYPE, content_type).body(()).expect("valid");
            reply(flavour, &response, false, &Codecs::default()).map(|head| head.codec).map_err(|status| status.code())
        };
        assert_eq!(read(Flavour::Web, "application/grpc-web+proto"), Ok(Codec::PROTOBUF));
        assert_eq!(read(Flavour::Web, "application/grpc"), Err(Code::Unknown));
        assert_eq!(read(Flavour::Grpc, "application/grpc-web"), Err(Code::Unknown));
        assert_eq!(read(Flavour::Connect, "application/connect+json"), Ok(Codec::JSON));
        assert_eq!(read(Flavour::Connect, "application/json"), Err(Code::Unknown));
    }

    #[test]
    fn the_head_says_whether_it_is_grpc() {
        let grpc = ("content-type", "application/grpc+proto");
        for (http, headers, is_all, expected) in [
            (200, vec![grpc], false, Ok(())),
            (200, vec![grpc, ("grpc-status", "5")], true, Err(Code::NotFound)),
            (200, vec![grpc], true, Err(Code::Internal)),
            (200, vec![("content-type", "text/html")], false, Err(Code::Unknown)),
            (200, vec![], false, Err(Code::Unknown)),
            (503, vec![("content-type", "text/html")], false, Err(Code::Unavailable)),
            (404, vec![], true, Err(Code::Unimplemented)),
            (403, vec![("grpc-status", "16")], true, Err(Code::Unauthenticated)),
            (200, vec![grpc, ("grpc-encoding", "snappy")], false, Err(Code::Internal)),
            (200, vec![("content-type", "application/grpc+thrift")], false, Err(Code::Unimplemented)),
        ] {
            assert_eq!(answer(http, &headers, is_all), expected, "{http} {headers:?}");
        }
    }
}
