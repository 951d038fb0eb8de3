//! Messages of a stream that have arrived and wait to be read.

use std::{collections::VecDeque, task::Waker};

use bytes::Bytes;
use motet_core::{Metadata, Status};

/// Messages that wait to be read; the stream's window bounds them.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    messages: VecDeque<(Bytes, u64)>,
    end: Option<Result<Metadata, Status>>,
    reader: Option<Waker>,
}

/// What a reader finds.
pub(crate) enum Found {
    Message(Bytes, u64),
    End(Result<Metadata, Status>),
    Nothing,
}

impl Inbox {
    pub(crate) fn push(&mut self, message: Bytes, cost: u64) -> Option<Waker> {
        self.messages.push_back((message, cost));
        self.reader.take()
    }

    /// Ends the stream: with its trailing metadata, or an error. The first end counts.
    pub(crate) fn end(&mut self, end: Result<Metadata, Status>) -> Option<Waker> {
        if self.end.is_none() {
            self.end = Some(end);
        }
        self.reader.take()
    }

    /// The next message, then the end; with neither, the reader is woken when there is one.
    pub(crate) fn read(&mut self, reader: &Waker) -> Found {
        if let Some((message, cost)) = self.messages.pop_front() {
            return Found::Message(message, cost);
        }
        if let Some(end) = &self.end {
            return Found::End(end.clone());
        }
        if self.reader.as_ref().is_none_or(|known| !known.will_wake(reader)) {
            self.reader = Some(reader.clone());
        }
        Found::Nothing
    }
}
