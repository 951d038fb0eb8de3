//! The attempts that a client makes, seen between it and its connections.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use motet::{
    BoxFuture, Call, Endpoint, Executed, NativeClient, Reply, Result,
    core::{ClientProtocol, Connecting, Connection, ConnectionState, Map},
};

/// The metadata that says which call an attempt belongs to.
pub(crate) const CALL: &str = "call";

/// The native protocol, and a list of what was tried on its connections.
#[derive(Default)]
pub(crate) struct Watched {
    native: NativeClient,
    seen: Seen,
}

/// What was tried.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    attempts: Arc<Mutex<Map<u64, Vec<Attempt>>>>,
    refused: Arc<AtomicU64>,
}

/// How an attempt went, as far as its reply's head tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// It has not ended, or was dropped before.
    Begun,
    Answered,
    Failed(Executed),
}

impl Watched {
    pub(crate) fn seen(&self) -> Seen {
        self.seen.clone()
    }
}

impl Seen {
    /// The attempts of all calls, by the number of the call.
    pub(crate) fn attempts(&self) -> Map<u64, Vec<Attempt>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change<T>(&self, call: u64, change: impl FnOnce(&mut Vec<Attempt>) -> T) -> T {
        change(self.attempts.lock().unwrap_or_else(PoisonError::into_inner).entry(call).or_default())
    }

    /// How many connections could not be made.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}

impl ClientProtocol for Watched {
    fn name(&self) -> &str {
        self.native.name()
    }

    fn connections_per_node(&self) -> usize {
        self.native.connections_per_node()
    }

    fn connect<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        connecting: &'a Connecting,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>>> {
        Box::pin(async move {
            match self.native.connect(endpoint, connecting).await {
                Ok(inner) => Ok(Arc::new(Line { inner, seen: self.seen.clone() }) as Arc<dyn Connection>),
                Err(status) => {
                    self.seen.refused.fetch_add(1, Relaxed);
                    Err(status)
                }
            }
        })
    }
}

struct Line {
    inner: Arc<dyn Connection>,
    seen: Seen,
}

impl Connection for Line {
    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply>> {
        let number = call.metadata.get(CALL).and_then(|number| number.parse().ok());
        let running = self.inner.call(call);
        let Some(number) = number else { return running };
        let seen = self.seen.clone();
        let at = seen.change(number, |attempts| {
            attempts.push(Attempt::Begun);
            attempts.len() - 1
        });
        Box::pin(async move {
            let result = running.await;
            let attempt =
                result.as_ref().map_or_else(|status| Attempt::Failed(status.executed()), |_| Attempt::Answered);
            seen.change(number, |attempts| attempts[at] = attempt);
            result
        })
    }

    fn state(&self) -> ConnectionState {
        self.inner.state()
    }

    fn in_flight(&self) -> usize {
        self.inner.in_flight()
    }

    fn close(&self) {
        self.inner.close();
    }
}
