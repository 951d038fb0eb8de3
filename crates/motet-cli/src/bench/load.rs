//! Making the calls.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use motet::{Body, Codec, Context, MethodDescriptor, Payload, ServiceClient, Status};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, MissedTickBehavior},
};

use super::{
    pace::{Pace, Timetable},
    tally::{Counted, Tally, is_nobody},
};
use crate::{failure::Outcome, run::signals::Signals};

/// A call that begins longer than this after it was due is late.
pub(super) const LATE: Duration = Duration::from_millis(10);
/// How often is told how it stands.
const TELL_EVERY: Duration = Duration::from_millis(200);
/// How long a caller waits that found nobody, before it tries again.
const PAUSE: Duration = Duration::from_millis(10);

/// What is called, and how.
pub(super) struct Load {
    pub(super) mode: Mode,
    pub(super) warm_up: Duration,
    pub(super) duration: Duration,
    pub(super) service: ServiceClient,
    pub(super) method: Arc<MethodDescriptor>,
    pub(super) cx: Context,
    pub(super) codec: Codec,
    pub(super) body: Payload,
}

/// When calls begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mode {
    /// When one has ended: so many run at any time.
    Closed { concurrency: u32 },
    /// At their times: so many a second, so many at once at most.
    Open { rate: f64, max_in_flight: u32 },
}

/// How far it has come: the share of the time that is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Progress {
    /// Nothing is counted yet.
    WarmUp(f64),
    /// Calls begin and are counted.
    Counting(f64),
    /// No call begins any more; those that run may end.
    Ending,
}

/// What there is when it is over.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) counted: Counted,
    /// The error of the first call that failed.
    pub(super) first_error: Option<Status>,
    /// For how long calls were counted.
    pub(super) time: Duration,
    /// Calls that were due while it was counted and never began; none in a closed loop.
    pub(super) not_begun: u64,
    /// A signal ended it: what is in flight was cancelled.
    pub(super) interrupted: bool,
}

