//! What a protocol brings: pure functions between bytes and calls.

use std::{fmt, time::Duration};

use bytes::{Bytes, BytesMut};
use motet_core::{Call, Codec, Codecs, Dispatcher, Metadata, Payload, Reply, Result, Route, Status};

use crate::Extent;

/// Why a connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// What came is not of this protocol.
    Malformed(&'static str),
    /// The peer went over a limit.
    OverLimit(&'static str),
    /// The peer said or took nothing for too long.
    Stalled(&'static str),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Broken::Malformed(text) | Broken::OverLimit(text) | Broken::Stalled(text)) = self;
        f.write_str(text)
    }
}

/// The frames of a protocol. The same settings make the same wire: it is cloned for each connection.
pub trait Wire: Clone + Send + Sync + Unpin + 'static {
    /// The protocol's name, such as `rpcx`.
    const NAME: &'static str;

    /// The extent of the frame at the front of some bytes, of which there is at least one; none while
    /// it cannot be told.
    ///
    /// # Errors
    /// The bytes are no frame.
    fn measure(&self, input: &[u8]) -> Result<Option<Extent>, Broken>;
}

/// The server's side of a protocol's frames.
pub trait ServerWire: Wire {
    /// What is kept of a request to answer it.
    type Ticket: Send + 'static;

    /// Reads a whole frame.
    ///
    /// # Errors
    /// The frame is damaged in a way that leaves nothing to answer.
    fn receive(&self, frame: Bytes, dispatcher: &Dispatcher) -> Result<Received<Self::Ticket>, Broken>;

    /// What is needed to answer a frame that is too long to be taken; none where it wants no answer.
    ///
    /// # Errors
    /// As [`ServerWire::receive`].
    fn receive_head(&self, head: &[u8]) -> Result<Option<Self::Ticket>, Broken>;

    /// Appends the answer to a request. One that cannot be written becomes an error.
    fn answer(&self, ticket: Self::Ticket, result: Result<Reply>, out: &mut BytesMut);
}

/// What a server received.
#[derive(Debug)]
pub enum Received<T> {
    /// A call.
    Call(T, Box<Request>),
    /// A call that is refused.
    Refused(T, Status),
    /// A call that is refused and the last of its connection.
    Dismissed(T, Status),
    /// A frame whose insides make no sense: its call is told, and the connection ends.
    Broken(T, Broken),
    /// Something that is answered with these bytes.
    Echo(Bytes),
    /// Something that wants no answer.
    Nothing,
}

/// A call as it came.
#[derive(Debug)]
pub struct Request {
    /// What runs it.
    pub route: Route,
    /// What came beside its message.
    pub metadata: Metadata,
    /// The time that its caller gave it.
    pub timeout: Option<Duration>,
    /// Its message.
    pub message: Bytes,
    /// The message's codec.
    pub codec: Codec,
    /// Whether no answer is wanted.
    pub one_way: bool,
}

/// The client's side of a protocol's frames.
pub trait ClientWire: Wire {
    /// Appends the request of a unary call; `left` is the time that it has. On error nothing stays
    /// appended.
    ///
    /// # Errors
    /// The call cannot be written in this protocol.
    fn ask(&self, asked: Asked<'_>, out: &mut BytesMut) -> Result<()>;

    /// Appends a request for a sign of life.
    fn ask_life(&self, seq: u64, out: &mut BytesMut);

    /// Reads a whole frame; none for frames that answer nothing.
    ///
    /// # Errors
    /// The frame is damaged in a way that leaves no call to fail.
    fn learn(&self, frame: Bytes, codecs: &Codecs) -> Result<Option<Answer>, Broken>;

    /// The number that a frame answers which is too long to be taken.
    ///
    /// # Errors
    /// As [`ClientWire::learn`].
    fn learn_head(&self, head: &[u8]) -> Result<u64, Broken>;
}

/// The answer to a call.
#[derive(Debug)]
pub struct Answer {
    /// The number of the call.
    pub seq: u64,
    /// What came of it.
    pub result: Result<Reply>,
    /// Whether the peer closes the connection behind it.
    pub last: bool,
}

/// A call to be written.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Its number on this connection.
    pub seq: u64,
    /// The call.
    pub call: &'a Call,
    /// Its message.
    pub message: &'a Payload,
    /// The time that it has.
    pub left: Option<Duration>,
}

/// The status of a message that is longer than its limit.
pub fn too_long(what: &str, max: usize) -> Status {
    Status::resource_exhausted(format!("the {what} is longer than the limit of {max} bytes"))
}
