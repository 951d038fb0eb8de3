//! From events to handlers.

use std::{
    sync::Arc,
    task::{Context as Task, Waker},
};

use bytes::Bytes;
use motet_core::{
    Body, BoxFuture, Call, CallOptions, Context, Dispatcher, Drain, Executed, Offence, Offences, Payload, Peer, Reply,
    Result, Route, Started, Status, Streaming, TraceParent,
};
use tokio::time::Instant;

use super::{request::RequestStream, respond::Responder};
use crate::{
    native::{
        MemoryBudget,
        driver::{Glue, Shared, State},
        inbox::Inbox,
        machine::{Event, IncomingCall, Path},
        task::Owned,
        wire::{ErrorCode, ProtocolError},
    },
    server::spawn_one_way,
};

/// How large the message of a one-way call may be without counting against the memory budget.
pub(crate) const FREE_ONE_WAY: usize = 1 << 10;

/// What a connection keeps of each of its calls.
#[derive(Debug, Default)]
pub(super) struct Running {
    /// The task of a handler that did not answer at its first poll, or of its reply stream.
    pub(super) task: Option<Owned>,
    pub(super) inbox: Option<Box<Inbox>>,
    /// The task that sends the reply's messages.
    pub(super) sender: Option<Waker>,
}

/// What a connection brings, beside its bytes.
pub(super) struct Serving {
    pub(super) dispatcher: Dispatcher,
    pub(super) peer: Peer,
    pub(super) head_by: Instant,
    pub(super) drain: Drain,
    pub(super) offences: Offences,
}

/// The server's side of a connection's task.
pub(super) struct ServerGlue {
    dispatcher: Dispatcher,
    peer: Arc<Peer>,
    head_by: Instant,
    drain: Drain,
    offences: Offences,
    budget: MemoryBudget,
    compress_above: Option<usize>,
    options: Arc<CallOptions>,
    /// Whether a refused call was logged.
    logged: bool,
    /// Whether a handler that holds its thread was begun with the last calls.
    held_up: bool,
    /// What the peer's interned paths lead to.
    routes: Vec<(String, Option<Route>)>,
}

impl ServerGlue {
    pub(super) fn new(incoming: Serving, budget: MemoryBudget, compress_above: Option<usize>) -> ServerGlue {
        let Serving { dispatcher, peer, head_by, drain, offences } = incoming;
        ServerGlue {
            dispatcher,
            peer: Arc::new(peer),
            head_by,
            drain,
            offences,
            budget,
            compress_above,
            options: Arc::default(),
            logged: false,
            held_up: false,
            routes: Vec::new(),
        }
    }

    /// The route of a path, remembered where the peer interned it.
    fn route(&mut self, path: Path) -> Result<Route> {
        match path {
            Path::New(path) => self.dispatcher.resolve(&path),
            Path::Known(index) => match self.routes.get(index) {
                Some((_, Some(route))) => Ok(route.clone()),
                // It may be served by now.
                Some((path, None)) => {
                    let route = self.dispatcher.resolve(path)?;
                    self.routes[index].1 = Some(route.clone());
                    Ok(route)
                }
                None => Err(Status::internal("a path's index is unknown")),
            },
        }
    }

    fn start(&mut self, shared: &Arc<Shared<Running>>, incoming: IncomingCall, now: Instant) {
        let id = incoming.stream;
        let route = self.route(incoming.path);
        let prepared = route.and_then(|route| Ok((route, incoming.codec.find(self.dispatcher.codecs())?)));
        let (route, codec) = match prepared {
            Ok(prepared) => prepared,
            Err(status) => return refuse(shared, id, &status.with_executed(Executed::No)),
        };
        let method = route.method();
        if method.kind.client_streams() == incoming.message.is_some() {
            let kind = if method.kind.client_streams() { "a stream of messages" } else { "one message" };
            let status = Status::invalid_argument(format!("{} takes {kind}", method.path));
            return refuse(shared, id, &status.with_executed(Executed::No));
        }
        let trace = match incoming.metadata.is_empty() {
            true => None,
            false => incoming.metadata.get(TraceParent::KEY).and_then(TraceParent::parse),
        };
        let deadline = route.deadline_at(now, incoming.timeout);
        let body = match incoming.message {
            Some(message) => Body::One(Payload::encoded(message, codec.clone())),
            None => Body::Stream(Streaming::new(RequestStream::new(shared.clone(), id, codec.clone()))),
        };
        let metadata = incoming.metadata.clone();
        let cx = Context::incoming(deadline, incoming.metadata, Some(self.peer.clone()), trace);
        let mut call = Call::new(method.clone(), cx, body, codec.clone(), self.options.clone());
        call.metadata = metadata;
        call.started = Some(now);
        if incoming.one_way {
            drop(shared.lock().machine.close(id));
            return self.start_one_way(&route, call);
        }
        self.run(shared, &route, call, Responder { id, codec, compress_above: self.compress_above });
    }

    /// Runs a call that outlives its connection, and so does the memory that its message takes.
    fn start_one_way(&mut self, route: &Route, mut call: Call) {
        if let Body::One(message) = &call.body
            && let Ok(bytes) = message.bytes()
        {
            let held = (bytes.len() > FREE_ONE_WAY).then(|| self.budget.hold(bytes.len()));
            if let Some(None) = held {
                return self.refused(1, "the memory for messages is used up");
            }
            // As a part of the input it would keep all of that in memory.
            call.body = Body::One(Payload::encoded(Bytes::copy_from_slice(&bytes), message.codec().clone()));
            if let Some(held) = held {
                call.on_end(move |_| drop(held));
            }
        }
        spawn_one_way(route, call, &self.drain);
    }

