//! Running a route from a request's future.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

use motet_core::{BoxFuture, Call, Reply, Result, Route, Started};
use tokio::time::Instant;

/// Runs a call. Its first poll is the handler's, timed as the method's [`Pace`](motet_core::Pace)
/// wants it; a method whose first polls have been slow leaves the task of the connection first.
/// Dropping the future cancels the call.
///
/// # Errors
/// What the handler answers.
pub async fn run(route: &Route, call: Call) -> Result<Reply> {
    if !route.pace().inline() {
        // Pending once: whoever polled gives the call a task of its own.
        tokio::task::yield_now().await;
        return route.call(call).await;
    }
    let mut call = Some(call);
    let mut running: Option<BoxFuture<'static, Result<Reply>>> = None;
    poll_fn(|cx| {
        if let Some(running) = &mut running {
            return Pin::new(running).poll(cx);
        }
        let Some(call) = call.take() else { return Poll::Pending };
        let timed = route.pace().samples().then(Instant::now);
        let started = route.start(call, cx);
        if let Some(at) = timed {
            route.pace().record(at.elapsed());
        }
        match started {
            Started::Done(result) => Poll::Ready(result),
            Started::Running(future) => {
                running = Some(future);
                Poll::Pending
            }
        }
    })
    .await
}
