//! A TCP proxy with faults, inside the test's process.
//!
//! It forwards bytes and knows no protocol, so that every protocol's tests can put it between two
//! sides. It is no model of a network: for simulated time and seeds use the simulation.
//!
//! ```
//! # async fn example(server: std::net::SocketAddr) -> std::io::Result<()> {
//! use std::time::Duration;
//! use motet_testkit::proxy::{Direction, Ending, FaultProxy, Faults};
//!
//! let proxy = FaultProxy::start(server.to_string()).await?;
//! // Clients dial proxy.address(). The third connection is reset after 100 bytes of its replies.
//! proxy.script(|connection| match connection {
//!     2 => [Faults::none(), Faults::none().end_after(100, Ending::Reset)],
//!     _ => Default::default(),
//! });
//! // From now on everything takes 50 ms longer on its way to the server.
//! proxy.set(Direction::ToServer, Faults::none().delay(Duration::from_millis(50)));
//! # Ok(())
//! # }
//! ```
//!
//! In reading order: [`FaultProxy`], [`Faults`], [`Ending`], [`ProxyCounts`].

mod connection;
mod faults;
mod pump;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use motet_core::Map;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{AbortHandle, JoinSet},
};

pub use self::faults::{Direction, Ending, Faults};

/// What a connection is given when it is accepted: towards the server, and towards the client.
type Script = Box<dyn Fn(usize) -> [Faults; 2] + Send + Sync>;

/// A TCP proxy with faults. Dropping it closes its port and all connections.
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

/// What has gone through a [`FaultProxy`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxyCounts {
    /// Connections accepted.
    pub accepted: usize,
    /// Connections open now.
    pub open: usize,
    /// Connections for which the target could not be dialled.
    pub failed: usize,
    /// Bytes forwarded to the server.
    pub to_server: u64,
    /// Bytes forwarded to clients.
    pub to_client: u64,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    accepted: AtomicUsize,
    failed: AtomicUsize,
    forwarded: [AtomicU64; 2],
}

#[derive(Default)]
struct State {
    defaults: [Faults; 2],
    script: Option<Script>,
    open: Map<usize, [watch::Sender<Faults>; 2]>,
}

impl FaultProxy {
    /// Listens on a free port of this machine and forwards to `target`, such as `127.0.0.1:4000`,
    /// without faults. Must be called within a runtime.
    ///
    /// # Errors
    /// There is no port.
    pub async fn start(target: impl Into<String>) -> io::Result<FaultProxy> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(accept(listener, target.into(), shared.clone())).abort_handle();
        Ok(FaultProxy { address, shared, task })
    }

    /// Where clients dial it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets what happens in one direction, on all connections that are open and, unless there is a
    /// script, on those that come.
    pub fn set(&self, direction: Direction, faults: Faults) {
        let mut state = self.shared.state();
        for connection in state.open.values() {
            connection[direction as usize].send_replace(faults.clone());
        }
        state.defaults[direction as usize] = faults;
    }

    /// Sets what happens on one open connection, by its number: the first that was accepted is 0.
    /// Says whether it is open.
    pub fn set_connection(&self, connection: usize, direction: Direction, faults: Faults) -> bool {
        let state = self.shared.state();
        let open = state.open.get(&connection);
        open.map(|connection| connection[direction as usize].send_replace(faults)).is_some()
    }

    /// Decides what happens on each connection to come, from its number: towards the server, and
    /// towards the client.
    pub fn script(&self, script: impl Fn(usize) -> [Faults; 2] + Send + Sync + 'static) {
        self.shared.state().script = Some(Box::new(script));
    }

    /// No faults and no script any more. What has ended stays so.
    pub fn heal(&self) {
        self.shared.state().script = None;
        self.set(Direction::ToServer, Faults::none());
        self.set(Direction::ToClient, Faults::none());
    }

    /// What has gone through it.
    pub fn counts(&self) -> ProxyCounts {
        let shared = &self.shared;
        let [to_server, to_client] = [0, 1].map(|n: usize| shared.forwarded[n].load(Ordering::Acquire));
        ProxyCounts {
            accepted: shared.accepted.load(Ordering::Acquire),
            open: shared.state().open.len(),
            failed: shared.failed.load(Ordering::Acquire),
            to_server,
            to_client,
        }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl std::fmt::Debug for FaultProxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultProxy").field("address", &self.address).field("counts", &self.counts()).finish()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accepts until dropped, and then drops all connections with itself.
async fn accept(listener: TcpListener, target: String, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else {
            // Out of descriptors: they come back when connections end.
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            continue;
        };
        let number = shared.accepted.fetch_add(1, Ordering::AcqRel);
        connections.spawn(run(client, target.clone(), number, shared.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// The entry of an open connection, until dropped.
struct Entry {
    number: usize,
    shared: Arc<Shared>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.shared.state().open.remove(&self.number);
    }
}

async fn run(client: TcpStream, target: String, number: usize, shared: Arc<Shared>) {
    let faults = {
        let mut state = shared.state();
        let faults = state.script.as_ref().map_or_else(|| state.defaults.clone(), |script| script(number));
        let [up, down] = faults.map(watch::Sender::new);
        let faults = [up.subscribe(), down.subscribe()];
        state.open.insert(number, [up, down]);
        faults
    };
    let _entry = Entry { number, shared: shared.clone() };
    match TcpStream::connect(&target).await {
        Ok(server) => connection::forward([client, server], faults, &shared.forwarded).await,
        Err(_) => {
            shared.failed.fetch_add(1, Ordering::AcqRel);
            connection::reset(&client);
        }
    }
}
