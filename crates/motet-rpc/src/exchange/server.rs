//! The answering end of a connection: the thin part around a machine.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use motet_core::{
    Body, BoxIo, Call, CallOptions, Context, Dispatcher, Drain, Executed, Map, Metadata, Offence, Offences, Payload,
    Peer, Reply, Result, Route, Started, Status,
};
use tokio::{
    io::ReadBuf,
    task::JoinSet,
    time::{Instant, Sleep},
};

use super::ExchangeConfig;
use crate::{
    native::{MemoryBudget, budget::Lease},
    server::spawn_one_way,
};

/// How much is read at once.
const CHUNK: usize = 16 << 10;
/// How many requests a connection handles before it lets others have their turn; a read counts as sixteen.
const TURN: usize = 256;
const READ: usize = 16;
/// What is read before a connection with unread input is closed; closing at once would reset it, and
/// the last replies may be lost with that.
const LINGER_BYTES: usize = 1 << 20;
const LINGER: Duration = Duration::from_secs(1);

/// The server's side of a protocol of requests and replies, as a pure machine.
pub trait Answering: Send + 'static {
    /// Takes the next request off the input; `None` when more bytes are needed. What can be answered
    /// without running anything is appended to `out`.
    ///
    /// # Errors
    /// The input cannot be read any further.
    fn next(
        &mut self,
        input: &mut BytesMut,
        out: &mut BytesMut,
        dispatcher: &Dispatcher,
    ) -> Result<Option<Incoming>, Fault>;

    /// Appends the reply to a request.
    fn answer(&mut self, token: u64, outcome: Result<Payload>, out: &mut BytesMut);

    /// Whether the conversation is over from this side: nothing more is read.
    fn is_over(&self) -> bool {
        false
    }

    /// Whether a message has begun and is not whole.
    fn is_inside(&self, input: &BytesMut) -> bool {
        !input.is_empty()
    }
}

/// A request that is to be run.
#[derive(Debug)]
pub struct Incoming {
    /// What [`Answering::answer`] wants to hear.
    pub token: u64,
    /// The method.
    pub route: Route,
    /// The request's body.
    pub body: Payload,
    /// How much memory it takes.
    pub cost: usize,
    /// Whether nobody waits for an answer.
    pub one_way: bool,
}

/// What a peer did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// As what it counts.
    pub offence: Offence,
    /// What it is.
    pub reason: &'static str,
}

impl Fault {
    /// The peer broke the protocol.
    pub fn malformed(reason: &'static str) -> Fault {
        Fault { offence: Offence::Malformed, reason }
    }

    /// The peer went over a limit.
    pub fn over_limit(reason: &'static str) -> Fault {
        Fault { offence: Offence::OverLimit, reason }
    }
}

/// Serves a connection to its end: what [`ServerProtocol::serve`](motet_core::ServerProtocol::serve)
/// asks for. A fault ends the input; calls that run are answered all the same.
/// What its messages hold counts against the budget.
pub async fn serve(
    incoming: motet_core::Incoming,
    machine: impl Answering,
    config: ExchangeConfig,
    budget: MemoryBudget,
) {
    let most = config.connection_memory.saturating_add(config.max_message).saturating_add(config.max_output);
    let motet_core::Incoming { io, peer, head_by, dispatcher, drain, offences, .. } = incoming;
    let mut serving = Serving {
        io,
        machine,
        config,
        dispatcher,
        peer: Arc::new(peer),
        offences,
        drain: drain.clone(),
        options: Arc::default(),
        input: BytesMut::new(),
        out: BytesMut::new(),
        running: JoinSet::new(),
        costs: Map::default(),
        held: 0,
        lease: Lease::new(budget, most.saturating_add(CHUNK)),
        leased: 0,
        ended: false,
        head_by: Some(head_by),
        begun: None,
        stuck: None,
        timer: None,
    };
    let mut draining = std::pin::pin!(drain.draining());
    let mut told = false;
    let whole = poll_fn(|cx| {
        told = told || draining.as_mut().poll(cx).is_ready();
        serving.poll(told, cx)
    })
    .await;
    if whole {
        linger(&mut serving.io).await;
    }
}

