//! What a method has counted at one moment.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::histogram::middle_of;

/// What a method has counted at one moment. Latencies are in microseconds and at most 7 % off, the
/// maximum is exact.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct MethodSnapshot {
    /// The method's path, such as `greeter/hello`.
    pub path: String,
    /// Calls that have ended, with or without an error.
    pub count: u64,
    /// Calls that ended with an error, by code, such as `NOT_FOUND`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<String, u64>,
    /// Calls that run now.
    pub in_flight: u64,
    /// Calls that were refused because of overload; they are among the errors as well.
    #[serde(skip_serializing_if = "is_zero")]
    pub refused: u64,
    /// Calls that wait for their turn now, before their handler.
    #[serde(skip_serializing_if = "is_zero")]
    pub queued: u64,
    /// How many calls may run at once, where the method is limited now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Polls that held their thread for longer than half a millisecond.
    pub slow_polls: u64,
    /// Ended calls per second since an earlier look at least a second ago, or since the start.
    pub per_second: f64,
    /// Half of the calls took no longer.
    pub p50_us: f64,
    /// Nine of ten calls took no longer.
    pub p90_us: f64,
    /// Ninety-nine of a hundred calls took no longer.
    pub p99_us: f64,
    /// No call took longer.
    pub max_us: f64,
    /// The latency histogram: number and count of each bucket that is not empty. The numbers mean
    /// the same on all nodes.
    pub buckets: Vec<(u16, u64)>,
}

impl MethodSnapshot {
    /// All errors together.
    pub fn error_count(&self) -> u64 {
        self.errors.values().sum()
    }

    /// The latency that this share of the calls did not exceed, in microseconds; 0 without calls.
    /// `share` is between 0 and 1.
    pub fn percentile_us(&self, share: f64) -> f64 {
        let total: u64 = self.buckets.iter().map(|(_, count)| count).sum();
        let rank = ((total as f64 * share).ceil() as u64).clamp(1, total.max(1));
        let mut seen = 0;
        for (bucket, count) in &self.buckets {
            seen += count;
            if seen >= rank {
                // The middle of the last bucket may lie beyond the longest call.
                let middle = middle_of(*bucket) as f64 / 1e3;
                return if self.max_us > 0.0 { middle.min(self.max_us) } else { middle };
            }
        }
        0.0
    }

    /// The latency histogram, the shortest first: the middle of each bucket that is not empty, in
    /// microseconds, and its count.
    pub fn latencies_us(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        self.buckets.iter().map(|(bucket, count)| (middle_of(*bucket) as f64 / 1e3, *count))
    }

    /// Adds what another node has counted for the same method; limits add up as well.
    pub fn merge(&mut self, other: &MethodSnapshot) {
        self.combine(other, u64::saturating_add);
        self.in_flight += other.in_flight;
        self.queued += other.queued;
        self.limit = self.limit.zip(other.limit).map(|(own, other)| own + other).or(self.limit).or(other.limit);
        self.per_second += other.per_second;
        self.max_us = self.max_us.max(other.max_us);
        self.summarise();
    }

    /// What was counted between an earlier snapshot and this one. The maximum and what is in flight
    /// stay those of this one; if the node was restarted in between, counts since its start remain.
    #[must_use]
    pub fn since(&self, earlier: &MethodSnapshot) -> MethodSnapshot {
        let mut change = self.clone();
        if earlier.count <= self.count {
            change.combine(earlier, u64::saturating_sub);
            change.summarise();
        }
        change
    }

    fn combine(&mut self, other: &MethodSnapshot, f: fn(u64, u64) -> u64) {
        let mut buckets: BTreeMap<u16, u64> = self.buckets.iter().copied().collect();
        for (bucket, count) in &other.buckets {
            let mine = buckets.entry(*bucket).or_default();
            *mine = f(*mine, *count);
        }
        self.buckets = buckets.into_iter().filter(|(_, count)| *count > 0).collect();
        for (code, count) in &other.errors {
            let mine = self.errors.entry(code.clone()).or_default();
            *mine = f(*mine, *count);
        }
        self.errors.retain(|_, count| *count > 0);
        self.refused = f(self.refused, other.refused);
        self.slow_polls = f(self.slow_polls, other.slow_polls);
    }

