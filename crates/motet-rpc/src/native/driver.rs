//! The loop between a machine and a byte stream: one task per connection.
//!
//! Replies and calls are encoded straight into the machine's output under a short lock; this task
//! writes what has gathered. When someone else's output wakes it and several calls are open, it
//! yields once before it writes, so that all who are about to add output have done so: one system
//! call then carries many messages.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::BytesMut;
use motet_core::{BoxIo, Executed, Status};
use tokio::{
    io::AsyncReadExt,
    time::{Instant, Sleep},
};

use super::{
    input::Input,
    machine::{ENOUGH, Event, Machine},
    wire::{ErrorCode, ProtocolError},
};

/// How many batches are handled before other tasks get their turn; a long one, of which more is left,
/// counts twice.
const BATCHES: usize = 4;
/// With more cancels in a batch than this, it is the only one: the tasks of those calls have to end, or
/// a storm of calls that are cancelled at once would pile them up.
const CANCELS: usize = 16;
/// Of a read with more frames than this, half are handled and answered before the rest, so that the
/// peer is at work meanwhile: with one batch for a whole read, both sides would take turns.
const WHOLE: usize = 64;
/// After so long without a byte and without calls a connection is at rest: it keeps no buffers.
const REST_AFTER: Duration = Duration::from_secs(1);
/// The largest buffer that is kept from one batch of output to the next.
const WRITE_KEPT: usize = 256 << 10;
/// How much of what a leaving peer still sends is dropped at once.
const DROPPED: usize = 4 << 10;
/// How long a peer has to take what was said last and to close its side: a socket that is closed
/// with unread bytes in it is reset, and a reset may overtake the last replies.
const LINGER: Duration = Duration::from_millis(500);
/// For how many events room is kept.
const EVENTS: usize = 1 << 10;
/// How long a peer that takes no more bytes has to be heard out.
const HEARD_OUT: Duration = Duration::from_secs(1);

const CLOSED: &str = "the peer closed the connection";
const CLOSED_AT_ONCE: &str =
    "the peer closed the connection before its greeting; if its port speaks TLS, add +tls to the address";

/// What a connection's task shares with its callers and handlers.
pub(crate) struct Shared<T> {
    state: Mutex<State<T>>,
}

pub(crate) struct State<T> {
    pub(crate) machine: Machine<T>,
    /// Set once, when the connection is over.
    pub(crate) closed: Option<Status>,
    /// Whether the connection is to end once no call is open.
    pub(crate) closing: bool,
    driver: Option<Waker>,
    /// The earliest deadline of a call, at the latest; the client's glue keeps it.
    pub(crate) next_deadline: Option<Instant>,
    /// Whether the driver knows of the output.
    woken: bool,
    /// Those who wait for room.
    waiting: Vec<Waker>,
    /// Batches of output taken from the machine, and written.
    taken: u64,
    written: u64,
}

impl<T> Shared<T> {
    pub(crate) fn new(machine: Machine<T>) -> Arc<Shared<T>> {
        let state = State {
            machine,
            closed: None,
            closing: false,
            driver: None,
            next_deadline: None,
            woken: false,
            waiting: Vec::new(),
            taken: 0,
            written: 0,
        };
        Arc::new(Shared { state: Mutex::new(state) })
    }

    /// The state, to look at; what makes output goes through [`Shared::change`].
    pub(crate) fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and wakes the driver if there is output that it does not know of.
    pub(crate) fn change<R>(&self, f: impl FnOnce(&mut State<T>) -> R) -> R {
        let mut state = self.lock();
        let result = f(&mut state);
        let wake = !state.woken && (state.machine.has_output() || state.closing);
        let driver = if wake { state.wake_driver() } else { None };
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
        result
    }
}

impl<T> State<T> {
    fn wake_driver(&mut self) -> Option<Waker> {
        self.woken = true;
        self.driver.take()
    }

    /// Wakes this waker when there may be room again.
    pub(crate) fn wait_for_room(&mut self, waker: &Waker) {
        if !self.waiting.iter().any(|waiting| waiting.will_wake(waker)) {
            self.waiting.push(waker.clone());
        }
    }

    /// Those who wait for room, to be woken now.
    pub(crate) fn take_waiting(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.waiting)
    }

    /// The number of the batch that output of this moment will be in.
    pub(crate) fn batch(&self) -> u64 {
        self.taken + 1
    }

    /// Whether a batch is written.
    pub(crate) fn is_written(&self, batch: u64) -> bool {
        self.written >= batch
    }
}

