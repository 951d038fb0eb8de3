//! Keeping the Context that middleware hands on current in what it leads to.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Poll, ready},
};

use futures_core::Stream;
use motet_core::{Body, BoxFuture, Call, Context, Handler, Reply, Result, Streaming};

/// A handler behind middleware: its own Context is current in it and in its reply stream, with the
/// values that the middleware added.
pub(super) struct InContext(pub(super) Arc<dyn Handler>);

/// Something that runs within a Context.
struct Within<T> {
    cx: Context,
    inner: T,
}

impl Handler for InContext {
    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply>> {
        let cx = call.cx.clone();
        let inner = {
            let _current = cx.enter();
            self.0.call(call)
        };
        Box::pin(Within { cx, inner })
    }
}

impl Future for Within<BoxFuture<'static, Result<Reply>>> {
    type Output = Result<Reply>;

    fn poll(mut self: Pin<&mut Self>, task: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        let reply = {
            let _current = self.cx.enter();
            ready!(self.inner.as_mut().poll(task))
        };
        Poll::Ready(reply.map(|reply| match reply.body {
            Body::One(_) => reply,
            Body::Stream(inner) => {
                let body = Body::Stream(Streaming::new(Within { cx: self.cx.clone(), inner }));
                Reply { body, ..reply }
            }
        }))
    }
}

impl<S: Stream + Unpin> Stream for Within<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut std::task::Context<'_>) -> Poll<Option<S::Item>> {
        let this = &mut *self;
        let _current = this.cx.enter();
        Pin::new(&mut this.inner).poll_next(task)
    }
}
