//! From a handler's result to frames.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream;
use motet_core::{Body, Codec, Metadata, Payload, Reply, ReplyMeta, Result, Status, Streaming};
use tokio::task::coop::consume_budget;

use super::glue::{Running, own};
use crate::native::{
    driver::{Shared, State},
    task::Owned,
};

/// How a call is answered.
pub(super) struct Responder {
    pub(super) id: u64,
    /// The request's codec.
    pub(super) codec: Codec,
    pub(super) compress_above: Option<usize>,
}

impl Responder {
    /// Answers from the connection's own task, which writes when it is through with its batch. A
    /// reply stream gets a task.
    pub(super) fn answer_inline(self, shared: &Arc<Shared<Running>>, result: Result<Reply>) {
        match result {
            Ok(Reply { meta, body: Body::Stream(stream) }) => {
                let (own_shared, id) = (shared.clone(), self.id);
                let task = tokio::spawn(async move { self.send_stream(&own_shared, meta, stream).await });
                own(shared, id, Owned::new(task));
            }
            Ok(Reply { meta, body: Body::One(message) }) => self.put_reply(&mut shared.lock(), &meta, &message),
            Err(status) => shared.lock().machine.end(self.id, Some(&status), status.metadata()),
        }
    }

    /// Answers from a task of the call's own.
    pub(super) async fn respond(self, shared: &Shared<Running>, result: Result<Reply>) {
        match result {
            Ok(Reply { meta, body: Body::Stream(stream) }) => self.send_stream(shared, meta, stream).await,
            Ok(Reply { meta, body: Body::One(message) }) => {
                shared.change(|state| self.put_reply(state, &meta, &message));
            }
            Err(status) => shared.change(|state| state.machine.end(self.id, Some(&status), status.metadata())),
        }
    }

    fn put_reply(&self, state: &mut State<Running>, meta: &ReplyMeta, message: &Payload) {
        let (initial, trailing) = (meta.initial().unwrap_or_default(), meta.trailing().unwrap_or_default());
        let machine = &mut state.machine;
        if let Err(status) = machine.reply(self.id, &self.codec, &initial, &trailing, message, self.compress_above) {
            machine.end(self.id, Some(&status.with_executed(motet_core::Executed::Yes)), &trailing);
        }
    }

    async fn send_stream(self, shared: &Shared<Running>, meta: ReplyMeta, mut stream: Streaming<Payload>) {
        // The head names the codec of the messages: it waits for the first one if that is there.
        let mut first = poll_fn(|cx| Poll::Ready(Pin::new(&mut stream).poll_next(cx))).await;
        let codec = match &first {
            Poll::Ready(Some(Ok(message))) => message.codec().clone(),
            _ => self.codec.clone(),
        };
        if !matches!(first, Poll::Ready(Some(Err(_)))) {
            let initial = meta.initial().unwrap_or_default();
            shared.change(|state| state.machine.reply_stream(self.id, &self.codec, &initial, &codec));
        }
        let end = loop {
            let item = match std::mem::replace(&mut first, Poll::Pending) {
                Poll::Ready(item) => item,
                Poll::Pending => stream.next().await,
            };
            let message = match item {
                None => break None,
                Some(Err(status)) => break Some(status),
                Some(Ok(message)) => message.with_codec(codec.clone()),
            };
            if *message.codec() != codec {
                break Some(Status::internal("the messages of one stream must have one codec"));
            }
            if let Err(status) = poll_fn(|cx| self.poll_send(shared, &message, cx)).await {
                break Some(status);
            }
            // A stream that always has a message would keep its thread, and could not be stopped.
            consume_budget().await;
        };
        drop(stream);
        let trailing = match (&end, meta.trailing()) {
            (_, Some(trailing)) => trailing,
            (Some(status), None) => status.metadata().clone(),
            (None, None) => Metadata::new(),
        };
        shared.change(|state| state.machine.end(self.id, end.as_ref(), &trailing));
    }

    fn poll_send(&self, shared: &Shared<Running>, message: &Payload, cx: &mut Context<'_>) -> Poll<Result<()>> {
        shared.change(|state| {
            if !state.machine.can_send(self.id) {
                state.wait_for_room(cx.waker());
                if let Some(running) = state.machine.data(self.id) {
                    running.sender = Some(cx.waker().clone());
                }
                return Poll::Pending;
            }
            Poll::Ready(state.machine.message(self.id, message, self.compress_above))
        })
    }
}
