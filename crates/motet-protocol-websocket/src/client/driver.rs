//! The task of a client's connection.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context as Task, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use motet_core::{BoxIo, ConnectionState, Executed, Map, Metadata, ReplyMeta, Result, Status};
use motet_protocol_jsonrpc::{ErrorObject, Version};
use motet_websocket::{CloseCode, Message, SendError, WebSocket};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::hear::{Heard, hear};
use crate::{WebSocketConfig, outbox::Outbox, wire};

/// How many messages are handled before other tasks get their turn.
const TURN: usize = 64;
/// How long a server has to take why it is left.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What callers leave to be sent.
pub(super) struct Outgoing {
    pub(super) text: BytesMut,
    /// The room that it takes.
    pub(super) room: usize,
    /// The call that it opens.
    pub(super) opens: Option<u64>,
    /// Who wants to know that it is written.
    pub(super) written: Option<oneshot::Sender<()>>,
}

/// A call that waits for its answer.
pub(super) struct Slot {
    /// Whether its request may have left.
    pub(super) sent: bool,
    pub(super) meta: ReplyMeta,
    /// How many messages of its request the server takes.
    pub(super) credit: Arc<Semaphore>,
    pub(super) to: To,
}

/// Where a call's answer goes.
pub(super) enum To {
    One(oneshot::Sender<Result<Bytes>>),
    Stream {
        /// Who waits for the reply's head.
        head: Option<oneshot::Sender<Result<()>>>,
        /// Room for the whole window, and the end.
        messages: mpsc::Sender<Result<Bytes>>,
    },
}

impl Slot {
    fn end(self, result: Result<Bytes>) {
        match self.to {
            To::One(answer) => drop(answer.send(result)),
            To::Stream { head, messages } => match (head, result) {
                (Some(head), result) => drop(head.send(result.map(drop))),
                (None, Err(status)) => drop(messages.try_send(Err(status))),
                // The stream ends as its sender is dropped.
                (None, Ok(_)) => {}
            },
        }
    }
}

/// What the connection's task and its calls share.
pub(super) struct Shared {
    pub(super) outbox: Outbox<Outgoing>,
    calls: Mutex<CallTable>,
}

struct CallTable {
    next: u64,
    slots: Map<u64, Slot>,
    /// Set once, when the connection is over.
    closed: Option<Status>,
    /// Whether it is to end once no call runs.
    closing: bool,
}

impl Shared {
    pub(super) fn new(config: &WebSocketConfig) -> Shared {
        let calls = CallTable { next: 1, slots: Map::default(), closed: None, closing: false };
        Shared { outbox: Outbox::new(config.max_output), calls: Mutex::new(calls) }
    }

    fn calls(&self) -> MutexGuard<'_, CallTable> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a call, and gives its number.
    ///
    /// # Errors
    /// Unavailable, executed: no, on a connection that takes no more.
    pub(super) fn register(&self, slot: Slot) -> Result<u64> {
        let mut calls = self.calls();
        calls.check()?;
        let id = calls.next;
        calls.next += 1;
        calls.slots.insert(id, slot);
        Ok(id)
    }

    /// As [`Shared::register`] for a call that nobody answers.
    pub(super) fn check(&self) -> Result<()> {
        self.calls().check()
    }

    /// Forgets a call; whether it was still open.
    pub(super) fn forget(&self, id: u64) -> bool {
        let known = self.calls().slots.remove(&id).is_some();
        if known {
            self.outbox.put(Outgoing {
                text: wire::Note::Cancel.write(id.to_string().as_bytes()),
                room: 0,
                opens: None,
                written: None,
            });
        }
        known
    }

    pub(super) fn connection_state(&self) -> ConnectionState {
        let calls = self.calls();
        match () {
            () if calls.closed.is_some() => ConnectionState::Closed,
            () if calls.closing => ConnectionState::Draining,
            () => ConnectionState::Open,
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.calls().slots.len()
    }

    /// Takes no more calls, and ends the connection behind those that run.
    pub(super) fn close(&self) {
        self.calls().closing = true;
        // Something to do: its task looks whether it is to end.
        self.outbox.put(Outgoing { text: BytesMut::new(), room: 0, opens: None, written: None });
    }
}

impl CallTable {
    fn check(&self) -> Result<()> {
        let over = || Status::unavailable("the connection takes no more calls");
        match &self.closed {
            Some(status) => Err(status.clone().with_executed(Executed::No)),
            None if self.closing => Err(over().with_executed(Executed::No)),
            None => Ok(()),
        }
    }
}

pub(super) struct Driver {
    socket: WebSocket<BoxIo>,
    shared: Arc<Shared>,
    max_output: usize,
    max_depth: usize,
    /// Who wants to know that all is written.
    writing: VecDeque<oneshot::Sender<()>>,
}

impl Driver {
    pub(super) fn new(socket: WebSocket<BoxIo>, shared: Arc<Shared>, config: &WebSocketConfig) -> Driver {
        let (max_output, max_depth) = (config.max_output, config.max_depth);
        Driver { socket, shared, max_output, max_depth, writing: VecDeque::new() }
    }

    /// Runs until the connection is over; then all its calls are.
    pub(super) async fn run(mut self) {
        let status = poll_fn(|cx| self.poll(cx)).await;
        // A server that goes has answered all that it took: the rest may be sent elsewhere.
        let went = self.socket.close_reason().is_some_and(|reason| reason.code == CloseCode::GOING_AWAY);
        self.end(&status, if went { Executed::No } else { Executed::Unknown });
        let _ = tokio::time::timeout(LAST_WORDS, self.socket.flush()).await;
    }

