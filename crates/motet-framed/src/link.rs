//! Moving bytes between a stream and buffers.

use std::{
    io,
    mem::MaybeUninit,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use motet_core::BoxIo;
use tokio::{io::ReadBuf, time::Instant};

use crate::shared::Shared;

/// How much of a long frame is read at once at most; also how much its buffer grows at once, so that it
/// takes no more memory than its peer has sent.
const READ_MOST: usize = 64 << 10;
/// How much is read at once otherwise: enough that one system call brings many short frames.
const BATCH: usize = 16 << 10;
/// A buffer that has grown beyond this is not kept.
const KEPT: usize = 256 << 10;

/// A byte stream with the bytes that came and those that go.
pub(crate) struct Link {
    io: BoxIo,
    pub(crate) input: BytesMut,
    /// Whether the peer has closed its side.
    pub(crate) ended: bool,
    writing: BytesMut,
    written: u64,
    unflushed: bool,
    /// Since when the peer takes nothing.
    pub(crate) blocked: Option<Instant>,
}

impl Link {
    pub(crate) fn new(io: BoxIo) -> Link {
        Link {
            io,
            input: BytesMut::new(),
            ended: false,
            writing: BytesMut::new(),
            written: 0,
            unflushed: false,
            blocked: None,
        }
    }

    /// Reads what is there, once; `wants` is how much of a frame is still to come. Zero bytes mean
    /// that the peer has closed its side.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, wants: usize) -> Poll<io::Result<usize>> {
        let read = match wants < BATCH {
            true => ready!(self.poll_batch(cx))?,
            false => {
                self.input.reserve(wants.min(READ_MOST));
                ready!(self.poll_more(cx))?
            }
        };
        self.ended |= read == 0;
        Poll::Ready(Ok(read))
    }

    /// Reads into the stack until something comes: the buffers of connections at rest would be most
    /// of what they take.
    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut chunk = [MaybeUninit::uninit(); BATCH];
        let mut chunk = ReadBuf::uninit(&mut chunk);
        let read = self.io.as_mut().poll_read(cx, &mut chunk);
        if read.is_pending() && self.input.is_empty() {
            self.input = BytesMut::new();
        }
        ready!(read)?;
        self.input.extend_from_slice(chunk.filled());
        Poll::Ready(Ok(chunk.filled().len()))
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut io = &mut self.io;
        let reading = std::pin::pin!(tokio::io::AsyncReadExt::read_buf(&mut io, &mut self.input));
        std::future::Future::poll(reading, cx)
    }

    /// Writes all output; ready when all of it is out.
    pub(crate) fn poll_write<T>(&mut self, cx: &mut Context<'_>, shared: &Shared<T>) -> Poll<io::Result<()>> {
        loop {
            if self.writing.is_empty() {
                let mut state = shared.lock();
                state.written = self.written;
                if state.out.is_empty() {
                    break;
                }
                state.take(&mut self.writing);
            }
            match self.io.as_mut().poll_write(cx, &self.writing) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    self.blocked = None;
                    self.written += written as u64;
                    self.writing.advance(written);
                    self.unflushed = true;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.broken(shared, error))),
                Poll::Pending => {
                    self.blocked.get_or_insert_with(Instant::now);
                    return Poll::Pending;
                }
            }
            if self.writing.is_empty() {
                let capacity = self.writing.capacity();
                self.writing.clear();
                if capacity > KEPT || !self.writing.try_reclaim(capacity) {
                    self.writing = BytesMut::new();
                }
            }
        }
        if self.unflushed {
            if let Err(error) = ready!(self.io.as_mut().poll_flush(cx)) {
                return Poll::Ready(Err(self.broken(shared, error)));
            }
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn broken<T>(&self, shared: &Shared<T>, error: io::Error) -> io::Error {
        shared.lock().written = self.written;
        error
    }

    /// Closes this side.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.as_mut().poll_shutdown(cx)
    }

    /// Reads and drops what still comes; ready when the peer has closed its side.
    pub(crate) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.input = BytesMut::new();
        while !self.ended {
            let mut chunk = [MaybeUninit::uninit(); BATCH];
            let mut chunk = ReadBuf::uninit(&mut chunk);
            let read = self.io.as_mut().poll_read(cx, &mut chunk);
            match ready!(read) {
                Ok(()) if !chunk.filled().is_empty() => {}
                Ok(()) | Err(_) => self.ended = true,
            }
        }
        Poll::Ready(())
    }
}
