//! What calls tell about their latency, gathered without a lock.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use tokio::time::Instant;

use super::control::Window;

/// A window is this long at least, in nanoseconds, and as long as a call takes, up to [`LONGEST`].
const SHORTEST: u64 = 50_000_000;
/// A window need not be longer, in nanoseconds.
const LONGEST: u64 = 300_000_000;
/// A window has this many calls at least.
const FEWEST: u64 = 20;
/// The bits below count microseconds, those above calls.
const CALLS: u32 = 44;
/// No call counts for longer, in microseconds: a million of them fit.
const LONGEST_CALL: u64 = 1 << 24;

/// The calls that have ended since the last window.
#[derive(Debug)]
pub(super) struct Samples {
    origin: Instant,
    /// Calls and the sum of their latencies.
    sum: AtomicU64,
    given_up: AtomicU32,
    refused: AtomicU32,
    bound: AtomicBool,
    /// When the first of them ended, in nanoseconds since `origin`.
    opened: AtomicU64,
    /// When the window may be closed.
    due: AtomicU64,
}

impl Samples {
    pub(super) fn new() -> Samples {
        Samples {
            origin: Instant::now(),
            sum: AtomicU64::new(0),
            given_up: AtomicU32::new(0),
            refused: AtomicU32::new(0),
            bound: AtomicBool::new(false),
            opened: AtomicU64::new(0),
            due: AtomicU64::new(0),
        }
    }

    /// Counts a call that ended at `now`, and says whether it is time to look.
    pub(super) fn add(&self, took: Duration, now: Instant, given_up: bool) -> bool {
        let now = self.nanos(now);
        let micros = u64::try_from(took.as_micros()).unwrap_or(LONGEST_CALL).min(LONGEST_CALL);
        if given_up {
            self.given_up.fetch_add(1, Relaxed);
        }
        let before = self.sum.fetch_add((1 << CALLS) + micros, Relaxed);
        if before == 0 {
            self.opened.store(now, Relaxed);
            self.due.store(now + (micros * 1000).clamp(SHORTEST, LONGEST), Relaxed);
            return false;
        }
        now >= self.due.load(Relaxed) && before >> CALLS >= FEWEST
    }

    /// A call was kept out.
    pub(super) fn kept_out(&self) {
        // A plain read keeps the line shared while the answer is known.
        if !self.bound.load(Relaxed) {
            self.bound.store(true, Relaxed);
        }
    }

    /// A call was refused.
    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// Ends the window: what was measured, and how many calls were refused meanwhile for each that
    /// ended.
    pub(super) fn close(&self, now: Instant, running: u32) -> Option<(Window, f64)> {
        let sum = self.sum.swap(0, Relaxed);
        let (calls, micros) = (sum >> CALLS, sum & ((1 << CALLS) - 1));
        let length = self.nanos(now).saturating_sub(self.opened.load(Relaxed));
        let (given_up, refused) = (self.given_up.swap(0, Relaxed), self.refused.swap(0, Relaxed));
        let bound = self.bound.swap(false, Relaxed);
        if calls < FEWEST || length == 0 {
            return None;
        }
        let (seconds, calls) = (length as f64 / 1e9, calls as f64);
        let window = Window {
            seconds,
            // The first one opened the window.
            rate: (calls - 1.0) / seconds,
            mean: micros as f64 / calls / 1e6,
            given_up: f64::from(given_up) / calls,
            running,
            bound,
        };
        Some((window, f64::from(refused) / calls))
    }

    fn nanos(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_window_has_throughput_and_mean_latency() {
        let samples = Samples::new();
        tokio::time::advance(Duration::from_secs(3600)).await;
        let mut due = Vec::new();
        for n in 0..=100 {
            let took = Duration::from_millis(if n % 2 == 0 { 4 } else { 6 });
            due.push(samples.add(took, Instant::now(), n % 4 == 0));
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert_eq!(due.iter().position(|due| *due), Some(50), "after 50 ms");
        samples.refused();
        let now = Instant::now() - Duration::from_millis(1);
        let (window, refused) = samples.close(now, 7).expect("enough calls");
        assert_eq!((window.seconds, window.rate, window.running, window.bound), (0.1, 1000.0, 7, false));
        assert!((window.mean - 0.005).abs() < 0.0001 && (window.given_up - 0.25).abs() < 0.02, "{window:?}");
        assert!((refused - 1.0 / 101.0).abs() < 1e-9);
        assert_eq!(samples.close(Instant::now(), 0), None, "nothing since");
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_is_as_long_as_its_calls_and_has_enough_of_them() {
        let samples = Samples::new();
        let slow = Duration::from_millis(200);
        (0..10).for_each(|_| assert!(!samples.add(slow, Instant::now(), false)));
        tokio::time::advance(Duration::from_millis(199)).await;
        (0..15).for_each(|_| assert!(!samples.add(slow, Instant::now(), false)));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(samples.add(slow, Instant::now(), false));
        samples.close(Instant::now(), 0);
        (0..5).for_each(|_| assert!(!samples.add(slow, Instant::now(), false)));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(!samples.add(slow, Instant::now(), false), "six calls say little");
    }

    #[tokio::test(start_paused = true)]
    async fn calls_without_end_do_not_spill_over() {
        let samples = Samples::new();
        for _ in 0..=20 {
            samples.add(Duration::MAX, Instant::now(), false);
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        let (window, _) = samples.close(Instant::now(), 0).expect("enough calls");
        assert!((window.mean - 16.777216).abs() < 1e-9 && (window.rate - 20.0).abs() < 1e-9, "{window:?}");
    }
}
