//! Stopping without losing work.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
};

use tokio::sync::{Notify, watch};

/// Tells many tasks to finish what they do, and knows when they have. Dropping it ends the tasks
/// that were spawned through its [`Drain`]s.
#[derive(Debug)]
pub struct DrainSignal {
    phase: watch::Sender<Phase>,
    held: Arc<Count>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Open,
    Draining,
    Aborted,
}

/// One end of a [`DrainSignal`], for those who are to finish. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Drain {
    phase: watch::Receiver<Phase>,
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
        DrainSignal { phase: watch::channel(Phase::Open).0, held: Arc::default() }
    }

    /// An end to hand out.
    pub fn drain(&self) -> Drain {
        Drain { phase: self.phase.subscribe(), held: self.held.clone() }
    }

    /// Tells all ends to finish.
    pub fn start(&self) {
        self.move_to(Phase::Draining);
    }

    /// Tells all ends that patience is over: the tasks of [`Drain::spawn`] are dropped at their next
    /// suspension point.
    pub fn abort(&self) {
        self.move_to(Phase::Aborted);
    }

    fn move_to(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let later = *now < phase;
            *now = phase.max(*now);
            later
        });
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
        *self.phase.borrow() >= Phase::Draining
    }

    /// Waits until it is time to finish; also when the signal itself is gone. Cancel safe.
    pub async fn draining(&self) {
        self.reached(Phase::Draining).await;
    }

    /// Waits until patience is over; also when the signal itself is gone. Cancel safe.
    pub async fn aborted(&self) {
        self.reached(Phase::Aborted).await;
    }

    async fn reached(&self, wanted: Phase) {
        let mut phase = self.phase.clone();
        // An error means that the signal was dropped, which ends everything as well.
        let _ = phase.wait_for(|phase| *phase >= wanted).await;
    }

    /// Spawns work that outlives whoever started it, such as a one-way call: the drain waits for it,
    /// and it is dropped when the signal is aborted or gone. Must be called within a runtime.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let (held, drain) = (self.hold(), self.clone());
        tokio::spawn(async move {
            let _held = held;
            let (mut work, mut aborted) = (pin!(work), pin!(drain.aborted()));
            std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(()),
                Poll::Pending => aborted.as_mut().poll(cx),
            })
            .await;
        });
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

    #[tokio::test]
    async fn spawned_work_is_waited_for_and_dropped_on_abort() {
        let signal = DrainSignal::new();
        let (done, mut finished) = tokio::sync::mpsc::channel::<()>(1);
        let keep = done.clone();
        signal.drain().spawn(async move {
            tokio::task::yield_now().await;
            drop(done);
        });
        signal.drain().spawn(async move {
            let _keep = keep;
            std::future::pending().await
        });
        assert_eq!(signal.held(), 2);
        signal.abort();
        signal.start();
        assert!(signal.drain().is_draining(), "a later phase is not taken back");
        signal.idle().await;
        assert_eq!(finished.recv().await, None);
    }
}