/// What a role does with events.
pub(crate) trait Glue<T>: Send + Unpin + 'static {
    /// Handles what the peer did; takes all events out.
    fn handle(&mut self, shared: &Arc<Shared<T>>, events: &mut Vec<Event>, now: Instant);

    /// When [`Glue::handle_time`] wants to be called next, at the latest.
    fn next_time(&self, state: &State<T>) -> Option<Instant>;

    /// Notes the time.
    ///
    /// # Errors
    /// The connection is to be closed.
    fn handle_time(&mut self, shared: &Arc<Shared<T>>, now: Instant) -> Result<(), ProtocolError>;

    /// Whether output came from callers, who may be about to add more.
    fn gathers(&self) -> bool;

    /// The peer broke the protocol: the connection ends. Told once.
    fn failed(&mut self, error: &ProtocolError) {
        tracing::debug!(reason = error.reason, code = ?error.code, "closed: the peer broke motet/1");
    }

    /// So many more calls were ended because they broke a rule or a limit, the first of all for this
    /// reason.
    fn refused(&mut self, calls: u64, reason: &str) {
        let _ = (calls, reason);
    }

    /// The connection is over; told once.
    fn closed(&mut self, shared: &Arc<Shared<T>>, status: &Status);
}

/// Moves bytes between a machine and a stream until the connection is over.
pub(crate) struct Driver<T, G: Glue<T>> {
    io: BoxIo,
    shared: Arc<Shared<T>>,
    glue: G,
    input: Input,
    /// How many refused calls the glue knows of.
    refused: u64,
    /// Whether whole frames of what has been read are still to be handled.
    unhandled: bool,
    writing: BytesMut,
    /// How much of `writing` is written. Advancing it instead would let it wander through memory.
    written: usize,
    unflushed: bool,
    events: Vec<Event>,
    /// How many cancels were in the last batch.
    cancels: usize,
    timer: Pin<Box<Sleep>>,
    yielded: bool,
    /// Why the connection ends once the output is written.
    ending: Option<Status>,
    /// Why nothing can be written any more. What the peer said before, such as which calls it never
    /// began, is still read.
    broken: Option<Status>,
    end_by: Option<Instant>,
    /// Since when the peer takes next to nothing, and what it took.
    blocked: Option<Instant>,
    taken: u64,
    /// After the end on this side: that of the peer is awaited until the timer fires.
    lingering: bool,
}

