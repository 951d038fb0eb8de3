//! The loop between a machine and a byte stream.

use std::{
    future::Future,
    io,
    mem::MaybeUninit,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::WebSocket;
use crate::{
    close::CloseCode,
    error::Error,
    machine::{Event, TimedOut},
    message::Message,
};

/// How much is read at once at first, and at most. A connection at rest has no buffer.
pub(super) const READ_LEAST: usize = 4 << 10;
const READ_MOST: usize = 64 << 10;
/// For how long the buffers of large reads and writes are kept when nothing happens. Giving them up at
/// once would have the allocator return and fetch their pages for every message.
const QUIET: Duration = Duration::from_secs(1);

/// How far the end of the byte stream has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The connection is in use, or what was said last is not written yet.
    No,
    /// Nothing can be written any more. What the peer said before that is still read.
    Mute,
    /// All is said: this side of the stream is to be ended, on a server at once, on a client when the
    /// server has ended its own.
    Shutdown,
    /// The peer is to end its side. A stream that is closed before might be reset, and a reset may
    /// overtake the last words.
    Linger,
    /// The stream is of no more use.
    Over,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Works until there is a message, or the connection is over.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Error>> {
        loop {
            match self.machine.handle(&mut self.input, self.read_at) {
                Ok(Some(Event::Message(message))) => return Poll::Ready(Ok(Some(message))),
                Ok(Some(Event::Closed(reason))) => self.reason = reason,
                Ok(Some(Event::Ping(_) | Event::Pong(_))) => continue,
                Ok(None) => {}
                Err(violation) => self.failure = Some(violation.into()),
            }
            let written = self.poll_write(cx).is_ready();
            self.advance_ending(cx, written);
            if self.ending == Ending::Over {
                self.machine.lost();
                self.rest();
                return Poll::Ready(self.failure.take().map_or(Ok(None), Err));
            }
            match self.poll_read(cx) {
                Poll::Ready(Ok(0)) => self.peer_is_gone(None),
                Poll::Ready(Ok(_)) => {
                    self.read_at = Instant::now();
                    self.active = self.read_at;
                    // Who is to go and sends on and on is never waited for.
                    if !self.machine.is_open() {
                        self.look_at_time(self.read_at);
                    }
                }
                Poll::Ready(Err(error)) => self.peer_is_gone(Some(error)),
                // All that has come is handled: only now does silence say something.
                Poll::Pending => ready!(self.poll_time(cx)),
            }
        }
    }

    /// Writes until less than `below` bytes wait, whether anything is read or not.
    pub(super) fn poll_until(&mut self, cx: &mut Context<'_>, below: usize) -> Poll<Result<(), Error>> {
        let written = self.poll_write(cx).is_ready();
        if self.ending == Ending::Mute || self.ending == Ending::Over {
            return Poll::Ready(Err(self.failure.as_ref().map_or_else(Error::closed, Error::repeated)));
        }
        if written || (below > 1 && self.machine.unsent() < below) {
            return Poll::Ready(Ok(()));
        }
        let Some(at) = self.machine.write_deadline() else { return Poll::Pending };
        if at != self.timer.deadline() {
            self.timer.as_mut().reset(at);
        }
        ready!(self.timer.as_mut().poll(cx));
        self.give_up(TimedOut::Write);
        Poll::Ready(Err(Error::timed_out(TimedOut::Write.as_str())))
    }

    /// Writes all output; `Ready` when there is none left, or no way to write it.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.ending == Ending::No && self.machine.unsent() > 0 {
            match ready!(Pin::new(&mut self.io).poll_write(cx, self.machine.output())) {
                Ok(0) => self.cannot_write(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.active = Instant::now();
                    self.resting &= count < READ_LEAST;
                    self.machine.written(count, self.active);
                    self.unflushed = true;
                }
                Err(error) => self.cannot_write(error),
            }
        }
        if self.ending == Ending::No && self.unflushed {
            match ready!(Pin::new(&mut self.io).poll_flush(cx)) {
                Ok(()) => self.unflushed = false,
                Err(error) => self.cannot_write(error),
            }
        }
        Poll::Ready(())
    }

    fn cannot_write(&mut self, error: io::Error) {
        if self.machine.is_ended() {
            self.ending = Ending::Over;
        } else {
            self.failure.get_or_insert(Error::broken(error));
            self.ending = Ending::Mute;
            // From now on the peer's last words are waited for, for so long.
            self.machine.close(CloseCode::GOING_AWAY, "", Instant::now());
        }
    }

    fn advance_ending(&mut self, cx: &mut Context<'_>, written: bool) {
        let server = self.machine.is_server();
        if self.ending == Ending::No && written && self.machine.is_ended() {
            // It is the server that ends the stream first.
            self.ending = if server { Ending::Shutdown } else { Ending::Linger };
        }
        if self.ending == Ending::Linger && self.peer_gone {
            self.ending = if server { Ending::Over } else { Ending::Shutdown };
        }
        if self.ending == Ending::Shutdown && Pin::new(&mut self.io).poll_shutdown(cx).is_ready() {
            self.ending = if self.peer_gone { Ending::Over } else { Ending::Linger };
        }
        if self.ending == Ending::Mute && self.machine.is_ended() {
            self.ending = Ending::Over;
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.peer_gone {
            return Poll::Pending;
        }
        if self.resting {
            return self.poll_wake(cx);
        }
        self.input.reserve(self.read_size);
        let room = self.input.capacity() - self.input.len();
        let read = ready!(pin!(self.io.read_buf(&mut self.input)).poll(cx));
        if matches!(read, Ok(read) if read == room) && self.read_size < READ_MOST {
            self.read_size *= 4;
        }
        Poll::Ready(read)
    }

    /// Reads into the stack: the buffer of a connection at rest would be most of it. Who sends little
    /// stays at rest.
    fn poll_wake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut chunk = [const { MaybeUninit::uninit() }; READ_LEAST];
        let mut chunk = ReadBuf::uninit(&mut chunk);
        let Poll::Ready(result) = Pin::new(&mut self.io).poll_read(cx, &mut chunk) else {
            self.rest();
            return Poll::Pending;
        };
        result?;
        self.resting = chunk.remaining() > 0;
        self.input.extend_from_slice(chunk.filled());
        Poll::Ready(Ok(chunk.filled().len()))
    }

    fn peer_is_gone(&mut self, error: Option<io::Error>) {
        self.peer_gone = true;
        if !self.machine.is_ended() {
            self.failure.get_or_insert_with(|| error.map_or_else(Error::lost, Error::broken));
            self.ending = Ending::Over;
        } else if error.is_some() {
            self.ending = Ending::Over;
        }
    }

    /// Waits for what is due next; `Ready` when something was.
    fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let quiet = (!self.resting).then(|| self.active + QUIET);
        let Some(at) = [self.machine.next_time(), quiet].into_iter().flatten().min() else { return Poll::Pending };
        // What is due moves on with each sign of life: the timer follows only when it fires.
        if at < self.timer.deadline() || self.timer.is_elapsed() {
            self.timer.as_mut().reset(at);
        }
        ready!(self.timer.as_mut().poll(cx));
        let now = Instant::now();
        if quiet.is_some_and(|at| at <= now) {
            self.rest();
        }
        self.look_at_time(now);
        Poll::Ready(())
    }

    fn look_at_time(&mut self, now: Instant) {
        if let Err(timed_out) = self.machine.handle_time(now) {
            self.give_up(timed_out);
        }
    }

    fn give_up(&mut self, timed_out: TimedOut) {
        let orderly = matches!(self.ending, Ending::Shutdown | Ending::Linger);
        if !orderly {
            self.failure.get_or_insert_with(|| Error::timed_out(timed_out.as_str()));
        }
        // Who is too slow with a message is told so first.
        if timed_out != TimedOut::Message {
            self.ending = Ending::Over;
            self.machine.lost();
        }
    }

    /// Keeps no buffer that is empty.
    fn rest(&mut self) {
        self.resting = true;
        if self.input.is_empty() {
            (self.input, self.read_size) = (BytesMut::new(), READ_LEAST);
        }
        self.machine.rest();
    }
}
