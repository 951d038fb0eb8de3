//! The state of one connection after its opening handshake: bytes and time in, events and bytes out.

mod body;
mod clock;
mod receive;
mod send;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use self::{clock::Clock, receive::Receiving, send::Output};
use crate::{
    close::CloseReason, config::WebSocketConfig, deflate::Agreement, error::Violation, masks::Masks, message::Message,
};

/// Which side of the connection this is.
#[derive(Clone, Debug)]
pub enum Role {
    /// The side that was connected to. It refuses frames without a mask.
    Server,
    /// The side that connected. It masks what it sends and refuses masked frames.
    Client(Masks),
}

/// What the peer did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It sent a message.
    Message(Message),
    /// It sent a ping; the answer is in the output.
    Ping(Bytes),
    /// It sent a pong, asked for or not.
    Pong(Bytes),
    /// It ended the connection, for this reason if it gave one. The answer is in the output; nothing
    /// more will come.
    Closed(Option<CloseReason>),
}

/// One connection after its opening handshake.
///
/// Input goes through [`handle`](Machine::handle), which gives events; [`send_text`](Machine::send_text)
/// and the like add to the output, which the caller takes to the peer from [`output`](Machine::output)
/// and acknowledges by [`written`](Machine::written). Time is told by `now` and by
/// [`handle_time`](Machine::handle_time).
#[derive(Debug)]
pub struct Machine {
    config: Arc<WebSocketConfig>,
    role: Role,
    phase: Phase,
    receiving: Receiving,
    out: Output,
    clock: Clock,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// This side has sent its Close frame and awaits the peer's.
    Closing,
    /// Both Close frames are sent, or a rule was broken: input is of no interest any more.
    Ended,
}

impl Machine {
    /// A connection whose opening handshake is over, with what it agreed on about compression.
    pub fn new(role: Role, config: Arc<WebSocketConfig>, agreement: Option<Agreement>, now: Instant) -> Machine {
        let deflate = agreement.as_ref().zip(config.compression.as_ref());
        let receiving = Receiving::new(deflate.map(|(agreement, _)| agreement));
        let out = Output::new(deflate);
        Machine { config, role, phase: Phase::Open, receiving, out, clock: Clock::new(now) }
    }

    /// Whether messages can be sent.
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Whether nothing more comes from the peer that matters: both sides have closed, or the peer broke
    /// a rule. What is in the output is still to be written; then a server ends the byte stream, and a
    /// client waits for the server to do so.
    pub fn is_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// Whether this is the server's side.
    pub fn is_server(&self) -> bool {
        matches!(self.role, Role::Server)
    }

    /// The byte stream is gone: nothing can be sent or received any more.
    pub fn lost(&mut self) {
        self.phase = Phase::Ended;
        self.receiving.forget();
    }

    /// When [`handle_time`](Machine::handle_time) wants to be called, at the latest. It may move to a
    /// later time, and to an earlier one when something is sent or received.
    pub fn next_time(&self) -> Option<Instant> {
        self.clock.next(&self.config, self.phase)
    }

    /// When the peer will have taken too little of the output for too long, unless it takes more; `None`
    /// while there is none.
    pub fn write_deadline(&self) -> Option<Instant> {
        self.clock.write_deadline(&self.config)
    }

    /// Notes the time: pings a silent peer. To be called only after all input that has arrived was
    /// handled, since what was not looked at looks like silence.
    ///
    /// # Errors
    /// The peer's time is up, and for what. If it is alive and too slow with a message, it is told by a
    /// Close frame in the output; otherwise the byte stream is of no more use.
    pub fn handle_time(&mut self, now: Instant) -> Result<(), TimedOut> {
        match self.clock.look(&self.config, self.phase, now) {
            clock::Due::Nothing => Ok(()),
            clock::Due::Ping => {
                self.out.ping(&mut self.role, b"");
                self.note_output(now);
                Ok(())
            }
            clock::Due::Message => {
                self.fail(Violation::policy("a message takes too long to arrive"), now);
                Err(TimedOut::Message)
            }
            clock::Due::Give(timed_out) => {
                self.phase = Phase::Ended;
                Err(timed_out)
            }
        }
    }

    /// Tells the peer what it broke. Nothing else matters any more.
    fn fail(&mut self, violation: Violation, now: Instant) {
        if self.phase == Phase::Open {
            let reason = Some((violation.code, violation.rule));
            self.out.close(&mut self.role, reason);
            self.note_output(now);
        }
        self.end(now);
    }

    fn end(&mut self, now: Instant) {
        self.phase = Phase::Ended;
        self.receiving.forget();
        self.clock.closing(now);
    }
}

/// What the peer had time for, and did not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimedOut {
    /// To end a message that it began: `message_timeout`.
    Message,
    /// To show a sign of life after a ping: `ping_timeout`.
    Ping,
    /// To take what waits for it: `write_timeout`.
    Write,
    /// To close its side: `close_timeout`.
    Close,
}

impl TimedOut {
    /// The same in words.
    pub fn as_str(self) -> &'static str {
        match self {
            TimedOut::Message => "a message took longer than message_timeout to arrive",
            TimedOut::Ping => "the peer showed no sign of life within ping_timeout of a ping",
            TimedOut::Write => "the peer took too little of what was sent within write_timeout",
            TimedOut::Close => "the peer did not close its side within close_timeout",
        }
    }
}
