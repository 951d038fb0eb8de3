//! What a machine tells its user.

use std::time::Duration;

use bytes::Bytes;
use motet_core::{Codec, Metadata};

use crate::native::wire::{CodecName, EndFrame, GoAway};

/// Something that the peer did.
#[derive(Debug)]
pub enum Event {
    /// It will name this path by the next free index, from 0. Told when the path comes, before the
    /// call that brings it, and also when that call is refused.
    Interned(String),
    /// It made a call. A unary request is complete; a stream's messages follow as
    /// [`Event::Message`].
    Call(IncomingCall),
    /// It answered. A unary reply is complete and over; a stream's messages follow.
    Reply {
        /// The stream.
        stream: u64,
        /// What came before the message.
        head: ReplyHead,
        /// The message, unless the reply is a stream.
        message: Option<Bytes>,
    },
    /// One message of a stream. Its cost is returned with
    /// [`Machine::consumed`](super::Machine::consumed) once it is read.
    Message {
        /// The stream.
        stream: u64,
        /// The message.
        message: Bytes,
        /// What it costs of the stream's window.
        cost: u64,
    },
    /// It sends nothing more on a stream: the end of a request's messages, or the end of a call.
    End {
        /// The stream.
        stream: u64,
        /// How it ended.
        end: EndFrame,
    },
    /// It cancelled a call, or this side had to refuse it midway.
    Cancel {
        /// The stream.
        stream: u64,
    },
    /// A message may be sent again on a stream whose window was used up.
    Writable {
        /// The stream.
        stream: u64,
    },
    /// It takes no further calls.
    GoAway(GoAway),
}

/// A call that the peer made.
#[derive(Debug)]
pub struct IncomingCall {
    /// The stream.
    pub stream: u64,
    /// What to run.
    pub path: Path,
    /// The codec of its messages.
    pub codec: CodecName,
    /// The time that its caller has left.
    pub timeout: Option<Duration>,
    /// Its metadata.
    pub metadata: Metadata,
    /// Whether no reply is wanted.
    pub one_way: bool,
    /// The request; `None` when it is a stream.
    pub message: Option<Bytes>,
}

/// A path as it stands on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path {
    /// A path that is sent in full.
    New(String),
    /// The path of this index, which [`Event::Interned`] has told.
    Known(usize),
}

/// What comes before the first message of a reply.
#[derive(Debug, Default)]
pub struct ReplyHead {
    /// The codec of its messages, if it is not the request's.
    pub codec: Option<CodecName>,
    /// Initial metadata.
    pub initial: Metadata,
    /// Trailing metadata of a unary reply.
    pub trailing: Metadata,
    /// Whether messages follow.
    pub streaming: bool,
}

impl ReplyHead {
    /// Whether it says nothing beyond that there is a reply.
    pub fn is_plain(&self) -> bool {
        self.codec.is_none() && self.initial.is_empty() && self.trailing.is_empty() && !self.streaming
    }
}

impl CodecName {
    /// The codec, if it is one that everyone knows or one of `codecs`.
    ///
    /// # Errors
    /// Unimplemented, naming those that are accepted.
    pub fn find(self, codecs: &motet_core::Codecs) -> motet_core::Result<Codec> {
        match self {
            CodecName::Known(codec) => Ok(codec),
            CodecName::Named(name) => codecs.find(&name),
        }
    }
}
