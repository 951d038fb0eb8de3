//! The call that a request asks for.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, Method, StatusCode, header, request::Parts};
use http_body::Body as _;
use motet_core::{
    Body as CallBody, Call, CallOptions, Codec, Codecs, Context, Executed, MethodDescriptor, Payload, Result, Status,
    Streaming, TraceParent,
};
use motet_http::{Body, Door, metadata_from};

use super::index::Found;
use crate::{bind::bind, lines::Lines, timeout};

/// Why a request is no call, and the HTTP status where the code's is not the right one.
pub(super) struct Refused {
    pub(super) status: Status,
    pub(super) code: Option<StatusCode>,
}

impl From<Status> for Refused {
    fn from(status: Status) -> Refused {
        let code = match status.code() {
            motet_core::Code::DeadlineExceeded => Some(StatusCode::REQUEST_TIMEOUT),
            _ => None,
        };
        Refused { status, code }
    }
}

/// Whether nobody waits for the answer (RFC 7240 §4.1).
pub(super) fn is_one_way(head: &Parts, method: &MethodDescriptor) -> bool {
    let prefers = |value: &http::HeaderValue| {
        let text = value.to_str().unwrap_or_default();
        text.split([',', ';']).any(|wish| wish.trim().eq_ignore_ascii_case("respond-async"))
    };
    method.kind == motet_core::Kind::Unary && head.headers.get_all("prefer").iter().any(prefers)
}

/// The call, its body read unless that is a stream.
pub(super) async fn call(found: Found, head: &Parts, body: Body, door: &Door) -> std::result::Result<Call, Refused> {
    let Found { route, parameters, declared } = found;
    let method = route.method();
    let own = |name: &str| matches!(name, timeout::HEADER | "prefer") || name.starts_with("sec-");
    let metadata = metadata_from(&head.headers, own)?;
    let given = match head.headers.get(timeout::HEADER) {
        Some(text) => Some(timeout::parse(text.to_str().unwrap_or_default())?),
        None => None,
    };
    let deadline = route.deadline(given);
    let (body, codec) = read(method, &parameters, declared, head, body, door).await?;
    let trace = match metadata.is_empty() {
        true => None,
        false => metadata.get(TraceParent::KEY).and_then(TraceParent::parse),
    };
    let cx = Context::incoming(deadline, metadata.clone(), Some(door.peer().clone()), trace);
    let mut call = Call::new(method.clone(), cx, body, codec, Arc::<CallOptions>::default());
    call.metadata = metadata;
    Ok(call)
}

/// How a request's body is written.
enum Written {
    As(Codec),
    /// One message a line.
    Lines,
    Form,
}

fn written(headers: &HeaderMap, codecs: &Codecs) -> std::result::Result<Written, Refused> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(Written::As(Codec::JSON)) };
    let text = value.to_str().unwrap_or_default();
    let name = text.split(';').next().unwrap_or_default().trim();
    if ["application/x-ndjson", "application/ndjson", "application/jsonl"]
        .iter()
        .any(|own| own.eq_ignore_ascii_case(name))
    {
        return Ok(Written::Lines);
    }
    if name.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Ok(Written::Form);
    }
    let found = codecs.find(text).map(Written::As);
    found.map_err(|status| Refused { status, code: Some(StatusCode::UNSUPPORTED_MEDIA_TYPE) })
}

async fn read(
    method: &MethodDescriptor,
    parameters: &[(String, String)],
    declared: bool,
    head: &Parts,
    body: Body,
    door: &Door,
) -> std::result::Result<(CallBody, Codec), Refused> {
    let config = door.config();
    let written = written(&head.headers, door.dispatcher().codecs())?;
    if method.kind.client_streams() {
        return match written {
            Written::Lines => {
                let lines = Messages { body, lines: Lines::new(config.max_message), over: false };
                Ok((CallBody::Stream(Streaming::new(lines)), Codec::JSON))
            }
            Written::As(codec) if codec == Codec::JSON => {
                let one = door.read_all(body, config.max_message).await?;
                let one = (!one.trim_ascii().is_empty()).then(|| Payload::encoded(one, Codec::JSON));
                Ok((CallBody::Stream(Streaming::from_iter(one)), Codec::JSON))
            }
            _ => {
                let status = Status::invalid_argument(format!(
                    "{} takes a stream of messages: application/x-ndjson, one JSON object a line, or one alone as \
                     application/json",
                    method.path
                ));
                Err(Refused { status, code: Some(StatusCode::UNSUPPORTED_MEDIA_TYPE) })
            }
        };
    }
    let bytes = match body.is_end_stream() {
        true => Bytes::new(),
        false => door.read_all(body, config.max_message).await.map_err(too_long)?,
    };
    let query = head.uri.query().unwrap_or_default();
    // By its path a method takes its arguments from the body; a GET has none.
    let bodiless = matches!(head.method, Method::GET | Method::HEAD);
    let query = if declared || bodiless { query } else { "" };
    let (body, codec) = match written {
        // What `curl -d` sends unless told otherwise.
        Written::Form if bytes.trim_ascii().first() == Some(&b'{') => {
            (bind(method, parameters, query, &bytes)?, Codec::JSON)
        }
        Written::Form => {
            let form = std::str::from_utf8(&bytes).map_err(|_| Status::invalid_argument("the form is no UTF-8"))?;
            let both = if query.is_empty() { form.to_owned() } else { format!("{form}&{query}") };
            (bind(method, parameters, &both, &Bytes::from_static(b"{}"))?, Codec::JSON)
        }
        Written::Lines => (bytes, Codec::JSON),
        Written::As(codec) if codec == Codec::JSON => (bind(method, parameters, query, &bytes)?, codec),
        Written::As(_) if bytes.is_empty() => (bind(method, parameters, query, &bytes)?, Codec::JSON),
        Written::As(codec) if parameters.is_empty() => (bytes, codec),
        Written::As(_) => return Err(Status::invalid_argument("parameters in the path go with a body of JSON").into()),
    };
    // A method whose request has no required field can be asked with nothing.
    let body = if body.is_empty() && codec == Codec::JSON { Bytes::from_static(b"{}") } else { body };
    Ok((CallBody::One(Payload::encoded(body, codec.clone())), codec))
}

fn too_long(status: Status) -> Refused {
    match (status.code(), status.executed()) {
        // Too much for the server's memory at this moment is no fault of the request's.
        (_, Executed::No) => status.into(),
        (motet_core::Code::ResourceExhausted, _) => Refused { status, code: Some(StatusCode::PAYLOAD_TOO_LARGE) },
        _ => status.into(),
    }
}

/// The messages of a request stream.
struct Messages {
    body: Body,
    lines: Lines,
    over: bool,
}

impl Stream for Messages {
    type Item = Result<Payload>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            match this.lines.next(this.over) {
                Ok(Some(line)) => return Poll::Ready(Some(Ok(Payload::encoded(line, Codec::JSON)))),
                Ok(None) if this.over => return Poll::Ready(None),
                Ok(None) => {}
                Err(status) => return Poll::Ready(Some(Err(status))),
            }
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        this.lines.push(data);
                    }
                }
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                None => this.over = true,
            }
        }
    }
}
