//! One process: a runtime of its own, on a clock of its own, at work only when told to.

use std::{
    future::{Future, poll_fn},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, Waker},
    time::Duration,
};

use tokio::{
    runtime::{Builder, Runtime},
    time::{Instant, advance, sleep_until},
};

/// One process: a single-threaded runtime whose clock stands still unless it is told to go on.
/// Dropping it drops all its tasks.
pub(super) struct Process {
    runtime: Runtime,
    idle: Arc<Idle>,
    /// What its clock showed when it began.
    base: Instant,
    /// When that was, in simulated milliseconds.
    born: u64,
    /// Up to when it has been at work.
    clock: u64,
}

/// Knows when a runtime has nothing left to do.
#[derive(Default)]
struct Idle {
    awaited: AtomicBool,
    reached: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Process {
    pub(super) fn new(now: u64) -> std::io::Result<Process> {
        let idle = Arc::<Idle>::default();
        let parking = idle.clone();
        // No I/O driver: a socket that is opened by mistake panics instead of spoiling the replay.
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .on_thread_park(move || parking.parking())
            .build()?;
        let base = {
            let _entered = runtime.enter();
            Instant::now()
        };
        Ok(Process { runtime, idle, base, born: now, clock: now })
    }

    /// What its clock showed when it began.
    pub(super) fn base(&self) -> Instant {
        self.base
    }

    /// Up to when it has been at work.
    pub(super) fn clock(&self) -> u64 {
        self.clock
    }

    /// Runs something with this runtime as the current one.
    pub(super) fn within<T>(&self, run: impl FnOnce() -> T) -> T {
        let _entered = self.runtime.enter();
        run()
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }

    /// How many tasks have not ended.
    pub(super) fn tasks(&self) -> usize {
        self.runtime.metrics().num_alive_tasks()
    }

    /// Works up to a moment: everything that is due until then, in order, and all that follows from
    /// it at once.
    pub(super) fn work_until(&mut self, now: u64) {
        self.clock = self.clock.max(now);
        let until = self.base + Duration::from_millis(self.clock - self.born);
        self.runtime.block_on(async {
            if Instant::now() < until {
                sleep_until(until).await;
            }
            self.idle.reached().await;
        });
    }

    /// Lets the clock jump to a moment, as after a standstill: everything that has become due
    /// meanwhile is due now.
    pub(super) fn jump_to(&mut self, now: u64) {
        let missed = now.saturating_sub(self.clock);
        self.clock = now;
        self.runtime.block_on(async {
            advance(Duration::from_millis(missed)).await;
            self.idle.reached().await;
        });
    }
}

impl Idle {
    /// The runtime is about to wait: it has nothing to do.
    fn parking(&self) {
        if self.awaited.swap(false, Ordering::Relaxed) {
            self.reached.store(true, Ordering::Relaxed);
            let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// Waits until the runtime has nothing else to do.
    async fn reached(&self) {
        self.reached.store(false, Ordering::Relaxed);
        poll_fn(|cx| {
            if self.reached.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
            self.awaited.store(true, Ordering::Relaxed);
            Poll::Pending
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    fn note(log: &Arc<Mutex<Vec<u64>>>, base: Instant) {
        log.lock().expect("no panic").push((Instant::now() - base).as_millis() as u64);
    }

    /// A process that notes its own time at each of these sleeps.
    fn sleeper(sleeps: &'static [u64]) -> (Process, Arc<Mutex<Vec<u64>>>) {
        let (process, log) = (Process::new(100).expect("a runtime"), Arc::<Mutex<Vec<u64>>>::default());
        let (own, base) = (log.clone(), process.base());
        process.spawn(async move {
            for ms in sleeps {
                sleep(Duration::from_millis(*ms)).await;
                note(&own, base);
            }
        });
        (process, log)
    }

    #[test]
    fn a_process_works_exactly_up_to_the_moment_it_is_told() {
        let (mut process, log) = sleeper(&[5, 0, 10, 100]);
        let seen = || log.lock().expect("no panic").clone();
        process.work_until(104);
        assert_eq!(seen(), [] as [u64; 0]);
        process.work_until(105);
        let soon = seen().len();
        process.work_until(200);
        assert!(soon >= 1 && seen()[0] == 5, "{:?}", seen());
        assert_eq!((seen().len(), process.tasks(), process.clock()), (3, 1, 200));
        assert!(seen()[2] <= 17, "timers keep their time within a step: {:?}", seen());
        process.work_until(300);
        assert_eq!((seen().len(), process.tasks()), (4, 0));
    }

    #[test]
    fn after_a_standstill_everything_is_due_at_once() {
        let (mut process, log) = sleeper(&[5, 5, 5]);
        process.work_until(100);
        process.jump_to(1100);
        process.work_until(1110);
        assert_eq!(log.lock().expect("no panic")[0], 1000);
        assert_eq!(process.tasks(), 0);
    }

    #[test]
    fn dropping_a_process_drops_its_tasks() {
        let (process, held) = (Process::new(0).expect("a runtime"), Arc::new(()));
        let own = held.clone();
        process.spawn(async move {
            let _own = own;
            std::future::pending().await
        });
        drop(process);
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
