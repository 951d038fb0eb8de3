//! A call as a request.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::{BufMut, Bytes, BytesMut};
use futures_core::Stream;
use http::{HeaderValue, Method, Request, Uri, header};
use http_body::Frame;
use motet_core::{Body as CallBody, Call, Codec, MethodDescriptor, Payload, Result, Status, Streaming};
use motet_http::{Body, put_metadata};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::connection::Inner;
use crate::timeout;

/// What may not stand in a segment of a path (RFC 3986 §3.3).
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b']')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The error of a request stream, for those who see only that the request broke off.
#[derive(Clone, Default)]
pub(super) struct Trouble(Arc<Mutex<Option<Status>>>);

impl Trouble {
    pub(super) fn take(&self) -> Option<Status> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, status: Status) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
    }
}

pub(super) struct Built {
    pub(super) request: Request<Body>,
    pub(super) trouble: Trouble,
}

/// The request of a call.
///
/// # Errors
/// What keeps the message from being written as JSON.
pub(super) fn build(inner: &Inner, call: Call) -> Result<Built> {
    let method = call.method.clone();
    let trouble = Trouble::default();
    let (verb, path, body, kind) = match call.body {
        CallBody::One(payload) if !method.kind.client_streams() => one(&method, payload, call.options.codec.clone())?,
        body => {
            let path = format!("/{}", method.path);
            let (verb, path) = route(&method).filter(|(_, path)| !path.contains('{')).unwrap_or((Method::POST, path));
            let lines = Lines { messages: Some(body.stream()), trouble: trouble.clone() };
            (verb, path, Body::from_frames(lines), "application/x-ndjson".to_owned())
        }
    };
    // HTTP/1.1 has the path alone in its first line, and the authority in Host.
    let uri = match inner.pool.is_http2() {
        true => Uri::builder().scheme(inner.scheme).authority(&*inner.authority).path_and_query(path).build(),
        false => Uri::builder().path_and_query(path).build(),
    };
    let uri = uri.map_err(|error| Status::invalid_argument("the path of this method is no URI").with_source(error))?;
    let mut request = Request::builder().method(verb).uri(uri).body(body).map_err(Status::internal_from)?;
    let headers = request.headers_mut();
    put_metadata(&call.metadata, "", headers);
    if let Ok(host) = HeaderValue::from_str(&inner.authority)
        && !inner.pool.is_http2()
    {
        headers.insert(header::HOST, host);
    }
    if !kind.is_empty() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::try_from(kind).map_err(Status::internal_from)?);
    }
    let accept = match method.kind.server_streams() {
        true => HeaderValue::from_static("application/x-ndjson, text/event-stream"),
        false => HeaderValue::from_static("application/json, */*"),
    };
    headers.insert(header::ACCEPT, accept);
    if call.one_way {
        headers.insert("prefer", HeaderValue::from_static("respond-async"));
    }
    if let Some(deadline) = call.deadline {
        let left = deadline.at.saturating_duration_since(Instant::now());
        if let Ok(left) = HeaderValue::try_from(timeout::write(left)) {
            headers.insert(timeout::HEADER, left);
        }
    }
    Ok(Built { request, trouble })
}

/// The first declared route.
fn route(method: &MethodDescriptor) -> Option<(Method, String)> {
    let route = method.options.http.first()?;
    Some((Method::from_bytes(route.verb.as_bytes()).ok()?, route.path.clone()))
}

