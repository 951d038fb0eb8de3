//! Calls with a stream on either side.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream;
use motet_core::{
    Body, Call, Codec, Deadline, Kind, Metadata, MethodDescriptor, Payload, Reply, ReplyMeta, Result, Status, Streaming,
};

use tokio::task::coop::consume_budget;

use super::{
    call::{check_open, expired, finish, note_deadline, remaining, status},
    connection::Inner,
    glue::{Progress, Slot, StreamSlot},
};
use crate::native::{driver::Shared, inbox::Found, machine::CallHead, task::Owned, wire::CodecName};

/// Makes a call with a stream on either side, and resolves at the reply's head; for bidi calls once
/// the call is sent, since some peers send their head with the first message only.
pub(super) async fn stream_call(connection: Arc<Inner>, mut call: Call) -> Result<Reply> {
    let meta = ReplyMeta::new();
    let body = std::mem::replace(&mut call.body, Body::Stream(Streaming::from_iter([])));
    let (message, requests) = match (call.method.kind, body) {
        (Kind::ServerStream, body) => (Some(body.one()?), None),
        (_, body) => (None, Some(body.stream())),
    };
    let codec = message.as_ref().map_or(&call.codec, Payload::codec).clone();
    let id = poll_fn(|cx| poll_open(&connection, &call, message.as_ref(), &codec, &meta, cx)).await?;
    let mut open = OpenCall {
        connection: connection.clone(),
        id,
        codec,
        method: call.method.clone(),
        deadline: call.deadline,
        meta: meta.clone(),
        over: false,
        sender: None,
    };
    if let Some(requests) = requests {
        let compress = connection.compress_above(&call);
        let sending = send_requests(connection.shared.clone(), id, requests, compress);
        open.sender = Some(Owned::new(tokio::spawn(sending)));
    }
    if !call.method.kind.server_streams() {
        return open.one_reply(&call).await;
    }
    if call.method.kind == Kind::ServerStream {
        open.head().await?;
    }
    Ok(Reply { meta, body: Body::Stream(Streaming::new(open)) })
}

fn poll_open(
    connection: &Arc<Inner>,
    call: &Call,
    message: Option<&Payload>,
    codec: &Codec,
    meta: &ReplyMeta,
    cx: &mut Context<'_>,
) -> Poll<Result<u64>> {
    let timeout = remaining(call, true)?;
    let head = CallHead {
        method: &call.method,
        codec,
        timeout,
        metadata: &call.metadata,
        one_way: false,
        compress_above: connection.compress_above(call),
    };
    connection.shared.change(|state| {
        check_open(state)?;
        if !state.machine.can_open() {
            state.wait_for_room(cx.waker());
            return Poll::Pending;
        }
        let stream = call.method.kind.server_streams() || message.is_none();
        let slot = Slot {
            deadline: call.deadline.map(|deadline| deadline.at),
            stream: stream.then(|| Box::new(StreamSlot { meta: meta.clone(), ..StreamSlot::default() })),
            ..Slot::default()
        };
        let id = state.machine.call(&head, message, slot)?;
        note_deadline(state, call.deadline);
        Poll::Ready(Ok(id))
    })
}

/// Sends the messages of a request stream. It ends with the call.
async fn send_requests(
    shared: Arc<Shared<Slot>>,
    id: u64,
    mut requests: Streaming<Payload>,
    compress_above: Option<usize>,
) {
    loop {
        let Some(item) = requests.next().await else {
            shared.change(|state| state.machine.end_request(id));
            return;
        };
        let result = match item {
            Ok(message) => poll_fn(|cx| poll_send(&shared, id, &message, compress_above, cx)).await,
            Err(status) => Err(status),
        };
        if let Err(status) = result {
            fail_request(&shared, id, &status);
            return;
        }
        // A stream that always has a message would keep its thread, and could not be stopped.
        consume_budget().await;
    }
}

fn poll_send(
    shared: &Shared<Slot>,
    id: u64,
    message: &Payload,
    compress_above: Option<usize>,
    cx: &mut Context<'_>,
) -> Poll<Result<()>> {
    shared.change(|state| {
        if state.machine.data(id).is_none() {
            return Poll::Ready(Err(Status::cancelled("the call is over")));
        }
        if !state.machine.can_send(id) {
            state.wait_for_room(cx.waker());
            if let Some(stream) = state.machine.data(id).and_then(|slot| slot.stream.as_mut()) {
                stream.sender = Some(cx.waker().clone());
            }
            return Poll::Pending;
        }
        Poll::Ready(state.machine.message(id, message, compress_above))
    })
}

