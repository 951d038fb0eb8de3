//! `serial` methods: one at a time, in the order in which they came.

use std::{
    cell::RefCell,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context as TaskContext, Poll},
};

use motet_core::{BoxFuture, Call, Executed, Handler, Reply, Result, Status};
use tokio::sync::Semaphore;

/// How many calls of a service instance's serial methods wait at most; those beyond get
/// ResourceExhausted.
pub const MAX_SERIAL: usize = 1024;

/// The serial methods of one service instance.
pub(super) struct Group {
    turn: Semaphore,
    waiting: AtomicUsize,
}

impl Default for Group {
    fn default() -> Group {
        Group { turn: Semaphore::new(1), waiting: AtomicUsize::new(0) }
    }
}

thread_local! {
    /// The groups whose handlers are being polled on this thread, the outermost first.
    static POLLED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

impl Group {
    /// Runs calls of `inner` in turn with all others of the group. A call holds its turn until it is
    /// over; one that is cancelled is over before the next begins.
    pub(super) fn wrap(self: &Arc<Group>, inner: Arc<dyn Handler>) -> Arc<dyn Handler> {
        let group = self.clone();
        Arc::new(move |call: Call| -> BoxFuture<'static, Result<Reply>> {
            let (group, inner) = (group.clone(), inner.clone());
            Box::pin(async move {
                let waiting = group.wait(&call)?;
                let turn = group.turn.acquire().await.map_err(|_| Status::internal("the serial queue was closed"))?;
                drop(waiting);
                let reply = Marked { group: group.id(), inner: inner.call(call) }.await;
                drop(turn);
                reply
            })
        })
    }

    fn id(self: &Arc<Group>) -> usize {
        Arc::as_ptr(self).addr()
    }

    fn wait<'a>(self: &'a Arc<Group>, call: &Call) -> Result<Waiting<'a>> {
        let path = &call.method.path;
        if POLLED.with_borrow(|polled| polled.contains(&self.id())) {
            let message = format!("{path}: called by a serial method of the same service, which it would wait for");
            return Err(Status::failed_precondition(message).with_executed(Executed::No));
        }
        let waiting = Waiting(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= MAX_SERIAL {
            let message = format!("{path}: {MAX_SERIAL} calls of serial methods wait already");
            return Err(Status::resource_exhausted(message).with_executed(Executed::No));
        }
        Ok(waiting)
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A call whose polls are known as the group's own.
struct Marked {
    group: usize,
    inner: BoxFuture<'static, Result<Reply>>,
}

impl Future for Marked {
    type Output = Result<Reply>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        struct Unmark;
        impl Drop for Unmark {
            fn drop(&mut self) {
                POLLED.with_borrow_mut(|polled| polled.pop());
            }
        }
        POLLED.with_borrow_mut(|polled| polled.push(self.group));
        let _unmark = Unmark;
        self.inner.as_mut().poll(cx)
    }
}
