//! What a client may spend on calls beyond those that users make.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

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
    /// Up to when time has been counted, in nanoseconds of the client's clock.
    counted_ns: AtomicU64,
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
            per_call: sane(ratio) as u64,
            per_second,
        }
    }

    /// A call was made at this moment of the client's clock, which is about now.
    #[inline]
    pub(crate) fn deposit(&self, now_ns: u64) {
        self.count_time(now_ns);
        self.saved.fetch_add(self.per_call, Ordering::Relaxed);
    }

    /// Takes one retry, if there is one.
    pub(crate) fn withdraw(&self, now_ns: u64) -> bool {
        self.count_time(now_ns);
        let take = |saved: u64| saved.min(CAPACITY * CALL).checked_sub(CALL);
        self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    #[inline]
    fn count_time(&self, now: u64) {
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

    /// A budget and its client's clock, in milliseconds.
    struct Clocked(RetryBudget, u64);

    impl Clocked {
        fn new(ratio: f64, per_second: f64) -> Clocked {
            Clocked(RetryBudget::new(ratio, per_second), 0)
        }

        fn now_ns(&self) -> u64 {
            self.1 * 1_000_000
        }

        fn spend(&self) -> usize {
            (0..1_000_000).take_while(|_| self.0.withdraw(self.now_ns())).count()
        }

        fn call(&mut self, calls: u64, seconds: u64) {
            for _ in 0..seconds * 100 {
                self.1 += 10;
                (0..calls / 100).for_each(|_| self.0.deposit(self.now_ns()));
            }
        }
    }

    #[test]
    fn it_begins_with_one_second_s_worth() {
        assert_eq!(Clocked::new(0.2, 10.0).spend(), 10);
        assert_eq!(Clocked::new(0.2, 0.0).spend(), 0);
    }

    #[test]
    fn a_fifth_of_the_calls_and_ten_a_second_may_be_retried() {
        let mut budget = Clocked::new(0.2, 10.0);
        budget.spend();
        (0..100).for_each(|_| budget.0.deposit(budget.now_ns()));
        assert_eq!(budget.spend(), 20);
        let mut spent = 0;
        for _ in 0..100 {
            budget.1 += 100;
            spent += budget.spend();
        }
        assert!((95..=100).contains(&spent), "{spent} in ten seconds");
    }

    #[test]
    fn what_is_earned_within_ten_seconds_may_be_spent_at_once() {
        let mut budget = Clocked::new(0.2, 10.0);
        budget.call(2_000, 60);
        let burst = budget.spend();
        assert!((4_000..4_200).contains(&burst), "{burst}");
        budget.call(2_000, 10);
        let after = budget.spend();
        assert!((2_500..2_700).contains(&after), "{after}");
    }

    #[test]
    fn old_calls_allow_no_burst() {
        let mut budget = Clocked::new(0.2, 10.0);
        budget.call(2_000, 60);
        budget.1 += 3_600_000;
        assert_eq!(budget.spend(), 100, "what ten seconds give without calls");
    }

    #[test]
    fn settings_that_make_no_sense_give_no_retries() {
        for wrong in [f64::NAN, f64::INFINITY, -1.0] {
            let budget = Clocked::new(wrong, wrong);
            budget.0.deposit(0);
            assert_eq!(budget.spend(), 0);
        }
    }
}
