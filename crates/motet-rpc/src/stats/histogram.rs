//! A latency histogram of fixed size.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Buckets per power of two: the middle of a bucket is at most 1/16 = 6.25 % away from any value
/// in it.
const PER_OCTAVE: usize = 8;
/// The first octave begins at 2^7 = 128 ns; everything below is counted in steps of 16 ns.
const FIRST: u32 = 7;
/// The last octave ends at 2^40 ns = 1,099 s; everything beyond is counted in its last bucket.
const LAST: u32 = 39;

/// How many buckets there are.
pub(super) const BUCKETS: usize = PER_OCTAVE * (2 + (LAST - FIRST) as usize);

/// Counts durations in buckets whose width is an eighth of their octave.
#[derive(Debug)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    max: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { buckets: [const { AtomicU64::new(0) }; BUCKETS], max: AtomicU64::new(0) }
    }
}

impl Histogram {
    pub(super) fn record(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket_of(nanos)].fetch_add(1, Ordering::Relaxed);
        // A plain read keeps the line shared in the common case of no new maximum.
        if nanos > self.max.load(Ordering::Relaxed) {
            self.max.fetch_max(nanos, Ordering::Relaxed);
        }
    }

    /// The longest duration, in nanoseconds.
    pub(super) fn max(&self) -> u64 {
        self.max.load(Ordering::Relaxed)
    }

    /// The buckets that are not empty: number and count.
    pub(super) fn counts(&self) -> Vec<(u16, u64)> {
        let counts = (0u16..).zip(&self.buckets).map(|(n, count)| (n, count.load(Ordering::Relaxed)));
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// How many durations were counted.
    pub(super) fn total(&self) -> u64 {
        self.buckets.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

fn bucket_of(nanos: u64) -> usize {
    let octave = nanos.max(1).ilog2();
    if octave < FIRST {
        return (nanos >> 4) as usize;
    }
    if octave > LAST {
        return BUCKETS - 1;
    }
    let within = (nanos >> (octave - 3)) as usize - PER_OCTAVE;
    PER_OCTAVE * (1 + (octave - FIRST) as usize) + within
}

/// The middle of a bucket, in nanoseconds.
pub(super) fn middle_of(bucket: u16) -> u64 {
    let bucket = usize::from(bucket).min(BUCKETS - 1);
    if bucket < PER_OCTAVE {
        return 16 * bucket as u64 + 8;
    }
    let octave = FIRST + (bucket / PER_OCTAVE - 1) as u32;
    let width = 1u64 << (octave - 3);
    (PER_OCTAVE + bucket % PER_OCTAVE) as u64 * width + width / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_holds_its_own_middle() {
        for bucket in 0..BUCKETS {
            assert_eq!(bucket_of(middle_of(bucket as u16)), bucket);
        }
    }

    #[test]
    fn a_value_is_at_most_a_sixteenth_away_from_its_bucket_s_middle() {
        let mut value = 128u64;
        while value < 1 << 40 {
            for near in [value - 1, value, value + 1] {
                let middle = middle_of(bucket_of(near) as u16) as f64;
                assert!((middle - near as f64).abs() / near as f64 <= 0.0675, "{near} is counted as {middle}");
            }
            value = value * 21 / 20;
        }
    }

    #[test]
    fn the_extremes_have_a_place() {
        let histogram = Histogram::default();
        histogram.record(Duration::ZERO);
        histogram.record(Duration::MAX);
        assert_eq!(histogram.counts(), [(0, 1), (BUCKETS as u16 - 1, 1)]);
        assert_eq!(histogram.total(), 2);
    }
}
