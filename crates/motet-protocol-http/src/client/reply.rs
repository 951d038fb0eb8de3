//! An answer as a reply.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, Response, header, response::Parts};
use http_body::Body as _;
use hyper::body::Incoming;
use motet_core::{
    Body as CallBody, BoxFuture, Codec, Deadline, Metadata, MethodDescriptor, Payload, Reply, ReplyMeta, Result,
    Status, Streaming,
};
use motet_http::{Body, code_of, metadata_from, metadata_of_object, status_of_object};
use serde_json::Value;
use tokio::time::Sleep;

use super::{
    connection::{InFlight, Inner},
    pool::Used,
    request::Trouble,
};
use crate::lines::Lines;

/// The most of an error's body that is read.
const MAX_ERROR: usize = 64 << 10;
/// How long each part of an answer may take where the call has no deadline.
const PACE: Duration = Duration::from_secs(60);

/// What follows an answer's head.
pub(super) enum Head {
    Done(Reply),
    Stream(Messages),
}

/// Reads an answer, to its end unless it is a stream.
///
/// # Errors
/// What the service answered.
pub(super) async fn head(
    inner: &Inner,
    method: &MethodDescriptor,
    answer: Response<Incoming>,
    mut used: Option<Used>,
    one_way: bool,
    trouble: Trouble,
) -> Result<Head> {
    let (head, body) = answer.into_parts();
    let body = Body::new(body);
    let finished = |used: &mut Option<Used>| {
        if let Some(used) = used {
            used.done();
        }
    };
    if !head.status.is_success() {
        let text = body.read_all(MAX_ERROR, PACE).await.unwrap_or_default();
        finished(&mut used);
        return Err(failure(&head, &text));
    }
    let meta = meta(&head.headers);
    if method.kind.server_streams() && !one_way {
        // What comes at the end needs a place.
        let meta = if meta.is_none() { ReplyMeta::new() } else { meta };
        let events = content_type(&head.headers).starts_with("text/event-stream");
        let lines = Lines::new(inner.config.max_message);
        return Ok(Head::Stream(Messages {
            body,
            lines,
            events,
            event: String::new(),
            over: false,
            used,
            meta,
            trouble,
        }));
    }
    let bytes = body.read_all(inner.config.max_message, PACE).await.map_err(|status| match status.code() {
        motet_core::Code::ResourceExhausted | motet_core::Code::DeadlineExceeded => status,
        _ => Status::unavailable("the connection ended in the middle of the answer"),
    })?;
    finished(&mut used);
    let kind = content_type(&head.headers);
    let codec = if kind.is_empty() || bytes.is_empty() { Codec::JSON } else { inner.codecs.find(kind)? };
    Ok(Head::Done(Reply { meta, body: CallBody::One(Payload::encoded(bytes, codec)) }))
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn meta(headers: &HeaderMap) -> ReplyMeta {
    let all = metadata_from(headers, |name| name == "cache-control").unwrap_or_default();
    if all.is_empty() {
        return ReplyMeta::none();
    }
    let (mut initial, mut trailing) = (Metadata::new(), Metadata::new());
    for (key, value) in all.iter_raw() {
        // A part of what fits the limits fits them.
        let _ = match key.strip_prefix("trailer-") {
            Some(key) => trailing.push(key, value.clone()),
            None => initial.push(key, value.clone()),
        };
    }
    let meta = ReplyMeta::new();
    meta.set_initial(initial);
    meta.set_trailing(trailing);
    meta
}

/// The status that an answer means: the service's own where it says so, else that of the HTTP status.
fn failure(head: &Parts, body: &Bytes) -> Status {
    let object = serde_json::from_slice::<Value>(body).ok();
    if let Some(status) = object.as_ref().and_then(status_of_object) {
        return status;
    }
    let said = object
        .as_ref()
        .and_then(|object| ["message", "error", "detail"].iter().find_map(|key| object.get(key)?.as_str()));
    let said = said.map(|text| format!(": {}", text.chars().take(512).collect::<String>())).unwrap_or_default();
    let status = Status::new(code_of(head.status), format!("the service answered {}{said}", head.status));
    let wait = head.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    match wait {
        Some(seconds) => status.with_retry_after(Duration::from_secs(seconds)),
        None => status,
    }
}

/// The messages of a reply stream.
pub(super) struct Messages {
    body: Body,
    lines: Lines,
    events: bool,
    /// The name of the event whose data is next.
    event: String,
    over: bool,
    used: Option<Used>,
    meta: ReplyMeta,
    trouble: Trouble,
}

impl Messages {
    pub(super) fn into_reply(self, deadline: Option<Deadline>, path: String, in_flight: InFlight) -> Reply {
        let meta = self.meta.clone();
        reply(State::Open(Box::new(self)), meta, deadline, path, in_flight)
    }

    /// What a line says: a message, the end with or without an error, or nothing yet.
    fn line(&mut self, line: &Bytes) -> Option<Result<Payload, Option<Status>>> {
        if !self.events {
            if line.starts_with(b"{\"@error\":")
                && let Ok(value) = serde_json::from_slice::<Value>(line)
                && let Some(status) = value.get("@error").and_then(status_of_object)
            {
                return Some(Err(Some(status)));
            }
            if line.starts_with(b"{\"@end\":")
                && let Ok(value) = serde_json::from_slice::<Value>(line)
                && let Some(end) = value.get("@end").filter(|end| end.is_object())
            {
                self.end(end);
                return Some(Err(None));
            }
            return Some(Ok(Payload::encoded(line.clone(), Codec::JSON)));
        }
        let text = std::str::from_utf8(line).unwrap_or_default();
        let (field, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event),
            "data" => {
                let name = std::mem::take(&mut self.event);
                return match &*name {
                    "end" => {
                        self.end(&serde_json::from_str(value).unwrap_or_default());
                        Some(Err(None))
                    }
                    "error" => {
                        let status = serde_json::from_str(value).ok().as_ref().and_then(status_of_object);
                        Some(Err(Some(
                            status.unwrap_or_else(|| Status::new(motet_core::Code::Unknown, value.to_owned())),
                        )))
                    }
                    _ => Some(Ok(Payload::encoded(Bytes::copy_from_slice(value.as_bytes()), Codec::JSON))),
                };
            }
            _ => {}
        }
        None
    }
}