impl Load {
    /// Makes all calls, and waits for those that run at the end. `tell` hears now and then how it
    /// stands.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) async fn run(
        self: &Arc<Self>,
        signals: &mut Signals,
        mut tell: impl FnMut(Progress, &Tally),
    ) -> Outcome<Ended> {
        let begin = Instant::now();
        let (from, until) = (begin + self.warm_up, begin + self.warm_up + self.duration);
        let tally = Arc::new(Tally::new(from, until));
        // Dropped with this future, which ends them.
        let mut callers = JoinSet::new();
        let pace = self.start(begin, &tally, &mut callers)?;
        let mut ticks = tokio::time::interval(TELL_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let interrupted = loop {
            tokio::select! {
                biased;
                () = signals.next() => break true,
                _ = ticks.tick() => tell(progress(begin, from, until), &tally),
                ended = callers.join_next() => if ended.is_none() { break false },
            }
        };
        let counted = tally.counted();
        let end = if interrupted { Instant::now().min(until) } else { until };
        // Calls that were due just before a signal came had no time to begin.
        let begun_by = if interrupted { end - LATE.min(end - begin) } else { end };
        let due = |table: Timetable| table.before(begun_by).saturating_sub(table.before(from));
        let due = pace.map_or(counted.begun, |(_, table)| due(table));
        Ok(Ended {
            first_error: tally.first_error().cloned(),
            time: end.saturating_duration_since(from),
            not_begun: due.saturating_sub(counted.begun),
            counted,
            interrupted,
        })
    }

    /// Starts the callers, and what lets them go.
    fn start(
        self: &Arc<Self>,
        begin: Instant,
        tally: &Arc<Tally>,
        callers: &mut JoinSet<()>,
    ) -> Outcome<Option<(Pace, Timetable)>> {
        match self.mode {
            Mode::Closed { concurrency } => {
                for _ in 0..concurrency {
                    callers.spawn(self.clone().call_in_turn(tally.clone()));
                }
                Ok(None)
            }
            Mode::Open { rate, max_in_flight } => {
                let table = Timetable::new(begin, rate, self.warm_up + self.duration);
                let gate = Arc::new(Gate { table, next: AtomicU64::new(0), permits: Arc::new(Semaphore::new(0)) });
                for _ in 0..max_in_flight {
                    callers.spawn(self.clone().call_when_due(gate.clone(), tally.clone()));
                }
                let pace = Pace::start(table, gate.permits.clone(), max_in_flight as usize)?;
                Ok(Some((pace, table)))
            }
        }
    }

    /// Calls until the time is over, the next when one has ended.
    async fn call_in_turn(self: Arc<Self>, tally: Arc<Tally>) {
        loop {
            let now = Instant::now();
            if now >= tally.until {
                return;
            }
            if self.call(&tally, now, false).await == Found::Nobody {
                // Nobody is helped by trying as fast as a processor can.
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Makes those calls that come to this caller when they are due.
    async fn call_when_due(self: Arc<Self>, gate: Arc<Gate>, tally: Arc<Tally>) {
        while let Some(due) = gate.next().await {
            let late = due.elapsed() > LATE;
            // When the time is over, what is not late yet still begins.
            if !late || Instant::now() < tally.until {
                self.call(&tally, due, late).await;
            }
        }
    }

    async fn call(&self, tally: &Tally, due: Instant, late: bool) -> Found {
        let running = tally.begin(due, late);
        let answer = async {
            let call =
                self.service.prepare(&self.method, &self.cx, self.codec.clone(), Body::One(self.body.clone()))?;
            self.service.call(call).await?.body.one()
        };
        let error = answer.await.err();
        let failed = error.is_some();
        let found = if error.as_ref().is_some_and(is_nobody) { Found::Nobody } else { Found::Somebody };
        running.end(due, error);
        if failed {
            // A call that fails at once has let nobody else run.
            tokio::task::yield_now().await;
        }
        found
    }
}

/// Whether there was anybody to call.
#[derive(Debug, PartialEq)]
enum Found {
    Somebody,
    Nobody,
}

/// Where callers wait for calls to be due.
#[derive(Debug)]
struct Gate {
    table: Timetable,
    next: AtomicU64,
    permits: Arc<Semaphore>,
}

impl Gate {
    /// When the next call is due, which it is by now; none after the last.
    async fn next(&self) -> Option<Instant> {
        self.permits.acquire().await.ok()?.forget();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number < self.table.total).then(|| self.table.at(number))
    }
}

fn progress(begin: Instant, from: Instant, until: Instant) -> Progress {
    let share = |a: Instant, b: Instant| (a.elapsed().as_secs_f64() / (b - a).as_secs_f64().max(1e-9)).min(1.0);
    match Instant::now() {
        now if now < from => Progress::WarmUp(share(begin, from)),
        now if now < until => Progress::Counting(share(from, until)),
        _ => Progress::Ending,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn progress_is_told_by_the_part_that_it_is_in() {
        let begin = Instant::now();
        let (from, until) = (begin + Duration::from_secs(1), begin + Duration::from_secs(5));
        assert_eq!(progress(begin, from, until), Progress::WarmUp(0.0));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(progress(begin, from, until), Progress::Counting(0.5));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(progress(begin, from, until), Progress::Ending);
    }

    #[tokio::test]
    async fn each_due_call_goes_to_one_caller_and_the_last_ends_them_all() {
        let table = Timetable::new(Instant::now(), 10_000.0, Duration::from_millis(10));
        let gate = Arc::new(Gate { table, next: AtomicU64::new(0), permits: Arc::new(Semaphore::new(0)) });
        let _pace = Pace::start(table, gate.permits.clone(), 4).expect("a thread");
        let mut callers = JoinSet::new();
        for _ in 0..4 {
            let gate = gate.clone();
            callers.spawn(async move {
                let mut all = Vec::new();
                while let Some(due) = gate.next().await {
                    all.push(due);
                }
                all
            });
        }
        let mut all = callers.join_all().await.concat();
        all.sort();
        assert_eq!(all, (0..100).map(|number| table.at(number)).collect::<Vec<_>>());
    }
}