    /// Polls the handler once here, and gives it a task of its own if that is not enough.
    fn run(&mut self, shared: &Arc<Shared<Running>>, route: &Route, call: Call, responder: Responder) {
        let pace = route.pace();
        if !pace.inline() {
            self.held_up = true;
            return spawn(shared, responder, route.call(call));
        }
        let timed = pace.samples().then(Instant::now);
        let started = route.start(call, &mut Task::from_waker(Waker::noop()));
        if let Some(at) = timed {
            pace.record(at.elapsed());
        }
        match started {
            Started::Done(result) => responder.answer_inline(shared, result),
            // Polling again registers the task's own waker.
            Started::Running(running) => spawn(shared, responder, running),
        }
    }
}

fn spawn(shared: &Arc<Shared<Running>>, responder: Responder, running: BoxFuture<'static, Result<Reply>>) {
    let (own_shared, id) = (shared.clone(), responder.id);
    let task = tokio::spawn(async move {
        let result = running.await;
        responder.respond(&own_shared, result).await;
    });
    own(shared, id, Owned::new(task));
}

/// Ties a task to its call: it stops when the call is over.
pub(super) fn own(shared: &Shared<Running>, id: u64, task: Owned) {
    let mut state = shared.lock();
    let stopped = match state.machine.data(id) {
        Some(running) => running.task.replace(task),
        // The call is over already: so is the task, or it is of no use.
        None => Some(task),
    };
    drop(state);
    drop(stopped);
}

/// Ends a call that reached no handler.
fn refuse(shared: &Shared<Running>, id: u64, status: &Status) {
    shared.lock().machine.end(id, Some(status), status.metadata());
}

impl Glue<Running> for ServerGlue {
    fn handle(&mut self, shared: &Arc<Shared<Running>>, events: &mut Vec<Event>, now: Instant) {
        if events.iter().any(|event| matches!(event, Event::Call(_))) {
            self.held_up = false;
        }
        for event in events.drain(..) {
            match event {
                Event::Interned(path) => {
                    let route = self.dispatcher.resolve(&path).ok();
                    self.routes.push((path, route));
                }
                Event::Call(call) => {
                    if call.message.is_none()
                        && let Some(running) = shared.lock().machine.data(call.stream)
                    {
                        running.inbox = Some(Box::default());
                    }
                    self.start(shared, call, now);
                }
                Event::Message { stream, message, cost } => {
                    let reader = with_inbox(&mut shared.lock(), stream, |inbox| inbox.push(message, cost));
                    wake(reader);
                }
                Event::End { stream, end } => {
                    let reader = with_inbox(&mut shared.lock(), stream, |inbox| inbox.end(Ok(end.trailing)));
                    wake(reader);
                }
                Event::Cancel { stream } => {
                    let cancelled = shared.lock().machine.close(stream);
                    drop(cancelled);
                }
                Event::Writable { stream } => {
                    let sender = shared.lock().machine.data(stream).and_then(|running| running.sender.take());
                    wake(sender);
                }
                // A client that leaves closes the connection when its calls are over.
                Event::GoAway(_) | Event::Reply { .. } => {}
            }
        }
    }

    fn next_time(&self, state: &State<Running>) -> Option<Instant> {
        (!state.machine.is_greeted()).then_some(self.head_by)
    }

    fn handle_time(&mut self, shared: &Arc<Shared<Running>>, now: Instant) -> Result<(), ProtocolError> {
        if now >= self.head_by && !shared.lock().machine.is_greeted() {
            return Err(ProtocolError { code: ErrorCode::Silence, reason: "the first frame did not come in time" });
        }
        Ok(())
    }

    /// Not where a turn of all who are about to answer takes long: the answer that is there would wait
    /// for the next hundred.
    fn gathers(&self) -> bool {
        !self.held_up
    }

    fn failed(&mut self, error: &ProtocolError) {
        let offence = match error.code {
            ErrorCode::Limit => Offence::OverLimit,
            ErrorCode::Silence => Offence::Stalled,
            _ => Offence::Malformed,
        };
        self.offences.count(offence, 1);
        let (peer, reason, code) = (&self.peer.address, error.reason, error.code);
        tracing::info!(peer, reason, ?code, "closed: the peer broke the rules of motet/1");
    }

    fn refused(&mut self, calls: u64, reason: &str) {
        self.offences.count(Offence::Refused, calls);
        if !std::mem::replace(&mut self.logged, true) {
            tracing::info!(peer = self.peer.address, reason, "calls of this connection are refused; told once");
        }
    }

    fn closed(&mut self, shared: &Arc<Shared<Running>>, _: &Status) {
        // The caller is gone: so are all handlers that run for it.
        let mut state = shared.lock();
        let ids: Vec<_> = state.machine.all_data().map(|(id, _)| id).collect();
        let stopped: Vec<_> = ids.into_iter().filter_map(|id| state.machine.close(id)).collect();
        drop(state);
        drop(stopped);
    }
}

fn with_inbox<R>(state: &mut State<Running>, id: u64, f: impl FnOnce(&mut Inbox) -> Option<R>) -> Option<R> {
    f(state.machine.data(id)?.inbox.as_mut()?)
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
