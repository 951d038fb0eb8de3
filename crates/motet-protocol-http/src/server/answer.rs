//! The answer to a call.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{BufMut, Bytes, BytesMut};
use futures_core::Stream;
use http::{HeaderValue, Response, StatusCode, header, request::Parts};
use http_body::Frame;
use motet_core::{
    Body as CallBody, Codec, Codecs, Executed, MethodDescriptor, Payload, Reply, ReplyMeta, Result, Status, Streaming,
};
use motet_http::{Body, error_object, metadata_object, put_metadata, refusal};
use tokio::time::{Instant, Sleep};

/// Messages that are there are gathered into one write up to this size.
const GATHER: usize = 16 << 10;
/// A stream that says nothing for this long sends an empty line, so that a caller who has left is
/// noticed.
const SILENCE: Duration = Duration::from_secs(15);

/// How a caller would like its answer.
pub(super) struct Wish {
    codec: Option<Codec>,
    events: bool,
    stream: bool,
}

impl Wish {
    /// Reads `Accept`. A caller that names nothing that there is gets 406; one that takes anything
    /// gets the request's codec.
    ///
    /// # Errors
    /// Unimplemented, naming what there is.
    pub(super) fn of(head: &Parts, codecs: &Codecs, method: &MethodDescriptor) -> Result<Wish> {
        let stream = method.kind.server_streams();
        let mut wish = Wish { codec: None, events: false, stream };
        let fields = head.headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut asked = false;
        for name in fields.flat_map(|field| field.split(',')) {
            let name = name.split(';').next().unwrap_or_default().trim();
            match name {
                "" => continue,
                "*/*" | "application/*" => return Ok(wish),
                "text/event-stream" if stream => {
                    wish.events = true;
                    return Ok(wish);
                }
                "application/x-ndjson" | "application/ndjson" | "application/jsonl" => return Ok(wish),
                "application/json" if stream => return Ok(wish),
                _ if stream => {}
                _ => {
                    if let Ok(codec) = codecs.find(name) {
                        wish.codec = Some(codec);
                        return Ok(wish);
                    }
                }
            }
            asked = true;
        }
        // What a browser's address bar asks for is shown as JSON.
        let browser = head.headers.get(header::ACCEPT).is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
        if !asked || browser {
            return Ok(wish);
        }
        let known = match stream {
            true => "application/x-ndjson, text/event-stream".to_owned(),
            false => codecs.content_types().join(", "),
        };
        Err(Status::unimplemented(format!("Accept names nothing that there is: {known}")))
    }

    pub(super) fn answer(self, reply: Reply, request: Codec) -> Response<Body> {
        let Reply { meta, body } = reply;
        match body {
            CallBody::One(payload) if !self.stream => one(&meta, payload, self.codec.unwrap_or(request)),
            body => self.many(&meta, body.stream()),
        }
    }

    fn many(self, meta: &ReplyMeta, mut stream: Streaming<Payload>) -> Response<Body> {
        // An error that is there at once is the answer, under its own status.
        let first = Pin::new(&mut stream).poll_next(&mut Context::from_waker(std::task::Waker::noop()));
        if let Poll::Ready(Some(Err(status))) = first {
            return refusal(&status);
        }
        let kind = if self.events { "text/event-stream" } else { "application/x-ndjson" };
        let (first, events, meta_of_end) = (Some(first), self.events, meta.clone());
        let stream = Messages { stream: Some(stream), first, events, meta: meta_of_end, silence: None };
        let mut answer = Response::new(Body::from_frames(stream));
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        put_metadata(&meta.initial().unwrap_or_default(), "", headers);
        answer
    }
}

fn one(meta: &ReplyMeta, payload: Payload, codec: Codec) -> Response<Body> {
    let payload = payload.with_codec(codec);
    let bytes = match payload.bytes() {
        Ok(bytes) => bytes,
        Err(status) => return refusal(&status.with_executed(Executed::Yes)),
    };
    let mut answer = Response::new(Body::from(bytes));
    *answer.status_mut() = StatusCode::OK;
    let headers = answer.headers_mut();
    let kind = match payload.codec() {
        codec if *codec == Codec::JSON => HeaderValue::from_static("application/json"),
        codec => HeaderValue::from_str(codec.content_type())
            .unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream")),
    };
    headers.insert(header::CONTENT_TYPE, kind);
    if !meta.is_none() {
        put_metadata(&meta.initial().unwrap_or_default(), "", headers);
        put_metadata(&meta.trailing().unwrap_or_default(), "trailer-", headers);
    }
    answer
}

