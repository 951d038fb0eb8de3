//! What may take only so long, or be only so often.

use std::time::Duration;

use tokio::time::Instant;

use super::{Phase, TimedOut};
use crate::{config::WebSocketConfig, error::Violation};

/// What a peer that takes anything takes within `write_timeout`.
const ENOUGH: usize = 64 << 10;
const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Clock {
    heard: Instant,
    /// Since when a ping of this side awaits a sign of life.
    pinged: Option<Instant>,
    /// Since when a message is under way.
    message: Option<Instant>,
    /// Since when output waits of which the peer took too little, and how much it took.
    blocked: Option<Instant>,
    taken: usize,
    /// Since when the peer's side is to close.
    closing: Option<Instant>,
    /// The control frames of the second that began then.
    second: Instant,
    controls: u32,
}

pub(super) enum Due {
    Nothing,
    Ping,
    Message,
    Give(TimedOut),
}

impl Clock {
    pub(super) fn new(now: Instant) -> Clock {
        Clock {
            heard: now,
            pinged: None,
            message: None,
            blocked: None,
            taken: 0,
            closing: None,
            second: now,
            controls: 0,
        }
    }

    /// Input came; told again about the same input, it is no news.
    pub(super) fn heard(&mut self, now: Instant) {
        if now > self.heard {
            (self.heard, self.pinged) = (now, None);
        }
    }

    pub(super) fn message_since(&mut self, since: Option<Instant>) {
        self.message = since;
    }

    /// The peer's side is to close from now on.
    pub(super) fn closing(&mut self, now: Instant) {
        self.closing.get_or_insert(now);
    }

    /// Output was added.
    pub(super) fn queued(&mut self, now: Instant) {
        self.blocked.get_or_insert(now);
    }

    /// The peer took output.
    pub(super) fn written(&mut self, count: usize, all: bool, now: Instant) {
        self.taken += count;
        if all || self.taken >= ENOUGH {
            (self.blocked, self.taken) = ((!all).then_some(now), 0);
        }
    }

    /// Counts a frame of the peer that costs work and carries nothing.
    pub(super) fn control(&mut self, config: &WebSocketConfig, now: Instant) -> Result<(), Violation> {
        if now.saturating_duration_since(self.second) >= SECOND {
            (self.second, self.controls) = (now, 0);
        }
        self.controls = self.controls.saturating_add(1);
        if self.controls > config.max_controls {
            return Err(Violation::policy("more pings, pongs and empty fragments in a second than max_controls"));
        }
        Ok(())
    }

    pub(super) fn write_deadline(&self, config: &WebSocketConfig) -> Option<Instant> {
        self.blocked.and_then(|since| since.checked_add(config.write_timeout))
    }

    pub(super) fn next(&self, config: &WebSocketConfig, phase: Phase) -> Option<Instant> {
        self.moments(config, phase).into_iter().flatten().map(|(at, _)| at).min()
    }

    pub(super) fn look(&mut self, config: &WebSocketConfig, phase: Phase, now: Instant) -> Due {
        let due = self.moments(config, phase).into_iter().flatten().filter(|(at, _)| *at <= now);
        let first = due.min_by_key(|(at, _)| *at).map_or(Due::Nothing, |(_, due)| due);
        if let Due::Ping = first {
            self.pinged = Some(now);
        }
        first
    }

    /// What is due when.
    fn moments(&self, config: &WebSocketConfig, phase: Phase) -> [Option<(Instant, Due)>; 4] {
        let open = phase == Phase::Open;
        let pings = open && !config.ping_after.is_zero();
        let pulse = match self.pinged {
            Some(since) => (since, config.ping_timeout, Due::Give(TimedOut::Ping)),
            None => (self.heard, config.ping_after, Due::Ping),
        };
        // What is too far away to be told is never due.
        let at = |(since, wait, due): (Instant, Duration, Due)| Some((since.checked_add(wait)?, due));
        [
            Some(pulse).filter(|_| pings).and_then(at),
            self.message.filter(|_| open).and_then(|since| at((since, config.message_timeout, Due::Message))),
            self.blocked.and_then(|since| at((since, config.write_timeout, Due::Give(TimedOut::Write)))),
            self.closing.and_then(|since| at((since, config.close_timeout, Due::Give(TimedOut::Close)))),
        ]
    }
}
