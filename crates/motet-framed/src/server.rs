//! A server's connection.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context as Task, Poll, Waker},
    time::Duration,
};

use motet_core::{
    Body, BoxFuture, Call, CallOptions, Context, Dispatcher, Drain, Executed, Incoming, Kind, Offence, Offences,
    Payload, Peer, Reply, Result, Started, Status, TraceParent,
};
use motet_rpc::native::{Lease, MemoryBudget};
use tokio::{
    task::JoinSet,
    time::{Instant, Sleep},
};

use crate::{Broken, Cutter, Limits, Piece, Received, Request, ServerWire, link::Link, shared::Shared, wire::too_long};

/// How many frames are handled before what they made is written, and how many such batches before
/// other tasks get their turn.
const FRAMES: usize = 64;
const BATCHES: usize = 4;
/// With this much unwritten, no more calls are taken.
const ENOUGH: usize = 1 << 20;
/// What a call takes of memory beside its frame, about.
const CALL_COST: usize = 3 << 10;
/// Frames up to this length need no lease while they come: a connection has one under way.
const FREE_FRAME: u64 = 64 << 10;
/// How long a peer has to take what was said last and to close its side.
const LINGER: Duration = Duration::from_millis(500);

/// Serves a connection to its end. That of the peer's side is half a close: calls that run finish and
/// answer; only a reset or a failed write cancels them. Once the drain has started no more calls are
/// taken, and the connection closes behind those that run: clients of these protocols take what they
/// sent after that for lost with the connection, and send it again.
///
/// Cancel safe in that dropping it ends all its calls but the one-way ones, which the drain owns.
pub async fn serve<W: ServerWire>(wire: W, limits: Limits, budget: MemoryBudget, incoming: Incoming) {
    let Incoming { io, mut peer, head_by, dispatcher, drain, offences, .. } = incoming;
    W::NAME.clone_into(&mut peer.protocol);
    let stopping = drain.clone();
    let mut serving = Serving {
        wire,
        lease: Arc::new(Mutex::new(budget.lease(limits.connection_memory))),
        limits,
        budget,
        dispatcher,
        draining: Box::pin(async move { stopping.draining().await }),
        drain,
        peer: Arc::new(peer),
        offences,
        options: Arc::default(),
        link: Link::new(io),
        cutter: Cutter::default(),
        shared: Shared::new(0),
        running: JoinSet::new(),
        under_way: None,
        head_by: Some(head_by),
        inside: None,
        timer: Box::pin(tokio::time::sleep_until(head_by)),
        ending: false,
        told: false,
    };
    if poll_fn(|cx| serving.poll(cx)).await == End::Orderly {
        let link = &mut serving.link;
        let closing = async {
            let _ = poll_fn(|cx| link.poll_shutdown(cx)).await;
            poll_fn(|cx| link.poll_discard(cx)).await;
        };
        let _ = tokio::time::timeout(LINGER, closing).await;
    }
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// With everything said.
    Orderly,
    /// It is of no use any more.
    Lost,
}

/// Memory that a call or frame takes, until dropped.
struct Cost(Arc<Mutex<Lease>>, usize);

