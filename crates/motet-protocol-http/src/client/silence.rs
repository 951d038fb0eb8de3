//! How long a node has owed an answer and given none.
//!
//! HTTP/1.1 has no pings, and many servers of HTTP/2 close connections on which they come often: such a
//! node is judged by the age of what is in flight. An answer to any call is a sign of life.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// The silence of a node.
pub(super) struct Silence {
    made: Instant,
    awaited: AtomicUsize,
    /// Milliseconds from `made` to the last sign of life, or to the call that was first awaited since.
    since: AtomicU64,
}

/// An answer that is awaited.
pub(super) struct Awaited<'a>(&'a Silence);

impl Silence {
    pub(super) fn new() -> Silence {
        Silence { made: Instant::now(), awaited: AtomicUsize::new(0), since: AtomicU64::new(0) }
    }

    pub(super) fn await_answer(&self) -> Awaited<'_> {
        if self.awaited.fetch_add(1, Ordering::Relaxed) == 0 {
            self.since.store(self.now(), Ordering::Relaxed);
        }
        Awaited(self)
    }

    /// Whether answers are awaited and none has come for as long as this.
    pub(super) fn is_longer_than(&self, limit: Duration) -> bool {
        let silent = || self.now().saturating_sub(self.since.load(Ordering::Relaxed));
        self.awaited.load(Ordering::Relaxed) > 0 && u128::from(silent()) >= limit.as_millis()
    }

    fn now(&self) -> u64 {
        self.made.elapsed().as_millis() as u64
    }
}

impl Awaited<'_> {
    /// It has come, or will not.
    pub(super) fn end(self, came: bool) {
        if came {
            self.0.since.store(self.0.now(), Ordering::Relaxed);
        }
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.0.awaited.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_owes_nothing_may_be_silent_and_any_answer_is_a_sign_of_life() {
        const LIMIT: Duration = Duration::from_secs(1);
        let silence = Silence::new();
        let pass = || tokio::time::advance(Duration::from_millis(600));
        pass().await;
        pass().await;
        assert!(!silence.is_longer_than(LIMIT), "nothing is awaited");
        let (slow, quick) = (silence.await_answer(), silence.await_answer());
        pass().await;
        assert!(!silence.is_longer_than(LIMIT), "it began anew");
        quick.end(true);
        pass().await;
        assert!(!silence.is_longer_than(LIMIT), "it has answered the other");
        pass().await;
        assert!(silence.is_longer_than(LIMIT));
        drop(slow);
        assert!(!silence.is_longer_than(LIMIT), "its caller has left");
    }
}
