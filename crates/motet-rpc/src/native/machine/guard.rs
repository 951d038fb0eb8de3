//! What a peer may do within the protocol, and only so often or so slowly.

use std::time::Duration;

use motet_core::{Metadata, Status};
use tokio::time::Instant;

use super::{Event, Machine, stream::Before};
use crate::native::wire::{ErrorCode, ProtocolError};

/// What an open call takes of the memory budget beside its message: its stream, its context and the
/// task of its handler.
pub(super) const CALL_COST: usize = 3 << 10;
/// What a value of metadata takes beside its bytes.
const VALUE_COST: usize = 320;
/// How many bytes of interned paths are free.
const FREE_PATHS: usize = 16 << 10;
/// What an interned path takes beside its bytes.
const PATH_COST: usize = 128;
/// A cancel of a call that is not older is a rapid one.
const RAPID: u32 = 50;
/// So many rapid cancels in a second cost a peer nothing. From then on, what it sends with others is
/// handled in short turns with a pause after each, in which other connections are served.
const FREE_CANCELS: u32 = 256;
const STORM_TURN: usize = 64;
const STORM_PAUSE: Duration = Duration::from_millis(1);
/// How often a peer may say that it leaves.
const MAX_GOAWAYS: u32 = 16;
/// What a peer must take of what waits for it within [`NativeConfig::write_timeout`].
///
/// [`NativeConfig::write_timeout`]: crate::native::NativeConfig::write_timeout
pub(crate) const ENOUGH: u64 = 64 << 10;
/// How many frames are handled before what they made is written.
const AT_ONCE: usize = 256;
/// How much is inflated before others get their turn.
pub(super) const INFLATE_TURN: usize = 1 << 20;

/// What is counted and timed of one peer.
#[derive(Debug)]
pub(super) struct Guard {
    started: Instant,
    /// The machine's age in milliseconds when the last input came; it wraps.
    pub(super) age: u32,
    pings: Rate,
    cancels: Rate,
    /// Whether there were rapid cancels in this turn, beyond those that are free.
    storm: bool,
    /// Until when nothing is read.
    pause: Option<Instant>,
    goaways: u32,
    path_bytes: usize,
    /// When a message that is arriving may be overdue, at the earliest.
    overdue: Option<Instant>,
    /// Since when a frame is arriving.
    pub(super) frame: Option<Instant>,
    /// Since when messages wait for the connection's credit, and what of it came.
    starved: Option<Instant>,
    granted: u64,
    /// Bytes inflated in this turn.
    pub(super) inflated: usize,
    /// Calls that were ended here, and why the first was.
    pub(super) refused: u64,
    pub(super) refusal: Option<Box<str>>,
}

/// How often something happened in the current second.
#[derive(Debug)]
struct Rate {
    since: Instant,
    count: u32,
}

impl Rate {
    /// Counts one more, and says whether the second has had more than `most`.
    fn over(&mut self, now: Instant, most: u32) -> bool {
        if now.saturating_duration_since(self.since) >= Duration::from_secs(1) {
            *self = Rate { since: now, count: 0 };
        }
        self.count = self.count.saturating_add(1);
        self.count > most
    }
}

/// What metadata takes of the memory budget: its keys are there twice, once for the handler.
pub(super) fn metadata_cost(metadata: &Metadata) -> usize {
    metadata.iter_raw().map(|(key, value)| 2 * key.len() + value.len() + VALUE_COST).sum()
}

impl Guard {
    pub(super) fn new(now: Instant) -> Guard {
        let rate = || Rate { since: now, count: 0 };
        Guard {
            started: now,
            age: 0,
            pings: rate(),
            cancels: rate(),
            storm: false,
            pause: None,
            goaways: 0,
            path_bytes: 0,
            overdue: None,
            frame: None,
            starved: None,
            granted: 0,
            inflated: 0,
            refused: 0,
            refusal: None,
        }
    }

    /// Input came.
    pub(super) fn turn(&mut self, now: Instant) {
        self.age = now.saturating_duration_since(self.started).as_millis() as u32;
        self.inflated = 0;
    }

    /// How many frames are handled before what they made is written.
    pub(super) fn at_once(&mut self) -> usize {
        if std::mem::take(&mut self.storm) { STORM_TURN } else { AT_ONCE }
    }

    /// What came is handled.
    pub(super) fn turn_over(&mut self, now: Instant) {
        self.pause = self.storm.then(|| now + STORM_PAUSE);
    }

    /// Whether others have their turn.
    #[inline]
    pub(super) fn is_paused(&self) -> bool {
        self.pause.is_some()
    }

    /// A message begins that needs more frames.
    pub(super) fn awaits(&mut self, due: Instant) {
        self.overdue.get_or_insert(due);
    }

    /// Credit came for the connection.
    pub(super) fn granted(&mut self, more: u64) {
        self.granted += more;
        if self.granted >= ENOUGH {
            self.starved = None;
        }
    }