impl Messages {
    /// What a stream says that has ended well.
    fn end(&self, end: &Value) {
        if let Some(metadata) = end.get("metadata") {
            self.meta.set_trailing(metadata_of_object(metadata));
        }
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Payload>>> {
        loop {
            match self.lines.next(self.over) {
                Err(status) => return Poll::Ready(Some(Err(status))),
                Ok(Some(line)) => match self.line(&line) {
                    Some(Ok(message)) => return Poll::Ready(Some(Ok(message))),
                    Some(Err(end)) => return Poll::Ready(end.map(Err)),
                    None => continue,
                },
                Ok(None) if self.over => {
                    if let Some(used) = &mut self.used {
                        used.done();
                    }
                    return Poll::Ready(None);
                }
                Ok(None) => {}
            }
            match std::task::ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.lines.push(data);
                    }
                }
                Some(Err(_)) => {
                    let lost = || Status::unavailable("the connection ended in the middle of the stream");
                    return Poll::Ready(Some(Err(self.trouble.take().unwrap_or_else(lost))));
                }
                None => self.over = true,
            }
        }
    }
}

/// A reply whose stream waits for the answer's head first; an error in its place is the first item.
pub(super) fn later(
    head: BoxFuture<'static, Result<Head>>,
    deadline: Option<Deadline>,
    path: String,
    in_flight: InFlight,
) -> Reply {
    reply(State::Opening(head), ReplyMeta::new(), deadline, path, in_flight)
}

fn reply(state: State, meta: ReplyMeta, deadline: Option<Deadline>, path: String, in_flight: InFlight) -> Reply {
    let stream = Bounded { state, meta: meta.clone(), deadline, path, timer: None, _in_flight: in_flight };
    Reply { meta, body: CallBody::Stream(Streaming::new(stream)) }
}

enum State {
    Opening(BoxFuture<'static, Result<Head>>),
    Open(Box<Messages>),
    Over,
}

impl State {
    fn poll_message(&mut self, meta: &ReplyMeta, cx: &mut Context<'_>) -> Poll<Option<Result<Payload>>> {
        loop {
            match self {
                State::Over => return Poll::Ready(None),
                State::Open(messages) => return messages.poll_message(cx),
                State::Opening(head) => match std::task::ready!(head.as_mut().poll(cx)) {
                    Ok(Head::Stream(messages)) => {
                        if let Some(initial) = messages.meta.initial() {
                            meta.set_initial(initial);
                        }
                        *self = State::Open(Box::new(messages));
                    }
                    Ok(Head::Done(_)) => {
                        return Poll::Ready(Some(Err(Status::internal("one message came in place of a stream"))));
                    }
                    Err(status) => return Poll::Ready(Some(Err(status))),
                },
            }
        }
    }
}

/// A reply stream that ends at its call's deadline.
struct Bounded {
    state: State,
    meta: ReplyMeta,
    deadline: Option<Deadline>,
    path: String,
    timer: Option<Pin<Box<Sleep>>>,
    _in_flight: InFlight,
}

impl Stream for Bounded {
    type Item = Result<Payload>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Poll::Ready(message) = this.state.poll_message(&this.meta, cx) {
            if !matches!(message, Some(Ok(_))) {
                let said = match (&message, &this.state) {
                    (Some(Err(status)), _) if !status.metadata().is_empty() => Some(status.metadata().clone()),
                    (None, State::Open(messages)) => messages.meta.trailing(),
                    _ => None,
                };
                said.into_iter().for_each(|trailing| this.meta.set_trailing(trailing));
                this.state = State::Over;
            }
            return Poll::Ready(message);
        }
        let Some(deadline) = this.deadline else { return Poll::Pending };
        let timer = this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.at)));
        if timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        this.state = State::Over;
        Poll::Ready(Some(Err(deadline.status(&this.path))))
    }
}
