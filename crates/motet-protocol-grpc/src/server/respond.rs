//! From a handler's result to an answer.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http::{HeaderMap, Response};
use http_body::Frame;
use motet_core::{
    Body as CallBody, Code, Codec, Executed, Metadata, Payload, Reply, ReplyMeta, Result, Status, Streaming,
};
use motet_http::Body;

use super::writer::Writer;
use crate::flavour::Flavour;

/// How many bytes of small messages are sent together.
const BATCH: usize = 16 << 10;

/// Answers with an error: in the head where the flavour can.
pub(super) fn with_error(writer: &Writer, status: &Status) -> Response<Body> {
    let mut response = writer.head(&writer.codec, None);
    if status.code() == Code::Unimplemented {
        writer.name_accepted(response.headers_mut());
    }
    if writer.flavour == Flavour::Grpc {
        response.headers_mut().extend(writer.trailers(Some(status), status.metadata()));
        return response;
    }
    let mut out = BytesMut::new();
    writer.end(&mut out, Some(status), status.metadata());
    *response.body_mut() = Body::from(writer.piece(out));
    response
}

/// Answers with a reply.
pub(super) async fn with_reply(writer: Writer, reply: Reply) -> Response<Body> {
    match reply.body {
        CallBody::One(message) => with_message(&writer, &reply.meta, message),
        CallBody::Stream(stream) => with_stream(writer, reply.meta, stream).await,
    }
}

fn with_message(writer: &Writer, meta: &ReplyMeta, message: Payload) -> Response<Body> {
    let message = message.with_codec(writer.codec.clone());
    let codec = message.codec().clone();
    let mut out = BytesMut::new();
    if let Err(status) = writer.put(&mut out, &message, &codec) {
        return with_error(writer, &status.with_executed(Executed::Yes));
    }
    let mut response = writer.head(&codec, meta.initial().as_ref());
    let trailers = writer.end(&mut out, None, &meta.trailing().unwrap_or_default());
    *response.body_mut() = match trailers {
        Some(trailers) => Body::new(OneMessage { data: Some(out.freeze()), trailers: Some(trailers) }),
        None => Body::from(writer.piece(out)),
    };
    response
}

/// The body of a reply of one message.
struct OneMessage {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl http_body::Body for OneMessage {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.trailers.is_none()
    }
}

async fn with_stream(writer: Writer, meta: ReplyMeta, mut stream: Streaming<Payload>) -> Response<Body> {
    // An error that is there already is the whole answer; the head names the codec of the messages.
    let first = poll_fn(|cx| Poll::Ready(Pin::new(&mut stream).poll_next(cx))).await;
    let codec = match &first {
        Poll::Ready(Some(Err(status))) => {
            let trailing = meta.trailing().unwrap_or_else(|| status.metadata().clone());
            return with_error(&writer, &status.clone().with_metadata(trailing));
        }
        Poll::Ready(Some(Ok(message))) => message.clone().with_codec(writer.codec.clone()).codec().clone(),
        _ => writer.codec.clone(),
    };
    let mut response = writer.head(&codec, meta.initial().as_ref());
    *response.body_mut() = Body::new(Messages { writer, codec, meta, first, stream: Some(stream), trailers: None });
    response
}

/// The body of a reply of many messages. Those that are there together go together.
struct Messages {
    writer: Writer,
    codec: Codec,
    meta: ReplyMeta,
    first: Poll<Option<Result<Payload>>>,
    /// None once it has ended.
    stream: Option<Streaming<Payload>>,
    trailers: Option<HeaderMap>,
}

impl Messages {
    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Payload>>> {
        match std::mem::replace(&mut self.first, Poll::Pending) {
            Poll::Ready(item) => Poll::Ready(item),
            Poll::Pending => match &mut self.stream {
                Some(stream) => Pin::new(stream).poll_next(cx),
                None => Poll::Ready(None),
            },
        }
    }

    fn put(&self, out: &mut BytesMut, message: Payload) -> Result<()> {
        let message = message.with_codec(self.codec.clone());
        if *message.codec() != self.codec {
            return Err(Status::internal("the messages of one stream must have one codec"));
        }
        self.writer.put(out, &message, &self.codec)
    }

    fn finish(&mut self, out: &mut BytesMut, end: Option<Status>) {
        // The handler's stream goes before its end is told.
        self.stream = None;
        let trailing = match (&end, self.meta.trailing()) {
            (_, Some(trailing)) => trailing,
            (Some(status), None) => status.metadata().clone(),
            (None, None) => Metadata::new(),
        };
        self.trailers = self.writer.end(out, end.as_ref(), &trailing);
    }
}

impl http_body::Body for Messages {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = &mut *self;
        if this.stream.is_none() {
            return Poll::Ready(this.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
        }
        let mut out = BytesMut::new();
        while this.stream.is_some() && out.len() < BATCH {
            match this.poll_item(cx) {
                Poll::Pending if out.is_empty() => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(Some(Ok(message))) => {
                    if let Err(status) = this.put(&mut out, message) {
                        this.finish(&mut out, Some(status));
                    }
                }
                Poll::Ready(Some(Err(status))) => this.finish(&mut out, Some(status)),
                Poll::Ready(None) => this.finish(&mut out, None),
            }
        }
        if out.is_empty() {
            return Poll::Ready(this.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
        }
        Poll::Ready(Some(Ok(Frame::data(this.writer.piece(out)))))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_none() && self.trailers.is_none()
    }
}
