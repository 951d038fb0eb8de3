//! Calls of all kinds.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use h2::{SendStream, client::ResponseFuture};
use http::{HeaderMap, Request, header::CONTENT_LENGTH};
use motet_core::{
    Body, Call, Codec, Deadline, Executed, Kind, Metadata, MethodDescriptor, Payload, Reply, ReplyMeta, Result, Status,
    Streaming,
};
use tokio::time::Sleep;

use super::{
    connect,
    connection::{InFlight, Inner},
    failure,
    head::{self, ReplyHead},
    receive::{ReplyBody, end},
    send::{Failed, Writing, send_requests},
};
use crate::{messages::Messages, task::Owned, wire::status, within::within};

/// Makes a unary call. Dropping the future cancels it.
pub(super) async fn unary_call(connection: Arc<Inner>, call: Call) -> Result<Reply> {
    let in_flight = InFlight::begin(&connection);
    let Body::One(message) = &call.body else {
        return Err(Status::internal("a stream was given to a unary method"));
    };
    let request = prepare(&connection, &call, message.codec(), message)?;
    let answer = async {
        let (response, _sending) = open(&connection, request).await?;
        if connect::is_bare(&connection, &call) {
            return connect::reply(&connection, response).await;
        }
        let mut replies = Replies::begin(&connection, response, message.codec().clone()).await?;
        replies.one().await
    };
    let outcome = within(call.deadline, &call.method.path, answer).await;
    drop(in_flight);
    outcome.map_err(|status| failure::at_deadline(status, call.deadline, &call.method.path))
}

/// Makes a call that wants no reply: it is over once it is written. The peer is left to finish it.
pub(super) async fn one_way_call(connection: Arc<Inner>, call: Call) -> Result<Reply> {
    let in_flight = InFlight::begin(&connection);
    let Body::One(message) = &call.body else {
        return Err(Status::internal("a stream was given to a unary method"));
    };
    let request = prepare(&connection, &call, message.codec(), message)?;
    let (response, _) = within(call.deadline, &call.method.path, open(&connection, request)).await?;
    connection.finish_alone(async move {
        let _ = response.await;
        drop(in_flight);
    });
    // The connection's task writes it now.
    tokio::task::yield_now().await;
    match connection.shared.closed.load(Ordering::Acquire) {
        true => Err(Status::unavailable("the connection was lost")),
        false => Ok(Reply::one(Payload::encoded(Bytes::new(), Codec::RAW))),
    }
}

/// Makes a call with a stream on either side. It resolves at the reply's head, for bidi calls once the
/// head of the request is sent: some peers send their head with the first message only.
pub(super) async fn stream_call(connection: Arc<Inner>, mut call: Call) -> Result<Reply> {
    let in_flight = InFlight::begin(&connection);
    let path = call.method.path.clone();
    let deadline = call.deadline;
    let body = std::mem::replace(&mut call.body, Body::Stream(Streaming::from_iter([])));
    let failed = Failed::default();
    let (codec, opened, sender) = match (call.method.kind, body) {
        (Kind::ServerStream, body) => {
            let message = body.one()?;
            let codec = message.codec().clone();
            let request = prepare(&connection, &call, &codec, &message)?;
            let (response, _) = within(deadline, &path, open(&connection, request)).await?;
            (codec, response, None)
        }
        (_, body) => {
            let codec = call.codec.clone();
            let compress = connection.compress(&call);
            let head = head::request(&connection, &call, &codec, compress.map(|(compression, _)| compression))?;
            let limit = connection.config.max_message;
            let (response, sending) = within(deadline, &path, open_stream(&connection, head, false)).await?;
            let writing = Writing { codec: codec.clone(), limit, compress };
            let sending = send_requests(sending, body.stream(), writing, failed.clone());
            (codec, response, Some(Owned::new(tokio::spawn(sending))))
        }
    };
    let begin = Replies::begin(&connection, opened, codec);
    if call.method.kind == Kind::Bidi {
        let meta = ReplyMeta::new();
        let stage = Stage::Opening(Box::pin(begin));
        let stream = ReplyStream::new(stage, meta.clone(), &call, failed, sender, in_flight);
        return Ok(Reply { meta, body: Body::Stream(Streaming::new(stream)) });
    }
    let blame = |status| failed.take().unwrap_or_else(|| failure::at_deadline(status, deadline, &path));
    let begin = async {
        let mut replies = begin.await?;
        if call.method.kind == Kind::ServerStream && replies.is_there {
            replies.look_ahead().await?;
        }
        Ok(replies)
    };
    let mut replies = within(deadline, &path, begin).await.map_err(blame)?;
    if call.method.kind == Kind::ClientStream {
        return within(deadline, &path, replies.one()).await.map_err(blame);
    }
    let meta = ReplyMeta::new();
    meta.set_initial(std::mem::take(&mut replies.initial));
    let stream = ReplyStream::new(Stage::Reading(Box::new(replies)), meta.clone(), &call, failed, sender, in_flight);
    Ok(Reply { meta, body: Body::Stream(Streaming::new(stream)) })
}