impl<T: Default + Send + 'static, G: Glue<T>> Driver<T, G> {
    pub(crate) fn new(io: BoxIo, shared: Arc<Shared<T>>, glue: G) -> Driver<T, G> {
        Driver {
            io,
            shared,
            glue,
            input: Input::default(),
            refused: 0,
            unhandled: false,
            writing: BytesMut::new(),
            written: 0,
            unflushed: false,
            events: Vec::new(),
            cancels: 0,
            timer: Box::pin(tokio::time::sleep_until(Instant::now())),
            yielded: false,
            ending: None,
            broken: None,
            end_by: None,
            blocked: None,
            taken: 0,
            lingering: false,
        }
    }

    /// Handles one batch of what has been read, or of what can be read now.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.cancels = 0;
        if !std::mem::take(&mut self.unhandled) {
            std::task::ready!(self.poll_read(cx))?;
        }
        let now = Instant::now();
        let (result, refused) = {
            let machine = &mut self.shared.lock().machine;
            machine.copy_messages(self.input.wants_copies());
            let result = machine.handle_some(self.input.bytes(), WHOLE, now, &mut self.events);
            (result, machine.refused().0)
        };
        self.input.handled();
        self.cancels = self.events.iter().filter(|event| matches!(event, Event::Cancel { .. })).count();
        self.handle_events(now, refused);
        match result {
            Ok(more) => self.unhandled = more,
            Err(error) => self.fail(&error),
        }
        Poll::Ready(Ok(()))
    }

    fn handle_events(&mut self, now: Instant, refused: u64) {
        if !self.events.is_empty() {
            self.glue.handle(&self.shared, &mut self.events, now);
            self.events.clear();
            self.events.shrink_to(EVENTS);
        }
        if refused > self.refused {
            let more = refused - std::mem::replace(&mut self.refused, refused);
            let state = self.shared.lock();
            self.glue.refused(more, state.machine.refused().1.unwrap_or_default());
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(match std::task::ready!(self.input.poll_read(&mut self.io, cx)) {
            Ok(0) => Err(self.ended()),
            Ok(_) => Ok(()),
            Err(error) => Err(lost("the connection broke").with_source(error)),
        })
    }

    /// The status of a connection whose other side was closed.
    fn ended(&self) -> Status {
        lost(if self.shared.lock().machine.is_greeted() { CLOSED } else { CLOSED_AT_ONCE })
    }

    /// Says why the connection ends, and lets the output out before it does.
    fn fail(&mut self, error: &ProtocolError) {
        if self.ending.is_none() {
            let text = format!("motet/1 connection closed: {} ({:?})", error.reason, error.code);
            self.glue.failed(error);
            self.blocked = None;
            self.shared.lock().machine.fail(error);
            self.ending = Some(match error.code {
                ErrorCode::Silence => lost(error.reason),
                _ => Status::internal(text),
            });
            self.end_by = Some(Instant::now() + Duration::from_secs(1));
        }
    }

    /// Writes all output; `Ready` when everything is out.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        if self.broken.is_some() {
            return Poll::Pending;
        }
        let broken = |error| lost("the connection broke").with_source(error);
        loop {
            if self.writing.is_empty() {
                let mut state = self.shared.lock();
                state.written = state.taken;
                state.machine.take_output(&mut self.writing);
                state.woken = false;
                let waiting = if state.waiting.is_empty() { Vec::new() } else { std::mem::take(&mut state.waiting) };
                if !self.writing.is_empty() {
                    state.taken += 1;
                }
                drop(state);
                waiting.into_iter().for_each(Waker::wake);
                if self.writing.is_empty() {
                    break;
                }
            }
            let written = match self.io.as_mut().poll_write(cx, &self.writing[self.written..]) {
                Poll::Ready(written) => written.map_err(broken)?,
                Poll::Pending => {
                    if self.blocked.is_none() && self.ending.is_none() {
                        (self.blocked, self.taken) = (Some(Instant::now()), 0);
                    }
                    return Poll::Pending;
                }
            };
            if written == 0 {
                return Poll::Ready(Err(lost("the connection takes no more bytes")));
            }
            self.written += written;
            self.taken += written as u64;
            if self.taken >= ENOUGH {
                self.blocked = None;
            }
            self.unflushed = true;
            if self.written == self.writing.len() {
                self.blocked = None;
                self.written = 0;
                // Keep the buffer for the next batch unless it was an unusually large one.
                self.writing.clear();
                if self.writing.capacity() > WRITE_KEPT {
                    self.writing = BytesMut::new();
                }
            }
        }
        if self.unflushed {
            std::task::ready!(self.io.as_mut().poll_flush(cx)).map_err(broken)?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Handles the time and arms the timer for the next.
    fn poll_time(&mut self, cx: &mut Context<'_>) -> Result<(), Status> {
        loop {
            let (next, rest) = {
                let mut state = self.shared.lock();
                state.machine.note_calls(Instant::now);
                let machine = state.machine.next_time();
                let idle = state.machine.open_streams() == 0 && !self.input.is_at_rest();
                let rest = idle.then(|| state.machine.heard() + REST_AFTER);
                let glue = self.glue.next_time(&state);
                let blocked = self.blocked.map(|since| since + state.machine.write_timeout());
                let next = [glue, blocked, self.end_by, rest].into_iter().flatten().fold(machine, Instant::min);
                (next, rest)
            };
            // A timer that fires early is cheaper than one that is moved for every call.
            if next < self.timer.deadline() || self.timer.is_elapsed() {
                self.timer.as_mut().reset(next);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Ok(());
            }
            let now = Instant::now();
            if self.end_by.is_some_and(|end| end <= now) {
                let status = self.ending.take().or_else(|| self.broken.take());
                return Err(status.unwrap_or_else(|| lost("the connection was closed")));
            }
            let result = self.glue.handle_time(&self.shared, now);
            let mut state = self.shared.lock();
            state.machine.expire(now, &mut self.events);
            let mut result = result.and_then(|()| state.machine.handle_time(now));
            if self.blocked.is_some_and(|since| since + state.machine.write_timeout() <= now) {
                let reason = "what is sent is not taken";
                (self.blocked, result) = (None, Err(ProtocolError { code: ErrorCode::Silence, reason }));
            }
            let refused = state.machine.refused().0;
            drop(state);
            if rest.is_some_and(|rest| rest <= now) {
                self.input.rest();
            }
            self.handle_events(now, refused);
            if let Err(error) = result {
                self.fail(&error);
            }
        }
    }

    fn poll_drive(&mut self, cx: &mut Context<'_>) -> Poll<Status> {
        let mut batches = 0;
        while batches < BATCHES {
            let (woken, several, wants_input) = {
                let mut state = self.shared.lock();
                if state.driver.as_ref().is_none_or(|driver| !driver.will_wake(cx.waker())) {
                    state.driver = Some(cx.waker().clone());
                }
                (state.woken, state.machine.open_streams() > 1, state.machine.wants_input())
            };
            let read = if wants_input && self.ending.is_none() { self.poll_input(cx) } else { Poll::Pending };
            if let Poll::Ready(Err(status)) = read {
                return Poll::Ready(self.broken.take().unwrap_or(status));
            }
            batches += match self.unhandled {
                _ if self.cancels > CANCELS => BATCHES,
                true => 2,
                false => 1,
            };
            let gather = woken && several && read.is_pending() && self.glue.gathers() && self.writing.is_empty();
            if gather && !std::mem::replace(&mut self.yielded, true) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.yielded = false;
            let output = match self.poll_output(cx) {
                Poll::Ready(Err(status)) if self.ending.is_some() => return Poll::Ready(status),
                Poll::Ready(Err(status)) => {
                    self.broken = Some(status);
                    self.end_by = Some(Instant::now() + HEARD_OUT);
                    false
                }
                Poll::Ready(Ok(())) => true,
                Poll::Pending => false,
            };
            if output && let Some(status) = self.poll_end() {
                return Poll::Ready(status);
            }
            if let Err(status) = self.poll_time(cx) {
                return Poll::Ready(status);
            }
            // Time may have made output; a connection that paused reading may have room again.
            let mut state = self.shared.lock();
            let more = output && (state.machine.has_output() || (!wants_input && state.machine.wants_input()));
            if read.is_pending() && !more {
                let idle = state.machine.open_streams() == 0 && self.input.is_at_rest() && self.writing.is_empty();
                if idle {
                    state.machine.rest();
                    drop(state);
                    (self.writing, self.events) = (BytesMut::new(), Vec::new());
                }
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// With all output written: whether the connection is over.
    fn poll_end(&mut self) -> Option<Status> {
        let status = self.ending.take().or_else(|| {
            let state = self.shared.lock();
            let over = state.closing && state.machine.open_streams() == 0;
            over.then(|| lost("the connection was closed"))
        })?;
        self.lingering = true;
        self.timer.as_mut().reset(Instant::now() + LINGER);
        Some(status)
    }

    /// Closes this side, and waits for the peer to close its own; what it still sends is dropped.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.lingering {
            // The socket closes with the driver; a last attempt to close TLS and files in order.
            let _ = self.io.as_mut().poll_shutdown(cx);
            return Poll::Ready(());
        }
        if self.timer.as_mut().poll(cx).is_ready() || matches!(self.io.as_mut().poll_shutdown(cx), Poll::Ready(Err(_)))
        {
            return Poll::Ready(());
        }
        for _ in 0..BATCHES {
            let input = self.input.bytes();
            input.clear();
            input.reserve(DROPPED);
            match std::task::ready!(pin!(self.io.read_buf(input)).poll(cx)) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<T: Default + Send + 'static, G: Glue<T>> Future for Driver<T, G> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if !this.lingering {
            let status = std::task::ready!(this.poll_drive(cx));
            this.end(&status);
        }
        this.poll_linger(cx)
    }
}

impl<T, G: Glue<T>> Driver<T, G> {
    fn end(&mut self, status: &Status) {
        let waiting = {
            let mut state = self.shared.lock();
            if state.closed.is_some() {
                return;
            }
            state.closed = Some(status.clone());
            std::mem::take(&mut state.waiting)
        };
        self.glue.closed(&self.shared, status);
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// Everything ends with the connection's task, also when that is dropped.
impl<T, G: Glue<T>> Drop for Driver<T, G> {
    fn drop(&mut self) {
        self.end(&lost("the connection's task was stopped"));
    }
}

/// The status of calls whose connection went away: nobody knows whether they ran.
fn lost(message: &'static str) -> Status {
    Status::unavailable(message).with_executed(Executed::Unknown)
}
