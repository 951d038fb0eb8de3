//! The state of one motet/1 connection: bytes and time in, events and bytes out.
//!
//! Both ends use the same machine; [`Role`] says which. It holds no socket, no task and no clock. A
//! [`Machine`] carries one value of the user's per stream (`T`), so that the user needs no map of
//! their own.

mod event;
mod guard;
#[cfg(test)]
mod limit_tests;
mod receive;
mod send;
mod stream;
mod streams;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use motet_core::{Map, MethodDescriptor};
use tokio::time::Instant;

pub use event::{Event, IncomingCall, Path, ReplyHead};
pub(crate) use guard::ENOUGH;
use guard::Guard;
pub use send::CallHead;
use stream::Stream;
use streams::Streams;

use super::{
    budget::{Lease, MemoryBudget},
    config::NativeConfig,
    wire::{self, ErrorCode, GoAway, PREFACE, ProtocolError, Settings},
};

/// Which end of the connection a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The end that dialled: it makes calls.
    Dialling,
    /// The end that accepted: it answers them.
    Accepting,
}

/// The state of one connection.
#[derive(Debug)]
pub struct Machine<T> {
    role: Role,
    config: NativeConfig,
    local: Settings,
    remote: Settings,
    greeted: bool,
    settled: bool,
    out: BytesMut,
    /// Up to where the output may grow now: [`OUT_LEAST`] or [`OUT_LIMIT`].
    out_limit: usize,
    streams: Streams<Stream<T>>,
    next_stream: u64,
    last_stream: u64,
    send_credit: u64,
    receive_credit: u64,
    owed: u64,
    sending: VecDeque<u64>,
    routes_out: Map<usize, (Arc<MethodDescriptor>, u64)>,
    routes_in: usize,
    lease: Lease,
    pulse: Pulse,
    guard: Guard,
    /// Frames that are read and wait for their turn.
    pending: Bytes,
    /// Whether messages are copied out of the input.
    copying: bool,
    refusing: bool,
    peer_left: Option<GoAway>,
}

/// When the peer was last heard of.
#[derive(Debug)]
struct Pulse {
    heard: Instant,
    waiting_since: Option<Instant>,
    pinged: Option<Instant>,
    missed: u32,
}

/// Output beyond which callers wait and nothing more is read: what a peer that does not read can
/// make a machine hold, beside queued messages. What is beyond the first counts against the memory
/// budget, as those do.
const OUT_LEAST: usize = 64 << 10;
const OUT_LIMIT: usize = 512 << 10;
/// What large output takes of the budget, beside the connection's messages: as much again may be being
/// written.
const OUT_ROOM: usize = 2 * OUT_LIMIT;
/// Output up to which queued messages are cut into frames.
const OUT_FILL: usize = 256 << 10;

impl<T> Machine<T> {
    /// A machine at the beginning of a connection; its greeting is in the output already.
    pub fn new(role: Role, config: NativeConfig, budget: MemoryBudget, now: Instant) -> Machine<T> {
        let local = config.settings();
        let mut out = BytesMut::new();
        out.extend_from_slice(&PREFACE);
        local.write(&mut out);
        Machine {
            role,
            lease: Lease::new(budget, config.connection_memory),
            config,
            local,
            remote: Settings::V1,
            greeted: false,
            settled: false,
            out,
            out_limit: OUT_LEAST,
            streams: Streams::default(),
            next_stream: 1,
            last_stream: 0,
            send_credit: Settings::V1.connection_window,
            receive_credit: local.connection_window.max(Settings::V1.connection_window),
            owed: 0,
            sending: VecDeque::new(),
            routes_out: Map::default(),
            routes_in: 0,
            pulse: Pulse { heard: now, waiting_since: None, pinged: None, missed: 0 },
            guard: Guard::new(now),
            pending: Bytes::new(),
            copying: false,
            refusing: false,
            peer_left: None,
        }
    }

    /// How many calls are open.
    pub fn open_streams(&self) -> usize {
        self.streams.len()
    }

    /// Whether the peer has greeted.
    pub fn is_greeted(&self) -> bool {
        self.settled
    }

    /// Whether a call may be opened now; if not, it may later, unless [`Machine::is_leaving`].
    pub fn can_open(&mut self) -> bool {
        (self.streams.len() as u64) < self.remote.max_streams && self.has_room()
    }

    /// Whether no more calls can be opened on this connection.
    pub fn is_leaving(&self) -> bool {
        self.peer_left.is_some() || self.refusing
    }

    /// What the peer said when it left.
    pub fn peer_left(&self) -> Option<&GoAway> {
        self.peer_left.as_ref()
    }

    /// Whether more input should be read: not while the peer does not take what is there for it, nor for
    /// a moment after it has cancelled many calls at once, until [`Machine::handle_time`].
    pub fn wants_input(&mut self) -> bool {
        !self.guard.is_paused() && self.has_room()
    }

    /// Whether there is room for more output.
    #[inline]
    fn has_room(&mut self) -> bool {
        self.out.len() < self.out_limit || self.make_room()
    }

