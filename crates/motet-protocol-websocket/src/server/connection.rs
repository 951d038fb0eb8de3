//! A connection that speaks JSON-RPC: one task, which owns those of its calls.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context as Task, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use motet_core::{
    Body, BoxFuture, BoxIo, Call, Codec, Context, Executed, Kind, Map, Metadata, Offence, Payload, Result, Route,
    Started, Status, Streaming, TraceParent,
};
use motet_http::Door;
use motet_protocol_jsonrpc::{ErrorObject, Version, request_body};
use motet_websocket::{CloseCode, ErrorKind, Message, WebSocket};
use tokio::{
    sync::{Semaphore, mpsc},
    task::{AbortHandle, JoinSet},
    time::{Instant, Sleep},
};

use super::{
    WebSocketServer,
    call::{Answer, Messages, Said, Ticket, merged},
};
use crate::{
    WebSocketConfig,
    memory::{Cost, Memory},
    outbox::Outbox,
    session::{Asked, Event, SessionLimits, StreamSession},
    wire::{self, MAX_CREDIT},
};

/// How many messages are handled before other tasks get their turn.
const TURN: usize = 64;
/// What a call takes of memory beside its parameters, about.
const CALL_COST: usize = 3 << 10;

/// Serves a connection to its end. Its calls end with it, but for notifications, which the drain owns.
pub(super) fn serve(
    server: WebSocketServer,
    socket: WebSocket<BoxIo>,
    door: Door,
    metadata: Metadata,
) -> BoxFuture<'static, ()> {
    let stopping = door.drain().clone();
    let now = Instant::now();
    let config = server.config;
    // In a box of its own: what it was made from takes no memory any more.
    let mut serving = Box::new(Serving {
        session: StreamSession::new(SessionLimits::of(&config)),
        memory: Memory::new(&server.budget, config.connection_memory),
        outbox: Arc::new(Outbox::new(config.max_output)),
        socket,
        pending: VecDeque::new(),
        calls: Map::default(),
        tasks: JoinSet::new(),
        draining: Box::pin(async move { stopping.draining().await }),
        leaving: false,
        idle_since: now,
        timer: Box::pin(tokio::time::sleep_until(now + config.idle_timeout)),
        config,
        door,
        metadata,
    });
    Box::pin(poll_fn(move |cx| serving.poll(cx)))
}

/// A call that runs.
struct Running {
    task: AbortHandle,
    /// How many messages its caller takes.
    credit: Option<Arc<Semaphore>>,
    /// Where its caller's messages go.
    messages: Option<mpsc::Sender<(Bytes, Cost)>>,
}

