//! What a client may spend on calls beyond those that users make.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// One call, in the thousandths that the budget counts.
const CALL: u64 = 1000;
/// The most that is saved up, in calls: a burst of retries is no longer than this.
const CAPACITY: u64 = 100;

/// A token bucket for retries and hedges: each call adds a share of one (20 % by default), each
/// second a number (10 by default), each retry takes one. It begins with what one second gives and
/// holds at most 100, so that retries never multiply the load of a system that fails.
///
/// Lock-free; a call whose bucket is full costs one read.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    saved: AtomicU64,
    /// Up to when time has been paid for, in nanoseconds since `origin`.
    paid_ns: AtomicU64,
    origin: Instant,
    per_call: u64,
    per_second: f64,
}

impl RetryBudget {
    pub(crate) fn new(ratio: f64, per_second: f64) -> RetryBudget {
        let per_second = if per_second.is_finite() { per_second.clamp(0.0, CAPACITY as f64) } else { 0.0 };
        let ratio = if ratio.is_finite() { ratio.clamp(0.0, CAPACITY as f64) } else { 0.0 };
        RetryBudget {
            saved: AtomicU64::new((per_second * CALL as f64) as u64),
            paid_ns: AtomicU64::new(0),
            origin: Instant::now(),
            per_call: (ratio * CALL as f64) as u64,
            per_second,
        }
    }

    /// A call was made.
    #[inline]
    pub(crate) fn deposit(&self) {
        if self.saved.load(Ordering::Relaxed) < CAPACITY * CALL {
            self.saved.fetch_add(self.per_call, Ordering::Relaxed);
        }
    }

    /// Takes one retry, if there is one.
    pub(crate) fn withdraw(&self) -> bool {
        self.pay_for_time();
        let take = |saved: u64| saved.min(CAPACITY * CALL).checked_sub(CALL);
        self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    fn pay_for_time(&self) {
        let now = u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let paid = self.paid_ns.swap(now, Ordering::Relaxed);
        let since = Duration::from_nanos(now.saturating_sub(paid)).as_secs_f64();
        let earned = (since * self.per_second * CALL as f64) as u64;
        if earned == 0 {
            // Too little to count yet: leave the time unpaid, unless somebody has paid meanwhile.
            let _ = self.paid_ns.compare_exchange(now, paid, Ordering::Relaxed, Ordering::Relaxed);
            return;
        }
        let add = |saved: u64| Some(saved.saturating_add(earned).min(CAPACITY * CALL));
        let _ = self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spend(budget: &RetryBudget) -> usize {
        (0..1000).take_while(|_| budget.withdraw()).count()
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
        (0..100).for_each(|_| budget.deposit());
        assert_eq!(spend(&budget), 20);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(spend(&budget), 10);
        for _ in 0..10 {
            tokio::time::advance(Duration::from_micros(50)).await;
            assert_eq!(spend(&budget), 0);
        }
        tokio::time::advance(Duration::from_micros(99_501)).await;
        assert_eq!(spend(&budget), 1, "time too short to count is not lost");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_a_hundred_are_saved_up() {
        let budget = RetryBudget::new(0.2, 10.0);
        (0..10_000).for_each(|_| budget.deposit());
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(spend(&budget), 100);
    }
}
