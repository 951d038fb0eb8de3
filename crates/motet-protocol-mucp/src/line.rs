//! A connection as messages: the thin part that moves the bytes, for both sides.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use motet_core::BoxIo;
use motet_rpc::native::Lease;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf},
    time::{Instant, timeout, timeout_at},
};

use crate::wire::{Broken, Event, Parser, Side};

/// How much is read at once at most; also how much the buffer grows at once, so that a message takes
/// no more memory than its sender has sent.
const READ_MOST: usize = 64 << 10;
/// How much is read at first by a connection at rest, which keeps no buffer to read into.
const WAKE: usize = 1 << 10;
/// How much is read while a call runs, of what comes behind it.
const READ_AHEAD: usize = 16 << 10;
/// A body up to this length needs no lease while it comes: a connection has one under way.
const FREE: usize = 64 << 10;

/// Memory that a message takes, until dropped.
#[derive(Debug)]
pub(crate) struct Cost(Arc<Mutex<Lease>>, usize);

impl Cost {
    pub(crate) fn take(lease: &Arc<Mutex<Lease>>, bytes: usize) -> Option<Cost> {
        let taken = lease.lock().unwrap_or_else(PoisonError::into_inner).take(bytes);
        taken.then(|| Cost(lease.clone(), bytes))
    }
}

impl Drop for Cost {
    fn drop(&mut self) {
        let mut lease = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lease.give_back(self.1);
        lease.settle();
    }
}

/// Why no message came.
#[derive(Debug)]
pub(crate) enum End {
    /// The peer broke the rules.
    Broken(Broken),
    /// A message did not come in time.
    Stalled,
    /// The connection was lost.
    Lost(io::Error),
}

/// The side of a connection that is read.
pub(crate) struct Incoming {
    io: ReadHalf<BoxIo>,
    input: BytesMut,
    parser: Parser,
    ended: bool,
    message_timeout: Duration,
    /// When the message under way must be complete.
    complete_by: Option<Instant>,
    lease: Option<Arc<Mutex<Lease>>>,
    /// The memory of the message under way.
    under_way: Option<Cost>,
}

impl Incoming {
    pub(crate) fn new(
        io: ReadHalf<BoxIo>,
        side: Side,
        max_message: usize,
        message_timeout: Duration,
        lease: Option<Arc<Mutex<Lease>>>,
    ) -> Incoming {
        let parser = Parser::new(side, max_message);
        Incoming {
            io,
            input: BytesMut::new(),
            parser,
            ended: false,
            message_timeout,
            complete_by: None,
            lease,
            under_way: None,
        }
    }

    /// When the first message must be complete, whenever it begins.
    pub(crate) fn complete_by(&mut self, at: Instant) {
        self.complete_by = Some(at);
    }

    /// Whether nothing has come behind the last message.
    pub(crate) fn is_clean(&self) -> bool {
        !self.ended && !self.parser.is_inside(&self.input)
    }

    /// The memory that the last message takes, where it is a long one.
    pub(crate) fn cost(&mut self) -> Option<Cost> {
        self.under_way.take()
    }

