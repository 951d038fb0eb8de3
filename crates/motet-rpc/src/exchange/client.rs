//! The asking end of a connection: the thin part around a machine.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context as Task, Poll, Waker},
};

use bytes::{Buf, Bytes, BytesMut};
use motet_core::{
    Body, BoxFuture, BoxIo, Call, Codec, Connecting, Connection, ConnectionState, Deadline, Endpoint, Executed, Kind,
    Map, MethodDescriptor, Payload, Reply, Result, Status,
};
use tokio::{
    io::ReadBuf,
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    task::AbortHandle,
    time::Instant,
};

use super::{ExchangeConfig, Fault};

const CHUNK: usize = 16 << 10;

/// The client's side of a protocol of requests and replies, as a pure machine.
pub trait Asking: Send + 'static {
    /// What comes in reply, before it is known to which method.
    type Reply: Send + 'static;

    /// Appends a request. On error nothing is appended.
    ///
    /// # Errors
    /// The request cannot be written in this protocol.
    fn ask(
        &mut self,
        id: u64,
        method: &MethodDescriptor,
        body: &Payload,
        one_way: bool,
        out: &mut BytesMut,
    ) -> Result<()>;

    /// Takes the next reply off the input; `None` when more bytes are needed.
    ///
    /// # Errors
    /// The input cannot be read any further.
    fn next(&mut self, input: &mut BytesMut) -> Result<Option<Answer<Self::Reply>>, Fault>;

    /// The body that the method's reply is, of what came for this request.
    ///
    /// # Errors
    /// The reply is none of this method.
    fn body(method: &MethodDescriptor, request: &Payload, reply: Self::Reply) -> Result<Payload>;
}

/// A reply.
#[derive(Debug)]
pub struct Answer<R> {
    /// The request's.
    pub id: u64,
    /// What came.
    pub outcome: Result<R>,
}

/// Connects and lets a machine ask over the connection. `greet` is what is to be said and heard before.
///
/// # Errors
/// Unavailable, executed: no, when there is no connection in time.
pub async fn connect<M: Asking, G: Future<Output = Result<BoxIo>>>(
    endpoint: &Endpoint,
    connecting: &Connecting,
    machine: M,
    config: ExchangeConfig,
    greet: impl FnOnce(BoxIo) -> G,
) -> Result<Arc<dyn Connection>> {
    let transport = connecting.transports.find(&endpoint.transport)?;
    let dialling = async { greet(transport.dial_alpn(endpoint, &[]).await?).await };
    let io = tokio::time::timeout_at(connecting.deadline, dialling)
        .await
        .map_err(|_| Status::unavailable(format!("{endpoint} did not answer in time")).with_executed(Executed::No))??;
    let calls = Arc::new(Semaphore::new(config.max_calls.clamp(1, Semaphore::MAX_PERMITS)));
    let state = State {
        machine,
        out: BytesMut::new(),
        start: 0,
        next: 0,
        pending: Map::default(),
        unwritten: VecDeque::new(),
        driver: None,
        closing: false,
        closed: None,
    };
    let shared = Arc::new(Shared { state: Mutex::new(state), room: tokio::sync::Notify::new(), calls, config });
    let driver = tokio::spawn(drive(io, shared.clone())).abort_handle();
    Ok(Arc::new(Exchange(Arc::new(Inner { shared, driver }))))
}

struct Exchange<M: Asking>(Arc<Inner<M>>);

/// What calls keep alive: the connection closes when the last of them and the pool let go.
struct Inner<M: Asking> {
    shared: Arc<Shared<M>>,
    driver: AbortHandle,
}