impl Cost {
    fn take(lease: &Arc<Mutex<Lease>>, bytes: usize) -> Option<Cost> {
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

struct Serving<W> {
    wire: W,
    limits: Limits,
    budget: MemoryBudget,
    lease: Arc<Mutex<Lease>>,
    dispatcher: Dispatcher,
    drain: Drain,
    draining: BoxFuture<'static, ()>,
    peer: Arc<Peer>,
    offences: Offences,
    options: Arc<CallOptions>,
    link: Link,
    cutter: Cutter,
    /// With how much of the output is leased.
    shared: Arc<Shared<usize>>,
    /// The handlers that did not answer at their first poll.
    running: JoinSet<()>,
    /// The memory of a long frame that is still coming.
    under_way: Option<Cost>,
    /// When the first frame must be complete; none once it is.
    head_by: Option<Instant>,
    /// Since when a frame is coming.
    inside: Option<Instant>,
    timer: Pin<Box<Sleep>>,
    /// Whether no more calls are taken.
    ending: bool,
    /// Whether a refused call was logged.
    told: bool,
}

impl<W: ServerWire> Serving<W> {
    fn poll(&mut self, cx: &mut Task<'_>) -> Poll<End> {
        for _ in 0..BATCHES {
            self.shared.lock().listen(cx.waker());
            if !self.ending && self.draining.as_mut().poll(cx).is_ready() {
                self.ending = true;
            }
            let takes = self.takes_calls();
            let more = match takes {
                true => match self.poll_input(cx) {
                    Ok(more) => more,
                    Err(end) => return Poll::Ready(end),
                },
                false => false,
            };
            while let Poll::Ready(Some(_)) = self.running.poll_join_next(cx) {}
            let written = match self.link.poll_write(cx, &self.shared) {
                Poll::Ready(Ok(())) => true,
                Poll::Ready(Err(_)) => return Poll::Ready(End::Lost),
                Poll::Pending => false,
            };
            if written {
                self.return_output();
            }
            // What was held up by a limit is still to be handled.
            let all = self.ending || takes && !more;
            if written && all && self.is_over() {
                return Poll::Ready(End::Orderly);
            }
            if let Err(broken) = self.poll_time(cx) {
                self.blame(broken);
                return Poll::Ready(End::Lost);
            }
            if !more && takes == self.takes_calls() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// All output is written: nothing of it is leased any more.
    fn return_output(&self) {
        let leased = std::mem::take(&mut self.shared.lock().more);
        if leased > 0 {
            drop(Cost(self.lease.clone(), leased));
        }
    }

    fn takes_calls(&self) -> bool {
        !self.ending && self.running.len() < self.limits.max_calls && self.shared.lock().out.len() < ENOUGH
    }

    fn is_over(&self) -> bool {
        (self.ending || self.link.ended) && self.running.is_empty() && self.shared.lock().out.is_empty()
    }

    /// Handles a batch of what is there, and says whether there may be more.
    fn poll_input(&mut self, cx: &mut Task<'_>) -> Result<bool, End> {
        match self.handle_frames() {
            Ok(0) if self.link.ended => return Ok(false),
            Ok(0) => {}
            Ok(_) => return Ok(true),
            Err(broken) => {
                self.blame(broken);
                // What was said before stays said; what runs is of no use to such a peer.
                (self.ending, self.running) = (true, JoinSet::new());
                return Ok(false);
            }
        }
        match self.link.poll_read(cx, self.cutter.wants(&self.link.input)) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(_)) => Ok(true),
            Poll::Ready(Err(_)) => Err(End::Lost),
        }
    }

    fn handle_frames(&mut self) -> Result<usize, Broken> {
        let mut handled = 0;
        let mut now = None;
        while handled < FRAMES && self.takes_calls() {
            let (mut refusal, max) = (None, self.limits.max_frame());
            let (lease, under_way, max_message) = (&self.lease, &mut self.under_way, self.limits.max_message);
            let allow = |len: u64| {
                if len > max {
                    refusal = Some(too_long("message", max_message));
                    return false;
                }
                if len > FREE_FRAME {
                    *under_way = usize::try_from(len).ok().and_then(|len| Cost::take(lease, len));
                    if under_way.is_none() {
                        refusal = Some(no_memory());
                        return false;
                    }
                }
                true
            };
            let piece = self.cutter.next(&mut self.link.input, |input| self.wire.measure(input), allow)?;
            let Some(piece) = piece else { break };
            (self.head_by, handled) = (None, handled + 1);
            match piece {
                Piece::Whole(frame) => {
                    let now = *now.get_or_insert_with(Instant::now);
                    let cost = self.under_way.take().or_else(|| Cost::take(&self.lease, CALL_COST + frame.len()));
                    match self.wire.receive(frame, &self.dispatcher)? {
                        Received::Call(ticket, request) => self.start(ticket, *request, cost, now),
                        Received::Refused(ticket, status) => self.answer(ticket, Err(status)),
                        Received::Dismissed(ticket, status) => {
                            self.ending = true;
                            self.answer(ticket, Err(status));
                        }
                        Received::Broken(ticket, broken) => {
                            self.answer(ticket, Err(Status::invalid_argument(broken.to_string())));
                            return Err(broken);
                        }
                        Received::Echo(bytes) => self.shared.lock().out.extend_from_slice(&bytes),
                        Received::Nothing => {}
                    }
                }
                Piece::TooLong(head) => {
                    let status = refusal.take().unwrap_or_else(no_memory);
                    match self.wire.receive_head(&head)? {
                        Some(ticket) => self.refuse(ticket, status),
                        None => self.count_refused(&status),
                    }
                }
            }
        }
        let inside = self.cutter.is_inside(&self.link.input) && self.takes_calls();
        if handled > 0 || !inside {
            self.inside = None;
        }
        if inside {
            self.inside.get_or_insert_with(Instant::now);
        }
        Ok(handled)
    }

    fn start(&mut self, ticket: W::Ticket, request: Request, cost: Option<Cost>, now: Instant) {
        let Request { route, metadata, timeout, message, codec, one_way } = request;
        let method = route.method();
        let Some(cost) = cost else { return self.refuse(ticket, no_memory()) };
        if message.len() > self.limits.max_message {
            return self.refuse(ticket, too_long("message", self.limits.max_message));
        }
        if method.kind != Kind::Unary {
            let text = format!("{} takes or gives a stream, which {} does not carry", method.path, W::NAME);
            return self.answer(ticket, Err(Status::unimplemented(text).with_executed(Executed::No)));
        }
        let deadline = route.deadline_at(now, timeout);
        let trace = metadata.get(TraceParent::KEY).and_then(TraceParent::parse);
        let cx = Context::incoming(deadline, metadata.clone(), Some(self.peer.clone()), trace);
        let size = message.len();
        let body = Body::One(Payload::encoded(message, codec.clone()));
        let mut call = Call::new(method.clone(), cx, body, codec, self.options.clone());
        (call.metadata, call.started, call.one_way) = (metadata, Some(now), one_way);
        if one_way {
            // It outlives its connection: the server's memory bounds it.
            let Some(held) = self.budget.hold(CALL_COST + size) else { return self.count_refused(&no_memory()) };
            call.on_end(move |_| drop(held));
            let running = route.call(call);
            return self.drain.spawn(async move { drop(running.await) });
        }
        let pace = route.pace();
        if !pace.inline() {
            return self.spawn(ticket, route.call(call), cost);
        }
        let timed = pace.samples().then(Instant::now);
        let started = route.start(call, &mut Task::from_waker(Waker::noop()));
        if let Some(at) = timed {
            pace.record(at.elapsed());
        }
        match started {
            Started::Done(result) => self.answer(ticket, result),
            // Polling again registers the task's own waker.
            Started::Running(running) => self.spawn(ticket, running, cost),
        }
    }

    fn spawn(&mut self, ticket: W::Ticket, running: BoxFuture<'static, Result<Reply>>, cost: Cost) {
        let (wire, shared, lease) = (self.wire.clone(), self.shared.clone(), self.lease.clone());
        self.running.spawn(async move {
            let mut result = running.await;
            shared.change(|state| {
                let unleased = state.out.len().saturating_sub(state.more);
                if unleased > ENOUGH {
                    match lease.lock().unwrap_or_else(PoisonError::into_inner).take(unleased) {
                        true => state.more += unleased,
                        false => result = Err(Status::resource_exhausted("too many replies wait to be read")),
                    }
                }
                wire.answer(ticket, result, &mut state.out);
            });
            drop(cost);
        });
    }

    fn answer(&self, ticket: W::Ticket, result: Result<Reply>) {
        self.wire.answer(ticket, result, &mut self.shared.lock().out);
    }

    /// Answers a call that a limit of its connection keeps out.
    fn refuse(&mut self, ticket: W::Ticket, status: Status) {
        self.count_refused(&status);
        self.answer(ticket, Err(status.with_executed(Executed::No)));
    }

    fn count_refused(&mut self, status: &Status) {
        self.offences.count(Offence::Refused, 1);
        if !std::mem::replace(&mut self.told, true) {
            let (peer, reason) = (&self.peer.address, status.message());
            tracing::info!(peer, reason, "calls of this connection are refused; told once");
        }
    }

    fn blame(&self, broken: Broken) {
        let offence = match broken {
            Broken::Malformed(_) => Offence::Malformed,
            Broken::OverLimit(_) => Offence::OverLimit,
            Broken::Stalled(_) => Offence::Stalled,
        };
        self.offences.count(offence, 1);
        tracing::info!(peer = self.peer.address, protocol = W::NAME, reason = %broken, "closed: the peer broke the rules");
    }

    /// Handles the time and arms the timer for the next.
    fn poll_time(&mut self, cx: &mut Task<'_>) -> Result<(), Broken> {
        loop {
            let frame = self.inside.map(|since| since + self.limits.frame_timeout);
            let write = self.link.blocked.map(|since| since + self.limits.write_timeout);
            let Some(next) = [self.head_by, frame, write].into_iter().flatten().min() else { return Ok(()) };
            if next < self.timer.deadline() || self.timer.is_elapsed() {
                self.timer.as_mut().reset(next);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Ok(());
            }
            let now = Instant::now();
            for (at, reason) in [
                (self.head_by, "the first frame did not come in time"),
                (frame, "a frame did not come in time"),
                (write, "what is sent is not taken"),
            ] {
                if at.is_some_and(|at| at <= now) {
                    return Err(Broken::Stalled(reason));
                }
            }
        }
    }
}

fn no_memory() -> Status {
    Status::resource_exhausted("the memory for calls of this connection or server is used up")
}
