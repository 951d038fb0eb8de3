//! What a connection has been doing, and since when.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use motet_core::{BoxIo, Status};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::frames::{Broken, Frames};
use crate::{Body, HttpConfig};

/// What a connection has been doing, and since when. Clones share it.
#[derive(Clone)]
pub(super) struct Watch(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Answers that wait for the peer to open a window of HTTP/2.
    waiting: AtomicUsize,
    /// Whether one of them went on since this was looked at.
    taken: AtomicBool,
}

struct State {
    /// Requests that are not answered to their end.
    running: usize,
    /// When the last of them was, or the connection began.
    idle_since: Instant,
    /// Since when a head, or a frame of HTTP/2, is there in part.
    partial_since: Option<Instant>,
    /// Since when the peer takes nothing of what is written.
    stalled_since: Option<Instant>,
    /// Since when answers wait and none goes on.
    closed_since: Option<Instant>,
    /// The frames of HTTP/2.
    frames: Option<Frames>,
    broken: Option<Broken>,
    /// The stream of bytes, once the HTTP library has let go of it.
    left_behind: Option<BoxIo>,
}

/// Why a connection is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// Nothing was asked for long.
    Idle,
    /// A head or a frame takes too long.
    Slow,
    /// The peer takes nothing.
    Stalled,
    /// The peer sends too much of what means nothing.
    Flood(Broken),
    /// It was told to end and stays.
    Left,
}

impl Watch {
    /// A connection of HTTP/1.1: its first bytes are those of a head.
    pub(super) fn http1(now: Instant) -> Watch {
        Watch::new(now, Some(now), None)
    }

    /// A connection of HTTP/2.
    pub(super) fn http2(now: Instant, frames: Frames) -> Watch {
        Watch::new(now, Some(now), Some(frames))
    }

    fn new(now: Instant, partial_since: Option<Instant>, frames: Option<Frames>) -> Watch {
        let state = State {
            running: 0,
            idle_since: now,
            partial_since,
            stalled_since: None,
            closed_since: None,
            frames,
            broken: None,
            left_behind: None,
        };
        let (waiting, taken) = (AtomicUsize::new(0), AtomicBool::new(false));
        Watch(Arc::new(Shared { state: Mutex::new(state), waiting, taken }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request's head is complete.
    pub(super) fn begin(&self) -> Running {
        let mut state = self.state();
        state.running += 1;
        if state.frames.is_none() {
            state.partial_since = None;
        }
        drop(state);
        Running(self.clone())
    }

    /// The limit that the peer went over.
    pub(super) fn broken(&self) -> Option<Broken> {
        self.state().broken
    }

    /// The stream of bytes, once the HTTP library has let go of it.
    pub(super) fn left_behind(&self) -> Option<BoxIo> {
        self.state().left_behind.take()
    }

    /// When the connection is to end if nothing happens, and why. `left` says since when it is told to
    /// end, and how long it may stay without a request.
    pub(super) fn next(&self, config: &HttpConfig, left: Option<(Instant, Duration)>) -> Option<(Instant, Over)> {
        let mut state = self.state();
        if self.0.waiting.load(Ordering::Relaxed) == 0 {
            state.closed_since = None;
        } else if self.0.taken.swap(false, Ordering::Relaxed) || state.closed_since.is_none() {
            state.closed_since = Some(Instant::now());
        }
        let idle_since = (state.running == 0).then_some(state.idle_since);
        let idle = match left {
            None => (idle_since, config.idle_timeout, Over::Idle),
            Some((left, stay)) => (idle_since.map(|since| since.max(left)), stay, Over::Left),
        };
        let limits = [
            (state.partial_since, config.head_timeout, Over::Slow),
            (state.stalled_since, config.write_timeout, Over::Stalled),
            (state.closed_since.filter(|_| state.frames.is_some()), config.write_timeout, Over::Stalled),
            idle,
        ];
        let at = |(since, limit, over): (Option<Instant>, Duration, Over)| Some((since?.checked_add(limit)?, over));
        limits.into_iter().filter_map(at).min_by_key(|(at, _)| *at)
    }

    fn read(&self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let state = &mut *state;
        match &mut state.frames {
            None if state.running == 0 && state.partial_since.is_none() => state.partial_since = Some(Instant::now()),
            None => {}
            Some(frames) => {
                let now = Instant::now();
                if let Err(broken) = frames.read(bytes, now) {
                    state.broken = Some(broken);
                    return Err(io::Error::other("the peer floods this connection"));
                }
                match frames.is_partial() {
                    false => state.partial_since = None,
                    true if frames.advanced() || state.partial_since.is_none() => state.partial_since = Some(now),
                    true => {}
                }
            }
        }
        Ok(())
    }

    fn wrote<T>(&self, polled: &Poll<T>) {
        let mut state = self.state();
        match polled {
            Poll::Ready(_) => state.stalled_since = None,
            Poll::Pending if state.stalled_since.is_none() => state.stalled_since = Some(Instant::now()),
            Poll::Pending => {}
        }
    }
}

/// A request that is not answered to its end, until dropped.
pub(super) struct Running(Watch);

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.running -= 1;
        if state.running == 0 {
            state.idle_since = Instant::now();
        }
    }
}

/// A stream of bytes that is watched.
pub(super) struct Watched {
    io: BoxIo,
    watch: Watch,
}

impl Watched {
    pub(super) fn new(io: BoxIo, watch: Watch) -> Watched {
        Watched { io, watch }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let io = std::mem::replace(&mut self.io, Box::pin(tokio::io::empty()));
        self.watch.state().left_behind = Some(io);
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = self.io.as_mut().poll_read(cx, buf);
        if buf.filled().len() > before
            && let Err(error) = self.watch.read(&buf.filled()[before..])
        {
            return Poll::Ready(Err(error));
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = self.io.as_mut().poll_write(cx, buf);
        self.watch.wrote(&polled);
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.as_mut().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = self.io.as_mut().poll_write_vectored(cx, bufs);
        self.watch.wrote(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

/// The body of an answer, whose end is the end of its request.
pub(super) struct Answered {
    body: Body,
    running: Option<Running>,
    /// Whether it waits for the peer, not for its handler: the HTTP library asks for more as soon as the peer's
    /// window lets something go.
    waiting: bool,
}

impl Answered {
    pub(super) fn new(body: Body, running: Option<Running>) -> Answered {
        let mut answered = Answered { waiting: false, body, running };
        answered.wait(!answered.body.is_end_stream());
        answered
    }

    fn wait(&mut self, waiting: bool) {
        let Some(Running(watch)) = &self.running else { return };
        if waiting && !self.waiting {
            watch.0.waiting.fetch_add(1, Ordering::Relaxed);
        } else if !waiting && self.waiting {
            watch.0.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        self.waiting = waiting;
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        self.wait(false);
    }
}

impl HttpBody for Answered {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.waiting
            && let Some(Running(watch)) = &self.running
        {
            watch.0.taken.store(true, Ordering::Relaxed);
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let more = matches!(polled, Poll::Ready(Some(Ok(_)))) && !self.body.is_end_stream();
        self.wait(more);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
