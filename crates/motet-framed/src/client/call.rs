//! A unary or one-way call.

use std::sync::Arc;

use bytes::Bytes;
use motet_core::{Body, Call, Codec, Executed, Kind, Payload, Reply, Result, Status};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::{
    Inner,
    driver::{Calls, Slot},
};
use crate::{Asked, ClientWire, shared::Shared, wire::too_long};

/// With this much unwritten, calls wait.
const ENOUGH: usize = 1 << 20;

/// Makes a call. Dropping it forgets the call: these protocols have no frame that cancels one, and an
/// answer to a number that nobody knows is dropped.
pub(super) async fn run<W: ClientWire>(inner: Arc<Inner<W>>, mut call: Call) -> Result<Reply> {
    if call.method.kind != Kind::Unary {
        let text = format!("{} takes or gives a stream, which {} does not carry", call.method.path, W::NAME);
        return Err(Status::unimplemented(text).with_executed(Executed::No));
    }
    let body = std::mem::replace(&mut call.body, Body::One(Payload::encoded(Bytes::new(), Codec::RAW)));
    let message = body.one()?;
    let Some(deadline) = call.deadline else {
        let mut sent = inner.send(&call, &message).await?;
        return sent.answer().await;
    };
    let late = || deadline.status(&call.method.path);
    let sent = timeout_at(deadline.at, inner.send(&call, &message)).await;
    let mut sent = sent.map_err(|_| late().with_executed(Executed::No))??;
    timeout_at(deadline.at, sent.answer()).await.unwrap_or_else(|_| Err(late()))
}

/// A call that is sent. Dropping it forgets the call.
struct Sent {
    shared: Arc<Shared<Calls>>,
    seq: Option<u64>,
    answer: oneshot::Receiver<Result<Reply>>,
}

impl Sent {
    async fn answer(&mut self) -> Result<Reply> {
        let answer = (&mut self.answer).await;
        answer.unwrap_or_else(|_| Err(Status::unavailable("the connection's task was stopped")))
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        if let Some(seq) = self.seq {
            // The driver is told, since a connection may be waiting for its last call.
            let forgotten = self.shared.lock().more.waiting.remove(&seq).is_some();
            if forgotten {
                self.shared.change(|_| ());
            }
        }
    }
}

impl<W: ClientWire> Inner<W> {
    /// Sends a call once there is room for it.
    async fn send(&self, call: &Call, message: &Payload) -> Result<Sent> {
        loop {
            let room = self.room.notified();
            if let Some(sent) = self.try_send(call, message)? {
                return Ok(sent);
            }
            room.await;
        }
    }

    fn try_send(&self, call: &Call, message: &Payload) -> Result<Option<Sent>> {
        let not_sent = |status: Status| status.with_executed(Executed::No);
        let left = call.deadline.map(|deadline| deadline.at.saturating_duration_since(Instant::now()));
        if let (Some(deadline), Some(left)) = (call.deadline, left)
            && left.is_zero()
        {
            return Err(not_sent(deadline.status(&call.method.path)));
        }
        let (answer, receiver) = oneshot::channel();
        let sent = |seq| Sent { shared: self.shared.clone(), seq, answer: receiver };
        self.shared.change(|state| {
            let calls = &state.more;
            if let Some(status) = &calls.closed {
                return Err(not_sent(status.clone()));
            }
            if calls.closing {
                return Err(not_sent(Status::unavailable("the connection takes no more calls")));
            }
            if calls.waiting.len() >= self.limits.max_calls || calls.writing.len() >= self.limits.max_calls {
                return Ok(None);
            }
            if state.out.len() >= ENOUGH {
                return Ok(None);
            }
            let (start, before, seq) = (state.position(), state.out.len(), calls.next);
            let asked = Asked { seq, call, message, left };
            let result = self.wire.ask(asked, &mut state.out).and_then(|()| {
                let max = self.limits.max_message;
                match (state.out.len() - before) as u64 > self.limits.max_frame() {
                    true => Err(too_long("message", max)),
                    false => Ok(()),
                }
            });
            if let Err(status) = result {
                state.out.truncate(before);
                return Err(not_sent(status));
            }
            let end = state.position();
            let calls = &mut state.more;
            calls.next = calls.next.wrapping_add(1);
            if call.one_way {
                calls.writing.push_back((start, end, answer));
                return Ok(Some(sent(None)));
            }
            calls.waiting.insert(seq, Slot { answer, start });
            Ok(Some(sent(Some(seq))))
        })
    }
}
