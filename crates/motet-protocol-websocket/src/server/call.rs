//! One call of a connection, on a task of its own.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use motet_core::{
    Body, BodyShape, BoxFuture, Codec, Deadline, Executed, Metadata, MethodDescriptor, Payload, Reply, ReplyMeta,
    Result, Status,
};
use motet_protocol_jsonrpc::{ErrorObject, bare_message, json, reply_result, wrapped_message};
use tokio::{
    sync::{Semaphore, mpsc},
    time::timeout_at,
};

use crate::{
    memory::{Cost, Memory},
    outbox::Outbox,
    wire::{self, Note},
};

/// What calls leave for the task of their connection.
pub(super) enum Said {
    /// Text to send, with the room and the memory that it takes.
    Text { text: BytesMut, room: usize, cost: Option<Cost> },
    /// A call's end.
    Done { token: u64, answer: Box<Answer>, room: usize },
    /// So many messages of the caller were read.
    Read { token: u64, count: u32 },
}

/// A call's answer, ready to be written.
pub(super) struct Answer {
    pub(super) outcome: Result<Bytes, ErrorObject>,
    /// Metadata.
    pub(super) extension: Option<Bytes>,
    _cost: Option<Cost>,
}

impl Answer {
    pub(super) fn error(status: &Status) -> Answer {
        let extension = wire::reply_meta(None, Some(status.metadata()));
        Answer { outcome: Err(ErrorObject::from_status(status)), extension, _cost: None }
    }

    /// The answer of a reply of one message.
    pub(super) fn of(method: &MethodDescriptor, result: Result<Reply>, memory: &Memory) -> Answer {
        let one = |reply: Reply| -> Result<(ReplyMeta, Bytes)> {
            let result = json(reply.body.one()?).map_err(|status| status.with_executed(Executed::Yes))?;
            Ok((reply.meta, reply_result(method, result)))
        };
        match result.and_then(one) {
            Ok((meta, result)) => Answer::result(result, &meta, true, memory),
            Err(status) => Answer::error(&status),
        }
    }

    fn result(result: Bytes, meta: &ReplyMeta, head: bool, memory: &Memory) -> Answer {
        let Some(cost) = memory.take(result.len()) else { return Answer::error(&too_much()) };
        let initial = if head { meta.initial() } else { None };
        let extension = wire::reply_meta(initial, meta.trailing().as_ref());
        Answer { outcome: Ok(result), extension, _cost: Some(cost) }
    }
}

fn too_much() -> Status {
    Status::resource_exhausted("too many replies wait to be read").with_executed(Executed::Yes)
}

/// What a call's task needs of its connection.
pub(super) struct Ticket {
    pub(super) token: u64,
    pub(super) id: Bytes,
    pub(super) method: Arc<MethodDescriptor>,
    pub(super) deadline: Option<Deadline>,
    pub(super) memory: Memory,
    pub(super) outbox: Arc<Outbox<Said>>,
    /// What the call itself takes of memory.
    pub(super) _cost: Cost,
    pub(super) answered: bool,
}

impl Ticket {
    /// Runs a call of one reply to its end.
    pub(super) async fn one(mut self, running: BoxFuture<'static, Result<Reply>>) {
        let answer = Answer::of(&self.method, running.await, &self.memory);
        self.finish(answer).await;
    }

    /// Runs a call that may answer with a stream to its end. `credit` is how many messages the caller
    /// takes.
    pub(super) async fn many(mut self, running: BoxFuture<'static, Result<Reply>>, credit: Arc<Semaphore>) {
        let answer = match running.await {
            Err(status) => Answer::error(&status),
            Ok(Reply { meta, body: Body::Stream(stream) }) => match self.stream(&meta, stream, &credit).await {
                Ok(()) => Answer::result(Bytes::from_static(b"null"), &meta, false, &self.memory),
                Err(status) => Answer::error(&status),
            },
            reply => Answer::of(&self.method, reply, &self.memory),
        };
        self.finish(answer).await;
    }

    async fn stream(
        &self,
        meta: &ReplyMeta,
        mut stream: motet_core::Streaming<Payload>,
        credit: &Semaphore,
    ) -> Result<()> {
        let head = Note::Head(meta.initial().unwrap_or_default()).write(&self.id);
        self.within(self.say(head)).await??;
        while let Some(message) = stream.next().await {
            let message = bare_message(self.method.reply_shape, json(message?)?);
            let text = wire::message_text(&self.id, &message);
            self.within(async {
                // It is never closed.
                if let Ok(permit) = credit.acquire().await {
                    permit.forget();
                }
                self.say(text).await
            })
            .await??;
        }
        Ok(())
    }

    /// Waiting for the caller ends with the call's deadline; the handler's own time is the pipeline's.
    async fn within<T>(&self, waiting: impl Future<Output = T>) -> Result<T> {
        match self.deadline {
            None => Ok(waiting.await),
            Some(deadline) => timeout_at(deadline.at, waiting).await.map_err(|_| deadline.status(&self.method.path)),
        }
    }

    async fn say(&self, text: BytesMut) -> Result<()> {
        let cost = self.memory.take(text.len()).ok_or_else(too_much)?;
        let room = self.outbox.room(text.len()).await;
        self.outbox.put(Said::Text { text, room, cost: Some(cost) });
        Ok(())
    }

    async fn finish(&mut self, answer: Answer) {
        let length = answer.outcome.as_ref().map_or(0, Bytes::len);
        let room = self.outbox.room(length).await;
        self.answered = true;
        self.outbox.put(Said::Done { token: self.token, answer: Box::new(answer), room });
    }
}

/// A task that was ended or panicked answers as well: whoever ended it has answered, and is not
/// surprised by a second answer.
impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.answered {
            let answer = Box::new(Answer::error(&Status::internal("the call ended without an answer")));
            self.outbox.put(Said::Done { token: self.token, answer, room: 0 });
        }
    }
}

/// The caller's messages, as a handler reads them.
pub(super) struct Messages {
    pub(super) token: u64,
    pub(super) shape: BodyShape,
    pub(super) outbox: Arc<Outbox<Said>>,
    pub(super) incoming: mpsc::Receiver<(Bytes, Cost)>,
    pub(super) window: u32,
    /// How many were read and not told.
    pub(super) read: u32,
}

impl Stream for Messages {
    type Item = Result<Payload>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some((message, cost)) = std::task::ready!(this.incoming.poll_recv(cx)) else { return Poll::Ready(None) };
        drop(cost);
        this.read += 1;
        if this.read >= this.window.div_ceil(2) {
            this.outbox.put(Said::Read { token: this.token, count: std::mem::take(&mut this.read) });
        }
        let body = wrapped_message(this.shape, message);
        Poll::Ready(Some(Ok(Payload::encoded(body, Codec::JSON))))
    }
}

/// Metadata of the connection with what the call says in place of it.
pub(super) fn merged(of_connection: &Metadata, of_call: Metadata) -> Result<Metadata> {
    if of_call.is_empty() {
        return Ok(of_connection.clone());
    }
    let mut all = of_connection.clone();
    for (key, _) in of_call.iter_raw() {
        all.remove(key);
    }
    all.extend(&of_call)?;
    Ok(all)
}
