//! The times at which calls begin, and what lets them go at these times.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};

use crate::failure::{Failure, Outcome, exit};

/// When calls begin: evenly spread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timetable {
    begin: Instant,
    rate: f64,
    /// How many there are.
    pub(super) total: u64,
}

impl Timetable {
    /// As many calls a second from now on as `rate` says, for so long.
    pub(super) fn new(begin: Instant, rate: f64, time: Duration) -> Timetable {
        Timetable { begin, rate, total: (time.as_secs_f64() * rate).ceil().max(1.0) as u64 }
    }

    /// When a call is due; they are numbered from 0.
    pub(super) fn at(&self, number: u64) -> Instant {
        self.begin + Duration::from_secs_f64(number as f64 / self.rate)
    }

    /// How many calls are due before a moment.
    pub(super) fn before(&self, moment: Instant) -> u64 {
        let seconds = moment.saturating_duration_since(self.begin).as_secs_f64();
        // As near as floating point comes, and from there to what `at` says.
        let mut number = ((seconds * self.rate).ceil() as u64).min(self.total);
        while number > 0 && self.at(number - 1) >= moment {
            number -= 1;
        }
        while number < self.total && self.at(number) < moment {
            number += 1;
        }
        number
    }
}

/// Lets calls go when they are due: adds a permit for each. It has a thread of its own, since the
/// timers of the runtime go by milliseconds, which is more than many a call takes. Dropping it ends
/// the thread.
#[derive(Debug)]
pub(super) struct Pace {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Pace {
    /// Starts. After the last call, `last` permits more are added.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(table: Timetable, permits: Arc<Semaphore>, last: usize) -> Outcome<Pace> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::Builder::new().name("motet-bench-pace".to_owned()).spawn(move || {
            if keep(table, &permits, &stopped) {
                add(&permits, last);
            }
        });
        let thread = thread.map_err(|error| Failure::new(exit::PROGRAM, format!("cannot start a thread: {error}")))?;
        Ok(Pace { stop, thread: Some(thread) })
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It does nothing but wait and count; a panic of it has been told already.
            _ = thread.join();
        }
    }
}

/// Says whether it came to the end.
fn keep(table: Timetable, permits: &Semaphore, stop: &AtomicBool) -> bool {
    let mut gone = 0;
    while !stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        let before = gone;
        while gone < table.total && table.at(gone) <= now {
            gone += 1;
        }
        add(permits, usize::try_from(gone - before).unwrap_or(usize::MAX));
        if gone == table.total {
            return true;
        }
        thread::park_timeout(table.at(gone).saturating_duration_since(Instant::now()));
    }
    false
}

fn add(permits: &Semaphore, count: usize) {
    permits.add_permits(count.min(Semaphore::MAX_PERMITS - permits.available_permits()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_spread_evenly() {
        let begin = Instant::now();
        let table = Timetable::new(begin, 500.0, Duration::from_secs(2));
        assert_eq!(table.total, 1000);
        assert_eq!((table.at(0), table.at(500)), (begin, begin + Duration::from_secs(1)));
        assert_eq!(table.before(begin + Duration::from_secs(1)), 500);
        assert_eq!(table.before(begin + Duration::from_secs(9)), 1000);
        assert_eq!(Timetable::new(begin, 0.1, Duration::from_secs(2)).total, 1, "there is one at the begin");
    }

    #[test]
    fn a_call_is_before_a_moment_or_not_whatever_the_rate() {
        let begin = Instant::now();
        for rate in [0.7, 3.0, 333.3, 9_999.9] {
            let table = Timetable::new(begin, rate, Duration::from_secs(10));
            for number in 0..table.total.min(500) {
                let moment = table.at(number);
                assert_eq!(table.before(moment), number, "{rate}");
                assert_eq!(table.before(moment + Duration::from_nanos(1)), number + 1, "{rate}");
            }
        }
    }

    #[tokio::test]
    async fn every_call_goes_and_none_before_its_time() {
        let permits = Arc::new(Semaphore::new(0));
        let table = Timetable::new(Instant::now(), 2000.0, Duration::from_millis(100));
        let _pace = Pace::start(table, permits.clone(), 3).expect("a thread");
        for number in 0..table.total {
            permits.acquire().await.expect("open").forget();
            assert!(Instant::now() >= table.at(number), "{number}");
        }
        permits.acquire_many(3).await.expect("open").forget();
        assert_eq!(permits.available_permits(), 0);
    }

    #[test]
    fn dropping_ends_the_thread_before_its_time() {
        let permits = Arc::new(Semaphore::new(0));
        let table = Timetable::new(Instant::now(), 0.01, Duration::from_secs(86_400));
        let pace = Pace::start(table, permits.clone(), 1).expect("a thread");
        drop(pace);
        assert_eq!(Arc::strong_count(&permits), 1);
    }
}
