//! Callers of a multiplexing client: each call in flight is a task that calls, checks
//! the reply and calls again, as the handlers of a service would. A call sends the message that
//! the last one brought: to build its requests is no part of what is measured.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use tokio::task::JoinSet;

use crate::histogram::Histogram;
use crate::message::{Big, Message, Sample, Small};
use crate::window::{self, Figures, Load};

/// With 16 calls in flight or more one in so many is timed, and counts for all of them: two readings of
/// the clock are a noticeable part of a call, and the floors, whose callers are one loop, share theirs.
const TIMED: u64 = 8;

/// A client that can be cloned into tasks sharing its connection.
pub(crate) trait Caller<M>: Clone + Send + 'static {
    /// What a call fails with.
    type Error: Into<anyhow::Error> + Send;

    /// One call: from the request to the decoded reply. Best the client's own future: one around it
    /// would move both messages once more.
    fn call(&mut self, request: M) -> impl Future<Output = Result<M, Self::Error>> + Send;
}

/// Measures `load.in_flight` tasks spread over `clients`, one for each connection.
pub(crate) async fn run<C>(load: &Load, clients: Vec<C>) -> Result<Figures>
where
    C: Caller<Big> + Caller<Small>,
{
    run_as::<Big, Small, C>(load, clients).await
}

/// The same for a system with types of its own for the two messages.
pub(crate) async fn run_as<B, S, C>(load: &Load, clients: Vec<C>) -> Result<Figures>
where
    B: Sample,
    S: Sample,
    C: Caller<B> + Caller<S>,
{
    match load.message {
        Message::Big => run_with::<B, C>(load, clients).await,
        Message::Small => run_with::<S, C>(load, clients).await,
    }
}

async fn run_with<M: Sample, C: Caller<M>>(load: &Load, clients: Vec<C>) -> Result<Figures> {
    let histogram = Arc::new(Histogram::new());
    let mut callers = JoinSet::new();
    let timed = if load.in_flight >= 16 { TIMED } else { 1 };
    for (client, in_flight) in clients.iter().zip(load.in_flight_by_connection()) {
        for _ in 0..in_flight {
            callers.spawn(call_again_and_again(client.clone(), Arc::clone(&histogram), timed));
        }
    }
    window::measure(load, histogram, callers).await
}

async fn call_again_and_again<M: Sample, C: Caller<M>>(
    mut client: C,
    histogram: Arc<Histogram>,
    timed: u64,
) -> Result<()> {
    let mut message = M::sample();
    loop {
        for _ in 1..timed {
            message = client.call(message).await.map_err(Into::into)?;
            message.check_reply()?;
            message.again();
        }
        let started = Instant::now();
        message = client.call(message).await.map_err(Into::into)?;
        histogram.record(started.elapsed(), timed);
        message.check_reply()?;
        message.again();
    }
}