    /// The next message; none at the end of the peer's side. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, End> {
        loop {
            let (lease, under_way) = (&self.lease, &mut self.under_way);
            let allow = |length: usize| {
                let Some(lease) = lease else { return true };
                if length <= FREE {
                    return true;
                }
                *under_way = None;
                *under_way = Cost::take(lease, length);
                under_way.is_some()
            };
            if let Some(event) = self.parser.next(&mut self.input, self.ended, allow).map_err(End::Broken)? {
                if !matches!(event, Event::Continue) {
                    self.complete_by = None;
                }
                return Ok(Some(event));
            }
            if self.ended {
                return Ok(None);
            }
            if self.parser.is_inside(&self.input) {
                let by = *self.complete_by.get_or_insert_with(|| Instant::now() + self.message_timeout);
                timeout_at(by, self.read()).await.map_err(|_| End::Stalled)?.map_err(End::Lost)?;
            } else {
                self.read().await.map_err(End::Lost)?;
            }
        }
    }

    /// Reads on while something else goes on, up to a bound, and ends with the connection's loss. The
    /// end of the peer's side is none.
    pub(crate) async fn lost(&mut self) -> io::Error {
        loop {
            if self.ended || self.input.len() >= READ_AHEAD {
                return std::future::pending().await;
            }
            if let Err(error) = self.read().await {
                return error;
            }
        }
    }

    /// Whether the peer has closed its side or sent what nobody asked for, as far as is known now.
    pub(crate) fn is_stale(&mut self) -> bool {
        let mut task = Context::from_waker(std::task::Waker::noop());
        self.ended || self.poll_first(&mut task).is_ready()
    }

    /// Reads to the end and keeps nothing, up to a bound.
    pub(crate) async fn discard(&mut self, most: usize) {
        let mut left = most;
        while !self.ended && left > 0 {
            self.input.clear();
            if self.read().await.is_err() {
                return;
            }
            left = left.saturating_sub(self.input.len().max(1));
        }
    }

    async fn read(&mut self) -> io::Result<()> {
        let wants = self.parser.wants(&self.input);
        let read = poll_fn(|cx| match self.input.is_empty() && wants == 0 {
            true => self.poll_first(cx),
            false => self.poll_more(cx, wants),
        })
        .await?;
        self.ended |= read == 0;
        Ok(())
    }

    /// Reads into the stack until something comes: the buffers of connections at rest would be most
    /// of what they take.
    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut chunk = [0; WAKE];
        let mut chunk = ReadBuf::new(&mut chunk);
        self.input = BytesMut::new();
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut chunk))?;
        self.input.extend_from_slice(chunk.filled());
        Poll::Ready(Ok(chunk.filled().len()))
    }

    fn poll_more(&mut self, cx: &mut Context<'_>, wants: usize) -> Poll<io::Result<usize>> {
        self.input.reserve(wants.clamp(4 << 10, READ_MOST));
        let mut io = &mut self.io;
        let reading = std::pin::pin!(tokio::io::AsyncReadExt::read_buf(&mut io, &mut self.input));
        std::future::Future::poll(reading, cx)
    }
}

/// The side of a connection that is written.
pub(crate) struct Outgoing {
    io: WriteHalf<BoxIo>,
    write_timeout: Duration,
}

impl Outgoing {
    pub(crate) fn new(io: WriteHalf<BoxIo>, write_timeout: Duration) -> Outgoing {
        Outgoing { io, write_timeout }
    }

    /// Writes all of it; `wrote` is how much the connection has taken, also when it fails. Not cancel
    /// safe: what is written in part breaks the connection.
    pub(crate) async fn write(&mut self, out: &mut BytesMut, wrote: &mut usize) -> io::Result<()> {
        while !out.is_empty() {
            let writing = poll_fn(|cx| Pin::new(&mut self.io).poll_write(cx, out));
            let written = timeout(self.write_timeout, writing).await??;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            *wrote += written;
            out.advance(written);
        }
        timeout(self.write_timeout, self.io.flush()).await?
    }

    /// Ends this side.
    pub(crate) async fn close(&mut self) {
        // A connection that is gone needs no end.
        let _ = timeout(self.write_timeout, self.io.shutdown()).await;
    }
}

/// Polls two futures until one of them is done; the first is asked first.
pub(crate) async fn either<A, B>(first: impl Future<Output = A>, second: impl Future<Output = B>) -> Either<A, B> {
    let (mut first, mut second) = (std::pin::pin!(first), std::pin::pin!(second));
    poll_fn(|cx| match first.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Either::First(done)),
        Poll::Pending => second.as_mut().poll(cx).map(Either::Second),
    })
    .await
}

/// Which of two was done.
pub(crate) enum Either<A, B> {
    First(A),
    Second(B),
}
