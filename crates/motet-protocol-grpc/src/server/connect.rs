//! Connect's unary calls: the body is the message, errors are JSON with an HTTP status.

use std::borrow::Cow;

use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::{Bytes, BytesMut};
use http::{
    HeaderValue, Method, Response, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
    request::Parts,
};
use motet_core::{Body as CallBody, Codec, Codecs, Executed, Kind, Metadata, Payload, Reply, Result, Status};
use motet_http::{Body, Door};

use super::{GrpcServer, call::run_one_way, head};
use crate::{
    content,
    wire::{Compression, connect, connect_http_status, metadata, percent_decode, status},
};

/// Base64 as URLs have it, read with and without padding.
const URL_BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whether a GET is one of Connect's.
pub(super) fn is_get(head: &Parts) -> bool {
    let query = head.uri.query().unwrap_or_default();
    query.split('&').any(|part| part == "connect=v1") && query.split('&').any(|part| part.starts_with("encoding="))
}

/// Answers a request.
pub(super) async fn serve(server: GrpcServer, head: Parts, body: Body, door: Door) -> Response<Body> {
    let mut codec = Codec::JSON;
    match answer(&server, &head, body, &door, &mut codec).await {
        Ok(reply) => with_reply(&server, &head, reply, &codec),
        Err(status) => with_error(&status, &codec),
    }
}

async fn answer(server: &GrpcServer, head: &Parts, body: Body, door: &Door, codec: &mut Codec) -> Result<Reply> {
    let not_run = |status: Status| status.with_executed(Executed::No);
    let codecs = door.dispatcher().codecs();
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let asked = match head.method == Method::GET {
        true => Asked::of_query(head.uri.query().unwrap_or_default(), codecs),
        false => Asked::of_headers(text("content-type"), text("content-encoding"), codecs),
    };
    let asked = asked.map_err(not_run)?;
    *codec = asked.codec.clone();
    let timeout = text("connect-timeout-ms").map(connect::parse_timeout).transpose().map_err(not_run)?;
    let metadata = metadata::read(&head.headers).map_err(not_run)?;
    let route = server.route(head.uri.path(), door.dispatcher())?;
    let method = route.method();
    if method.kind != Kind::Unary {
        let status = format!("{} is a stream: its content types are application/connect+proto and +json", method.path);
        return Err(not_run(Status::unimplemented(status)));
    }
    if head.method == Method::GET && !method.options.safe {
        return Err(not_run(Status::unimplemented(format!("{} changes something: call it by POST", method.path))));
    }
    let limit = server.config.max_message;
    let message = match asked.message {
        Some(message) => message,
        None => door.read_all(body, limit).await.map_err(not_run)?,
    };
    let message = match asked.compression {
        Some(compression) => {
            let whole = compression.decompress(&message, limit).map_err(not_run)?;
            door.count(whole).map_err(not_run)?
        }
        None => message,
    };
    let body = CallBody::One(Payload::encoded(message, asked.codec.clone()));
    let call = head::call(&route, door, asked.codec, timeout, metadata, body);
    if head.headers.contains_key(metadata::ONE_WAY) {
        run_one_way(&route, call, door.drain());
        return Ok(Reply::one(Payload::encoded(Bytes::new(), Codec::RAW)));
    }
    motet_http::run(&route, call).await
}

/// What a request says of its message.
struct Asked {
    codec: Codec,
    compression: Option<Compression>,
    /// The message, where it is in the URL.
    message: Option<Bytes>,
}

impl Asked {
    fn of_headers(content_type: Option<&str>, encoding: Option<&str>, codecs: &Codecs) -> Result<Asked> {
        let compression = encoding.map(Compression::named).transpose()?.flatten();
        Ok(Asked { codec: content::bare_codec(content_type.unwrap_or_default(), codecs)?, compression, message: None })
    }

    fn of_query(query: &str, codecs: &Codecs) -> Result<Asked> {
        let value = |name: &str| {
            let part = query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
            part.map(|value| percent_encoding::percent_decode_str(value))
        };
        let text = |name: &str| value(name).map_or(Cow::Borrowed(""), |value| value.decode_utf8_lossy());
        let message: Vec<u8> = value("message").map_or_else(Vec::new, Iterator::collect);
        let message = match text("base64").as_ref() {
            "1" => URL_BASE64.decode(&message).map_err(|_| Status::invalid_argument("message: it is no base64"))?,
            _ => message,
        };
        Ok(Asked {
            codec: content::bare_codec(&format!("application/{}", text("encoding")), codecs)?,
            compression: Compression::named(&percent_decode(&text("compression")))?,
            message: Some(message.into()),
        })
    }
}

fn with_reply(server: &GrpcServer, head: &Parts, reply: Reply, codec: &Codec) -> Response<Body> {
    let outcome = reply.body.one().and_then(|message| {
        let message = message.with_codec(codec.clone());
        let mut out = BytesMut::new();
        message.encode_into(&mut out)?;
        let limit = server.config.max_message;
        match out.len() > limit {
            true => Err(crate::wire::too_long(out.len(), limit)),
            false => Ok((message.codec().clone(), out.freeze())),
        }
    });
    let (codec, bytes) = match outcome {
        Ok(written) => written,
        Err(status) => return with_error(&status.with_executed(Executed::Yes), codec),
    };
    let accepted = head.headers.get("accept-encoding").and_then(|value| Compression::accepted(value.to_str().ok()?));
    let small = server.config.compress_above.filter(|above| bytes.len() >= *above).and(accepted);
    let small = small.and_then(|compression| Some((compression.name(), compression.compress(&bytes)?)));
    let mut response = Response::new(match &small {
        Some((_, small)) => Body::from(small.clone()),
        None => Body::from(bytes),
    });
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content::bare_value(&codec));
    if let Some((name, _)) = small {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    metadata::write(&reply.meta.initial().unwrap_or_default(), headers);
    put_trailing(&reply.meta.trailing().unwrap_or_default(), headers);
    response
}

fn put_trailing(trailing: &Metadata, headers: &mut http::HeaderMap) {
    metadata::write_prefixed(trailing, headers, connect::TRAILER);
}

fn with_error(status: &Status, codec: &Codec) -> Response<Body> {
    let mut response = Response::new(Body::from(connect::write_error(status, codec)));
    *response.status_mut() =
        StatusCode::from_u16(connect_http_status(status.code())).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    status::write_hints(status, response.headers_mut());
    put_trailing(status.metadata(), response.headers_mut());
    response
}
