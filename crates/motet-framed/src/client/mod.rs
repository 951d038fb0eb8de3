//! A client's connection.

mod call;
mod driver;

use std::sync::Arc;

use motet_core::{BoxFuture, Call, Connecting, Connection, ConnectionState, Endpoint, Executed, Reply, Result, Status};
use tokio::{
    sync::Notify,
    task::{AbortHandle, JoinHandle},
};

use crate::{ClientWire, Heartbeats, Limits, shared::Shared};
use driver::{Calls, Driver};

/// Connects to an endpoint.
///
/// # Errors
/// Unavailable, executed: no, when there is no connection in time.
pub async fn connect<W: ClientWire>(
    wire: W,
    limits: Limits,
    heartbeats: Heartbeats,
    endpoint: &Endpoint,
    connecting: &Connecting,
) -> Result<Arc<dyn Connection>> {
    let transport = connecting.transports.find(&endpoint.transport)?;
    let dialled = tokio::time::timeout_at(connecting.deadline, transport.dial_alpn(endpoint, &[])).await;
    let late = || Status::unavailable(format!("{endpoint} did not answer in time")).with_executed(Executed::No);
    let io = dialled.map_err(|_| late())??;
    let shared = Shared::new(Calls::default());
    let room = Arc::new(Notify::new());
    let driver = Driver::new(wire.clone(), &limits, heartbeats, io, shared.clone(), room.clone(), &connecting.codecs);
    let driver = Owned::new(tokio::spawn(driver.run()));
    Ok(Arc::new(Framed(Arc::new(Inner { wire, limits, shared, room, _driver: driver }))))
}

/// One connection to a node, shared by all calls on it.
struct Framed<W>(Arc<Inner<W>>);

/// What calls keep alive: the connection closes when the last of them and the pool let go.
struct Inner<W> {
    wire: W,
    limits: Limits,
    shared: Arc<Shared<Calls>>,
    /// Told when a call that waits may find room.
    room: Arc<Notify>,
    _driver: Owned,
}

impl<W: ClientWire> Connection for Framed<W> {
    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply>> {
        Box::pin(call::run(self.0.clone(), call))
    }

    fn state(&self) -> ConnectionState {
        let calls = &self.0.shared.lock().more;
        match () {
            () if calls.closed.is_some() => ConnectionState::Closed,
            () if calls.closing => ConnectionState::Draining,
            () if calls.suspect => ConnectionState::Suspect,
            () => ConnectionState::Open,
        }
    }

    fn in_flight(&self) -> usize {
        self.0.shared.lock().more.waiting.len()
    }

    fn close(&self) {
        self.0.shared.change(|state| state.more.closing = true);
    }
}

/// A spawned task that is stopped when this is dropped.
struct Owned(AbortHandle);

impl Owned {
    fn new(task: JoinHandle<()>) -> Owned {
        Owned(task.abort_handle())
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.abort();
    }
}
