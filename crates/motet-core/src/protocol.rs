//! The seams between what bytes mean and everything else.

use std::{fmt, pin::Pin, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use crate::{
    BoxFuture, Call, Codecs, Dispatcher, Drain, Endpoint, Entropy, Offences, Peer, Reply, Result, Status, Transports,
};

/// A stream of bytes in both directions.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A boxed stream of bytes.
pub type BoxIo = Pin<Box<dyn Io>>;

/// The server side of a protocol on a byte stream.
pub trait ServerProtocol: Send + Sync + 'static {
    /// The name, such as `motet`.
    fn name(&self) -> &str;

    /// The name for ALPN, such as `motet/1`.
    fn alpn(&self) -> Option<&str> {
        None
    }

    /// What clients can speak to it, by the names of their protocols: its own name, unless it carries
    /// others. Endpoints announce it.
    fn speaks(&self) -> Vec<String> {
        vec![self.name().to_owned()]
    }

    /// Says whether a connection that begins with these bytes speaks this protocol. It is asked
    /// again with more bytes after [`Recognition::NeedMore`]; a Yes counts once no protocol before
    /// it in the listener's order still needs more.
    fn recognise(&self, first: &[u8], tls: bool) -> Recognition;

    /// Serves a connection to its end. Once the drain has started it refuses new calls in a way that
    /// may be retried, finishes those that run and returns. The future is dropped when the App's stop
    /// runs out of patience; all calls it runs must end with it, except one-way calls, which
    /// [`Drain::spawn`] owns.
    fn serve(&self, incoming: Incoming) -> BoxFuture<'static, ()>;
}

/// Whether a connection speaks a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognition {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// This many bytes in total are needed to tell.
    NeedMore(usize),
}

/// A connection that a [`ServerProtocol`] is to serve.
#[non_exhaustive]
pub struct Incoming {
    /// The bytes, from the very first.
    pub io: BoxIo,
    /// The other end, with what TLS established.
    pub peer: Peer,
    /// When the protocol's first head must be complete.
    pub head_by: Instant,
    /// Where calls enter.
    pub dispatcher: Dispatcher,
    /// When to stop taking calls.
    pub drain: Drain,
    /// Where what the peer does wrong is counted; nowhere in particular by default.
    pub offences: Offences,
    /// Where it was accepted, if the listener says so.
    pub listener: Option<Arc<Endpoint>>,
}

impl Incoming {
    /// A connection.
    pub fn new(io: BoxIo, peer: Peer, head_by: Instant, dispatcher: Dispatcher, drain: Drain) -> Incoming {
        Incoming { io, peer, head_by, dispatcher, drain, offences: Offences::new(), listener: None }
    }

    /// Sets where what the peer does wrong is counted.
    #[must_use]
    pub fn with_offences(mut self, offences: Offences) -> Incoming {
        self.offences = offences;
        self
    }

    /// Says where it was accepted.
    #[must_use]
    pub fn with_listener(mut self, listener: Arc<Endpoint>) -> Incoming {
        self.listener = Some(listener);
        self
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// A way for calls to enter an App: the listener is one, a subscription of a message system another.
pub trait Entrance: Send + Sync + 'static {
    /// Opens it, gives the endpoints by which it can be reached, and feeds calls into the dispatcher
    /// until drained. The tasks behind it hold the drain until they are done.
    ///
    /// # Errors
    /// Unavailable or InvalidArgument when it cannot be opened.
    fn open(&self, dispatcher: Dispatcher, drain: Drain) -> BoxFuture<'_, Result<Vec<Endpoint>>>;
}

/// The client side of a protocol.
pub trait ClientProtocol: Send + Sync + 'static {
    /// The name, such as `motet`.
    fn name(&self) -> &str;

    /// How many connections to one node serve a client best.
    fn connections_per_node(&self) -> usize {
        1
    }

    /// Connects to an endpoint.
    ///
    /// # Errors
    /// Unavailable, executed: no, when there is no connection in time.
    fn connect<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        connecting: &'a Connecting,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>>>;
}

/// What a [`ClientProtocol`] needs to connect.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Connecting {
    /// The transports that there are.
    pub transports: Transports,
    /// The codecs that replies may come in.
    pub codecs: Codecs,
    /// When to give up.
    pub deadline: Instant,
    /// The App's randomness.
    pub entropy: Entropy,
}

impl Connecting {
    /// What a protocol needs to connect.
    pub fn new(transports: Transports, codecs: Codecs, deadline: Instant, entropy: Entropy) -> Connecting {
        Connecting { transports, codecs, deadline, entropy }
    }
}

/// A connection to one node, over which calls of all kinds run at once. Nothing above it assumes a
/// byte stream, or one stream per connection.
pub trait Connection: Send + Sync + 'static {
    /// Makes a call; the future resolves at the reply's head, for one-way calls once the request is
    /// written. It enforces the call's deadline. Dropping the future, or the reply's stream, cancels
    /// the call.
    ///
    /// # Errors
    /// What the peer answered; or a status whose [`Status::executed`](crate::Status::executed) says
    /// whether the request can have left.
    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply>>;

    /// As [`Connection::call`], for a call of one message that its caller keeps to make it again. The
    /// default makes it of a copy, which shares the message; a connection that only reads from the call
    /// can do without.
    ///
    /// # Errors
    /// As [`Connection::call`]; Internal when the request is a stream.
    fn call_kept(&self, call: Arc<Call>) -> BoxFuture<'static, Result<Reply>> {
        let again = match call.body.again() {
            Some(body) => Call { started: call.started, ..call.with_body(body) },
            None => return Box::pin(async { Err(Status::internal("a request stream cannot be kept")) }),
        };
        self.call(again)
    }

    /// Whether it takes calls.
    fn state(&self) -> ConnectionState;

    /// How many calls run on it.
    fn in_flight(&self) -> usize;

    /// Refuses new calls, finishes those that run, then closes.
    fn close(&self);
}

/// Whether a connection takes calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// It does.
    Open,
    /// It does, but the peer has not answered for a while: better another.
    Suspect,
    /// It finishes what it has.
    Draining,
    /// It is closed.
    Closed,
}
