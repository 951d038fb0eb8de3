//! A connection over a byte stream.

mod drive;
#[cfg(test)]
mod tests;

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Sleep},
};

use self::drive::Ending;
use crate::{
    close::{CloseCode, CloseReason},
    config::WebSocketConfig,
    error::{Error, SendError},
    handshake::Agreed,
    machine::{Machine, Role},
    masks::Masks,
    message::Message,
};

/// While more than this waits to be written, [`WebSocket::feed`] tries to write it.
const BATCH: usize = 64 << 10;

/// A connection over a byte stream whose opening handshake is over.
///
/// It has no task of its own: it works while one of its futures is polled. [`next`](WebSocket::next)
/// does all of it: it writes what waits, answers pings, sends its own and ends what is dead. Who only
/// sends must call it now and then.
///
/// All methods can be cancelled without losing or repeating anything: what was taken is in the
/// connection's state, and a message is queued whole or not at all.
///
/// Dropping it ends the byte stream without a Close frame; see [`close`](WebSocket::close).
#[derive(Debug)]
pub struct WebSocket<S> {
    io: S,
    machine: Machine,
    max_unsent: usize,
    input: BytesMut,
    /// How much to read at once.
    read_size: usize,
    /// When the input came.
    read_at: Instant,
    /// When something was read or written last.
    active: Instant,
    /// Whether no buffer is kept, because little has been read and written for a while.
    resting: bool,
    /// Whether written bytes may still be in a buffer of the stream.
    unflushed: bool,
    timer: Pin<Box<Sleep>>,
    ending: Ending,
    /// Whether the peer has ended its side of the stream.
    peer_gone: bool,
    /// Why the connection fails, once all is said.
    failure: Option<Error>,
    reason: Option<CloseReason>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// The server's side of a connection. `early` is what was read of the stream beyond the request.
    /// Must be called within a runtime with time.
    pub fn server(io: S, early: Bytes, agreed: &Agreed, config: Arc<WebSocketConfig>) -> WebSocket<S> {
        WebSocket::new(io, early, Role::Server, agreed, config)
    }

    /// The client's side of a connection. `early` is what was read of the stream beyond the response.
    /// Must be called within a runtime with time.
    pub fn client(io: S, early: Bytes, agreed: &Agreed, config: Arc<WebSocketConfig>, masks: Masks) -> WebSocket<S> {
        WebSocket::new(io, early, Role::Client(masks), agreed, config)
    }

    fn new(io: S, early: Bytes, role: Role, agreed: &Agreed, config: Arc<WebSocketConfig>) -> WebSocket<S> {
        let now = Instant::now();
        let max_unsent = config.max_unsent;
        let machine = Machine::new(role, config, agreed.compression, now);
        let first = machine.next_time().unwrap_or(now);
        WebSocket {
            io,
            machine,
            max_unsent,
            input: BytesMut::from(early),
            read_size: drive::READ_LEAST,
            read_at: now,
            active: now,
            resting: true,
            unflushed: false,
            timer: Box::pin(tokio::time::sleep_until(first)),
            ending: Ending::No,
            peer_gone: false,
            failure: None,
            reason: None,
        }
    }

    /// The next message; `None` once the connection was closed by both sides. Before it waits, it
    /// writes what [`feed`](WebSocket::feed) queued: one write for many messages. Cancel safe.
    ///
    /// # Errors
    /// The connection failed: the peer broke a rule (it was told), its time was up, or the stream broke
    /// or ended without a Close frame. From then on it is closed.
    pub async fn next(&mut self) -> Result<Option<Message>, Error> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`next`](WebSocket::next), for futures written by hand.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Error>> {
        self.drive(cx)
    }

    /// Queues a message, which is written by [`flush`](WebSocket::flush) or when
    /// [`next`](WebSocket::next) waits. Waits itself while `max_unsent` bytes are queued. Cancel safe: a
    /// cancelled message is not queued.
    ///
    /// # Errors
    /// The connection is closed or closing, the stream broke, or the peer takes nothing for
    /// `write_timeout`.
    pub async fn feed(&mut self, message: impl Into<Message>) -> Result<(), Error> {
        let message = message.into();
        poll_fn(|cx| self.poll_room(cx)).await?;
        self.try_feed(&message)
    }

    /// As [`feed`](WebSocket::feed), without waiting and without writing.
    ///
    /// # Errors
    /// [`SendError::Full`] while `max_unsent` bytes wait, and [`SendError::Closed`].
    pub fn queue(&mut self, message: &Message) -> Result<(), SendError> {
        self.machine.send(message, Instant::now())
    }

    fn try_feed(&mut self, message: &Message) -> Result<(), Error> {
        match self.queue(message) {
            Ok(()) => Ok(()),
            // There was room a moment ago.
            Err(SendError::Full | SendError::Closed) => Err(Error::closed()),
        }
    }

    /// Waits until all that was queued is handed to the system. Cancel safe.
    ///
    /// # Errors
    /// The stream broke, or the peer takes nothing for `write_timeout`.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_until(cx, 1)).await
    }

    /// Queues a message and flushes. For many messages, [`feed`](WebSocket::feed) them. Cancel safe: a
    /// message that is queued by then is written later.
    ///
    /// # Errors
    /// Those of [`feed`](WebSocket::feed).
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), Error> {
        self.feed(message).await?;
        self.flush().await
    }

    /// Closes the connection: sends what is queued and a Close frame, and waits for the peer's; what it
    /// sent before is discarded. To see that, call [`start_close`](WebSocket::start_close) and go on
    /// with [`next`](WebSocket::next). Cancel safe: the next call goes on.
    ///
    /// # Errors
    /// The peer did not end the connection in order within `close_timeout`.
    pub async fn close(&mut self, code: CloseCode, text: &str) -> Result<(), Error> {
        self.start_close(code, text);
        while self.next().await?.is_some() {}
        Ok(())
    }

    /// Queues a Close frame; nothing more can be sent. Does nothing on a connection that is closed or
    /// closing.
    pub fn start_close(&mut self, code: CloseCode, text: &str) {
        self.machine.close(code, text, Instant::now());
    }

    /// Whether messages can be sent.
    pub fn is_open(&self) -> bool {
        self.machine.is_open()
    }

    /// Why the peer ended the connection; `None` while it has not, and if it gave no reason.
    pub fn close_reason(&self) -> Option<&CloseReason> {
        self.reason.as_ref()
    }

    /// How many bytes are queued.
    pub fn unsent(&self) -> usize {
        self.machine.unsent()
    }

    /// The byte stream, to look at.
    pub fn get_ref(&self) -> &S {
        &self.io
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if !self.machine.is_open() {
            return Poll::Ready(Err(Error::closed()));
        }
        if self.machine.unsent() < BATCH.min(self.max_unsent) {
            return Poll::Ready(Ok(()));
        }
        match self.poll_until(cx, self.max_unsent.max(1)) {
            // Written as far as it goes, and there is room.
            Poll::Pending if self.machine.unsent() < self.max_unsent => Poll::Ready(Ok(())),
            other => other,
        }
    }
}
