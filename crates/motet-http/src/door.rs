//! What a protocol is given beside the request.

use std::{
    fmt,
    future::Future,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use http::Request;
use hyper_util::rt::TokioIo;
use motet_core::{BoxIo, Dispatcher, Drain, Offences, Peer, Result, Status};
use motet_rpc::native::MemoryBudget;

use crate::{Body, HttpConfig, body, connection::Tasks};

/// What a protocol is given beside the request: where calls enter, who asks, when to stop. There is
/// one for each connection and protocol; clones share it.
#[derive(Clone)]
pub struct Door(Arc<Parts>);

struct Parts {
    connection: Arc<ConnectionParts>,
    peer: Arc<Peer>,
}

/// What all doors of a connection share.
pub(crate) struct ConnectionParts {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) peer: Peer,
    /// Whether only callers of this machine can reach the listener.
    pub(crate) loopback: bool,
    pub(crate) drain: Drain,
    pub(crate) offences: Offences,
    pub(crate) config: Arc<HttpConfig>,
    pub(crate) memory: MemoryBudget,
    pub(crate) tasks: Tasks,
    /// Whether HTTP services of the user's own stand behind the protocols.
    pub(crate) mounted: bool,
}

impl Door {
    fn new(connection: &Arc<ConnectionParts>, protocol: &str) -> Door {
        let mut peer = connection.peer.clone();
        if !protocol.is_empty() {
            protocol.clone_into(&mut peer.protocol);
        }
        Door(Arc::new(Parts { connection: connection.clone(), peer: Arc::new(peer) }))
    }

    /// Where calls enter.
    pub fn dispatcher(&self) -> &Dispatcher {
        &self.0.connection.dispatcher
    }

    /// The other end, its protocol being the one that was asked.
    pub fn peer(&self) -> &Arc<Peer> {
        &self.0.peer
    }

    /// When to stop taking calls; it owns what outlives its connection.
    pub fn drain(&self) -> &Drain {
        &self.0.connection.drain
    }

    /// Where what the peer does wrong is counted.
    pub fn offences(&self) -> &Offences {
        &self.0.connection.offences
    }

    /// The settings.
    pub fn config(&self) -> &HttpConfig {
        &self.0.connection.config
    }

    /// Whether HTTP services of the user's own are mounted beside the protocols: one of them may want
    /// what a protocol could only refuse.
    pub fn has_mounts(&self) -> bool {
        self.0.connection.mounted
    }

    /// A request's whole body, as [`Body::read_all`] within the settings' time. What is longer than 64 KiB
    /// counts against the server's memory until nobody has it any more.
    ///
    /// # Errors
    /// As [`Body::read_all`]; ResourceExhausted where the server's memory is used up.
    pub async fn read_all(&self, body: Body, limit: usize) -> Result<Bytes> {
        let parts = &self.0.connection;
        body.read_within(limit, parts.config.body_timeout, Some(&parts.memory)).await
    }

    /// Counts a message against the server's memory until nobody has it any more, if it is longer than
    /// 64 KiB.
    ///
    /// # Errors
    /// ResourceExhausted where the memory is used up.
    pub fn count(&self, message: Bytes) -> Result<Bytes> {
        body::count(message, &self.0.connection.memory)
    }

    pub(crate) fn is_loopback(&self) -> bool {
        self.0.connection.loopback
    }

    /// Spawns work that lives no longer than the connection, such as what follows an [`upgrade`]: a
    /// connection that has been upgraded lasts until all of it is done. Must be called within a
    /// runtime.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.connection.tasks.spawn(work);
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("peer", &self.0.peer).finish_non_exhaustive()
    }
}

/// The doors of one connection: one for each protocol, made when it is first asked, and one for none.
pub(crate) struct Doors {
    connection: Arc<ConnectionParts>,
    of_none: Door,
    of: Box<[OnceLock<Door>]>,
}

impl Doors {
    pub(crate) fn new(connection: ConnectionParts, protocols: usize) -> Doors {
        let connection = Arc::new(connection);
        let of_none = Door::new(&connection, "");
        Doors { of_none, of: (0..protocols).map(|_| OnceLock::new()).collect(), connection }
    }

    /// The one for protocol number `n`.
    pub(crate) fn of(&self, n: usize, name: &str) -> &Door {
        self.of.get(n).map_or(&self.of_none, |door| door.get_or_init(|| Door::new(&self.connection, name)))
    }

    pub(crate) fn of_none(&self) -> &Door {
        &self.of_none
    }
}

/// The bytes of a connection after an answer of 101, or of 200 to CONNECT, has been sent: ask for
/// them before answering, and await them in [`Door::spawn`].
///
/// # Errors
/// FailedPrecondition at once where this connection cannot be upgraded; later Unavailable when it
/// ended before.
pub fn upgrade(request: &mut Request<Body>) -> Result<impl Future<Output = Result<BoxIo>> + Send + 'static> {
    if request.extensions().get::<hyper::upgrade::OnUpgrade>().is_none() {
        return Err(Status::failed_precondition("this connection cannot be upgraded: use HTTP/1.1"));
    }
    let upgraded = hyper::upgrade::on(request);
    Ok(async move {
        let io = upgraded
            .await
            .map_err(|error| Status::unavailable("the connection ended before it was upgraded").with_source(error))?;
        let io: BoxIo = Box::pin(TokioIo::new(io));
        Ok(io)
    })
}
