//! What of a call is kept for another attempt.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context as Task, Poll},
};

use futures_core::Stream;
use motet_core::{Body, BoxFuture, Call, Connection, Payload, Reply, Result, Streaming};

/// A call that may be made again. Connections share it, so that keeping it costs nothing.
pub(crate) struct Kept {
    pub(crate) call: Arc<Call>,
    requests: Option<Box<Requests>>,
}

/// A request stream, which only one attempt can read.
struct Requests {
    next: Option<Streaming<Payload>>,
    lender: Lender,
}

impl Kept {
    /// Keeps a call that is about to be made, of which there is no other copy.
    pub(crate) fn of(mut call: Arc<Call>) -> Kept {
        let stream = match &call.body {
            Body::One(_) => None,
            Body::Stream(_) => Arc::get_mut(&mut call).map(|call| {
                let nothing = Body::Stream(Streaming::from_iter([]));
                std::mem::replace(&mut call.body, nothing).stream()
            }),
        };
        let requests = stream.map(|stream| Box::new(Requests { next: Some(stream), lender: Lender::default() }));
        Kept { call, requests }
    }

    /// The same call beside this one, which is one message.
    pub(crate) fn beside(&self) -> Kept {
        Kept { call: self.call.clone(), requests: None }
    }

    /// Makes the call; `None` when its request stream is with another attempt.
    #[inline]
    pub(crate) fn send(&mut self, connection: &dyn Connection) -> Option<BoxFuture<'static, Result<Reply>>> {
        let Some(requests) = &mut self.requests else { return Some(connection.call_kept(self.call.clone())) };
        let stream = requests.lender.lend(requests.next.take()?);
        Some(connection.call(self.call.with_body(Body::Stream(stream))))
    }

    /// Makes ready for another attempt, which begins later than the call; whether there can be one: not
    /// once its request stream has been read from.
    pub(crate) fn again(&mut self) -> bool {
        match &mut self.requests {
            None => {
                // What the first attempt knew of the time is no longer so.
                if let Some(body) = self.call.body.again() {
                    self.call = Arc::new(self.call.with_body(body));
                }
                true
            }
            Some(requests) => {
                requests.next = requests.next.take().or_else(|| requests.lender.returned());
                requests.next.is_some()
            }
        }
    }

    /// Whether the call may run twice: a one-way call never, since nobody learns how it went.
    pub(crate) fn may_run_twice(&self) -> bool {
        !self.call.one_way && self.call.options.idempotent.unwrap_or_else(|| self.call.method.is_idempotent())
    }

    /// Whether the call may run on two nodes at once: one message each way, and idempotent.
    pub(crate) fn may_run_twice_at_once(&self) -> bool {
        self.may_run_twice() && !self.call.method.kind.server_streams() && self.requests.is_none()
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
    use motet_core::Codec;

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
