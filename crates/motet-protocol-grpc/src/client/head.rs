//! The head of a request, and of a reply.

use std::time::Duration;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, Version,
    header::{CONTENT_TYPE, TE, USER_AGENT},
    uri::{Authority, PathAndQuery, Scheme},
};
use motet_core::{Call, Codec, Codecs, Executed, Metadata, Result, Status};
use tokio::time::Instant;

use crate::{
    content,
    wire::{Compression, code_of_http, metadata, status, timeout},
};

const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
/// Says that no reply is wanted.
const ONE_WAY: HeaderName = HeaderName::from_static("motet-one-way");
const AGENT: &str = concat!("grpc-rust-motet/", env!("CARGO_PKG_VERSION"));

/// The head of a call's request.
///
/// # Errors
/// InvalidArgument for a method whose name cannot stand in a path.
pub(super) fn request(
    call: &Call,
    codec: &Codec,
    scheme: &Scheme,
    authority: &Authority,
    compression: Option<Compression>,
) -> Result<Request<()>> {
    let path = call.method.proto_path();
    let path = PathAndQuery::try_from(format!("/{path}")).map_err(|_| {
        let shown: String = path.chars().filter(|c| !c.is_control()).take(128).collect();
        Status::invalid_argument(format!("method {shown:?} cannot be called by gRPC: its name is no path"))
            .with_executed(Executed::No)
    })?;
    let mut uri = http::uri::Parts::default();
    (uri.scheme, uri.authority, uri.path_and_query) = (Some(scheme.clone()), Some(authority.clone()), Some(path));
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = Uri::from_parts(uri).map_err(|_| Status::internal("the call's address is no URI"))?;
    let headers = request.headers_mut();
    headers.reserve(6 + call.metadata.len());
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.insert(CONTENT_TYPE, content::value(codec));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(Compression::ACCEPTED));
    if let Some(left) = remaining(call)? {
        headers.insert(TIMEOUT, HeaderValue::try_from(timeout::format(left)).expect("digits and a letter"));
    }
    if let Some(compression) = compression {
        headers.insert(ENCODING, HeaderValue::from_static(compression.name()));
    }
    if call.one_way {
        headers.insert(ONE_WAY, HeaderValue::from_static("1"));
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

/// Reads the head of a reply. A head that is all there is holds the trailers.
///
/// # Errors
/// The status in it; what an answer means that is none of gRPC.
pub(super) fn reply<B>(response: &Response<B>, is_all: bool, codecs: &Codecs) -> Result<ReplyHead> {
    let headers = response.headers();
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_grpc = content_type.is_some_and(|name| content::subtype(name, content::GRPC).is_some());
    if is_all && (headers.contains_key(status::GRPC_STATUS) || is_grpc) {
        return match status::read(headers, codecs) {
            Ok(Some(status)) => Err(status),
            Ok(None) => Ok(ReplyHead { initial: metadata::read(headers)?, codec: Codec::PROTOBUF, compression: None }),
            Err(status::Missing) => Err(no_status()),
        };
    }
    if !response.status().is_success() || !is_grpc {
        return Err(foreign(response.status().as_u16(), content_type, headers, codecs));
    }
    let compression = match headers.get(ENCODING) {
        None => None,
        // A peer that answers in what was not offered breaks the protocol.
        Some(name) => Compression::named(name.to_str().unwrap_or("?"))
            .map_err(|status| Status::internal(status.message().to_owned()))?,
    };
    Ok(ReplyHead {
        initial: metadata::read(headers)?,
        codec: content::codec(content_type.unwrap_or_default(), content::GRPC, codecs)?,
        compression,
    })
}

/// An answer that is none of gRPC: a proxy's, or a peer's that does not speak it.
fn foreign(http: u16, content_type: Option<&str>, headers: &HeaderMap, codecs: &Codecs) -> Status {
    if let Ok(Some(status)) = status::read(headers, codecs) {
        return status;
    }
    let shown: String = content_type.unwrap_or("none").chars().filter(char::is_ascii_graphic).take(64).collect();
    let code = code_of_http(http);
    Status::new(code, format!("the answer is none of gRPC: HTTP status {http}, content type {shown}"))
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
        reply(&response, is_all, &Codecs::default()).map(drop).map_err(|status| status.code())
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
