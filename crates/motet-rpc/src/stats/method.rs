//! The counters of one method.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use motet_core::{Code, Pace};
use tokio::time::Instant;

use super::{MethodSnapshot, histogram::Histogram};
use crate::server::overload::Gate;

/// The shortest stretch of time over which [`MethodSnapshot::per_second`] is measured.
const RATE_OVER: Duration = Duration::from_secs(1);

/// The counters of one method. All of them are relaxed atomics: a snapshot taken while calls run
/// may see one counter a call ahead of another.
#[derive(Debug)]
pub struct MethodStats {
    path: Box<str>,
    cells: Option<Box<Cells>>,
}

#[derive(Debug)]
struct Cells {
    begun: AtomicU64,
    latency: Histogram,
    errors: [AtomicU64; 16],
    slow_polls: AtomicU64,
    watched: OnceLock<(Arc<Pace>, Arc<Gate>)>,
    rate: Mutex<Rate>,
}

/// Two earlier moments and what had been counted by then: the older one is what rates are measured
/// against, so that they never cover less than [`RATE_OVER`].
#[derive(Debug)]
struct Rate {
    older: (Instant, u64),
    newer: (Instant, u64),
}

impl MethodStats {
    pub(super) fn new(path: &str) -> MethodStats {
        let start = (Instant::now(), 0);
        let cells = Cells {
            begun: AtomicU64::new(0),
            latency: Histogram::default(),
            errors: [const { AtomicU64::new(0) }; 16],
            slow_polls: AtomicU64::new(0),
            watched: OnceLock::new(),
            rate: Mutex::new(Rate { older: start, newer: start }),
        };
        MethodStats { path: path.into(), cells: Some(Box::new(cells)) }
    }

    pub(super) fn disabled() -> MethodStats {
        MethodStats { path: Box::default(), cells: None }
    }

    /// Whether anything is counted.
    pub fn is_enabled(&self) -> bool {
        self.cells.is_some()
    }

    /// Counts a call that begins; exactly one [`MethodStats::end`] must follow.
    pub fn begin(&self) {
        if let Some(cells) = &self.cells {
            cells.begun.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a call that has ended, with its error if it failed.
    pub fn end(&self, took: Duration, code: Option<Code>) {
        let Some(cells) = &self.cells else { return };
        cells.latency.record(took);
        if let Some(code) = code {
            cells.errors[usize::from(code.number()) - 1].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a poll that held its thread for longer than [`Pace::SLOW`].
    pub fn slow_poll(&self) {
        if let Some(cells) = &self.cells {
            cells.slow_polls.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts the slow first polls of this pace as well, and what this gate keeps out.
    pub(crate) fn watch(&self, pace: &Arc<Pace>, gate: &Arc<Gate>) {
        if let Some(cells) = &self.cells {
            // A service served again under the same path keeps the first one's.
            let _ = cells.watched.set((pace.clone(), gate.clone()));
        }
    }

    /// What has been counted until now.
    pub fn snapshot(&self) -> MethodSnapshot {
        let Some(cells) = &self.cells else { return MethodSnapshot::default() };
        let mut snapshot = MethodSnapshot {
            path: self.path.to_string(),
            buckets: cells.latency.counts(),
            max_us: cells.latency.max() as f64 / 1e3,
            slow_polls: cells.slow_polls.load(Ordering::Relaxed),
            ..MethodSnapshot::default()
        };
        if let Some((pace, gate)) = cells.watched.get() {
            snapshot.slow_polls += pace.slow_polls();
            (snapshot.refused, snapshot.queued, snapshot.limit) = (gate.refused(), gate.queued(), gate.limit());
        }
        for (code, count) in Code::ALL.iter().zip(&cells.errors) {
            match count.load(Ordering::Relaxed) {
                0 => {}
                count => drop(snapshot.errors.insert(code.name().to_owned(), count)),
            }
        }
        snapshot.summarise();
        snapshot.in_flight = cells.begun.load(Ordering::Relaxed).saturating_sub(cells.latency.total());
        snapshot.per_second = cells.per_second(snapshot.count);
        snapshot
    }
}

impl Cells {
    fn per_second(&self, count: u64) -> f64 {
        let now = Instant::now();
        let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(rate.newer.0) >= RATE_OVER {
            rate.older = rate.newer;
            rate.newer = (now, count);
        }
        let seconds = now.duration_since(rate.older.0).as_secs_f64();
        if seconds > 0.0 { count.saturating_sub(rate.older.1) as f64 / seconds } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_measured_over_at_least_a_second() {
        let method = MethodStats::new("a/b");
        let calls = |n| (0..n).for_each(|_| method.end(Duration::ZERO, None));
        calls(100);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(method.snapshot().per_second, 10.0);
        tokio::time::advance(Duration::from_secs(2)).await;
        calls(200);
        method.snapshot();
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(method.snapshot().per_second, 0.0, "nothing happened since the last look");
    }

    #[test]
    fn calls_in_flight_and_errors_are_counted() {
        let method = MethodStats::new("a/b");
        (0..3).for_each(|_| method.begin());
        method.end(Duration::from_millis(1), Some(Code::NotFound));
        let pace = Arc::new(Pace::default());
        let gate = Gate::new(&motet_core::MethodDescriptor::new("a", "b"), None, &motet_core::Entropy::seeded(1));
        method.watch(&pace, &gate);
        pace.record(Pace::SLOW * 2);
        method.slow_poll();
        let snapshot = method.snapshot();
        assert_eq!((snapshot.count, snapshot.in_flight, snapshot.slow_polls), (1, 2, 2));
        assert_eq!(snapshot.errors.get("NOT_FOUND"), Some(&1));
        assert_eq!(snapshot.max_us, 1000.0);
    }
}
