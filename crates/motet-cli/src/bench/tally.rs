//! What a bench has counted: histograms of fixed size, however long it runs.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use motet::{MethodSnapshot, Stats, Status, core::Code};
use tokio::time::Instant;

/// The counts of a bench.
#[derive(Debug)]
pub(super) struct Tally {
    /// What is counted begins from here on.
    pub(super) from: Instant,
    /// And up to here.
    pub(super) until: Instant,
    ok: Arc<motet::MethodStats>,
    failed: Arc<motet::MethodStats>,
    refused: AtomicU64,
    late: AtomicU64,
    begun: AtomicU64,
    ended_in_time: AtomicU64,
    ok_in_time: AtomicU64,
    in_flight: AtomicU64,
    most_in_flight: AtomicU64,
    first_error: OnceLock<Status>,
}

/// A call that runs.
#[derive(Debug)]
pub(super) struct InFlight<'a> {
    tally: &'a Tally,
    counts: bool,
}

/// What was counted up to a moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    /// Calls that were answered well: count and latencies.
    pub(super) ok: MethodSnapshot,
    /// Calls that failed: count, latencies, codes.
    pub(super) failed: MethodSnapshot,
    /// Those of the failed that were told when to try again.
    pub(super) refused: u64,
    /// Calls that began after they were due.
    pub(super) late: u64,
    /// Calls that began.
    pub(super) begun: u64,
    /// Calls that ended, well or not, while it was counted, whenever they had begun.
    pub(super) ended_in_time: u64,
    /// Those of them that ended well.
    pub(super) ok_in_time: u64,
    /// Calls that run.
    pub(super) in_flight: u64,
    /// The most that ran at one time.
    pub(super) most_in_flight: u64,
}

impl Tally {
    /// Counts at zero.
    pub(super) fn new(from: Instant, until: Instant) -> Tally {
        let stats = Stats::new();
        Tally {
            from,
            until,
            ok: stats.method("ok"),
            failed: stats.method("failed"),
            refused: AtomicU64::new(0),
            late: AtomicU64::new(0),
            begun: AtomicU64::new(0),
            ended_in_time: AtomicU64::new(0),
            ok_in_time: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            most_in_flight: AtomicU64::new(0),
            first_error: OnceLock::new(),
        }
    }

    /// A call begins that was due at a moment; calls of the warm-up are not counted.
    pub(super) fn begin(&self, due: Instant, late: bool) -> InFlight<'_> {
        let counts = due >= self.from;
        if counts {
            self.begun.fetch_add(1, Relaxed);
            self.late.fetch_add(u64::from(late), Relaxed);
        }
        self.most_in_flight.fetch_max(self.in_flight.fetch_add(1, Relaxed) + 1, Relaxed);
        InFlight { tally: self, counts }
    }

    /// What was counted until now.
    pub(super) fn counted(&self) -> Counted {
        Counted {
            ok: self.ok.snapshot(),
            failed: self.failed.snapshot(),
            refused: self.refused.load(Relaxed),
            late: self.late.load(Relaxed),
            begun: self.begun.load(Relaxed),
            ended_in_time: self.ended_in_time.load(Relaxed),
            ok_in_time: self.ok_in_time.load(Relaxed),
            in_flight: self.in_flight.load(Relaxed),
            most_in_flight: self.most_in_flight.load(Relaxed),
        }
    }

    /// The error of the first call that failed.
    pub(super) fn first_error(&self) -> Option<&Status> {
        self.first_error.get()
    }
}

impl InFlight<'_> {
    /// The call that was due at a moment has ended.
    pub(super) fn end(self, due: Instant, error: Option<Status>) {
        let (tally, now) = (self.tally, Instant::now());
        if (tally.from..tally.until).contains(&now) {
            tally.ended_in_time.fetch_add(1, Relaxed);
            tally.ok_in_time.fetch_add(u64::from(error.is_none()), Relaxed);
        }
        if !self.counts {
            return;
        }
        let took = now.saturating_duration_since(due);
        match error {
            None => tally.ok.end(took, None),
            Some(status) => {
                tally.failed.end(took, Some(status.code()));
                tally.refused.fetch_add(u64::from(status.retry_after().is_some()), Relaxed);
                // Only the first is kept.
                _ = tally.first_error.set(status);
            }
        }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.tally.in_flight.fetch_sub(1, Relaxed);
    }
}

impl Counted {
    /// Calls that have ended.
    pub(super) fn calls(&self) -> u64 {
        self.ok.count + self.failed.count
    }

    /// The errors by code, the most frequent first.
    pub(super) fn errors(&self) -> Vec<(&str, u64)> {
        let errors: &BTreeMap<String, u64> = &self.failed.errors;
        let mut all: Vec<_> = errors.iter().map(|(code, count)| (code.as_str(), *count)).collect();
        all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        all
    }
}

/// Whether a status says that nobody was there to be called.
pub(super) fn is_nobody(status: &Status) -> bool {
    status.code() == Code::Unavailable && status.executed() == motet::Executed::No && status.retry_after().is_none()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_of_the_warm_up_are_not_counted_but_what_they_get_done_in_time_is() {
        let begin = Instant::now();
        let tally = Tally::new(begin + Duration::from_secs(1), begin + Duration::from_secs(3));
        let warm = tally.begin(begin, false);
        tokio::time::advance(Duration::from_secs(2)).await;
        warm.end(begin, None);
        let counted = tally.counted();
        assert_eq!((counted.calls(), counted.begun, counted.ok_in_time, counted.in_flight), (0, 0, 1, 0));
        let (due, call) = (Instant::now(), tally.begin(Instant::now(), true));
        tokio::time::advance(Duration::from_secs(2)).await;
        call.end(due, Some(Status::resource_exhausted("full").with_retry_after(Duration::from_secs(1))));
        let counted = tally.counted();
        assert_eq!((counted.failed.count, counted.refused, counted.late, counted.begun), (1, 1, 1, 1));
        assert_eq!((counted.ended_in_time, counted.most_in_flight), (1, 1), "it ended too late to count for the rate");
        assert_eq!((counted.failed.max_us, counted.errors()), (2e6, vec![("RESOURCE_EXHAUSTED", 1)]));
        assert_eq!(tally.first_error().map(Status::message), Some("full"));
    }
}
