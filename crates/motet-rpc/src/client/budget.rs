//! What a client may spend on calls beyond those that users make.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// One call, in the thousandths that the budget counts.
const CALL: u64 = 1000;
/// Over this time what is saved loses 63 % of its worth, in seconds: the calls of an hour ago allow no
/// burst of retries now. Finagle's budget forgets as fast.
const MEMORY_S: f64 = 10.0;
/// The most that is saved up, in calls, whatever was earned.
const CAPACITY: u64 = 100_000;
/// How often time is counted, in nanoseconds: often enough to be exact to one part in a thousand.
const STEP_NS: u64 = 10_000_000;

/// A token bucket for retries and hedges: each call adds a share of one (20 % by default), each
/// second a number (10 by default), each retry takes one. It begins with what one second gives and
/// holds what about the last ten seconds gave, so that the calls which a lost node leaves behind can be
/// sent again, and retries never multiply the load of a system that fails.
///
/// Lock-free; a call costs two reads and an addition.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    saved: AtomicU64,
    /// Up to when time has been counted, in nanoseconds since `origin`.
    counted_ns: AtomicU64,
    origin: Instant,
    per_call: u64,
    per_second: f64,
}

impl RetryBudget {
    pub(crate) fn new(ratio: f64, per_second: f64) -> RetryBudget {
        let sane = |n: f64| if n.is_finite() { n.clamp(0.0, 1000.0) * CALL as f64 } else { 0.0 };
        let per_second = sane(per_second);
        RetryBudget {
            saved: AtomicU64::new(per_second as u64),
            counted_ns: AtomicU64::new(0),
            origin: Instant::now(),
            per_call: sane(ratio) as u64,
            per_second,
        }
    }

    /// A call was made at this moment, which is about now.
    #[inline]
    pub(crate) fn deposit(&self, now: Instant) {
        self.count_time(now);
        self.saved.fetch_add(self.per_call, Ordering::Relaxed);
    }

    /// Takes one retry, if there is one.
    pub(crate) fn withdraw(&self) -> bool {
        self.count_time(Instant::now());
        let take = |saved: u64| saved.min(CAPACITY * CALL).checked_sub(CALL);
        self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    #[inline]
    fn count_time(&self, now: Instant) {
        let now = u64::try_from(now.saturating_duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX);
        let counted = self.counted_ns.load(Ordering::Relaxed);
        if now.saturating_sub(counted) >= STEP_NS {
            self.age(counted, now);
        }
    }

    #[cold]
    fn age(&self, counted: u64, now: u64) {
        if self.counted_ns.compare_exchange(counted, now, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            // Somebody else counts this time.
            return;
        }
        let seconds = Duration::from_nanos(now - counted).as_secs_f64();
        let left = (-seconds / MEMORY_S).exp();
        // What was earned on the way has aged as well.
        let earned = self.per_second * MEMORY_S * (1.0 - left);
        let aged = |saved: u64| Some((saved.min(CAPACITY * CALL) as f64 * left + earned).round() as u64);
        let _ = self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, aged);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spend(budget: &RetryBudget) -> usize {
        (0..1_000_000).take_while(|_| budget.withdraw()).count()
    }

    async fn call(budget: &RetryBudget, calls: u64, seconds: u64) {
        for _ in 0..seconds * 100 {
            tokio::time::advance(Duration::from_millis(10)).await;
            (0..calls / 100).for_each(|_| budget.deposit(Instant::now()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_begins_with_one_second_s_worth() {
        assert_eq!(spend(&RetryBudget::new(0.2, 10.0)), 10);
        assert_eq!(spend(&RetryBudget::new(0.2, 0.0)), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fifth_of_the_calls_and_ten_a_second_may_be_retried() {
        let budget = RetryBudget::new(0.2, 10.0);
        spend(&budget);
        (0..100).for_each(|_| budget.deposit(Instant::now()));
        assert_eq!(spend(&budget), 20);
        let mut spent = 0;
        for _ in 0..100 {
            tokio::time::advance(Duration::from_millis(100)).await;
            spent += spend(&budget);
        }
        assert!((95..=100).contains(&spent), "{spent} in ten seconds");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_earned_within_ten_seconds_may_be_spent_at_once() {
        let budget = RetryBudget::new(0.2, 10.0);
        call(&budget, 2_000, 60).await;
        let burst = spend(&budget);
        assert!((4_000..4_200).contains(&burst), "{burst}");
        call(&budget, 2_000, 10).await;
        let after = spend(&budget);
        assert!((2_500..2_700).contains(&after), "{after}");
    }

    #[tokio::test(start_paused = true)]
    async fn old_calls_allow_no_burst() {
        let budget = RetryBudget::new(0.2, 10.0);
        call(&budget, 2_000, 60).await;
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(spend(&budget), 100, "what ten seconds give without calls");
    }

    #[tokio::test(start_paused = true)]
    async fn settings_that_make_no_sense_give_no_retries() {
        for wrong in [f64::NAN, f64::INFINITY, -1.0] {
            let budget = RetryBudget::new(wrong, wrong);
            budget.deposit(Instant::now());
            assert_eq!(spend(&budget), 0);
        }
    }
}
