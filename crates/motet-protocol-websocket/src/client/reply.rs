//! A reply stream, as the caller reads it.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use motet_core::{BodyShape, Call, Codec, Deadline, Payload, Result, Status};
use motet_protocol_jsonrpc::wrapped_message;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::Sleep,
};

use super::{Owned, call::Open, driver::Outgoing};
use crate::wire::Note;

/// The error of a request stream, for those who see only that the call was cancelled.
#[derive(Clone, Default)]
pub(super) struct Trouble(Arc<Mutex<Option<Status>>>);

impl Trouble {
    pub(super) fn take(&self) -> Option<Status> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn set(&self, status: Status) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
    }
}

/// The messages of a reply. Dropping it cancels the call.
pub(super) struct ReplyStream {
    /// `None` once the stream is over.
    open: Option<Open>,
    incoming: mpsc::Receiver<Result<Bytes>>,
    shape: BodyShape,
    window: u32,
    /// How many were read and not told.
    read: u32,
    deadline: Option<Deadline>,
    path: String,
    timer: Option<Pin<Box<Sleep>>>,
    trouble: Trouble,
    _pump: Option<Owned>,
    _permit: OwnedSemaphorePermit,
}

impl ReplyStream {
    pub(super) fn new(
        open: Open,
        incoming: mpsc::Receiver<Result<Bytes>>,
        call: &Call,
        pump: Option<Owned>,
        trouble: Trouble,
        permit: OwnedSemaphorePermit,
    ) -> ReplyStream {
        ReplyStream {
            incoming,
            shape: call.method.reply_shape,
            window: u32::try_from(open.inner.config.window()).unwrap_or(u32::MAX),
            open: Some(open),
            read: 0,
            deadline: call.deadline,
            path: call.method.path.clone(),
            timer: None,
            trouble,
            _pump: pump,
            _permit: permit,
        }
    }

    /// Asks for more once half of what was asked for is read.
    fn tell_read(&mut self, open: &Open) {
        self.read += 1;
        if self.read < self.window.div_ceil(2) {
            return;
        }
        let credit = Note::Credit(std::mem::take(&mut self.read));
        let text: BytesMut = credit.write(open.id.to_string().as_bytes());
        open.inner.shared.outbox.put(Outgoing { text, room: 0, opens: None, written: None });
    }
}

impl Stream for ReplyStream {
    type Item = Result<Payload>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(open) = this.open.take() else { return Poll::Ready(None) };
        if let Poll::Ready(next) = this.incoming.poll_recv(cx) {
            return Poll::Ready(match next {
                Some(Ok(message)) => {
                    this.tell_read(&open);
                    this.open = Some(open);
                    Some(Ok(Payload::encoded(wrapped_message(this.shape, message), Codec::JSON)))
                }
                Some(Err(status)) => Some(Err(this.trouble.take().unwrap_or(status))),
                None => this.trouble.take().map(Err),
            });
        }
        if let Some(deadline) = this.deadline {
            let timer = this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.at)));
            if timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Some(Err(deadline.status(&this.path))));
            }
        }
        this.open = Some(open);
        Poll::Pending
    }
}
