//! From events to the calls that wait for them.

use std::{sync::Arc, task::Waker};

use bytes::Bytes;
use motet_core::{Code, Executed, ReplyMeta, Status};
use tokio::time::Instant;

use crate::native::{
    driver::{Glue, Shared, State},
    inbox::Inbox,
    machine::{Event, ReplyHead},
    wire::{EndFrame, ErrorCode, ProtocolError, WireStatus},
};

/// What a connection keeps of each of its calls.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) waker: Option<Waker>,
    pub(super) deadline: Option<Instant>,
    pub(super) progress: Progress,
    /// Whether the connection noticed that the deadline has passed.
    pub(super) expired: bool,
    pub(super) stream: Option<Box<StreamSlot>>,
}

/// How far a call has come.
#[derive(Debug, Default)]
pub(super) enum Progress {
    #[default]
    Waiting,
    /// With its head, where that says anything.
    Replied(Option<Box<ReplyHead>>, Option<Bytes>),
    Failed(Box<(WireStatus, motet_core::Metadata)>),
    /// The connection, not the peer, ended it.
    Broken(Status),
}

/// What calls with streams need beside.
#[derive(Debug, Default)]
pub(super) struct StreamSlot {
    pub(super) inbox: Inbox,
    pub(super) meta: ReplyMeta,
    /// The task that sends the request's messages.
    pub(super) sender: Option<Waker>,
    /// Whether the head of the reply is there or no longer needed.
    pub(super) replied: bool,
    pub(super) codec: Option<crate::native::wire::CodecName>,
}

impl Slot {
    fn fail(&mut self, status: &Status) -> [Option<Waker>; 3] {
        let mut wakers = [None, None, self.waker.take()];
        if let Some(stream) = &mut self.stream {
            wakers[0] = stream.inbox.end(Err(status.clone()));
            wakers[1] = stream.sender.take();
        }
        // What arrived of a stream is still handed out, unless the peer broke the protocol.
        let lost = status.code() == Code::Unavailable;
        let handed_out = lost && self.stream.as_ref().is_some_and(|stream| stream.replied);
        if matches!(self.progress, Progress::Waiting) && !handed_out {
            self.progress = Progress::Broken(status.clone());
        }
        wakers
    }
}

/// The client's side of a connection's task.
#[derive(Debug, Default)]
pub(super) struct ClientGlue {
    wakers: Vec<Waker>,
}

impl ClientGlue {
    fn handle_event(&mut self, state: &mut State<Slot>, event: Event) {
        let wakers = &mut self.wakers;
        match event {
            Event::Reply { stream, head, message } => {
                let Some(slot) = state.machine.data(stream) else { return };
                wakers.extend(slot.waker.take());
                match &mut slot.stream {
                    Some(inner) if head.streaming => {
                        inner.replied = true;
                        inner.meta.set_initial(head.initial);
                        inner.codec = head.codec;
                    }
                    _ => slot.progress = Progress::Replied((!head.is_plain()).then(|| Box::new(head)), message),
                }
            }
            Event::Message { stream, message, cost } => {
                if let Some(inner) = state.machine.data(stream).and_then(|slot| slot.stream.as_mut()) {
                    inner.replied = true;
                    wakers.extend(inner.inbox.push(message, cost));
                }
            }
            Event::End { stream, end } => {
                if let Some(slot) = state.machine.data(stream) {
                    end_call(slot, end, wakers);
                }
            }
            Event::Writable { stream } => {
                if let Some(inner) = state.machine.data(stream).and_then(|slot| slot.stream.as_mut()) {
                    wakers.extend(inner.sender.take());
                }
            }
            Event::GoAway(goaway) => {
                let reason = if goaway.reason.is_empty() { "the node is stopping" } else { &goaway.reason };
                let spoken = match goaway.code {
                    code if code == ErrorCode::Version as u8 => format!("; it speaks versions {:?}", goaway.versions),
                    _ => String::new(),
                };
                let status = Status::unavailable(format!("the peer takes no more calls: {reason}{spoken}"))
                    .with_executed(Executed::No);
                for (id, slot) in state.machine.all_data() {
                    if id > goaway.last_stream {
                        wakers.extend(slot.fail(&status).into_iter().flatten());
                    }
                }
                // Those who wait for room learn that there will be none.
                wakers.extend(state.take_waiting());
            }
            // Only the accepting side gets these.
            Event::Interned(_) | Event::Call(_) | Event::Cancel { .. } => {}
        }
    }
}