/// The messages of a reply stream as lines or events.
struct Messages {
    stream: Option<Streaming<Payload>>,
    /// What the first look at the stream gave.
    first: Option<Poll<Option<Result<Payload>>>>,
    events: bool,
    meta: ReplyMeta,
    silence: Option<Pin<Box<Sleep>>>,
}

impl Messages {
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Payload>>> {
        if let Some(Poll::Ready(first)) = self.first.take() {
            return Poll::Ready(first);
        }
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_next(cx),
            None => Poll::Ready(None),
        }
    }

    fn end(&mut self, end: Option<Status>, out: &mut BytesMut) {
        self.stream = None;
        let trailing = self.meta.trailing().filter(|trailing| !trailing.is_empty());
        let end = end.map(|status| match &trailing {
            Some(trailing) => status.with_metadata(trailing.clone()),
            None => status,
        });
        match (end, self.events) {
            (Some(status), true) => event(out, "error", error_object(&status).to_string().as_bytes()),
            (Some(status), false) => {
                let line = serde_json::json!({ "@error": error_object(&status) });
                out.put_slice(line.to_string().as_bytes());
                out.put_u8(b'\n');
            }
            (None, events) => {
                let said = trailing.map(|trailing| serde_json::json!({ "metadata": metadata_object(&trailing) }));
                match (said, events) {
                    (said, true) => event(out, "end", said.map_or("{}".to_owned(), |end| end.to_string()).as_bytes()),
                    (Some(end), false) => {
                        out.put_slice(serde_json::json!({ "@end": end }).to_string().as_bytes());
                        out.put_u8(b'\n');
                    }
                    (None, false) => {}
                }
            }
        }
    }

    fn message(&self, message: Payload, out: &mut BytesMut) -> Result<()> {
        let message = message.with_codec(Codec::JSON);
        if *message.codec() != Codec::JSON {
            let kind = message.codec().content_type().to_owned();
            return Err(Status::unimplemented(format!("a stream of {kind} cannot be carried as lines of JSON")));
        }
        let start = out.len();
        if self.events {
            out.put_slice(b"data: ");
        }
        let body = out.len();
        if let Err(status) = message.encode_into(out) {
            out.truncate(start);
            return Err(status);
        }
        // Text of the handler's own making may hold line breaks.
        if out[body..].contains(&b'\n') || out[body..].contains(&b'\r') {
            let compact = serde_json::from_slice::<serde_json::Value>(&out[body..]);
            let compact = compact.map_err(|_| Status::internal("the message is no JSON"))?.to_string();
            out.truncate(body);
            out.put_slice(compact.as_bytes());
        }
        out.put_slice(if self.events { b"\n\n" } else { b"\n" });
        Ok(())
    }
}

fn event(out: &mut BytesMut, name: &str, data: &[u8]) {
    out.put_slice(b"event: ");
    out.put_slice(name.as_bytes());
    out.put_slice(b"\ndata: ");
    out.put_slice(data);
    out.put_slice(b"\n\n");
}

impl Stream for Messages {
    type Item = Result<Frame<Bytes>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let mut out = BytesMut::new();
        while this.stream.is_some() && out.len() < GATHER {
            match this.poll_message(cx) {
                Poll::Pending => break,
                Poll::Ready(None) => this.end(None, &mut out),
                Poll::Ready(Some(Err(status))) => this.end(Some(status), &mut out),
                Poll::Ready(Some(Ok(message))) => {
                    if let Err(status) = this.message(message, &mut out) {
                        this.end(Some(status.with_executed(Executed::Yes)), &mut out);
                    }
                }
            }
        }
        if !out.is_empty() {
            if let Some(silence) = &mut this.silence {
                silence.as_mut().reset(Instant::now() + SILENCE);
            }
            return Poll::Ready(Some(Ok(Frame::data(out.freeze()))));
        }
        if this.stream.is_none() {
            return Poll::Ready(None);
        }
        let silence = this.silence.get_or_insert_with(|| Box::pin(tokio::time::sleep(SILENCE)));
        if silence.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        silence.as_mut().reset(Instant::now() + SILENCE);
        let word: &'static [u8] = if this.events { b": \n\n" } else { b"\n" };
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(word)))))
    }
}
