//! One connection: two sides, and a pipe each way.

use std::{collections::VecDeque, io::ErrorKind, task::Waker};

use bytes::Bytes;

use super::NodeId;

/// How many bytes may be written in one direction and not yet read at its end.
pub(super) const WINDOW: usize = 256 * 1024;

/// A side: 0 dialled, 1 was dialled.
pub(super) type Side = usize;

/// One connection. The pipe of a side leads from it to the other.
pub(super) struct Connection {
    pub(super) nodes: [NodeId; 2],
    /// Where side 0 dialled.
    pub(super) address: String,
    pub(super) ends: [End; 2],
    pub(super) pipes: [Pipe; 2],
}

/// One side.
#[derive(Default)]
pub(super) struct End {
    /// Whether nobody holds it: any more, or before it was accepted.
    pub(super) gone: bool,
    /// Whether side 0 knows that it is connected.
    pub(super) established: bool,
    /// Why nothing can be written any more, nor read once the pipe is empty.
    pub(super) failed: Option<ErrorKind>,
    /// Who waits to read, or to be connected.
    pub(super) reader: Option<Waker>,
    /// Who waits for room.
    pub(super) writer: Option<Waker>,
}

/// One direction, as TCP keeps it: in order, nothing twice, what is lost is sent again.
#[derive(Default)]
pub(super) struct Pipe {
    /// Not yet on its way.
    pub(super) waiting: VecDeque<Item>,
    /// On its way, in the order in which it arrives.
    pub(super) flying: VecDeque<Item>,
    /// When the last of those arrives.
    pub(super) last: u64,
    /// How often the first of those waiting has been lost; it is planned to be sent again.
    pub(super) lost: u32,
    /// Since when the writer waits for an acknowledgement.
    pub(super) unacknowledged: Option<u64>,
    /// Whether an acknowledgement is on its way, or planned.
    pub(super) acknowledging: bool,
    /// What has arrived and is to be read.
    pub(super) inbox: VecDeque<Bytes>,
    /// Whether nothing comes after it.
    pub(super) ended: bool,
    /// Whether the writer has said that nothing comes.
    pub(super) shut: bool,
    /// Bytes that the writer has written and not heard of having been read.
    pub(super) unread: usize,
    /// Bytes that were read and of which the writer has not heard.
    pub(super) read: usize,
}

/// What travels in a pipe.
pub(super) enum Item {
    /// The wish to be connected.
    Open,
    /// It is granted.
    Accepted,
    /// Bytes.
    Data(Bytes),
    /// Nothing comes any more.
    End,
}

impl Connection {
    pub(super) fn new(nodes: [NodeId; 2], address: &str) -> Connection {
        let ends = [End::default(), End { gone: true, ..End::default() }];
        Connection { nodes, address: address.to_owned(), ends, pipes: Default::default() }
    }
}

impl End {
    /// Wakes all who wait, once the lock is released.
    pub(super) fn wakers(&mut self) -> impl Iterator<Item = Waker> + use<> {
        self.reader.take().into_iter().chain(self.writer.take())
    }
}

impl Pipe {
    /// How much more can be written.
    pub(super) fn room(&self) -> usize {
        WINDOW.saturating_sub(self.unread)
    }

    /// Takes what has arrived, at most so much.
    pub(super) fn take(&mut self, most: usize) -> Option<Bytes> {
        let first = self.inbox.front_mut()?;
        let taken = first.split_to(most.min(first.len()));
        if first.is_empty() {
            self.inbox.pop_front();
        }
        self.read += taken.len();
        Some(taken)
    }
}