    #[cold]
    fn make_room(&mut self) -> bool {
        if self.out_limit == OUT_LEAST && self.lease.take_beside(OUT_ROOM) {
            self.out_limit = OUT_LIMIT;
        }
        self.out.len() < self.out_limit
    }

    /// The output that was taken last is written: what it took of the budget is free.
    fn return_room(&mut self) {
        if self.out_limit == OUT_LIMIT && self.out.len() < OUT_LEAST {
            self.out_limit = OUT_LEAST;
            self.lease.give_back_beside(OUT_ROOM);
        }
    }

    /// Whether there is output.
    pub fn has_output(&self) -> bool {
        !self.out.is_empty() || (!self.sending.is_empty() && self.send_credit > 0)
    }

    /// Moves the output into `into`, which must be empty because all of it was written, cutting queued
    /// messages into frames. Without output it takes the larger buffer back, so that the next batch
    /// goes into bytes that are still in the cache.
    pub fn take_output(&mut self, into: &mut BytesMut) {
        self.return_room();
        self.fill();
        if !self.out.is_empty() || self.out.capacity() < into.capacity() {
            std::mem::swap(&mut self.out, into);
        }
    }

    /// Whether messages are copied out of the input instead of being parts of it, which keep all of it
    /// in memory while they are there.
    pub fn copy_messages(&mut self, copying: bool) {
        self.copying = copying;
    }

    /// How long the peer may take next to nothing of what waits for it.
    pub(crate) fn write_timeout(&self) -> Duration {
        self.config.write_timeout
    }

    /// The user's value of a stream.
    pub fn data(&mut self, stream: u64) -> Option<&mut T> {
        self.streams.get_mut(&stream).map(|stream| &mut stream.data)
    }

    /// The user's values of all streams.
    pub fn all_data(&mut self) -> impl Iterator<Item = (u64, &mut T)> {
        self.streams.iter_mut().map(|(id, stream)| (id, &mut stream.data))
    }

    /// Ends a stream without telling the peer and gives back the user's value.
    pub fn close(&mut self, stream: u64) -> Option<T> {
        let stream = self.streams.remove(&stream)?;
        self.lease.give_back(stream.reserved);
        Some(stream.data)
    }

    /// Tells the peer that no further calls are taken; those of greater ids than the last one seen
    /// are refused as not executed.
    pub fn leave(&mut self, code: ErrorCode, reason: &str) {
        if !self.refusing {
            self.refusing = true;
            wire::put_goaway(&mut self.out, self.last_stream, code, reason);
        }
    }

    /// Tells the peer why the connection is closed; nothing follows.
    pub fn fail(&mut self, error: &ProtocolError) {
        self.refusing = true;
        wire::put_goaway(&mut self.out, self.last_stream, error.code, error.reason);
    }

    /// Returns memory that is leased and not needed; for moments of rest.
    pub fn rest(&mut self) {
        self.streams.rest();
        self.lease.settle();
        if !self.has_output() {
            (self.out, self.sending) = (BytesMut::new(), VecDeque::new());
        }
    }

    /// When the peer was heard last.
    pub(crate) fn heard(&self) -> Instant {
        self.pulse.heard
    }

    /// When [`Machine::handle_time`] wants to be called next.
    pub fn next_time(&self) -> Instant {
        let ping = self.next_ping();
        self.next_expiry().map_or(ping, |expiry| expiry.min(ping))
    }

    fn next_ping(&self) -> Instant {
        let config = &self.config;
        match (self.pulse.pinged, self.pulse.waiting_since) {
            (Some(pinged), _) => pinged + config.ping_timeout,
            (None, Some(since)) => since.max(self.pulse.heard) + config.ping_after,
            (None, None) => self.pulse.heard + config.idle_ping,
        }
    }

    /// Whether the peer has left a ping unanswered.
    pub fn is_suspect(&self) -> bool {
        self.pulse.missed > 0
    }

    /// Notes whether calls are open and whether messages wait for credit: silence counts only while
    /// somebody waits.
    pub fn note_calls(&mut self, now: impl Fn() -> Instant) {
        self.note_starved(&now);
        if self.streams.is_empty() {
            self.pulse.waiting_since = None;
        } else if self.pulse.waiting_since.is_none() {
            self.pulse.waiting_since = Some(now());
        }
    }

    /// Notes the time: silence is measured, pings are sent. [`Machine::expire`] goes with it.
    ///
    /// # Errors
    /// The peer has been silent, or too slow, for too long.
    pub fn handle_time(&mut self, now: Instant) -> Result<(), ProtocolError> {
        self.check_expiry(now)?;
        if now < self.next_ping() {
            return Ok(());
        }
        if self.pulse.pinged.is_some() {
            self.pulse.missed += 1;
            if self.pulse.missed >= self.config.max_missed_pings {
                return Err(ProtocolError { code: ErrorCode::Silence, reason: "pings were not answered" });
            }
        }
        self.pulse.pinged = Some(now);
        wire::frame(&mut self.out, wire::kind::PING, |out| out.extend_from_slice(&[0; 8]));
        Ok(())
    }

    fn hear(&mut self, now: Instant) {
        self.pulse = Pulse { heard: now, waiting_since: self.pulse.waiting_since, pinged: None, missed: 0 };
    }
}