/// The caller's own stream failed: so does the call, and the peer sees a cancel.
fn fail_request(shared: &Shared<Slot>, id: u64, status: &Status) {
    let wakers = shared.change(|state| {
        let slot = state.machine.data(id)?;
        slot.progress = Progress::Broken(status.clone());
        let reader = slot.stream.as_mut().and_then(|stream| stream.inbox.end(Err(status.clone())));
        let waiting = slot.waker.take();
        state.machine.send_cancel(id);
        Some([reader, waiting])
    });
    wakers.into_iter().flatten().flatten().for_each(std::task::Waker::wake);
}

/// A call that is open: the stream of its replies. Dropping it cancels the call.
struct OpenCall {
    connection: Arc<Inner>,
    id: u64,
    codec: Codec,
    method: Arc<MethodDescriptor>,
    deadline: Option<Deadline>,
    meta: ReplyMeta,
    over: bool,
    sender: Option<Owned>,
}

impl OpenCall {
    /// Waits for the one reply to a stream of requests.
    async fn one_reply(&mut self, call: &Call) -> Result<Reply> {
        let id = self.id;
        let outcome = poll_fn(|cx| {
            let mut state = self.connection.shared.lock();
            match state.machine.data(id) {
                Some(slot) if matches!(slot.progress, Progress::Waiting) && !slot.expired => {
                    slot.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
                _ => Poll::Ready(state.machine.close(id).map(|slot| (slot.progress, slot.expired))),
            }
        })
        .await;
        self.over = true;
        finish(outcome, || self.codec.clone(), call, &self.connection.codecs)
    }

    /// Waits for the head of the reply, or its first message.
    async fn head(&mut self) -> Result<()> {
        poll_fn(|cx| {
            let mut state = self.connection.shared.lock();
            let Some(slot) = state.machine.data(self.id) else { return Poll::Ready(Ok(())) };
            if slot.stream.as_ref().is_some_and(|stream| stream.replied) {
                return Poll::Ready(Ok(()));
            }
            match &slot.progress {
                Progress::Waiting if slot.expired => Poll::Ready(Err(expired(self.deadline, &self.method.path))),
                Progress::Waiting => {
                    slot.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
                _ => Poll::Ready(Err(failure(slot, &self.connection))),
            }
        })
        .await
    }

    fn decode(&mut self, codec: Option<CodecName>, message: bytes::Bytes) -> Result<Payload> {
        if let Some(name) = codec {
            self.codec = name.find(&self.connection.codecs)?;
        }
        Ok(Payload::encoded(message, self.codec.clone()))
    }
}

/// The status of a call that failed before its head.
fn failure(slot: &mut Slot, connection: &Inner) -> Status {
    match std::mem::take(&mut slot.progress) {
        Progress::Failed(failed) => {
            let (wire, trailing) = *failed;
            if let Some(stream) = &slot.stream {
                stream.meta.set_trailing(trailing.clone());
            }
            status(wire, trailing, Some(&connection.codecs))
        }
        Progress::Broken(status) => status,
        Progress::Waiting | Progress::Replied(..) => {
            Status::internal("the peer answered a streaming call with one message")
        }
    }
}

impl Stream for OpenCall {
    type Item = Result<Payload>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(None);
        }
        let id = this.id;
        let (found, codec) = this.connection.shared.change(|state| {
            let Some(slot) = state.machine.data(id) else {
                return (Found::End(Ok(Metadata::new())), None);
            };
            if !matches!(slot.progress, Progress::Waiting) {
                return (Found::End(Err(failure(slot, &this.connection))), None);
            }
            let expired = slot.expired;
            let Some(stream) = &mut slot.stream else { return (Found::End(Ok(Metadata::new())), None) };
            let codec = stream.codec.take();
            let mut found = stream.inbox.read(cx.waker());
            match &found {
                Found::Message(_, cost) => state.machine.consumed(id, *cost),
                Found::End(Err(_)) if expired => {
                    found = Found::End(Err(self::expired(this.deadline, &this.method.path)));
                }
                Found::End(_) => {}
                // The head of a bidi call's reply is only noticed here.
                Found::Nothing => slot.waker = Some(cx.waker().clone()),
            }
            (found, codec)
        });
        match found {
            Found::Nothing => {
                if codec.is_some()
                    && let Some(Err(status)) =
                        codec.map(|name| name.find(&this.connection.codecs).map(|c| this.codec = c))
                {
                    return Poll::Ready(Some(Err(status)));
                }
                Poll::Pending
            }
            Found::Message(message, _) => {
                let item = this.decode(codec, message);
                Poll::Ready(Some(item))
            }
            Found::End(end) => {
                this.over = true;
                this.connection.shared.change(|state| drop(state.machine.close(id)));
                match end {
                    Ok(trailing) => {
                        if !trailing.is_empty() {
                            this.meta.set_trailing(trailing);
                        }
                        Poll::Ready(None)
                    }
                    Err(status) => Poll::Ready(Some(Err(status))),
                }
            }
        }
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        if !self.over {
            let id = self.id;
            self.connection.shared.change(|state| drop(state.machine.cancel(id)));
        }
    }
}
