//! A unary or one-way call.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use motet_core::{Body, Call, Codec, Codecs, Deadline, Executed, Metadata, Payload, Reply, ReplyMeta, Result, Status};
use tokio::time::{Instant, Sleep};

use super::{
    connection::Inner,
    glue::{Progress, Slot},
};
use crate::native::{
    driver::State,
    machine::{CallHead, ReplyHead},
    wire::WireStatus,
};

/// A unary or one-way call, from before it is sent to its reply. Dropping it cancels the call.
pub(super) struct UnaryCall {
    connection: Arc<Inner>,
    call: Arc<Call>,
    stage: Stage,
}

enum Stage {
    /// Not sent; the timer runs only while there is no room for it.
    Unsent(Option<Pin<Box<Sleep>>>),
    /// Sent, on this stream.
    Sent(u64),
    /// One-way: in this batch of output.
    Written(u64),
    Over,
}

impl UnaryCall {
    pub(super) fn new(connection: Arc<Inner>, call: Arc<Call>) -> UnaryCall {
        UnaryCall { connection, call, stage: Stage::Unsent(None) }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, delayed: bool) -> Poll<Result<Stage>> {
        let (call, connection) = (&self.call, &self.connection);
        let timeout = match remaining(call, delayed) {
            Ok(timeout) => timeout,
            Err(status) => return Poll::Ready(Err(status)),
        };
        let Body::One(message) = &call.body else {
            return Poll::Ready(Err(Status::internal("a stream was given to a unary method")));
        };
        let head = CallHead {
            method: &call.method,
            codec: message.codec(),
            timeout,
            metadata: &call.metadata,
            one_way: call.one_way,
            compress_above: connection.compress_above(call),
        };
        let sent = connection.shared.change(|state| {
            check_open(state)?;
            if !state.machine.can_open() {
                state.wait_for_room(cx.waker());
                return Ok(None);
            }
            let slot = Slot {
                waker: (!call.one_way).then(|| cx.waker().clone()),
                deadline: call.deadline.map(|deadline| deadline.at),
                ..Slot::default()
            };
            let id = state.machine.call(&head, Some(message), slot)?;
            if call.one_way {
                let batch = state.batch();
                state.machine.forget(id);
                state.wait_for_room(cx.waker());
                return Ok(Some(Stage::Written(batch)));
            }
            note_deadline(state, call.deadline);
            Ok(Some(Stage::Sent(id)))
        });
        match sent {
            Ok(Some(stage)) => Poll::Ready(Ok(stage)),
            Ok(None) => Poll::Pending,
            Err(status) => Poll::Ready(Err(status)),
        }
    }

    fn poll_reply(&mut self, id: u64, cx: &mut Context<'_>) -> Poll<Result<Reply>> {
        let mut state = self.connection.shared.lock();
        let Some(slot) = state.machine.data(id) else {
            return Poll::Ready(Err(Status::internal("the call is gone")));
        };
        if matches!(slot.progress, Progress::Waiting) && !slot.expired {
            if slot.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
                slot.waker = Some(cx.waker().clone());
            }
            return Poll::Pending;
        }
        let slot = state.machine.close(id);
        drop(state);
        self.stage = Stage::Over;
        let codec = || match &self.call.body {
            Body::One(message) => message.codec().clone(),
            Body::Stream(_) => self.call.codec.clone(),
        };
        let outcome = slot.map(|slot| (slot.progress, slot.expired));
        Poll::Ready(finish(outcome, codec, &self.call, &self.connection.codecs))
    }
}

/// What a call whose slot is taken ends with.
pub(super) fn finish(
    outcome: Option<(Progress, bool)>,
    codec: impl FnOnce() -> Codec,
    call: &Call,
    codecs: &Codecs,
) -> Result<Reply> {
    match outcome {
        Some((Progress::Replied(head, Some(message)), _)) => {
            let Some(head) = head else { return Ok(Reply::one(Payload::encoded(message, codec()))) };
            let meta = meta(&head);
            let codec = match head.codec {
                None => codec(),
                Some(name) => name.find(codecs)?,
            };
            Ok(Reply { meta, body: Body::One(Payload::encoded(message, codec)) })
        }
        Some((Progress::Failed(failed), _)) => {
            let (wire, trailing) = *failed;
            Err(status(wire, trailing, Some(codecs)))
        }
        Some((Progress::Broken(status), _)) => Err(status),
        Some((_, true)) => Err(expired(call.deadline, &call.method.path)),
        Some((Progress::Waiting | Progress::Replied(..), false)) | None => {
            Err(Status::internal("the peer answered a unary call with a stream"))
        }
    }
}