impl<M: Asking> Drop for Inner<M> {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

struct Shared<M: Asking> {
    state: Mutex<State<M>>,
    /// Told when output has been taken or the connection is closed.
    room: tokio::sync::Notify,
    calls: Arc<Semaphore>,
    config: ExchangeConfig,
}

struct State<M: Asking> {
    machine: M,
    out: BytesMut,
    /// How many bytes have been written: the position of `out`'s first byte.
    start: u64,
    next: u64,
    pending: Map<u64, Waiting<M::Reply>>,
    /// One-way calls, by where their bytes end.
    unwritten: VecDeque<(u64, oneshot::Sender<Result<()>>)>,
    driver: Option<Waker>,
    closing: bool,
    closed: Option<Status>,
}

/// A call that waits for its reply.
struct Waiting<R> {
    reply: oneshot::Sender<Result<R>>,
    /// Where its first byte is.
    from: u64,
    _permit: Option<OwnedSemaphorePermit>,
}

impl<M: Asking> Shared<M> {
    fn lock(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: Asking> Connection for Exchange<M> {
    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply>> {
        let inner = self.0.clone();
        Box::pin(async move {
            let (deadline, method) = (call.deadline, call.method.clone());
            let mut forget = Forget { inner: inner.clone(), id: None, sent: false };
            let making = make(&inner, call, &mut forget);
            match deadline {
                None => making.await,
                Some(Deadline { at, .. }) => match tokio::time::timeout_at(at, making).await {
                    Ok(result) => result,
                    Err(_) => {
                        let executed = if forget.sent { Executed::Unknown } else { Executed::No };
                        Err(expired(deadline, &method.path).with_executed(executed))
                    }
                },
            }
        })
    }

    fn state(&self) -> ConnectionState {
        let state = self.0.shared.lock();
        match () {
            () if state.closed.is_some() => ConnectionState::Closed,
            () if state.closing => ConnectionState::Draining,
            () => ConnectionState::Open,
        }
    }

    fn in_flight(&self) -> usize {
        self.0.shared.lock().pending.len()
    }

    fn close(&self) {
        let mut state = self.0.shared.lock();
        state.closing = true;
        let driver = state.driver.take();
        drop(state);
        driver.into_iter().for_each(Waker::wake);
    }
}

fn expired(deadline: Option<Deadline>, method: &str) -> Status {
    match deadline {
        Some(deadline) => deadline.status(method),
        None => Status::deadline_exceeded(format!("{method}: the deadline passed")),
    }
}

/// Takes a call off the list when its caller has left: a reply that still comes is passed over.
struct Forget<M: Asking> {
    inner: Arc<Inner<M>>,
    id: Option<u64>,
    /// Whether the request may have left.
    sent: bool,
}

impl<M: Asking> Drop for Forget<M> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            let waiting = self.inner.shared.lock().pending.remove(&id);
            drop(waiting);
        }
    }
}

async fn make<M: Asking>(inner: &Inner<M>, mut call: Call, forget: &mut Forget<M>) -> Result<Reply> {
    let shared = &*inner.shared;
    if call.method.kind != Kind::Unary {
        let text = format!("{} has streams, which this protocol does not carry", call.method.path);
        return Err(Status::unimplemented(text).with_executed(Executed::No));
    }
    if let Some(deadline) = call.deadline.filter(|deadline| deadline.at <= Instant::now()) {
        return Err(deadline.status(&call.method.path).with_executed(Executed::No));
    }
    let body = std::mem::replace(&mut call.body, Body::One(Payload::encoded(Bytes::new(), Codec::RAW)));
    let body = body.one().map_err(|status| status.with_executed(Executed::No))?;
    let permit = shared.calls.clone().acquire_owned().await.map_err(|_| Status::internal("no more calls"))?;
    let mut permit = Some(permit);
    let submitted = loop {
        let room = shared.room.notified();
        match submit(shared, &call, &body, &mut permit).map_err(|status| status.with_executed(Executed::No))? {
            Some(submitted) => break submitted,
            None => room.await,
        }
    };
    forget.sent = true;
    match submitted {
        Submitted::OneWay(written) => {
            written.await.unwrap_or_else(|_| Err(lost()))?;
            Ok(Reply::one(Payload::encoded(Bytes::new(), Codec::RAW)))
        }
        Submitted::Call(id, replied) => {
            forget.id = Some(id);
            let result = replied.await.unwrap_or_else(|_| Err(lost()))?;
            let body = M::body(&call.method, &body, result).map_err(|status| status.with_executed(Executed::Yes))?;
            Ok(Reply::one(body))
        }
    }
}

/// What is to be waited for.
enum Submitted<R> {
    OneWay(oneshot::Receiver<Result<()>>),
    Call(u64, oneshot::Receiver<Result<R>>),
}

/// Puts a request into the output; `None` while there is no room.
fn submit<M: Asking>(
    shared: &Shared<M>,
    call: &Call,
    body: &Payload,
    permit: &mut Option<OwnedSemaphorePermit>,
) -> Result<Option<Submitted<M::Reply>>> {
    let mut guard = shared.lock();
    let state = &mut *guard;
    if let Some(closed) = &state.closed {
        return Err(closed.clone());
    }
    if state.closing {
        return Err(Status::unavailable("the connection takes no more calls"));
    }
    if state.out.len() >= shared.config.max_output {
        return Ok(None);
    }
    let id = state.next;
    let from = state.start + state.out.len() as u64;
    state.machine.ask(id, &call.method, body, call.one_way, &mut state.out)?;
    state.next += 1;
    let submitted = if call.one_way {
        let (written, told) = oneshot::channel();
        let end = state.start + state.out.len() as u64;
        state.unwritten.push_back((end, written));
        Submitted::OneWay(told)
    } else {
        let (reply, replied) = oneshot::channel();
        state.pending.insert(id, Waiting { reply, from, _permit: permit.take() });
        Submitted::Call(id, replied)
    };
    let driver = state.driver.take();
    drop(guard);
    driver.into_iter().for_each(Waker::wake);
    Ok(Some(submitted))
}

