//! The task of a client's connection.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll},
};

use bytes::Bytes;
use motet_core::{BoxIo, Codec, Codecs, Executed, Map, Payload, Reply, Result, Status};
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, Sleep},
};

use crate::{
    Answer, Broken, ClientWire, Cutter, Heartbeats, Limits, Piece,
    link::Link,
    shared::{Shared, State},
    wire::too_long,
};

/// How many frames are handled before what callers have written goes out, and how many such batches
/// before other tasks get their turn.
const FRAMES: usize = 64;
const BATCHES: usize = 4;

/// The calls of a connection.
#[derive(Default)]
pub(super) struct Calls {
    /// The number of the next one.
    pub(super) next: u64,
    pub(super) waiting: Map<u64, Slot>,
    /// The one-way calls that are not written yet: where each begins and ends in all output.
    pub(super) writing: VecDeque<(u64, u64, oneshot::Sender<Result<Reply>>)>,
    /// Set once, when the connection is over.
    pub(super) closed: Option<Status>,
    /// Whether it is to end once no call runs.
    pub(super) closing: bool,
    /// Whether the peer has left a request for a sign of life unanswered.
    pub(super) suspect: bool,
}

/// A call that waits for its answer.
pub(super) struct Slot {
    pub(super) answer: oneshot::Sender<Result<Reply>>,
    /// Where it begins in all output.
    pub(super) start: u64,
}

pub(super) struct Driver<W> {
    wire: W,
    max_message: usize,
    max_frame: u64,
    limits: Limits,
    heartbeats: Heartbeats,
    codecs: Codecs,
    link: Link,
    cutter: Cutter,
    shared: Arc<Shared<Calls>>,
    room: Arc<Notify>,
    /// When the peer last gave a sign of life or had nothing to give one for.
    heard: Instant,
    /// The number of the request for a sign of life that is open, and when it was sent.
    asked: Option<(u64, Instant)>,
    missed: u32,
    inside: Option<Instant>,
    timer: Pin<Box<Sleep>>,
    yielded: bool,
}

impl<W: ClientWire> Driver<W> {
    pub(super) fn new(
        wire: W,
        limits: &Limits,
        heartbeats: Heartbeats,
        io: BoxIo,
        shared: Arc<Shared<Calls>>,
        room: Arc<Notify>,
        codecs: &Codecs,
    ) -> Driver<W> {
        let now = Instant::now();
        Driver {
            wire,
            max_message: limits.max_message,
            max_frame: limits.max_frame(),
            limits: limits.clone(),
            heartbeats,
            codecs: codecs.clone(),
            link: Link::new(io),
            cutter: Cutter::default(),
            shared,
            room,
            heard: now,
            asked: None,
            missed: 0,
            inside: None,
            timer: Box::pin(tokio::time::sleep_until(now + heartbeats.idle)),
            yielded: false,
        }
    }

    /// Runs until the connection is over; then all its calls are.
    pub(super) async fn run(mut self) {
        let status = poll_fn(|cx| self.poll(cx)).await;
        self.end(&status);
        let _ = poll_fn(|cx| self.link.poll_shutdown(cx)).await;
    }

