//! Byte streams inside one process.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::mpsc;

use crate::{Accepted, BoxFuture, BoxIo, Endpoint, Listener, Map, Peer, Result, Status, Transport};

/// How many bytes wait in one direction of a connection.
const BUFFER: usize = 256 * 1024;
/// How many connections wait to be accepted.
const BACKLOG: usize = 4096;

/// Byte streams inside one process, by name. Clones share their names; two Apps reach each other
/// through it only if they were given clones of one.
#[derive(Clone, Default)]
pub struct MemoryTransport(Arc<Shared>);

#[derive(Default)]
struct Shared {
    listeners: Mutex<Map<String, mpsc::Sender<BoxIo>>>,
    next: AtomicU64,
}

impl MemoryTransport {
    /// A transport without listeners.
    pub fn new() -> MemoryTransport {
        MemoryTransport::default()
    }
}

impl Transport for MemoryTransport {
    fn scheme(&self) -> &str {
        "memory"
    }

    fn listen<'a>(&'a self, address: &'a str) -> BoxFuture<'a, Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let name = match address {
                "" => format!("auto-{}", self.0.next.fetch_add(1, Ordering::Relaxed)),
                name => name.to_owned(),
            };
            let (sender, receiver) = mpsc::channel(BACKLOG);
            let mut listeners = self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner);
            if listeners.get(&name).is_some_and(|sender| !sender.is_closed()) {
                return Err(Status::unavailable(format!("memory://{name} is taken")));
            }
            listeners.insert(name.clone(), sender);
            Ok(Box::new(MemoryListener { name, incoming: tokio::sync::Mutex::new(receiver) }) as Box<dyn Listener>)
        })
    }

    fn dial<'a>(&'a self, endpoint: &'a Endpoint) -> BoxFuture<'a, Result<BoxIo>> {
        Box::pin(async move {
            let name = &endpoint.address;
            let nobody = || Status::unavailable("nobody listens there").with_executed(crate::Executed::No);
            let sender = {
                let mut listeners = self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner);
                listeners.retain(|_, sender| !sender.is_closed());
                listeners.get(name).cloned().ok_or_else(nobody)?
            };
            let (near, far) = tokio::io::duplex(BUFFER);
            sender.send(Box::pin(far)).await.map_err(|_| nobody())?;
            Ok(Box::pin(near) as BoxIo)
        })
    }
}

struct MemoryListener {
    name: String,
    incoming: tokio::sync::Mutex<mpsc::Receiver<BoxIo>>,
}

impl Listener for MemoryListener {
    fn endpoint(&self) -> Endpoint {
        Endpoint::new("memory", &self.name)
    }

    fn accept(&self) -> BoxFuture<'_, Result<Accepted>> {
        Box::pin(async move {
            match self.incoming.lock().await.recv().await {
                Some(io) => Ok(Accepted { io, peer: Peer::new("memory", &self.name, true) }),
                // The transport itself is gone: nobody can dial any more.
                None => std::future::pending().await,
            }
        })
    }
}

impl fmt::Debug for MemoryTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryTransport")
    }
}