/// A request that is ready to be sent.
pub(super) struct Prepared {
    pub(super) head: Request<()>,
    pub(super) body: Bytes,
}

fn prepare(connection: &Inner, call: &Call, codec: &Codec, message: &Payload) -> Result<Prepared> {
    if connect::is_bare(connection, call) {
        return connect::prepare(connection, call, message);
    }
    let compress = connection.compress(call);
    let writing = Writing { codec: codec.clone(), limit: connection.config.max_message, compress };
    let mut body = BytesMut::new();
    writing.put(&mut body, message).map_err(|status| status.with_executed(Executed::No))?;
    let encoding = compress.map(|(compression, _)| compression);
    let head = head::request(connection, call, codec, encoding)?;
    Ok(Prepared { head, body: body.freeze() })
}

/// Opens a stream and sends the one message of its request.
async fn open(connection: &Inner, request: Prepared) -> Result<(ResponseFuture, SendStream<Bytes>)> {
    let (response, mut sending) = open_stream(connection, request.head, false).await?;
    // The message is there already: to hold it back would save no memory. A peer may have refused the
    // call at its head and be through with the stream: then the answer says more than this error.
    let _ = sending.send_data(request.body, true);
    Ok((response, sending))
}

async fn open_stream(connection: &Inner, head: Request<()>, end: bool) -> Result<(ResponseFuture, SendStream<Bytes>)> {
    let mut send = connection.shared.sender()?;
    let ready = poll_fn(|cx| send.poll_ready(cx)).await;
    ready.and_then(|()| send.send_request(head, end)).map_err(|error| failure::of_sending(&error))
}

/// The replies of a call, from their head on.
struct Replies {
    messages: Messages<ReplyBody>,
    /// The head, where it says how the call ends.
    head: Option<HeaderMap>,
    initial: Metadata,
    codec: Codec,
    connection: Arc<Inner>,
    /// Whether the head gave the length of what follows: all of it is there already.
    is_there: bool,
    first: Option<Bytes>,
    /// What the end said, if it was looked at.
    trailing: Option<Metadata>,
}

impl Replies {
    /// Waits for the head. `codec` is that of the request, for errors that name none.
    fn begin(
        connection: &Arc<Inner>,
        response: ResponseFuture,
        codec: Codec,
    ) -> impl Future<Output = Result<Replies>> + Send + use<> {
        let connection = connection.clone();
        async move {
            let response = response.await.map_err(|error| failure::of_stream(&error))?;
            connection.shared.note_progress();
            let is_all = response.body().is_end_stream();
            let is_there = response.headers().contains_key(CONTENT_LENGTH);
            let flavour = connection.flavour;
            let ReplyHead { initial, codec: named, compression } =
                head::reply(flavour, &response, is_all, &connection.codecs)?;
            let (parts, body) = response.into_parts();
            let body = ReplyBody::new(body, connection.shared.clone());
            let messages =
                Messages::new(body, compression, connection.config.max_message).ending_with(flavour.end_flag());
            let codec = if is_all { codec } else { named };
            // connect-go says in the head how a call of gRPC-Web ends, and sends an empty body behind it.
            let ends_here = is_all || parts.headers.contains_key(status::GRPC_STATUS);
            let head = ends_here.then_some(parts.headers);
            Ok(Replies { messages, head, initial, codec, connection, is_there, first: None, trailing: None })
        }
    }

    /// Waits for the first message. gRPC-Web and Connect say in the body how a call ends: one that is refused
    /// ends at its head all the same.
    async fn look_ahead(&mut self) -> Result<()> {
        self.first = self.messages.next().await.transpose()?;
        match self.first {
            Some(_) => Ok(()),
            // How it ends is kept where it is no error.
            None => self.finish().map(|trailing| self.trailing = Some(trailing)),
        }
    }

