//! Handlers that hold their thread are named.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use motet_core::Pace;
use tokio::time::Instant;

/// Between two warnings of one server.
const BETWEEN: Duration = Duration::from_secs(1);

/// What the methods of one server share: when the last of them was named.
#[derive(Debug, Default)]
pub(in crate::server) struct Naming(Mutex<Option<Instant>>);

/// Whether a method was named, and how its later polls go; the first ones are its route's.
#[derive(Debug, Default)]
pub(in crate::server) struct Slow {
    later: Pace,
    named: AtomicBool,
}

impl Naming {
    /// Whether a method may be named now.
    fn turn(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let may = last.is_none_or(|last| now - last >= BETWEEN);
        if may {
            *last = Some(now);
        }
        may
    }
}

impl Slow {
    /// A poll after the first took so long.
    pub(in crate::server) fn later_poll(&self, took: Duration, path: &str, naming: &Naming) {
        self.later.record(took);
        if self.later.is_slow() {
            self.name(took, path, naming);
        }
    }

    /// Names the method, if it was not yet and no other was just now.
    #[cold]
    pub(in crate::server) fn name(&self, took: Duration, path: &str, naming: &Naming) {
        if self.named.load(Relaxed) || !naming.turn() || self.named.swap(true, Relaxed) {
            return;
        }
        tracing::warn!(
            method = path,
            ?took,
            "this handler holds its thread again and again, and with it other calls; mark the method \
             #[method(blocking)], or let it await where it waits or works long"
        );
    }
}
