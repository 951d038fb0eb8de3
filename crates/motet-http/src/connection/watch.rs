//! What a connection has been doing, and since when.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use motet_core::{BoxIo, Status};
use motet_rpc::native::MemoryBudget;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::{
    frames::{Broken, Frames},
    streams::noted,
};
use crate::{Body, HttpConfig, body::count_as, front::Front};

/// What a connection has been doing, and since when. Clones share it.
#[derive(Clone)]
pub(super) struct Watch(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// How often an answer went on or ended.
    progress: AtomicUsize,
    is_h2: bool,
    /// HTTP/1.1: whether a long request was answered before it was read. Nothing can follow it.
    unread: Arc<AtomicBool>,
    /// What answers count against that are written and not yet sent.
    memory: MemoryBudget,
    /// A frame that is longer is none of a message, and counts as one.
    max_message: usize,
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
    /// The frames of HTTP/2.
    frames: Option<Frames>,
    /// Why it is to end at once.
    over: Option<Over>,
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
    pub(super) fn http1(now: Instant, front: &Front) -> Watch {
        Watch::new(now, front, None)
    }

    /// A connection of HTTP/2.
    pub(super) fn http2(now: Instant, front: &Front, frames: Frames) -> Watch {
        Watch::new(now, front, Some(frames))
    }

    fn new(now: Instant, front: &Front, frames: Option<Frames>) -> Watch {
        let state = State {
            running: 0,
            idle_since: now,
            partial_since: Some(now),
            stalled_since: None,
            frames,
            over: None,
            left_behind: None,
        };
        let unread = Arc::default();
        let (is_h2, memory, max_message) = (state.frames.is_some(), front.memory.clone(), front.config.max_message);
        Watch(Arc::new(Shared {
            state: Mutex::new(state),
            progress: AtomicUsize::new(0),
            is_h2,
            unread,
            memory,
            max_message,
        }))
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

    /// Why the connection is to end at once.
    pub(super) fn over(&self) -> Option<Over> {
        self.state().over
    }

    /// How often an answer went on or ended.
    pub(super) fn progress(&self) -> usize {
        self.0.progress.load(Ordering::Relaxed)
    }

    fn advance(&self) {
        self.0.progress.fetch_add(1, Ordering::Relaxed);
    }

    /// Where a request's body says that nobody has read it, for HTTP/1.1.
    pub(super) fn unread(&self) -> Option<&Arc<AtomicBool>> {
        (!self.0.is_h2).then_some(&self.0.unread)
    }

    /// Ends the connection: an answer waits for its peer for too long, and no other has gone on.
    pub(super) fn give_up(&self) {
        self.state().over.get_or_insert(Over::Stalled);
    }

    /// The stream of bytes, once the HTTP library has let go of it.
    pub(super) fn left_behind(&self) -> Option<BoxIo> {
        self.state().left_behind.take()
    }

    /// When the connection is to end if nothing happens, and why. `left` says since when it is told to
    /// end, and how long it may stay without a request.
    pub(super) fn next(&self, config: &HttpConfig, left: Option<(Instant, Duration)>) -> Option<(Instant, Over)> {
        let state = self.state();
        let idle_since = (state.running == 0).then_some(state.idle_since);
        let idle = match left {
            None => (idle_since, config.idle_timeout, Over::Idle),
            Some((left, stay)) => (idle_since.map(|since| since.max(left)), stay, Over::Left),
        };
        let limits = [
            (state.partial_since, config.head_timeout, Over::Slow),
            (state.stalled_since, config.write_timeout, Over::Stalled),
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
                    state.over = Some(Over::Flood(broken));
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

impl Running {
    /// Whether the connection ends with the answer to this request.
    pub(super) fn is_last(&self) -> bool {
        self.0.0.unread.load(Ordering::Acquire)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.advance();
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
    /// What of a long frame is still to come.
    rest: Bytes,
}

impl Answered {
    /// The most that is given to the HTTP library at once, over HTTP/2: what it has taken waits for a
    /// window where nobody sees it.
    const PIECE: usize = 64 << 10;

    pub(super) fn new(body: Body, running: Option<Running>) -> Answered {
        Answered { body, running, rest: Bytes::new() }
    }

    /// What may go of a frame; the rest is kept.
    fn piece(&mut self, mut data: Bytes) -> Bytes {
        let is_h2 = self.running.as_ref().is_some_and(|Running(watch)| watch.0.is_h2);
        let piece = data.split_to(if is_h2 { data.len().min(Self::PIECE) } else { data.len() });
        self.rest = data;
        piece
    }

    /// Counts a long frame against the server's memory until it is sent.
    fn count(&self, data: Bytes) -> Result<Bytes, Status> {
        let Some(Running(watch)) = &self.running else { return Ok(data) };
        let length = data.len().min(watch.0.max_message);
        count_as(data, length, &watch.0.memory).ok_or_else(|| {
            let text = "answers that their callers do not take use up the memory that they may, a limit set by \
                        server.memory_limit";
            Status::resource_exhausted(text).with_source(h2::Error::from(h2::Reason::ENHANCE_YOUR_CALM))
        })
    }
}

impl HttpBody for Answered {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let data = match std::mem::take(&mut this.rest) {
            rest if rest.is_empty() => match ready!(noted(Pin::new(&mut this.body).poll_frame(cx))) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => Ok(this.count(data)?),
                    trailers => trailers,
                },
                end => return Poll::Ready(end),
            },
            rest => {
                let _ = noted(Poll::Ready(()));
                Ok(rest)
            }
        };
        if let Some(Running(watch)) = &this.running {
            watch.advance();
        }
        Poll::Ready(Some(Ok(data.map_or_else(|trailers| trailers, |data| Frame::data(this.piece(data))))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        if rest > 0 {
            let upper = hint.upper();
            hint = SizeHint::new();
            hint.set_lower(self.body.size_hint().lower() + rest);
            upper.into_iter().for_each(|upper| hint.set_upper(upper + rest));
        }
        hint
    }
}