struct Serving<M> {
    io: BoxIo,
    machine: M,
    config: ExchangeConfig,
    dispatcher: Dispatcher,
    peer: Arc<Peer>,
    offences: Offences,
    drain: Drain,
    options: Arc<CallOptions>,
    input: BytesMut,
    out: BytesMut,
    /// Handlers that did not answer at their first poll; dropped with the connection.
    running: JoinSet<(u64, Result<Reply>)>,
    costs: Map<u64, usize>,
    held: usize,
    lease: Lease,
    /// What of the lease is in use.
    leased: usize,
    /// No more requests come.
    ended: bool,
    /// When the first message must be whole.
    head_by: Option<Instant>,
    /// When the message at the front of the input began.
    begun: Option<Instant>,
    /// Since when the peer has taken nothing.
    stuck: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<M: Answering> Serving<M> {
    /// Works until the connection is done, and says whether it is whole then.
    fn poll(&mut self, draining: bool, cx: &mut Task<'_>) -> Poll<bool> {
        let mut turn = TURN;
        loop {
            while let Poll::Ready(Some(done)) = self.running.poll_join_next(cx) {
                match done {
                    Ok((token, result)) => self.answer(token, result),
                    // The pipeline catches a handler's panics: this is one of our own.
                    Err(error) => {
                        tracing::error!(%error, "the task of a call failed");
                        return Poll::Ready(false);
                    }
                }
            }
            if self.take_requests(draining, &mut turn) {
                // What was started is to wake this task: it is asked for once more.
                continue;
            }
            if self.poll_write(cx).is_err() {
                return Poll::Ready(false);
            }
            // Replies are not refused for want of memory; what they take is counted where there is room.
            let _ = self.account();
            if turn == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let idle = self.running.is_empty() && self.out.is_empty();
            if idle && self.ended {
                return Poll::Ready(true);
            }
            if !self.has_room() {
                // Who is not read cannot be late.
                self.begun = None;
            } else {
                match self.poll_read(cx) {
                    Poll::Ready(Ok(())) => {
                        turn = turn.saturating_sub(READ);
                        continue;
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(false),
                    Poll::Pending if draining && idle => return Poll::Ready(true),
                    Poll::Pending => {}
                }
            }
            return match self.poll_time(cx) {
                Poll::Ready(fault) => {
                    self.fault(fault);
                    Poll::Ready(false)
                }
                Poll::Pending => Poll::Pending,
            };
        }
    }

    /// Whether more requests may be read.
    fn has_room(&self) -> bool {
        !self.ended
            && self.running.len() < self.config.max_calls
            && self.held < self.config.connection_memory
            && self.out.len() < self.config.max_output
    }

    /// Takes what there is room for, and says whether anything was started that goes on.
    fn take_requests(&mut self, draining: bool, turn: &mut usize) -> bool {
        let before = self.running.len();
        self.take_all(draining, turn);
        self.running.len() > before
    }

    fn take_all(&mut self, draining: bool, turn: &mut usize) {
        while self.has_room() && *turn > 0 {
            *turn -= 1;
            let before = self.input.len();
            let next = self.machine.next(&mut self.input, &mut self.out, &self.dispatcher);
            if self.input.len() < before {
                // Something was whole, be it a request, a greeting, or what was answered at once.
                (self.head_by, self.begun) = (None, None);
            }
            match next {
                Ok(Some(request)) => {
                    if draining {
                        let stopping = Status::unavailable("the server is stopping").with_executed(Executed::No);
                        self.machine.answer(request.token, Err(stopping), &mut self.out);
                    } else {
                        self.start(request);
                    }
                }
                Ok(None) if self.machine.is_over() => {
                    self.ended = true;
                    return;
                }
                Ok(None) => {
                    match self.machine.is_inside(&self.input) {
                        true => drop(self.begun.get_or_insert_with(Instant::now)),
                        false => self.begun = None,
                    }
                    return;
                }
                Err(fault) => return self.fault(fault),
            }
        }
    }

    fn fault(&mut self, fault: Fault) {
        self.offences.count(fault.offence, 1);
        let (peer, protocol, reason) = (&self.peer.address, &self.peer.protocol, fault.reason);
        tracing::info!(peer, protocol, reason, "closed: the peer broke the rules of its protocol");
        self.ended = true;
        self.input = BytesMut::new();
    }

    fn start(&mut self, request: Incoming) {
        let Incoming { token, route, body, cost, one_way } = request;
        let cx = Context::incoming(route.deadline(None), Metadata::new(), Some(self.peer.clone()), None);
        let codec = body.codec().clone();
        let call = Call::new(route.method().clone(), cx, Body::One(body), codec, self.options.clone());
        if one_way {
            return spawn_one_way(&route, call, &self.drain);
        }
        let pace = route.pace();
        let running = if pace.inline() {
            let timed = pace.samples().then(Instant::now);
            let started = route.start(call, &mut Task::from_waker(Waker::noop()));
            if let Some(at) = timed {
                pace.record(at.elapsed());
            }
            match started {
                Started::Done(result) => return self.answer(token, result),
                Started::Running(running) => running,
            }
        } else {
            route.call(call)
        };
        self.held += cost;
        self.costs.insert(token, cost);
        self.running.spawn(async move { (token, running.await) });
    }

    fn answer(&mut self, token: u64, result: Result<Reply>) {
        self.held -= self.costs.remove(&token).unwrap_or_default();
        self.machine.answer(token, result.and_then(|reply| reply.body.one()), &mut self.out);
    }

    fn poll_write(&mut self, cx: &mut Task<'_>) -> std::io::Result<()> {
        while !self.out.is_empty() {
            match self.io.as_mut().poll_write(cx, &self.out) {
                Poll::Ready(Ok(0)) => return Err(std::io::ErrorKind::WriteZero.into()),
                Poll::Ready(written) => {
                    self.out.advance(written?);
                    self.stuck = None;
                }
                Poll::Pending => {
                    self.stuck.get_or_insert_with(Instant::now);
                    return Ok(());
                }
            }
        }
        // A connection at rest keeps no buffer.
        if self.out.capacity() > CHUNK {
            self.out = BytesMut::new();
        }
        match self.io.as_mut().poll_flush(cx) {
            Poll::Ready(flushed) => flushed,
            Poll::Pending => Ok(()),
        }
    }

    fn poll_read(&mut self, cx: &mut Task<'_>) -> Poll<std::io::Result<()>> {
        let mut chunk = [std::mem::MaybeUninit::uninit(); CHUNK];
        let mut chunk = ReadBuf::uninit(&mut chunk);
        ready!(self.io.as_mut().poll_read(cx, &mut chunk))?;
        match chunk.filled() {
            [] => {
                self.ended = true;
                self.input = BytesMut::new();
            }
            some => self.input.extend_from_slice(some),
        }
        if !self.account() {
            self.fault(Fault::over_limit("the memory for messages is used up"));
        }
        Poll::Ready(Ok(()))
    }

    /// Counts what is held now against the budget, and says whether it fits.
    fn account(&mut self) -> bool {
        let now = self.input.len() + self.held + self.out.len();
        if now > self.leased {
            if !self.lease.take(now - self.leased) {
                return false;
            }
        } else {
            self.lease.give_back(self.leased - now);
        }
        self.leased = now;
        true
    }

    /// What takes too long.
    fn poll_time(&mut self, cx: &mut Task<'_>) -> Poll<Fault> {
        let slow = self.begun.map(|begun| begun + self.config.message_timeout);
        let stuck = self.stuck.map(|since| since + self.config.write_timeout);
        let first = self.head_by.filter(|_| !self.ended);
        let Some(at) = [slow, stuck, first].into_iter().flatten().min() else {
            self.timer = None;
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        ready!(timer.as_mut().poll(cx));
        let reason = if stuck == Some(at) { "it takes no replies" } else { "a message did not come in time" };
        Poll::Ready(Fault { offence: Offence::Stalled, reason })
    }
}

/// Closes in a way that lets the peer read what was sent last.
async fn linger(io: &mut BoxIo) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let closing = async {
        io.shutdown().await?;
        let (mut left, mut buffer) = (LINGER_BYTES, [0; 1024]);
        while left > 0 {
            match io.read(&mut buffer).await? {
                0 => break,
                n => left = left.saturating_sub(n),
            }
        }
        std::io::Result::Ok(())
    };
    // A peer that does not go is left.
    let _ = tokio::time::timeout(LINGER, closing).await;
}
