//! The transport that nodes are given.

use std::{future::poll_fn, io::ErrorKind};

use motet_core::{Accepted, BoxFuture, BoxIo, Endpoint, Executed, Listener, Result, Status, Transport};
use tokio::sync::mpsc;

use super::{Network, NodeId, stream::SimulatedStream};

/// The scheme of addresses in the simulated network: `sim://NODE`, or `sim://NODE:PORT`.
pub(in crate::simulation) const SCHEME: &str = "sim";

/// How many connections wait to be accepted.
const BACKLOG: usize = 4096;

/// The simulated network, as one node sees it.
pub(in crate::simulation) struct SimulatedTransport {
    network: Network,
    node: NodeId,
}

impl SimulatedTransport {
    pub(in crate::simulation) fn new(network: Network, node: NodeId) -> SimulatedTransport {
        SimulatedTransport { network, node }
    }
}

/// The node of an address.
fn node_of(address: &str) -> &str {
    address.split(':').next().unwrap_or(address)
}

impl Transport for SimulatedTransport {
    fn scheme(&self) -> &str {
        SCHEME
    }

    fn listen<'a>(&'a self, address: &'a str) -> BoxFuture<'a, Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let mut state = self.network.lock();
            let own = state.name(self.node);
            if node_of(address) != own {
                return Err(Status::invalid_argument(format!(
                    "sim://{address}: a node listens at addresses of its own, sim://{own} or sim://{own}:PORT"
                )));
            }
            if state.listeners.get(address).is_some_and(|(_, listener)| !listener.is_closed()) {
                return Err(Status::unavailable(format!("sim://{address} is taken")));
            }
            let (sender, incoming) = mpsc::channel(BACKLOG);
            state.listeners.insert(address.to_owned(), (self.node, sender));
            let listener =
                SimulatedListener { address: address.to_owned(), incoming: tokio::sync::Mutex::new(incoming) };
            Ok(Box::new(listener) as Box<dyn Listener>)
        })
    }

    fn dial<'a>(&'a self, endpoint: &'a Endpoint) -> BoxFuture<'a, Result<BoxIo>> {
        Box::pin(async move {
            let failed = |why: &str| Status::unavailable(why.to_owned()).with_executed(Executed::No);
            if endpoint.tls {
                return Err(failed("TLS is not simulated: its randomness cannot be replayed"));
            }
            let stream = {
                let mut state = self.network.lock();
                let Some(to) = state.find(node_of(&endpoint.address)) else {
                    return Err(failed("the simulation has no node of this name"));
                };
                let id = state.open(self.node, to, &endpoint.address);
                drop(state);
                SimulatedStream::new(self.network.clone(), id, 0)
            };
            match poll_fn(|cx| stream.poll_established(cx)).await {
                Ok(()) => Ok(Box::pin(stream) as BoxIo),
                Err(ErrorKind::TimedOut) => Err(failed("the machine does not answer")),
                Err(_) => Err(failed("nobody listens there")),
            }
        })
    }
}

struct SimulatedListener {
    address: String,
    incoming: tokio::sync::Mutex<mpsc::Receiver<Accepted>>,
}

impl Listener for SimulatedListener {
    fn endpoint(&self) -> Endpoint {
        Endpoint::new(SCHEME, &self.address)
    }

    fn accept(&self) -> BoxFuture<'_, Result<Accepted>> {
        Box::pin(async move {
            match self.incoming.lock().await.recv().await {
                Some(accepted) => Ok(accepted),
                // The machine has taken the listener away: the process is ending.
                None => std::future::pending().await,
            }
        })
    }
}
