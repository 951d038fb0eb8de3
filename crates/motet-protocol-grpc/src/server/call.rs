//! A call whose body is messages with prefixes: gRPC, gRPC-Web, Connect's streams.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use http::{Response, request::Parts};
use http_body::Frame;
use motet_core::{Body as CallBody, Call, Codec, Drain, Executed, Payload, Reply, Result, Route, Status, Streaming};
use motet_http::{Body, Door};

use super::{
    GrpcServer,
    head::{self, RequestHead},
    respond,
    writer::Writer,
};
use crate::{
    flavour::Flavour,
    messages::Messages,
    wire::{micro, web::TextDecoder},
    within::within,
};

/// Answers a request.
pub(super) async fn serve(server: GrpcServer, flavour: Flavour, head: Parts, body: Body, door: Door) -> Response<Body> {
    let mut writer = Writer::new(flavour, &server.config);
    let outcome = start(&server, flavour, &head, body, &door, &mut writer).await;
    match outcome {
        Ok(reply) => respond::with_reply(writer, reply).await,
        Err(status) => respond::with_error(&writer, &status),
    }
}

async fn start(
    server: &GrpcServer,
    flavour: Flavour,
    head: &Parts,
    body: Body,
    door: &Door,
    writer: &mut Writer,
) -> Result<Reply> {
    if micro::is_caller(&head.headers) {
        writer.for_go_micro();
    }
    let dispatcher = door.dispatcher();
    let not_run = |status: Status| status.with_executed(Executed::No);
    let head_read = RequestHead::read(head, flavour, dispatcher.codecs()).map_err(not_run)?;
    let RequestHead { codec, compression, accepted, timeout, metadata, one_way, micro } = head_read;
    writer.answer_in(codec.clone(), accepted);
    let route = server.route(head.uri.path(), dispatcher)?;
    let limit = server.config.max_message;
    let body = RequestBody::new(body, flavour);
    let messages = Messages::new(body, compression, limit).within(&server.budget);
    let mut messages = messages.paced(server.config.message_timeout);
    let method = route.method().clone();
    if method.kind.client_streams() {
        let requests = RequestStream { messages: Some(messages), codec: codec.clone(), door: door.clone() };
        let body = CallBody::Stream(Streaming::new(requests));
        let mut call = head::call(&route, door, codec, timeout, metadata, body);
        if server.is_own(&route) {
            call.cx = call.cx.with_value(server.described(dispatcher));
        }
        return motet_http::run(&route, call).await;
    }
    let deadline = route.deadline(timeout);
    let message = within(deadline, &method.path, only(&mut messages, micro && method.kind.server_streams())).await;
    let message = message.and_then(|message| door.count(message)).map_err(not_run)?;
    drop(messages);
    let body = CallBody::One(Payload::encoded(message, codec.clone()));
    let call = head::call(&route, door, codec, timeout, metadata, body);
    if one_way {
        run_one_way(&route, call, door.drain());
        return Ok(Reply::one(Payload::encoded(Bytes::new(), Codec::RAW)));
    }
    motet_http::run(&route, call).await
}

/// The one message of a request. go-micro's clients leave theirs `open` behind it: they open all streams
/// as if both sides sent many.
async fn only(messages: &mut Messages<RequestBody>, open: bool) -> Result<Bytes> {
    let message = messages.next().await.transpose()?;
    let message = message.ok_or_else(|| Status::internal("the request has no message"))?;
    if open {
        return Ok(message);
    }
    match messages.next().await.transpose()? {
        None => Ok(message),
        Some(_) => Err(Status::internal("the request has a second message where one is expected")),
    }
}

/// Runs a call that wants no reply, whatever becomes of its caller.
pub(super) fn run_one_way(route: &Route, mut call: Call, drain: &Drain) {
    call.one_way = true;
    let running = route.call(call);
    let path = route.method().path.clone();
    drain.spawn(async move {
        if let Err(status) = running.await {
            tracing::debug!(target: "motet", method = path, code = status.code().name(), "a one-way call failed");
        }
    });
}

/// The body of a request, out of base64 where it is in it.
pub(super) struct RequestBody {
    body: Body,
    text: Option<TextDecoder>,
}

impl RequestBody {
    fn new(body: Body, flavour: Flavour) -> RequestBody {
        RequestBody { body, text: (flavour == Flavour::WebText).then(TextDecoder::default) }
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx)).transpose()?;
        let Some(text) = &mut this.text else { return Poll::Ready(frame.map(Ok)) };
        Poll::Ready(match frame.map(Frame::into_data) {
            Some(Ok(data)) => Some(text.decode(&data).map(Frame::data)),
            Some(Err(frame)) => Some(Ok(frame)),
            None => text.finish().err().map(Err),
        })
    }
}

/// The messages of a request stream, as its handler reads them.
struct RequestStream {
    messages: Option<Messages<RequestBody>>,
    codec: Codec,
    door: Door,
}

impl Stream for RequestStream {
    type Item = Result<Payload>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(messages) = &mut this.messages else { return Poll::Ready(None) };
        let item = ready!(messages.poll_message(cx)).map(|item| item.and_then(|bytes| this.door.count(bytes)));
        if !matches!(item, Some(Ok(_))) {
            this.messages = None;
        }
        Poll::Ready(item.map(|message| message.map(|bytes| Payload::encoded(bytes, this.codec.clone()))))
    }
}