    /// Works out from the buckets what depends on them.
    pub(super) fn summarise(&mut self) {
        self.count = self.buckets.iter().map(|(_, count)| count).sum();
        self.p50_us = self.percentile_us(0.5);
        self.p90_us = self.percentile_us(0.9);
        self.p99_us = self.percentile_us(0.99);
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use motet_core::{Code, Entropy};

    use super::{super::MethodStats, *};

    fn counted(durations: &[Duration]) -> MethodSnapshot {
        let method = MethodStats::new("a/b");
        for took in durations {
            method.begin();
            method.end(*took, None);
        }
        method.snapshot()
    }

    #[test]
    fn percentiles_are_at_most_seven_percent_off() {
        let entropy = Entropy::seeded(3);
        // From 100 ns to 10 s, as many in each decade.
        let mut durations: Vec<_> =
            (0..20_000).map(|_| Duration::from_secs_f64(1e-7 * 10f64.powf(8.0 * entropy.unit()))).collect();
        let snapshot = counted(&durations);
        durations.sort();
        for share in [0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0] {
            let exact = durations[((20_000.0 * share) as usize).max(1) - 1].as_secs_f64() * 1e6;
            let found = snapshot.percentile_us(share);
            assert!((found - exact).abs() / exact <= 0.07, "p{share}: {found} for {exact}");
        }
    }

    #[test]
    fn the_histogram_holds_every_call_near_its_time() {
        let times = [Duration::from_micros(10), Duration::from_micros(10), Duration::from_millis(5)];
        let near: Vec<_> = counted(&times).latencies_us().collect();
        let [(short, 2), (long, 1)] = near[..] else { panic!("{near:?}") };
        assert!((short / 10.0 - 1.0).abs() < 0.07 && (long / 5000.0 - 1.0).abs() < 0.07, "{near:?}");
    }

    #[test]
    fn without_calls_all_is_zero() {
        let snapshot = counted(&[]);
        assert_eq!((snapshot.count, snapshot.p50_us, snapshot.max_us), (0, 0.0, 0.0));
    }

    #[test]
    fn snapshots_of_two_nodes_add_up() {
        let fast = vec![Duration::from_micros(100); 90];
        let slow = vec![Duration::from_millis(100); 10];
        let mut sum = counted(&fast);
        sum.merge(&counted(&slow));
        assert_eq!(sum, counted(&[fast, slow].concat()).since(&MethodSnapshot::default()).with_rate(sum.per_second));
        assert!(sum.p50_us < 110.0 && sum.p99_us > 93_000.0);
    }

    #[test]
    fn the_change_between_two_snapshots_forgets_what_was_before() {
        let method = MethodStats::new("a/b");
        (0..100).for_each(|_| method.end(Duration::from_secs(1), Some(Code::Internal)));
        let before = method.snapshot();
        (0..10).for_each(|_| method.end(Duration::from_micros(10), None));
        let change = method.snapshot().since(&before);
        assert_eq!((change.count, change.error_count()), (10, 0));
        assert!(change.p99_us < 11.0);
    }

    #[test]
    fn a_snapshot_survives_json() {
        let snapshot = counted(&[Duration::from_micros(3)]);
        let json = serde_json::to_string(&snapshot).expect("plain data");
        assert_eq!(serde_json::from_str::<MethodSnapshot>(&json).expect("plain data"), snapshot);
    }

    impl MethodSnapshot {
        fn with_rate(mut self, rate: f64) -> MethodSnapshot {
            self.per_second = rate;
            self
        }
    }
}