    /// How the call ended, once all its messages are read.
    fn finish(&mut self) -> Result<Metadata> {
        if let Some(trailing) = self.trailing.take() {
            return Ok(trailing);
        }
        let connection = &self.connection;
        end(connection.flavour, &mut self.messages, self.head.take(), &connection.codecs)
    }

    /// The one message of a reply, and its metadata.
    async fn one(&mut self) -> Result<Reply> {
        let message = self.messages.next().await.transpose()?;
        if message.is_some() && self.messages.next().await.transpose()?.is_some() {
            return Err(Status::internal("the peer answered with a second message where one was expected"));
        }
        let trailing = self.finish()?;
        let Some(message) = message else {
            return Err(Status::internal("the peer answered without a message where one was expected"));
        };
        let message = Payload::encoded(message, self.codec.clone());
        Ok(one_reply(message, std::mem::take(&mut self.initial), trailing))
    }
}

/// A reply of one message.
pub(super) fn one_reply(message: Payload, initial: Metadata, trailing: Metadata) -> Reply {
    let meta = match initial.is_empty() && trailing.is_empty() {
        true => ReplyMeta::none(),
        false => ReplyMeta::new(),
    };
    meta.set_initial(initial);
    meta.set_trailing(trailing);
    Reply { meta, body: Body::One(message) }
}

/// The stream of a call's replies. Dropping it cancels the call.
struct ReplyStream {
    stage: Stage,
    meta: ReplyMeta,
    failed: Failed,
    method: Arc<MethodDescriptor>,
    deadline: Option<Deadline>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Sends the request's messages while the call lasts.
    sender: Option<Owned>,
    in_flight: Option<InFlight>,
}

enum Stage {
    Opening(Pin<Box<dyn Future<Output = Result<Replies>> + Send>>),
    Reading(Box<Replies>),
    Over,
}

impl ReplyStream {
    fn new(
        stage: Stage,
        meta: ReplyMeta,
        call: &Call,
        failed: Failed,
        sender: Option<Owned>,
        in_flight: InFlight,
    ) -> ReplyStream {
        let timer = call.deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline.at)));
        let (method, deadline) = (call.method.clone(), call.deadline);
        ReplyStream { stage, meta, failed, method, deadline, timer, sender, in_flight: Some(in_flight) }
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Payload>>> {
        if let Stage::Opening(opening) = &mut self.stage {
            match std::task::ready!(opening.as_mut().poll(cx)) {
                Ok(mut replies) => {
                    self.meta.set_initial(std::mem::take(&mut replies.initial));
                    self.stage = Stage::Reading(Box::new(replies));
                }
                Err(status) => return Poll::Ready(Some(Err(status))),
            }
        }
        let Stage::Reading(replies) = &mut self.stage else { return Poll::Ready(None) };
        let message = match replies.first.take() {
            Some(first) => Some(Ok(first)),
            None if replies.trailing.is_some() => None,
            None => std::task::ready!(replies.messages.poll_message(cx)),
        };
        match message {
            Some(message) => Poll::Ready(Some(message.map(|bytes| Payload::encoded(bytes, replies.codec.clone())))),
            None => {
                let trailing = replies.finish();
                Poll::Ready(trailing.map(|trailing| self.meta.set_trailing(trailing)).err().map(Err))
            }
        }
    }
}

impl Stream for ReplyStream {
    type Item = Result<Payload>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if matches!(this.stage, Stage::Over) {
            return Poll::Ready(None);
        }
        let item = match this.poll_item(cx) {
            Poll::Ready(item) => item,
            Poll::Pending => match (&mut this.timer, this.deadline) {
                (Some(timer), Some(deadline)) => {
                    std::task::ready!(timer.as_mut().poll(cx));
                    Some(Err(deadline.status(&this.method.path)))
                }
                _ => return Poll::Pending,
            },
        };
        let item = match item {
            Some(Err(status)) => {
                let own = this.failed.take();
                Some(Err(own.unwrap_or_else(|| failure::at_deadline(status, this.deadline, &this.method.path))))
            }
            item => item,
        };
        if !matches!(item, Some(Ok(_))) {
            if let Some(Err(status)) = &item
                && !status.metadata().is_empty()
            {
                this.meta.set_trailing(status.metadata().clone());
            }
            (this.stage, this.sender, this.in_flight) = (Stage::Over, None, None);
        }
        Poll::Ready(item)
    }
}
