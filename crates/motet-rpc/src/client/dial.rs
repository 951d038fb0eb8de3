//! Connecting, again and again with growing pauses.

use std::{
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};

use motet_core::{Connecting, Connection, Deadline, Endpoint, Executed, Limit, Result, Status};
use tokio::{task::AbortHandle, time::Instant};

use super::pool::Pool;

/// How a pool's dialling stands: at most one task dials, for all callers that wait.
#[derive(Default)]
pub(crate) struct Dialling {
    task: Option<AbortHandle>,
    failures: u32,
    /// When the next try comes, or came.
    next: Option<Instant>,
}

impl Dialling {
    /// Sees to it that a task is dialling, and says when its next try comes.
    pub(super) fn ensure(&mut self, pool: &Arc<Pool>, pause: Duration) -> Instant {
        let now = Instant::now();
        let next = self.next.unwrap_or(now);
        if self.task.as_ref().is_some_and(|task| !task.is_finished()) {
            return next;
        }
        let next = next.max(now + pause);
        self.next = Some(next);
        self.task = Some(tokio::spawn(run(Arc::downgrade(pool))).abort_handle());
        next
    }

    /// Plans the next try: doubled with each failure, and a random half of it taken away so that
    /// clients of one server do not return together. A try at the node's next endpoint comes at once.
    fn failed(&mut self, pool: &Pool) {
        self.failures = self.failures.saturating_add(1);
        let config = &pool.settings.config;
        let rounds = (self.failures - 1) / pool.endpoints.len().max(1) as u32;
        let longest = config.backoff_min.saturating_mul(1 << rounds.min(20)).min(config.backoff_max);
        let more = !(self.failures as usize).is_multiple_of(pool.endpoints.len().max(1));
        let pause = if more { Duration::ZERO } else { longest.mul_f64(1.0 - pool.settings.entropy.unit() / 2.0) };
        self.next = Some(Instant::now() + pause);
    }
}

impl Drop for Dialling {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Dials until there is a connection. It holds the pool only between the waits, so that dropping the
/// pool ends it.
async fn run(pool: Weak<Pool>) {
    loop {
        let plan = |pool: &Pool| {
            let dialling = pool.dialling.lock().unwrap_or_else(PoisonError::into_inner);
            (dialling.next, dialling.failures)
        };
        let Some((next, failures)) = pool.upgrade().map(|pool| plan(&pool)) else { return };
        if let Some(next) = next {
            tokio::time::sleep_until(next).await;
        }
        let Some(strong) = pool.upgrade() else { return };
        let endpoint = strong.endpoints[failures as usize % strong.endpoints.len()].clone();
        let (protocol, settings) = (strong.protocol.clone(), strong.settings.clone());
        drop(strong);
        let limit = Deadline::after(settings.config.connect_timeout, Limit::Connect);
        let connecting =
            Connecting::new(settings.transports.clone(), settings.codecs.clone(), limit.at, settings.entropy.clone());
        let outcome = tokio::time::timeout_at(limit.at, protocol.connect(&endpoint, &connecting)).await;
        let Some(pool) = pool.upgrade() else {
            if let Ok(Ok(connection)) = outcome {
                connection.close();
            }
            return;
        };
        if !note(&pool, outcome.unwrap_or_else(|_| Err(late(&endpoint, limit))), &endpoint) {
            return;
        }
    }
}

/// Takes the outcome of a try in, and says whether to go on. The lock is held throughout, so that
/// whoever needs a connection next finds either this task going on or none.
fn note(pool: &Arc<Pool>, outcome: Result<Arc<dyn Connection>>, endpoint: &Endpoint) -> bool {
    let mut dialling = pool.dialling.lock().unwrap_or_else(PoisonError::into_inner);
    let again = match outcome {
        Ok(connection) => {
            (dialling.failures, dialling.next) = (0, None);
            pool.opened(connection);
            false
        }
        Err(error) => {
            dialling.failed(pool);
            tracing::debug!(target: "motet", %endpoint, %error, "cannot connect");
            pool.failed(refused(endpoint, error))
        }
    };
    if !again {
        dialling.task = None;
    }
    again
}

fn late(endpoint: &Endpoint, limit: Deadline) -> Status {
    // A connection may be made later or elsewhere: Unavailable, although a limit passed.
    Status::unavailable(limit.status(&endpoint.to_string()).message().to_owned()).with_executed(Executed::No)
}

/// Nothing was sent, whatever the protocol says.
fn refused(endpoint: &Endpoint, error: Status) -> Status {
    let message = format!("cannot connect to {endpoint}: {}", error.message());
    error.with_message(message).with_executed(Executed::No)
}