    fn poll(&mut self, cx: &mut Task<'_>) -> Poll<Status> {
        for _ in 0..BATCHES {
            let (woken, several) = {
                let mut state = self.shared.lock();
                (state.listen(cx.waker()), state.more.waiting.len() > 1)
            };
            let more = match self.poll_input(cx) {
                Ok(more) => more,
                Err(status) => return Poll::Ready(status),
            };
            // Those who are about to call as well get their turn: one system call carries many calls.
            if woken && several && !more && !std::mem::replace(&mut self.yielded, true) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.yielded = false;
            let written = match self.link.poll_write(cx, &self.shared) {
                Poll::Ready(Ok(())) => true,
                Poll::Ready(Err(error)) => return Poll::Ready(lost("the connection broke").with_source(error)),
                Poll::Pending => false,
            };
            if self.tell_written() && written {
                return Poll::Ready(lost("the connection was closed"));
            }
            match self.poll_time(cx) {
                Ok(false) => {}
                Ok(true) => continue,
                Err(broken) => return Poll::Ready(lost_to(broken)),
            }
            if !more {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Tells those whose calls are written, and those who wait for room; says whether the connection
    /// is to end now.
    fn tell_written(&mut self) -> bool {
        let mut state = self.shared.lock();
        let mut told = Vec::new();
        while state.more.writing.front().is_some_and(|(_, end, _)| *end <= state.written) {
            told.extend(state.more.writing.pop_front().map(|(_, _, answer)| answer));
        }
        let calls = &state.more;
        let over = calls.closing && calls.waiting.is_empty() && calls.writing.is_empty() && state.out.is_empty();
        drop(state);
        for answer in told {
            let _ = answer.send(Ok(Reply::one(Payload::encoded(Bytes::new(), Codec::RAW))));
        }
        self.room.notify_waiters();
        over
    }

    /// Handles a batch of what is there, and says whether there may be more.
    fn poll_input(&mut self, cx: &mut Task<'_>) -> Result<bool, Status> {
        let handled = self.handle_frames().map_err(lost_to)?;
        if handled > 0 {
            return Ok(true);
        }
        match self.link.poll_read(cx, self.cutter.wants(&self.link.input)) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(0)) => Err(lost("the peer closed the connection")),
            Poll::Ready(Ok(_)) => Ok(true),
            Poll::Ready(Err(error)) => Err(lost("the connection broke").with_source(error)),
        }
    }

    fn handle_frames(&mut self) -> Result<usize, Broken> {
        let mut handled = 0;
        while handled < FRAMES {
            let measure = |input: &[u8]| self.wire.measure(input);
            let Some(piece) = self.cutter.next(&mut self.link.input, measure, |len| len <= self.max_frame)? else {
                break;
            };
            handled += 1;
            match piece {
                Piece::Whole(frame) => {
                    if let Some(Answer { seq, result, last }) = self.wire.learn(frame, &self.codecs)? {
                        // A call that went there now would be lost.
                        self.shared.lock().more.closing |= last;
                        self.answer(seq, result);
                    }
                }
                Piece::TooLong(head) => {
                    let seq = self.wire.learn_head(&head)?;
                    self.answer(seq, Err(too_long("reply", self.max_message).with_executed(Executed::Yes)));
                }
            }
        }
        if handled > 0 {
            (self.heard, self.missed, self.inside) = (Instant::now(), 0, None);
            self.shared.lock().more.suspect = false;
        }
        self.inside = match self.cutter.is_inside(&self.link.input) {
            true => self.inside.or_else(|| Some(Instant::now())),
            false => None,
        };
        Ok(handled)
    }

    fn answer(&mut self, seq: u64, result: Result<Reply>) {
        if self.asked.is_some_and(|(asked, _)| asked == seq) {
            self.asked = None;
            return;
        }
        let slot = self.shared.lock().more.waiting.remove(&seq);
        if let Some(slot) = slot {
            let _ = slot.answer.send(result);
        }
    }

    /// Handles the time and arms the timer for the next; says whether it has made output.
    fn poll_time(&mut self, cx: &mut Task<'_>) -> Result<bool, Broken> {
        loop {
            let frame = self.inside.map(|since| since + self.limits.frame_timeout);
            let write = self.link.blocked.map(|since| since + self.limits.write_timeout);
            let life = match self.asked {
                Some((_, at)) => at + self.heartbeats.timeout,
                None => self.heard + self.heartbeats.idle,
            };
            let next = [frame, write].into_iter().flatten().fold(life, Instant::min);
            if next < self.timer.deadline() || self.timer.is_elapsed() {
                self.timer.as_mut().reset(next);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Ok(false);
            }
            let now = Instant::now();
            for (at, reason) in [(frame, "a frame did not come in time"), (write, "what is sent is not taken")] {
                if at.is_some_and(|at| at <= now) {
                    return Err(Broken::Stalled(reason));
                }
            }
            if life <= now && self.miss_life(now)? {
                return Ok(true);
            }
        }
    }

    /// Nothing was heard for a while. Says whether there is output.
    fn miss_life(&mut self, now: Instant) -> Result<bool, Broken> {
        let shared = self.shared.clone();
        let mut state = shared.lock();
        // Peers that run handlers inside their read loops cannot answer now.
        if !state.more.waiting.is_empty() {
            (self.heard, self.asked) = (now, None);
            return Ok(false);
        }
        if self.asked.take().is_some() {
            self.missed += 1;
            state.more.suspect = true;
            if self.missed >= self.heartbeats.max_missed {
                return Err(Broken::Stalled("the peer gives no sign of life"));
            }
        }
        let State { out, more: calls, .. } = &mut *state;
        let seq = calls.next;
        calls.next = calls.next.wrapping_add(1);
        self.wire.ask_life(seq, out);
        self.asked = Some((seq, now));
        Ok(true)
    }
}

impl<W> Driver<W> {
    fn end(&mut self, status: &Status) {
        let mut state = self.shared.lock();
        state.more.closed.get_or_insert_with(|| status.clone());
        let written = state.written;
        let waiting = std::mem::take(&mut state.more.waiting).into_values().map(|slot| (slot.start, slot.answer));
        let writing = std::mem::take(&mut state.more.writing).into_iter().map(|(start, _, answer)| (start, answer));
        let all: Vec<_> = waiting.chain(writing).collect();
        drop(state);
        for (start, answer) in all {
            // What was never written never ran.
            let executed = if start >= written { Executed::No } else { Executed::Unknown };
            let _ = answer.send(Err(status.clone().with_executed(executed)));
        }
        self.room.notify_waiters();
    }
}

/// Everything ends with the connection's task, also when that is stopped.
impl<W> Drop for Driver<W> {
    fn drop(&mut self) {
        self.end(&lost("the connection's task was stopped"));
    }
}

/// The status of calls whose connection went away: nobody knows whether they ran.
fn lost(message: &'static str) -> Status {
    Status::unavailable(message).with_executed(Executed::Unknown)
}

fn lost_to(broken: Broken) -> Status {
    match broken {
        Broken::Stalled(reason) => lost(reason),
        Broken::Malformed(reason) | Broken::OverLimit(reason) => {
            Status::internal(format!("the peer broke the protocol: {reason}")).with_executed(Executed::Unknown)
        }
    }
}