struct Serving {
    config: Arc<WebSocketConfig>,
    door: Door,
    /// Of the request that opened the connection.
    metadata: Metadata,
    memory: Memory,
    session: StreamSession,
    socket: WebSocket<BoxIo>,
    /// What the socket has no room for yet.
    pending: VecDeque<Message>,
    outbox: Arc<Outbox<Said>>,
    calls: Map<u64, Running>,
    tasks: JoinSet<()>,
    draining: BoxFuture<'static, ()>,
    leaving: bool,
    idle_since: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Serving {
    fn poll(&mut self, cx: &mut Task<'_>) -> Poll<()> {
        for _ in 0..TURN {
            self.outbox.listen(cx.waker());
            if !self.leaving && self.draining.as_mut().poll(cx).is_ready() {
                self.leaving = true;
            }
            self.take_what_calls_said();
            while let Poll::Ready(Some(_)) = self.tasks.poll_join_next(cx) {}
            if self.leaving && self.is_quiet() {
                // All that was taken is answered: who reads this code may send the rest elsewhere.
                self.socket.start_close(CloseCode::GOING_AWAY, "the server stops");
            }
            if self.is_full() {
                let flushed = pin!(self.socket.flush()).poll(cx);
                match flushed {
                    Poll::Ready(Err(error)) => {
                        blame(&self.door, &error);
                        return Poll::Ready(());
                    }
                    Poll::Pending if self.socket.unsent() >= self.config.max_output => return Poll::Pending,
                    _ => continue,
                }
            }
            match self.socket.poll_next(cx) {
                // Who closes has answered all that it took: what comes later must not run.
                Poll::Ready(Ok(Some(_))) if !self.socket.is_open() => {}
                Poll::Ready(Ok(Some(Message::Text(text)))) => self.receive(text),
                Poll::Ready(Ok(Some(Message::Binary(_)))) => {
                    self.socket.start_close(CloseCode::UNSUPPORTED, "messages are JSON, as text");
                }
                Poll::Ready(Ok(None)) => return Poll::Ready(()),
                Poll::Ready(Err(error)) => {
                    blame(&self.door, &error);
                    return Poll::Ready(());
                }
                Poll::Pending => match self.poll_idle(cx) {
                    Poll::Ready(()) => {}
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether the peer has enough to read.
    fn is_full(&self) -> bool {
        !self.pending.is_empty() || self.socket.unsent() >= self.config.max_output
    }

    fn is_quiet(&self) -> bool {
        self.calls.is_empty() && self.session.open() == 0 && self.outbox.is_empty() && self.pending.is_empty()
    }

    /// Closes what nobody uses; `Ready` when it has.
    fn poll_idle(&mut self, cx: &mut Task<'_>) -> Poll<()> {
        if !self.calls.is_empty() || !self.socket.is_open() {
            return Poll::Pending;
        }
        loop {
            let at = self.idle_since + self.config.idle_timeout;
            if self.timer.deadline() < at && self.timer.is_elapsed() {
                self.timer.as_mut().reset(at);
            }
            std::task::ready!(self.timer.as_mut().poll(cx));
            if at <= Instant::now() {
                self.socket.start_close(CloseCode::GOING_AWAY, "idle");
                return Poll::Ready(());
            }
        }
    }

    fn take_what_calls_said(&mut self) {
        while let Some(message) = self.pending.pop_front() {
            if self.socket.queue(&message) == Err(motet_websocket::SendError::Full) {
                self.pending.push_front(message);
                return;
            }
        }
        while self.socket.unsent() < self.config.max_output {
            match self.outbox.take() {
                None => return,
                Some(Said::Text { text, room, cost }) => {
                    self.outbox.give_back(room);
                    self.send(text);
                    drop(cost);
                }
                Some(Said::Done { token, answer, room }) => {
                    self.outbox.give_back(room);
                    if self.calls.remove(&token).is_some() {
                        self.answer(token, *answer);
                    }
                }
                Some(Said::Read { token, count }) => {
                    let mut out = BytesMut::new();
                    self.session.grant(token, count, &mut out);
                    self.send(out);
                }
            }
        }
    }

    /// Queues text, if it is any.
    fn send(&mut self, text: BytesMut) {
        if text.is_empty() {
            return;
        }
        match wire::text(text) {
            Ok(message) => {
                if self.socket.queue(&message) == Err(motet_websocket::SendError::Full) {
                    self.pending.push_back(message);
                }
            }
            // A handler's own bytes that claim to be JSON: the peer cannot be told of which call.
            Err(_) => self.socket.start_close(CloseCode::INTERNAL, "a reply is no UTF-8"),
        }
    }

    fn answer(&mut self, token: u64, answer: Answer) {
        let mut out = BytesMut::new();
        self.session.answer(token, answer.outcome, answer.extension, &mut out);
        self.send(out);
        if self.calls.is_empty() {
            self.idle_since = Instant::now();
            self.session.rest();
        }
    }

    fn receive(&mut self, text: String) {
        self.idle_since = Instant::now();
        let mut out = BytesMut::new();
        let events = self.session.receive(text.into(), &mut out);
        self.send(out);
        for event in events {
            match event {
                Event::Call(asked) => self.start(*asked),
                Event::Message { token, message } => self.message(token, message),
                Event::End { token } => {
                    if let Some(call) = self.calls.get_mut(&token) {
                        call.messages = None;
                    }
                }
                Event::Cancel { token } => self.end(token, &Status::cancelled("the caller has cancelled the call")),
                Event::Credit { token, credit } => {
                    if let Some(Running { credit: Some(known), .. }) = self.calls.get(&token) {
                        let room = MAX_CREDIT.saturating_sub(known.available_permits());
                        known.add_permits(usize::try_from(credit).unwrap_or(usize::MAX).min(room));
                    }
                }
                Event::Broken { token, rule } => self.end(token, &Status::invalid_argument(rule)),
            }
        }
    }

    fn message(&mut self, token: u64, message: Bytes) {
        let Some(Running { messages: Some(messages), .. }) = self.calls.get(&token) else { return };
        match self.memory.take(message.len()) {
            // It has room for the whole window. Who has stopped reading discards the rest.
            Some(cost) => drop(messages.try_send((message, cost))),
            None => self.end(token, &no_memory()),
        }
    }

    /// Ends a call from this side.
    fn end(&mut self, token: u64, status: &Status) {
        if let Some(call) = self.calls.remove(&token) {
            call.task.abort();
            self.answer(token, Answer::error(status));
        }
    }

    fn start(&mut self, asked: Asked) {
        let (token, notification) = (asked.token, asked.notification);
        match self.prepare(&asked) {
            // Whoever sends a notification learns nothing of it.
            Err(_) if notification => {}
            Err(error) => {
                let mut out = BytesMut::new();
                self.session.answer(token, Err(error), None, &mut out);
                self.send(out);
            }
            Ok((route, mut call, cost)) if notification => {
                call.on_end(move |_| drop(cost));
                motet_rpc::server::spawn_one_way(&route, call, self.door.drain());
            }
            Ok((route, call, cost)) => self.run(&route, call, cost, asked),
        }
    }

    /// The call that is asked for; a stream of requests is put in by [`Serving::run`].
    fn prepare(&self, asked: &Asked) -> Result<(Route, Call, Cost), ErrorObject> {
        let refused = |status: Status| ErrorObject::from_status(&status.with_executed(Executed::No));
        let dispatcher = self.door.dispatcher();
        let found = dispatcher.find(&asked.method).or_else(|| dispatcher.find_dotted(&asked.method));
        let route = found.ok_or_else(|| ErrorObject::new(ErrorObject::METHOD_NOT_FOUND, "Method not found"))?;
        if self.leaving {
            return Err(refused(Status::unavailable("this server stops")));
        }
        if self.calls.len() >= self.config.max_calls {
            let text = format!("{} calls run on this connection already", self.calls.len());
            return Err(refused(Status::resource_exhausted(text)));
        }
        let params = asked.params.as_ref();
        let cost = self.memory.take(CALL_COST + params.map_or(0, Bytes::len)).ok_or_else(|| refused(no_memory()))?;
        let method = route.method();
        let body = match method.kind.client_streams() {
            false => Body::One(Payload::encoded(request_body(method, Version::V2, params)?, Codec::JSON)),
            true if params.is_some_and(|params| !matches!(&params[..], b"[]" | b"{}")) || asked.notification => {
                let text = format!("{} takes a stream: send its messages by rpc.message", method.path);
                return Err(ErrorObject::new(ErrorObject::INVALID_PARAMS, text));
            }
            true => Body::Stream(Streaming::from_iter([])),
        };
        let metadata = merged(&self.metadata, asked.options.metadata.clone()).map_err(refused)?;
        let trace = metadata.get(TraceParent::KEY).and_then(TraceParent::parse);
        let deadline = route.deadline(asked.options.timeout);
        let cx = Context::incoming(deadline, metadata.clone(), Some(self.door.peer().clone()), trace);
        let mut call = Call::new(method.clone(), cx, body, Codec::JSON, Arc::default());
        call.metadata = metadata;
        Ok((route, call, cost))
    }

    fn run(&mut self, route: &Route, mut call: Call, cost: Cost, asked: Asked) {
        let method = route.method().clone();
        if method.kind == Kind::Unary {
            return self.run_unary(route, call, cost, asked);
        }
        let mut messages = None;
        if method.kind.client_streams() {
            let (sender, incoming) = mpsc::channel(self.config.window());
            self.session.takes_messages(asked.token);
            call.body = Body::Stream(Streaming::new(Messages {
                token: asked.token,
                shape: method.request_shape,
                outbox: self.outbox.clone(),
                incoming,
                window: u32::try_from(self.config.window()).unwrap_or(u32::MAX),
                read: 0,
            }));
            messages = Some(sender);
        }
        let takes = asked.options.credit.map_or(self.config.window(), |credit| credit.try_into().unwrap_or(usize::MAX));
        let credit = Arc::new(Semaphore::new(takes.min(MAX_CREDIT)));
        let (token, deadline) = (asked.token, call.deadline);
        let running = route.call(call);
        let ticket = self.ticket(asked, route, deadline, cost);
        let task = self.tasks.spawn(ticket.many(running, credit.clone()));
        self.calls.insert(token, Running { task, credit: Some(credit), messages });
    }

    /// The first poll is the handler's, here.
    fn run_unary(&mut self, route: &Route, call: Call, cost: Cost, asked: Asked) {
        let (token, deadline) = (asked.token, call.deadline);
        let pace = route.pace();
        let started = match pace.inline() {
            false => Started::Running(route.call(call)),
            true => {
                let timed = pace.samples().then(Instant::now);
                let started = route.start(call, &mut Task::from_waker(Waker::noop()));
                if let Some(at) = timed {
                    pace.record(at.elapsed());
                }
                started
            }
        };
        match started {
            Started::Done(result) => {
                let answer = Answer::of(route.method(), result, &self.memory);
                self.answer(token, answer);
            }
            // Polling again registers the task's own waker.
            Started::Running(running) => {
                let ticket = self.ticket(asked, route, deadline, cost);
                let task = self.tasks.spawn(ticket.one(running));
                self.calls.insert(token, Running { task, credit: None, messages: None });
            }
        }
    }

    fn ticket(&self, asked: Asked, route: &Route, deadline: Option<motet_core::Deadline>, cost: Cost) -> Ticket {
        Ticket {
            token: asked.token,
            id: asked.id,
            method: route.method().clone(),
            deadline,
            memory: self.memory.clone(),
            outbox: self.outbox.clone(),
            _cost: cost,
            answered: false,
        }
    }
}

fn no_memory() -> Status {
    Status::resource_exhausted("this connection's calls hold as much memory as they may")
}

/// Counts what a peer did wrong.
pub(super) fn blame(door: &Door, error: &motet_websocket::Error) {
    let offence = match (error.kind(), error.violation().map(|violation| violation.code)) {
        (ErrorKind::Violation, Some(CloseCode::TOO_BIG | CloseCode::POLICY)) => Offence::OverLimit,
        (ErrorKind::Violation, _) => Offence::Malformed,
        (ErrorKind::TimedOut, _) => Offence::Stalled,
        _ => return,
    };
    door.offences().count(offence, 1);
    tracing::debug!(peer = door.peer().address, %error, "a WebSocket connection ends");
}