fn end_call(slot: &mut Slot, end: EndFrame, wakers: &mut Vec<Waker>) {
    wakers.extend(slot.waker.take());
    match (&mut slot.stream, end.status) {
        (Some(inner), None) => {
            inner.meta.set_trailing(end.trailing.clone());
            wakers.extend(inner.sender.take());
            wakers.extend(inner.inbox.end(Ok(end.trailing)));
            inner.replied = true;
        }
        (Some(inner), Some(status)) if inner.replied => {
            inner.meta.set_trailing(end.trailing.clone());
            wakers.extend(inner.sender.take());
            wakers.extend(inner.inbox.end(Err(super::call::status(status, end.trailing, None))));
        }
        (_, Some(status)) => {
            if let Some(inner) = &mut slot.stream {
                wakers.extend(inner.sender.take());
            }
            slot.progress = Progress::Failed(Box::new((status, end.trailing)));
        }
        (None, None) => {
            slot.progress = Progress::Broken(Status::internal("the peer ended a call without its reply"));
        }
    }
}

impl Glue<Slot> for ClientGlue {
    fn handle(&mut self, shared: &Arc<Shared<Slot>>, events: &mut Vec<Event>, _: Instant) {
        let mut state = shared.lock();
        for event in events.drain(..) {
            self.handle_event(&mut state, event);
        }
        drop(state);
        self.wakers.drain(..).for_each(Waker::wake);
    }

    fn next_time(&self, state: &State<Slot>) -> Option<Instant> {
        state.next_deadline
    }

    fn handle_time(&mut self, shared: &Arc<Shared<Slot>>, now: Instant) -> Result<(), ProtocolError> {
        let mut state = shared.lock();
        if state.next_deadline.is_none_or(|next| next > now) {
            return Ok(());
        }
        let (mut next, mut over) = (None::<Instant>, Vec::new());
        for (id, slot) in state.machine.all_data() {
            match slot.deadline {
                Some(at) if at <= now && !slot.expired => over.push(id),
                Some(at) if !slot.expired => next = Some(next.map_or(at, |next| next.min(at))),
                _ => {}
            }
        }
        state.next_deadline = next;
        for id in over {
            if let Some(slot) = state.machine.data(id) {
                slot.expired = true;
                self.wakers.extend(slot.waker.take());
                if let Some(inner) = &mut slot.stream {
                    self.wakers.extend(inner.sender.take());
                    let status = Status::deadline_exceeded("the call's deadline passed");
                    self.wakers.extend(inner.inbox.end(Err(status)));
                }
                state.machine.send_cancel(id);
            }
        }
        drop(state);
        self.wakers.drain(..).for_each(Waker::wake);
        Ok(())
    }

    fn gathers(&self) -> bool {
        true
    }

    fn closed(&mut self, shared: &Arc<Shared<Slot>>, status: &Status) {
        let mut state = shared.lock();
        let last = state.machine.peer_left().map_or(u64::MAX, |goaway| goaway.last_stream);
        for (id, slot) in state.machine.all_data() {
            let status = match id > last {
                true => status.clone().with_executed(Executed::No),
                false => status.clone(),
            };
            self.wakers.extend(slot.fail(&status).into_iter().flatten());
        }
        drop(state);
        self.wakers.drain(..).for_each(Waker::wake);
    }
}