/// Verb, path with query, body and content type of a request of one message.
fn one(method: &MethodDescriptor, payload: Payload, wish: Option<Codec>) -> Result<(Method, String, Body, String)> {
    let Some((verb, path)) = route(method) else {
        let payload = payload.with_codec(wish.unwrap_or(Codec::JSON));
        let kind = payload.codec().content_type().to_owned();
        return Ok((Method::POST, format!("/{}", method.path), Body::from(payload.bytes()?), kind));
    };
    let json = payload.with_codec(Codec::JSON);
    let object = match (*json.codec() == Codec::JSON).then(|| json.bytes()).transpose()? {
        Some(bytes) => {
            serde_json::from_slice(&bytes).map_err(|_| Status::invalid_argument("the message is no JSON object"))?
        }
        None => return Err(Status::invalid_argument("a message that goes into a path and a query must be JSON")),
    };
    let mut object: Map<String, Value> = object;
    let mut path = fill(&path, &mut object)?;
    if !matches!(verb, Method::GET | Method::HEAD | Method::DELETE) {
        let body = serde_json::to_vec(&object).map_err(Status::internal_from)?;
        return Ok((verb, path, Body::from(body), Codec::JSON.content_type().to_owned()));
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in &object {
        match value {
            Value::Null => {}
            Value::Array(items) => {
                query.extend_pairs(items.iter().map(|item| (name, text(item))));
            }
            value => {
                query.append_pair(name, &text(value));
            }
        }
    }
    let query = query.finish();
    if !query.is_empty() {
        path.push('?');
        path.push_str(&query);
    }
    Ok((verb, path, Body::empty(), String::new()))
}

/// Puts fields into the places of a path, and takes them from the object.
fn fill(pattern: &str, object: &mut Map<String, Value>) -> Result<String> {
    let (mut path, mut rest) = (String::new(), pattern);
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        let (name, many) = name.strip_prefix('*').map_or((name, false), |name| (name, true));
        path.push_str(before);
        let value = object.remove(name).filter(|value| !value.is_null()).map(|value| text(&value)).unwrap_or_default();
        if value.is_empty() {
            return Err(Status::invalid_argument(format!("{name}: stands in the path and must not be empty")));
        }
        let segments =
            value.split(|c| many && c == '/').map(|segment| utf8_percent_encode(segment, SEGMENT).to_string());
        path.push_str(&segments.collect::<Vec<_>>().join("/"));
        rest = after;
    }
    path.push_str(rest);
    Ok(path)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The messages of a request stream as lines.
struct Lines {
    messages: Option<Streaming<Payload>>,
    trouble: Trouble,
}

impl Stream for Lines {
    type Item = Result<Frame<Bytes>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let mut out = BytesMut::new();
        while let Some(messages) = &mut this.messages {
            if out.len() >= 16 << 10 {
                break;
            }
            let message = match Pin::new(messages).poll_next(cx) {
                Poll::Pending if out.is_empty() => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(None) => {
                    this.messages = None;
                    break;
                }
                Poll::Ready(Some(message)) => message,
            };
            let written = message.and_then(|message| message.with_codec(Codec::JSON).encode_into(&mut out));
            if let Err(status) = written {
                this.messages = None;
                this.trouble.set(status.clone());
                return Poll::Ready(Some(Err(status)));
            }
            out.put_u8(b'\n');
        }
        Poll::Ready((!out.is_empty()).then(|| Ok(Frame::data(out.freeze()))))
    }
}

#[cfg(test)]
mod tests {
    use motet_core::{HttpRoute, MethodOptions};
    use serde_json::json;

    use super::*;

    fn built(verb: &str, path: &str, body: Value) -> Result<(Method, String)> {
        let mut options = MethodOptions::default();
        options.http.push(HttpRoute { verb: verb.to_owned(), path: path.to_owned() });
        let method = MethodDescriptor::new("shop", "get").options(options);
        let (verb, path, _, _) = one(&method, Payload::encoded(body.to_string(), Codec::JSON), None)?;
        Ok((verb, path))
    }

    #[test]
    fn fields_go_into_path_and_query() {
        let body = json!({ "id": "a/b c", "tags": [1, 2], "loud": true, "none": null });
        let (verb, path) = built("GET", "/items/{id}/x", body.clone()).expect("fits");
        assert_eq!((verb, &*path), (Method::GET, "/items/a%2Fb%20c/x?loud=true&tags=1&tags=2"));
        let (_, path) = built("PUT", "/items/{*id}", body).expect("fits");
        assert_eq!(path, "/items/a/b%20c");
        let status = built("GET", "/items/{id}", json!({})).expect_err("no id");
        assert!(status.message().starts_with("id: "), "{status}");
    }
}
