//! Connect's unary calls: the body is the message, errors are JSON with an HTTP status.

use std::{future::poll_fn, pin::Pin, sync::Arc};

use bytes::{Bytes, BytesMut};
use h2::client::ResponseFuture;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE},
};
use http_body::Body;
use motet_core::{Call, Codecs, Executed, Kind, Payload, Reply, Result, Status};

use super::{
    call::{Prepared, one_reply},
    connection::Inner,
    failure, head,
    receive::ReplyBody,
};
use crate::{
    content,
    flavour::Flavour,
    wire::{Compression, connect, status, too_long},
};

/// Whether a call's bodies are its messages.
pub(super) fn is_bare(connection: &Inner, call: &Call) -> bool {
    connection.flavour == Flavour::Connect && call.method.kind == Kind::Unary
}

/// The request of such a call.
///
/// # Errors
/// As [`head::begin`]; ResourceExhausted for a message over the limit.
pub(super) fn prepare(connection: &Inner, call: &Call, message: &Payload) -> Result<Prepared> {
    let not_run = |status: Status| status.with_executed(Executed::No);
    let mut body = BytesMut::new();
    message.encode_into(&mut body).map_err(not_run)?;
    let limit = connection.config.max_message;
    if body.len() > limit {
        return Err(not_run(too_long(body.len(), limit)));
    }
    let mut head = head::begin(connection, call)?;
    let headers = head.headers_mut();
    headers.insert(CONTENT_TYPE, content::bare_value(message.codec()));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(Compression::ACCEPTED));
    let compress = connection.compress(call).filter(|(_, above)| body.len() >= *above);
    let small = compress.and_then(|(compression, _)| Some((compression.name(), compression.compress(&body)?)));
    let body = match small {
        None => body.freeze(),
        Some((name, small)) => {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
            small.into()
        }
    };
    Ok(Prepared { head, body })
}

/// Waits for the reply.
///
/// # Errors
/// What the peer answered with; what an answer means that is none of Connect.
pub(super) async fn reply(connection: &Arc<Inner>, response: ResponseFuture) -> Result<Reply> {
    let response = response.await.map_err(|error| failure::of_stream(&error))?;
    connection.shared.note_progress();
    let (parts, body) = response.into_parts();
    let (headers, codecs) = (&parts.headers, &connection.codecs);
    let limit = connection.config.max_message;
    let compression = head::compression(headers, &CONTENT_ENCODING)?;
    let body = read_all(ReplyBody::new(body, connection.shared.clone()), limit);
    if parts.status != StatusCode::OK {
        // What the HTTP status says is better than what went wrong with the words for it.
        let body = body.await.and_then(|body| unpack(body, compression, limit)).unwrap_or_default();
        return Err(refusal(parts.status, headers, &body, codecs));
    }
    let content_type = head::content_type(headers).unwrap_or_default();
    let codec = content::bare_codec(content_type, codecs)
        .map_err(|_| head::foreign(Flavour::Connect, parts.status, headers, codecs))?;
    let message = unpack(body.await?, compression, limit)?;
    let (initial, trailing) = connect::read_metadata(headers)?;
    Ok(one_reply(Payload::encoded(message, codec), initial, trailing))
}

/// The status of an answer that is no success.
fn refusal(http: StatusCode, headers: &HeaderMap, body: &[u8], codecs: &Codecs) -> Status {
    let Some(status) = connect::read_error(body, codecs) else {
        return head::foreign(Flavour::Connect, http, headers, codecs);
    };
    // The status is what the caller must see; metadata that cannot be read is not.
    let (mut metadata, trailing) = connect::read_metadata(headers).unwrap_or_default();
    let _ = metadata.extend(&trailing);
    status::read_hints(status, headers).with_metadata(metadata)
}

fn unpack(body: Bytes, compression: Option<Compression>, limit: usize) -> Result<Bytes> {
    match compression {
        Some(compression) => compression.decompress(&body, limit),
        None => Ok(body),
    }
}

/// Reads a body to its end.
async fn read_all(mut body: ReplyBody, limit: usize) -> Result<Bytes> {
    let (mut first, mut all) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.transpose()? {
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + all.len() + data.len() > limit {
            return Err(too_long(first.len() + all.len() + data.len(), limit));
        }
        // Most messages come in one piece, which needs no copy.
        match first.is_empty() && all.is_empty() {
            true => first = data,
            false => {
                all.extend_from_slice(&std::mem::take(&mut first));
                all.extend_from_slice(&data);
            }
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

#[cfg(test)]
mod tests {
    use motet_core::{Code, Codec};

    use super::*;

    #[test]
    fn a_refusal_is_what_its_body_says_else_what_its_status_means() {
        let codecs = Codecs::default();
        let mut headers = HeaderMap::new();
        headers.insert("trailer-x-tail", HeaderValue::from_static("2"));
        headers.insert("x-head", HeaderValue::from_static("1"));
        headers.insert("motet-executed", HeaderValue::from_static("no"));
        let own = Status::not_found("nobody").with_reason("GreetError.Nobody");
        let read = refusal(StatusCode::NOT_FOUND, &headers, &connect::write_error(&own, &Codec::JSON), &codecs);
        assert_eq!(read, own.with_executed(Executed::No));
        assert_eq!((read.metadata().get("x-head"), read.metadata().get("x-tail")), (Some("1"), Some("2")));
        for (http, code) in [(404, Code::Unimplemented), (503, Code::Unavailable), (418, Code::Unknown)] {
            let http = StatusCode::from_u16(http).expect("valid");
            for body in [&b""[..], b"<html>", b"{}"] {
                assert_eq!(refusal(http, &headers, body, &codecs).code(), code);
            }
        }
    }
}
