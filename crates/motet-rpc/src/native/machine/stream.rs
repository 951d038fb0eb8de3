//! The state of one stream of a connection.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::{IncomingCall, ReplyHead};
use crate::native::wire::Settings;

/// One call on a connection.
#[derive(Debug)]
pub(super) struct Stream<T> {
    pub(super) data: T,
    /// Bytes taken from the memory budget for it.
    pub(super) reserved: usize,
    pub(super) receiving: Receiving,
    pub(super) sending: Sending,
}

/// The direction from the peer.
#[derive(Debug)]
pub(super) struct Receiving {
    /// Whether it is a stream of messages, to which the window applies.
    pub(super) streams: bool,
    /// Whether the peer sends nothing more.
    pub(super) ended: bool,
    /// What the peer may still spend; a last message may take it below zero.
    pub(super) window: i64,
    /// What was read and is not returned yet.
    pub(super) owed: u64,
    /// Whether the call was given up here; what still comes is passed over.
    pub(super) refused: bool,
    /// When the call came, in milliseconds of the machine's life; it wraps.
    pub(super) began: u32,
    /// What each message that was told and not read yet takes of the memory budget.
    pub(super) unread: Queue<usize>,
    /// The message that is arriving.
    pub(super) partial: Option<Box<Partial>>,
}

/// A message that is arriving in several frames.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) bytes: BytesMut,
    pub(super) length: usize,
    pub(super) compressed: bool,
    pub(super) last: bool,
    pub(super) before: Before,
    pub(super) began: Instant,
}

/// What is told together with a message once it is complete.
#[derive(Debug)]
pub(super) enum Before {
    Nothing,
    Call(IncomingCall),
    Reply(ReplyHead),
}

/// The direction to the peer.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) streams: bool,
    pub(super) ended: bool,
    pub(super) window: i64,
    /// Whether the user was told to wait for the window.
    pub(super) blocked: bool,
    pub(super) queue: Queue<Queued>,
    /// Whether the stream is over once the queue is empty.
    pub(super) close_when_sent: bool,
}

/// Output that waits for the connection's window.
#[derive(Debug)]
pub(super) enum Queued {
    /// The rest of a message.
    Body(Bytes),
    /// A whole frame that goes out behind it.
    Frame(Bytes),
}

impl<T> Stream<T> {
    pub(super) fn new(data: T, receives: bool, sends: bool, local: &Settings, remote: &Settings) -> Stream<T> {
        let window = |settings: &Settings| i64::try_from(settings.stream_window).unwrap_or(i64::MAX);
        Stream {
            data,
            reserved: 0,
            receiving: Receiving {
                streams: receives,
                ended: false,
                // Until it knows better, the peer goes by version 1's constant.
                window: window(local).max(window(&Settings::V1)),
                owed: 0,
                refused: false,
                began: 0,
                unread: Queue::default(),
                partial: None,
            },
            sending: Sending {
                streams: sends,
                ended: false,
                window: window(remote),
                blocked: false,
                queue: Queue::default(),
                close_when_sent: false,
            },
        }
    }
}

/// A queue that most calls never need: a pointer until the first push.
#[derive(Debug)]
#[expect(clippy::box_collection, reason = "a call is copied when it begins and ends: eight bytes instead of 32")]
pub(super) struct Queue<V>(Option<Box<VecDeque<V>>>);

impl<V> Default for Queue<V> {
    fn default() -> Queue<V> {
        Queue(None)
    }
}

impl<V> Queue<V> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|queue| queue.is_empty())
    }

    pub(super) fn push_back(&mut self, value: V) {
        self.0.get_or_insert_default().push_back(value);
    }

    pub(super) fn pop_front(&mut self) -> Option<V> {
        self.0.as_mut()?.pop_front()
    }

    pub(super) fn front(&self) -> Option<&V> {
        self.0.as_ref()?.front()
    }

    pub(super) fn front_mut(&mut self) -> Option<&mut V> {
        self.0.as_mut()?.front_mut()
    }
}
