//! The requests of an HTTP/2 connection as the HTTP library runs them, and which of them wait for their
//! peer to open a window.

use std::{
    cell::Cell,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use motet_core::{Offence, Offences};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{tasks::Tasks, watch::Watch};

thread_local! {
    /// Whether what answers the request that this thread polls, its handler or the body of its answer, was
    /// the last to say that it waits; `None` where the poll did not come that far. The HTTP library does
    /// not say for what it waits itself: with an answer there, it is for the peer's window.
    static WAITS: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Takes note of a poll of what answers a request.
pub(super) fn noted<T>(polled: Poll<T>) -> Poll<T> {
    WAITS.set(Some(polled.is_pending()));
    polled
}

/// Polls, and gives what was [noted] last in it.
fn watching<T>(poll: impl FnOnce() -> T) -> (T, Option<bool>) {
    let outer = WAITS.replace(None);
    let polled = poll();
    (polled, WAITS.replace(outer))
}

/// Runs the requests of a connection: each is polled once where it is read, and gets a task if that is not
/// enough; most calls are done by then. One whose answer waits for a window for too long is reset.
#[derive(Clone)]
pub(super) struct Streams {
    pub(super) tasks: Tasks,
    pub(super) watch: Watch,
    pub(super) offences: Offences,
    /// How long an answer may wait for a window.
    pub(super) patience: Duration,
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, future: F) {
        let mut future = Box::pin(future);
        let first = || future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        match catch_unwind(AssertUnwindSafe(|| watching(first))) {
            // Polling again registers the task's own waker.
            Ok((Poll::Pending, own)) => {
                let streams = self.clone();
                self.tasks.spawn(Request { future, streams, begun: own.is_some(), waits: None, timer: None });
            }
            Ok((Poll::Ready(()), _)) => {}
            Err(_) => tracing::error!("an answer's body panicked; its stream is reset"),
        }
    }
}

/// A request that was not answered at once.
struct Request<F> {
    future: Pin<Box<F>>,
    streams: Streams,
    /// Whether a poll ever came to what answers it: tasks of tunnels do not.
    begun: bool,
    /// Since when it waits for a window, and how far the connection's answers were then.
    waits: Option<(Instant, usize)>,
    /// Kept once it is made: a bulky answer waits often.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<F: Future<Output = ()>> Future for Request<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let (polled, own) = watching(|| this.future.as_mut().poll(cx));
        if polled.is_ready() {
            return polled;
        }
        this.begun |= own.is_some();
        if own == Some(false) {
            this.waits = None;
        }
        if own == Some(true) || !this.begun {
            this.waits = None;
            return Poll::Pending;
        }
        let Streams { watch, offences, patience, .. } = &this.streams;
        let (since, progress) = *this.waits.get_or_insert_with(|| (Instant::now(), watch.progress()));
        let Some(at) = since.checked_add(*patience) else { return Poll::Pending };
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= at {
                // Letting go of the stream resets it, and wakes the connection.
                match watch.progress() == progress {
                    true => watch.give_up(),
                    false => {
                        offences.count(Offence::Stalled, 1);
                        tracing::info!("reset: the peer opens no window for an answer, and takes others");
                    }
                }
                return Poll::Ready(());
            }
            timer.as_mut().reset(at);
        }
        Poll::Pending
    }
}
