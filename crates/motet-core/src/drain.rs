//! Stopping without losing work.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{Notify, watch};

/// Tells many tasks to finish what they do, and knows when they have.
#[derive(Debug)]
pub struct DrainSignal {
    phase: watch::Sender<bool>,
    held: Arc<Count>,
}

/// One end of a [`DrainSignal`], for those who are to finish. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Drain {
    phase: watch::Receiver<bool>,
    held: Arc<Count>,
}

#[derive(Debug, Default)]
struct Count {
    held: AtomicUsize,
    idle: Notify,
}

/// Work that a drain waits for, until dropped.
#[derive(Debug)]
#[must_use = "dropping it says that the work is done"]
pub struct Held(Arc<Count>);

impl Default for DrainSignal {
    fn default() -> DrainSignal {
        DrainSignal::new()
    }
}

impl DrainSignal {
    /// A signal that has not been given.
    pub fn new() -> DrainSignal {
        DrainSignal { phase: watch::channel(false).0, held: Arc::default() }
    }

    /// An end to hand out.
    pub fn drain(&self) -> Drain {
        Drain { phase: self.phase.subscribe(), held: self.held.clone() }
    }

    /// Tells all ends to finish.
    pub fn start(&self) {
        self.phase.send_replace(true);
    }

    /// How much work is going on.
    pub fn held(&self) -> usize {
        self.held.held.load(Ordering::Acquire)
    }

    /// Waits until no work is going on. Cancel safe.
    pub async fn idle(&self) {
        loop {
            let notified = self.held.idle.notified();
            if self.held() == 0 {
                return;
            }
            notified.await;
        }
    }
}

impl Drain {
    /// Whether it is time to finish.
    pub fn is_draining(&self) -> bool {
        *self.phase.borrow()
    }

    /// Waits until it is time to finish; also when the signal itself is gone. Cancel safe.
    pub async fn draining(&self) {
        let mut phase = self.phase.clone();
        // An error means that the signal was dropped, which ends everything as well.
        let _ = phase.wait_for(|draining| *draining).await;
    }

    /// Says that work is going on, until the guard is dropped.
    pub fn hold(&self) -> Held {
        self.held.held.fetch_add(1, Ordering::AcqRel);
        Held(self.held.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.0.held.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_drain_waits_for_what_is_held() {
        let signal = DrainSignal::new();
        let drain = signal.drain();
        let held = drain.hold();
        let worker = tokio::spawn(async move {
            drain.draining().await;
            assert!(drain.is_draining());
            tokio::task::yield_now().await;
            drop(held);
        });
        assert_eq!(signal.held(), 1);
        signal.start();
        signal.idle().await;
        worker.await.expect("finished");
    }
}