fn lost() -> Status {
    Status::unavailable("the connection was lost")
}

/// Moves bytes until the connection ends, and tells all who wait then.
async fn drive<M: Asking>(mut io: BoxIo, shared: Arc<Shared<M>>) {
    let mut input = BytesMut::new();
    let mut stuck = Box::pin(tokio::time::sleep(shared.config.write_timeout));
    let (mut is_stuck, mut yielded) = (false, false);
    let status = poll_fn(|cx| {
        loop {
            let mut state = shared.lock();
            // Those who are about to call as well get their turn: one system call carries many calls.
            let woken_by_a_call = state.driver.is_none() && state.pending.len() > 1;
            if woken_by_a_call && !std::mem::replace(&mut yielded, true) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            yielded = false;
            match write(&mut io, &mut state, &shared, cx) {
                Err(_) => return Poll::Ready(lost()),
                Ok(true) => is_stuck = false,
                Ok(false) if !is_stuck => {
                    stuck.as_mut().reset(Instant::now() + shared.config.write_timeout);
                    is_stuck = true;
                }
                Ok(false) => {}
            }
            if is_stuck && stuck.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Status::unavailable("the peer takes no more requests"));
            }
            if state.closing && state.pending.is_empty() && state.out.is_empty() {
                return Poll::Ready(Status::unavailable("the connection takes no more calls"));
            }
            state.driver = Some(cx.waker().clone());
            drop(state);
            match read(&mut io, &mut input, &shared, cx) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => return Poll::Ready(lost()),
                Poll::Ready(Err(fault)) => {
                    let text = format!("the connection was closed: {}", fault.reason);
                    return Poll::Ready(Status::unavailable(text));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
    let mut state = shared.lock();
    state.closed = Some(status.clone());
    let start = state.start;
    let pending = std::mem::take(&mut state.pending);
    let unwritten = std::mem::take(&mut state.unwritten);
    state.out = BytesMut::new();
    drop(state);
    for (_, Waiting { reply, from, .. }) in pending {
        // What was not written at all cannot have run.
        let executed = if from >= start { Executed::No } else { Executed::Unknown };
        let _ = reply.send(Err(status.clone().with_executed(executed)));
    }
    for (_, written) in unwritten {
        let _ = written.send(Err(status.clone()));
    }
    shared.room.notify_waiters();
}

/// Writes what the peer takes; says whether it takes any.
fn write<M: Asking>(
    io: &mut BoxIo,
    state: &mut State<M>,
    shared: &Shared<M>,
    cx: &mut Task<'_>,
) -> std::io::Result<bool> {
    let mut took = state.out.is_empty();
    let before = state.start;
    while !state.out.is_empty() {
        match io.as_mut().poll_write(cx, &state.out) {
            Poll::Ready(Ok(0)) => return Err(std::io::ErrorKind::WriteZero.into()),
            Poll::Ready(written) => {
                let written = written?;
                state.out.advance(written);
                state.start += written as u64;
                took = true;
            }
            Poll::Pending => break,
        }
    }
    if state.out.is_empty() && state.out.capacity() > CHUNK {
        state.out = BytesMut::new();
    }
    let start = state.start;
    while state.unwritten.front().is_some_and(|(end, _)| *end <= start) {
        if let Some((_, written)) = state.unwritten.pop_front() {
            let _ = written.send(Ok(()));
        }
    }
    if before < start {
        shared.room.notify_waiters();
        if let Poll::Ready(flushed) = io.as_mut().poll_flush(cx) {
            flushed?;
        }
    }
    Ok(took)
}

/// Reads once and hands out the replies; `false` at the end of input.
fn read<M: Asking>(
    io: &mut BoxIo,
    input: &mut BytesMut,
    shared: &Shared<M>,
    cx: &mut Task<'_>,
) -> Poll<Result<bool, Fault>> {
    let mut chunk = [std::mem::MaybeUninit::uninit(); CHUNK];
    let mut chunk = ReadBuf::uninit(&mut chunk);
    match io.as_mut().poll_read(cx, &mut chunk) {
        Poll::Pending => return Poll::Pending,
        Poll::Ready(Err(_)) => return Poll::Ready(Ok(false)),
        Poll::Ready(Ok(())) if chunk.filled().is_empty() => return Poll::Ready(Ok(false)),
        Poll::Ready(Ok(())) => input.extend_from_slice(chunk.filled()),
    }
    let mut state = shared.lock();
    loop {
        match state.machine.next(input) {
            Err(fault) => return Poll::Ready(Err(fault)),
            Ok(None) => return Poll::Ready(Ok(true)),
            // A reply nobody waits for: its caller has left.
            Ok(Some(Answer { id, outcome })) => {
                if let Some(waiting) = state.pending.remove(&id) {
                    let _ = waiting.reply.send(outcome);
                }
            }
        }
    }
}