fn meta(head: &ReplyHead) -> ReplyMeta {
    if head.initial.is_empty() && head.trailing.is_empty() {
        return ReplyMeta::none();
    }
    let meta = ReplyMeta::new();
    meta.set_initial(head.initial.clone());
    meta.set_trailing(head.trailing.clone());
    meta
}

/// The status that a peer sent.
pub(super) fn status(wire: WireStatus, trailing: Metadata, codecs: Option<&Codecs>) -> Status {
    let mut status = Status::new(wire.code, wire.message).with_executed(wire.executed).with_metadata(trailing);
    if let Some(reason) = wire.reason {
        status = status.with_reason(reason);
    }
    if let Some(wait) = wire.retry_after {
        status = status.with_retry_after(wait);
    }
    if let Some((codec, bytes)) = wire.details
        && let Ok(codec) = codec.find(codecs.unwrap_or(&Codecs::default()))
    {
        status = status.with_details(Payload::encoded(bytes, codec));
    }
    status
}

/// The status of a call whose deadline passed after it was sent.
pub(super) fn expired(deadline: Option<Deadline>, method: &str) -> Status {
    match deadline {
        Some(deadline) => deadline.status(method),
        None => Status::deadline_exceeded(format!("{method}: the deadline passed")),
    }
}

/// The time that is left to tell the peer. A call that was not held up needs no look at the clock.
pub(super) fn remaining(call: &Call, delayed: bool) -> Result<Option<std::time::Duration>> {
    let Some(deadline) = call.deadline else { return Ok(None) };
    let now = call.started.filter(|_| !delayed).unwrap_or_else(Instant::now);
    let left = deadline.at.saturating_duration_since(now);
    if left.is_zero() {
        return Err(deadline.status(&call.method.path).with_executed(Executed::No));
    }
    Ok(Some(left))
}

/// Whether the connection takes calls.
pub(super) fn check_open(state: &State<Slot>) -> Result<()> {
    if let Some(status) = &state.closed {
        return Err(status.clone().with_executed(Executed::No));
    }
    if state.machine.is_leaving() || state.closing {
        return Err(Status::unavailable("the connection takes no more calls").with_executed(Executed::No));
    }
    Ok(())
}

/// Brings the connection's timer forward to this deadline, where it is the earliest.
pub(super) fn note_deadline(state: &mut State<Slot>, deadline: Option<Deadline>) {
    if let Some(deadline) = deadline {
        let next = state.next_deadline.map_or(deadline.at, |next| next.min(deadline.at));
        state.next_deadline = Some(next);
    }
}

impl Future for UnaryCall {
    type Output = Result<Reply>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match &mut this.stage {
            Stage::Sent(id) => {
                let id = *id;
                this.poll_reply(id, cx)
            }
            Stage::Unsent(timer) => {
                let timer = timer.take();
                match this.poll_send(cx, timer.is_some()) {
                    Poll::Ready(Ok(stage)) => {
                        this.stage = stage;
                        Poll::Pending
                    }
                    Poll::Ready(Err(status)) => {
                        this.stage = Stage::Over;
                        Poll::Ready(Err(status))
                    }
                    Poll::Pending => {
                        let at = this.call.deadline.map(|deadline| deadline.at);
                        let mut timer = timer.or_else(|| at.map(|at| Box::pin(tokio::time::sleep_until(at))));
                        if let Some(timer) = &mut timer
                            && timer.as_mut().poll(cx).is_ready()
                        {
                            cx.waker().wake_by_ref();
                        }
                        this.stage = Stage::Unsent(timer);
                        Poll::Pending
                    }
                }
            }
            Stage::Written(batch) => {
                let mut state = this.connection.shared.lock();
                if state.is_written(*batch) {
                    return Poll::Ready(Ok(Reply::one(Payload::encoded(bytes::Bytes::new(), Codec::RAW))));
                }
                if let Some(status) = &state.closed {
                    return Poll::Ready(Err(status.clone()));
                }
                state.wait_for_room(cx.waker());
                Poll::Pending
            }
            Stage::Over => Poll::Ready(Err(Status::internal("the call was polled after its end"))),
        }
    }
}

impl Drop for UnaryCall {
    fn drop(&mut self) {
        if let Stage::Sent(id) = self.stage {
            let slot = self.connection.shared.change(|state| match state.machine.data(id).map(|slot| &slot.progress) {
                Some(Progress::Waiting) => state.machine.cancel(id),
                _ => state.machine.close(id),
            });
            drop(slot);
        }
    }
}