    fn poll(&mut self, cx: &mut Task<'_>) -> Poll<Status> {
        for _ in 0..TURN {
            self.shared.outbox.listen(cx.waker());
            if let Err(status) = self.take_what_callers_said() {
                return Poll::Ready(status);
            }
            if self.is_to_end() {
                self.socket.start_close(CloseCode::NORMAL, "");
            }
            if self.socket.unsent() >= self.max_output {
                let flushed = pin!(self.socket.flush()).poll(cx);
                match flushed {
                    Poll::Ready(Err(error)) => return Poll::Ready(lost(error)),
                    Poll::Pending if self.socket.unsent() >= self.max_output => {}
                    _ => continue,
                }
            }
            match self.socket.poll_next(cx) {
                Poll::Ready(Ok(Some(message))) => {
                    if let Err(reason) = self.receive(message) {
                        self.socket.start_close(CloseCode::PROTOCOL, reason);
                        return Poll::Ready(Status::internal(format!("the server broke the protocol: {reason}")));
                    }
                }
                Poll::Ready(Ok(None)) => return Poll::Ready(self.closed()),
                Poll::Ready(Err(error)) => return Poll::Ready(lost(error)),
                Poll::Pending => {
                    if self.socket.unsent() == 0 {
                        for written in self.writing.drain(..) {
                            let _ = written.send(());
                        }
                    }
                    return Poll::Pending;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_to_end(&self) -> bool {
        let calls = self.shared.calls();
        calls.closing && calls.slots.is_empty() && self.shared.outbox.is_empty()
    }

    fn take_what_callers_said(&mut self) -> Result<(), Status> {
        while self.socket.unsent() < self.max_output {
            let Some(Outgoing { text, room, opens, written }) = self.shared.outbox.take() else { break };
            self.shared.outbox.give_back(room);
            if text.is_empty() {
                continue;
            }
            if let Some(id) = opens {
                match self.shared.calls().slots.get_mut(&id) {
                    Some(slot) => slot.sent = true,
                    // It was given up before it left.
                    None => continue,
                }
            }
            match self.socket.queue(&wire::text(text)?) {
                Ok(()) => self.writing.extend(written),
                Err(SendError::Closed) => break,
                Err(SendError::Full) => return Err(Status::internal("there was room a moment ago")),
            }
        }
        Ok(())
    }

    fn receive(&mut self, message: Message) -> Result<(), &'static str> {
        match hear(message.into_bytes(), self.max_depth)? {
            Heard::Answer { id, outcome, extension } => {
                let slot = self.shared.calls().slots.remove(&id);
                if let Some(slot) = slot {
                    let trailing = wire::learn_meta(extension.as_ref(), &slot.meta);
                    slot.end(outcome.map_err(|error| status(error, trailing)));
                }
            }
            Heard::Head { id, metadata } => {
                let mut calls = self.shared.calls();
                if let Some(Slot { meta, to: To::Stream { head, .. }, .. }) = calls.slots.get_mut(&id) {
                    if !metadata.is_empty() {
                        meta.set_initial(metadata);
                    }
                    if let Some(head) = head.take() {
                        let _ = head.send(Ok(()));
                    }
                }
            }
            Heard::Message { id, message } => {
                let mut calls = self.shared.calls();
                if let Some(Slot { to: To::Stream { head, messages }, .. }) = calls.slots.get_mut(&id) {
                    if let Some(head) = head.take() {
                        let _ = head.send(Ok(()));
                    }
                    // One place is kept for the end.
                    if messages.capacity() <= 1 && !messages.is_closed() {
                        return Err("more messages than were asked for");
                    }
                    let _ = messages.try_send(Ok(message));
                }
            }
            Heard::Credit { id, credit } => {
                if let Some(slot) = self.shared.calls().slots.get(&id) {
                    let room = wire::MAX_CREDIT.saturating_sub(slot.credit.available_permits());
                    slot.credit.add_permits(usize::try_from(credit).unwrap_or(usize::MAX).min(room));
                }
            }
            Heard::Nothing => {}
        }
        Ok(())
    }

    /// The status of calls that were open when the connection was closed.
    fn closed(&self) -> Status {
        match self.socket.close_reason() {
            Some(reason) if !reason.text.is_empty() => {
                Status::unavailable(format!("the server closed the connection: {} ({})", reason.text, reason.code))
            }
            Some(reason) => Status::unavailable(format!("the server closed the connection ({})", reason.code)),
            None => Status::unavailable("the connection was closed"),
        }
    }

    fn end(&mut self, status: &Status, sent: Executed) {
        let mut calls = self.shared.calls();
        calls.closed.get_or_insert_with(|| status.clone());
        let slots = std::mem::take(&mut calls.slots);
        drop(calls);
        for slot in slots.into_values() {
            // What was never written never ran.
            let executed = if slot.sent { sent } else { Executed::No };
            slot.end(Err(status.clone().with_executed(executed)));
        }
        // Room for those who wait for it, so that they find the connection closed.
        while let Some(outgoing) = self.shared.outbox.take() {
            self.shared.outbox.give_back(outgoing.room);
        }
    }
}

/// Everything ends with the connection's task, also when that is stopped.
impl Drop for Driver {
    fn drop(&mut self) {
        self.end(&Status::unavailable("the connection's task was stopped"), Executed::Unknown);
    }
}

fn lost(error: motet_websocket::Error) -> Status {
    Status::unavailable("the connection broke").with_source(error)
}

/// The status of an answer, with the metadata that came with it.
fn status(error: ErrorObject, trailing: Option<Metadata>) -> Status {
    let status = error.into_status(Version::V2);
    match trailing {
        Some(trailing) => status.with_metadata(trailing),
        None => status,
    }
}