    pub(super) fn refused(&mut self, status: &Status) {
        self.refused += 1;
        if self.refusal.is_none() {
            self.refusal = Some(status.message().into());
        }
    }
}

impl<T: Default> Machine<T> {
    /// Ends the calls whose messages have been arriving for too long.
    pub fn expire(&mut self, now: Instant, events: &mut Vec<Event>) {
        if self.guard.overdue.is_none_or(|due| due > now) {
            return;
        }
        let patience = self.config.message_timeout;
        if self.is_full() {
            // Nothing is read now: that they are not complete is this side's doing.
            let partials = self.streams.iter_mut().filter_map(|(_, stream)| stream.receiving.partial.as_mut());
            partials.for_each(|partial| partial.began = now);
        }
        let (mut late, mut next) = (Vec::new(), None::<Instant>);
        for (id, stream) in self.streams.iter_mut() {
            let Some(partial) = &stream.receiving.partial else { continue };
            match partial.began + patience {
                due if due <= now => late.push((id, matches!(partial.before, Before::Call(_)))),
                due => next = Some(next.map_or(due, |next| next.min(due))),
            }
        }
        self.guard.overdue = next;
        for (id, unseen) in late {
            let status = Status::deadline_exceeded(format!("a message was not complete within {patience:?}"));
            let executed = if unseen { motet_core::Executed::No } else { motet_core::Executed::Unknown };
            self.refuse(id, &status.with_executed(executed), events);
        }
    }
}

impl<T> Machine<T> {
    /// How many calls were ended here because they broke a rule or a limit, and why the first was.
    pub fn refused(&self) -> (u64, Option<&str>) {
        (self.guard.refused, self.guard.refusal.as_deref())
    }

    /// Whether there is so much output that nothing is read.
    fn is_full(&self) -> bool {
        self.out.len() >= self.out_limit
    }

    /// Notes whether messages wait for credit.
    pub(super) fn note_starved(&mut self, now: impl Fn() -> Instant) {
        if self.sending.is_empty() {
            self.guard.starved = None;
        } else if self.send_credit == 0 && self.guard.starved.is_none() {
            (self.guard.starved, self.guard.granted) = (Some(now()), 0);
        }
    }

    /// When the peer's time for something it has begun is up, or a pause.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        let frame = self.guard.frame.map(|since| since + self.config.message_timeout);
        let credit = self.guard.starved.map(|since| since + self.config.write_timeout);
        [frame, credit, self.guard.overdue, self.guard.pause].into_iter().flatten().min()
    }

    pub(super) fn check_expiry(&mut self, now: Instant) -> Result<(), ProtocolError> {
        self.guard.pause = self.guard.pause.filter(|until| *until > now);
        let over = |since: Option<Instant>, patience| since.is_some_and(|since| since + patience <= now);
        let silence = |reason| Err(ProtocolError { code: ErrorCode::Silence, reason });
        if over(self.guard.frame, self.config.message_timeout) {
            self.guard.frame = self.is_full().then_some(now);
            if self.is_full() {
                return Ok(());
            }
            return silence("a frame was not complete in time");
        }
        if over(self.guard.starved, self.config.write_timeout) {
            self.guard.starved = None;
            return silence("no credit came for what waits to be sent");
        }
        Ok(())
    }

    pub(super) fn check_ping(&mut self) -> Result<(), ProtocolError> {
        match self.guard.pings.over(self.pulse.heard, self.config.max_pings) {
            true => Err(ProtocolError::limit("there were too many pings in a second")),
            false => Ok(()),
        }
    }

    /// A call that runs is cancelled.
    pub(super) fn check_cancel(&mut self, began: u32) -> Result<(), ProtocolError> {
        let rapid = self.guard.age.wrapping_sub(began) <= RAPID;
        let over = rapid && self.guard.cancels.over(self.pulse.heard, self.config.max_rapid_cancels);
        self.guard.storm |= rapid && self.guard.cancels.count > FREE_CANCELS;
        match over {
            true => Err(ProtocolError::limit("too many calls in a second were cancelled as soon as they were made")),
            false => Ok(()),
        }
    }

    pub(super) fn check_goaway(&mut self) -> Result<(), ProtocolError> {
        self.guard.goaways += 1;
        match self.guard.goaways > MAX_GOAWAYS {
            true => Err(ProtocolError::limit("there were more than 16 GOAWAYs")),
            false => Ok(()),
        }
    }

    /// Makes room for a path that is interned.
    pub(super) fn take_path(&mut self, length: usize) -> Result<(), ProtocolError> {
        let before = self.guard.path_bytes.max(FREE_PATHS);
        self.guard.path_bytes += length + PATH_COST;
        match self.lease.take(self.guard.path_bytes.saturating_sub(before)) {
            true => Ok(()),
            false => Err(ProtocolError::limit("the memory for interned paths is used up")),
        }
    }
}
