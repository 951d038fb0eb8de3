//! What was done when.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Events by the time since the start.
pub(crate) struct Timeline {
    start: Instant,
    events: Mutex<Vec<(Duration, String)>>,
}

impl Timeline {
    pub(crate) fn new() -> Timeline {
        Timeline { start: Instant::now(), events: Mutex::default() }
    }

    /// The time since the start.
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Notes an event, and gives its time.
    pub(crate) fn note(&self, what: impl Into<String>) -> Duration {
        let now = self.now();
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push((now, what.into()));
        now
    }

    /// The last event before this time, and how long before.
    pub(crate) fn before(&self, time: Duration) -> String {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        match events.iter().rev().find(|(at, _)| *at <= time) {
            Some((at, what)) => format!("{:?} after {what:?}", time - *at),
            None => "before all events".to_owned(),
        }
    }
}
