//! Stopping without losing work.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    task::Poll,
};

use tokio::sync::Notify;

/// Tells many tasks to finish what they do, and knows when they have. Dropping it ends the tasks
/// that were spawned through its [`Drain`]s.
#[derive(Debug)]
pub struct DrainSignal {
    phase: Arc<Phases>,
    held: Arc<Count>,
}

#[derive(Clone, Copy)]
enum Phase {
    Draining = 1,
    Aborted = 2,
}

/// The phase, 0 before the first, and those who wait for the next. They are woken in the order in
/// which they came, which a `watch` channel would leave to chance: a run could not be replayed.
#[derive(Debug, Default)]
struct Phases {
    now: AtomicU8,
    next: Notify,
}

impl Phases {
    fn has_reached(&self, phase: Phase) -> bool {
        self.now.load(Ordering::Acquire) >= phase as u8
    }

    fn move_to(&self, phase: Phase) {
        if self.now.fetch_max(phase as u8, Ordering::AcqRel) < phase as u8 {
            self.next.notify_waiters();
        }
    }
}

/// One end of a [`DrainSignal`], for those who are to finish. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Drain {
    phase: Arc<Phases>,
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
        DrainSignal { phase: Arc::default(), held: Arc::default() }
    }

    /// An end to hand out.
    pub fn drain(&self) -> Drain {
        Drain { phase: self.phase.clone(), held: self.held.clone() }
    }

    /// Tells all ends to finish.
    pub fn start(&self) {
        self.phase.move_to(Phase::Draining);
    }

    /// Tells all ends that patience is over: the tasks of [`Drain::spawn`] are dropped at their next
    /// suspension point.
    pub fn abort(&self) {
        self.phase.move_to(Phase::Aborted);
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

impl Drop for DrainSignal {
    fn drop(&mut self) {
        self.abort();
    }
}

impl Drain {
    /// Whether it is time to finish; also when the signal itself is gone.
    pub fn is_draining(&self) -> bool {
        self.phase.has_reached(Phase::Draining)
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
        loop {
            let next = self.phase.next.notified();
            if self.phase.has_reached(wanted) {
                return;
            }
            next.await;
        }
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

    #[tokio::test]
    async fn those_who_wait_are_told_in_the_order_in_which_they_came() {
        let signal = DrainSignal::new();
        let (order, mut told) = tokio::sync::mpsc::channel(32);
        for number in 0..32 {
            let (drain, order) = (signal.drain(), order.clone());
            tokio::spawn(async move {
                drain.draining().await;
                order.send(number).await.expect("there is room");
            });
        }
        tokio::task::yield_now().await;
        drop((signal, order));
        let mut all = Vec::new();
        told.recv_many(&mut all, 32).await;
        assert_eq!(all, (0..32).collect::<Vec<_>>());
    }
}
