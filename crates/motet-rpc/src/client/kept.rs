//! What of a call is kept for another attempt.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context as Task, Poll},
};

use futures_core::Stream;
use motet_core::{
    Body, Call, CallOptions, Codec, Context, Deadline, Metadata, MethodDescriptor, Payload, Result, Streaming,
};

/// What of a call is kept for another attempt. Everything in it is shared with the call, not copied.
pub(crate) struct Kept {
    pub(crate) method: Arc<MethodDescriptor>,
    pub(crate) cx: Context,
    pub(crate) deadline: Option<Deadline>,
    pub(crate) options: Arc<CallOptions>,
    metadata: Metadata,
    body: KeptBody,
    codec: Codec,
    one_way: bool,
}

enum KeptBody {
    One(Payload),
    Stream(Lender),
}

impl Kept {
    /// Keeps a call that is about to be made.
    pub(crate) fn of(call: &mut Call) -> Kept {
        let body = match &mut call.body {
            Body::One(payload) => KeptBody::One(payload.clone()),
            Body::Stream(stream) => {
                let lender = Lender::default();
                let own = std::mem::replace(stream, Streaming::from_iter([]));
                *stream = lender.lend(own);
                KeptBody::Stream(lender)
            }
        };
        Kept {
            method: call.method.clone(),
            cx: call.cx.clone(),
            deadline: call.deadline,
            options: call.options.clone(),
            metadata: call.metadata.clone(),
            body,
            codec: call.codec.clone(),
            one_way: call.one_way,
        }
    }

    /// The call once more; `None` when its request stream has been read from.
    pub(crate) fn again(&self) -> Option<Call> {
        let body = match &self.body {
            KeptBody::One(payload) => Body::One(payload.clone()),
            KeptBody::Stream(lender) => Body::Stream(lender.lend(lender.returned()?)),
        };
        let mut call = Call::new(self.method.clone(), self.cx.clone(), body, self.codec.clone(), self.options.clone());
        call.deadline = self.deadline;
        call.metadata = self.metadata.clone();
        call.one_way = self.one_way;
        Some(call)
    }

    /// Whether the call may run twice: a one-way call never, since nobody learns how it went.
    pub(crate) fn may_run_twice(&self) -> bool {
        !self.one_way && self.options.idempotent.unwrap_or_else(|| self.method.is_idempotent())
    }

    /// Whether the call may run on two nodes at once: one message each way, and idempotent.
    pub(crate) fn may_run_twice_at_once(&self) -> bool {
        self.may_run_twice() && !self.method.kind.server_streams() && matches!(self.body, KeptBody::One(_))
    }
}

/// Lends a request stream to an attempt and gets it back if nobody has read from it.
#[derive(Clone, Default)]
struct Lender(Arc<Mutex<Option<Streaming<Payload>>>>);

impl Lender {
    fn lend(&self, stream: Streaming<Payload>) -> Streaming<Payload> {
        Streaming::new(Lent { stream: Some(stream), touched: false, lender: self.clone() })
    }

    fn returned(&self) -> Option<Streaming<Payload>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

struct Lent {
    stream: Option<Streaming<Payload>>,
    touched: bool,
    lender: Lender,
}

impl Stream for Lent {
    type Item = Result<Payload>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        self.touched = true;
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_next(task),
            None => Poll::Ready(None),
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.touched {
            *self.lender.0.lock().unwrap_or_else(PoisonError::into_inner) = self.stream.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Payload {
        Payload::encoded("x", Codec::RAW)
    }

    #[tokio::test]
    async fn a_stream_comes_back_only_if_nobody_read_from_it() {
        let lender = Lender::default();
        drop(lender.lend(Streaming::from_iter([message(), message()])));
        let stream = lender.returned().expect("untouched");
        assert!(lender.returned().is_none(), "it is lent to one at a time");
        let mut lent = lender.lend(stream);
        assert!(lent.next().await.is_some());
        drop(lent);
        assert!(lender.returned().is_none());
    }
}
