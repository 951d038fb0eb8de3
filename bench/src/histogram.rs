//! Latencies of the measured window, in a log-linear histogram shared by all callers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Buckets per power of two: a bucket is at most 1/64 of its value wide.
const STEPS: u64 = 64;
/// Values from 2^40 ns (18 minutes) on share the last bucket.
const BUCKETS: usize = (STEPS * (40 - STEPS.ilog2() as u64 + 1)) as usize;

/// Counts latencies while it is on. One relaxed add per call: on a runtime of one
/// thread that is an uncontended cache line.
pub(crate) struct Histogram {
    on: AtomicBool,
    counts: Box<[AtomicU64]>,
}

impl Histogram {
    /// An empty histogram that is off.
    pub(crate) fn new() -> Self {
        Self { on: AtomicBool::new(false), counts: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Records from now on, or stops.
    pub(crate) fn switch(&self, on: bool) {
        self.on.store(on, Relaxed);
    }

    /// Adds `calls` calls that each took `latency`, if the histogram is on.
    pub(crate) fn record(&self, latency: Duration, calls: u64) {
        if self.on.load(Relaxed) {
            let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
            self.counts[bucket(nanos)].fetch_add(calls, Relaxed);
        }
    }

    /// How many calls were recorded.
    pub(crate) fn calls(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Relaxed)).sum()
    }

    /// The latency in µs that `share` (0 to 1) of the calls did not exceed; 0 without calls.
    pub(crate) fn percentile_us(&self, share: f64) -> f64 {
        let rank = (share * self.calls() as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count.load(Relaxed);
            if seen >= rank {
                return middle(index as u64) / 1000.0;
            }
        }
        0.0
    }
}

/// The bucket of a value: exact below `STEPS`, then `STEPS` buckets per power of two.
fn bucket(nanos: u64) -> usize {
    if nanos < STEPS {
        return nanos as usize;
    }
    let shift = nanos.ilog2() - STEPS.ilog2();
    let index = u64::from(shift) * STEPS + (nanos >> shift);
    (index as usize).min(BUCKETS - 1)
}

/// The middle of a bucket, in ns.
fn middle(index: u64) -> f64 {
    if index < STEPS {
        return index as f64;
    }
    let shift = index / STEPS - 1;
    let low = (index % STEPS + STEPS) << shift;
    low as f64 + (1_u64 << shift) as f64 / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording() -> Histogram {
        let histogram = Histogram::new();
        histogram.switch(true);
        histogram
    }

    #[test]
    fn percentiles_are_within_one_64th() {
        let histogram = recording();
        for micros in 1..=1000 {
            histogram.record(Duration::from_micros(micros), 1);
        }
        for (share, expected) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let found = histogram.percentile_us(share);
            assert!((found / expected - 1.0).abs() <= 1.0 / 64.0, "{share}: {found}");
        }
    }

    #[test]
    fn one_slow_call_in_a_hundred_is_above_p99() {
        let histogram = recording();
        histogram.record(Duration::from_micros(10), 99);
        histogram.record(Duration::from_millis(10), 1);
        assert!(histogram.percentile_us(0.99) < 11.0);
        assert!(histogram.percentile_us(0.999) > 9_000.0);
    }

    #[test]
    fn nothing_is_recorded_while_it_is_off() {
        let histogram = Histogram::new();
        histogram.record(Duration::from_micros(10), 1);
        assert_eq!(histogram.calls(), 0);
        assert_eq!(histogram.percentile_us(0.5), 0.0);
    }

    #[test]
    fn every_bucket_holds_its_own_middle() {
        for index in 0..BUCKETS {
            assert_eq!(bucket(middle(index as u64) as u64), index);
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }
}
