//! The registry inside a simulation: a server on a node of its own, and what nodes reach it by.
//!
//! A record belongs to the owner that put it, for as long as that owner is heard of; then it expires.
//! The server forgets everything when its node crashes, and owners put their records again.

mod client;
mod server;
mod session;
mod wire;

pub(super) use client::RemoteRegistry;
pub(super) use server::serve;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use motet_core::{BoxFuture, Endpoint, Entropy, MemoryTransport, Node, Result, Transport};

    use super::*;
    use crate::registry::{Kill, RegistryHarness, Shared};

    /// The registry over a memory transport, in real time.
    struct Harness {
        transport: Arc<dyn Transport>,
        endpoint: Endpoint,
        _server: Server,
    }

    struct Server(tokio::task::JoinHandle<()>);

    impl Drop for Server {
        fn drop(&mut self) {
            self.0.abort();
        }
    }

    impl Harness {
        fn new() -> Harness {
            let transport: Arc<dyn Transport> = Arc::new(MemoryTransport::new());
            let (own, endpoint) = (transport.clone(), Endpoint::new("memory", "registry"));
            let server = tokio::spawn(async move {
                let listener = own.listen("registry").await.expect("free");
                serve(listener).await;
            });
            Harness { transport, endpoint, _server: Server(server) }
        }

        fn registry(&self) -> RemoteRegistry {
            RemoteRegistry::new(self.transport.clone(), self.endpoint.clone(), &Entropy::from_system())
        }
    }

    impl RegistryHarness for Harness {
        fn open(&self) -> BoxFuture<'_, Result<Shared>> {
            Box::pin(async { Ok(Shared::from(self.registry())) })
        }

        fn mortal(&self, node: Node) -> Option<BoxFuture<'_, Kill>> {
            Some(Box::pin(async move {
                let registry = self.registry();
                let registration =
                    motet_core::Registry::register(&registry, node, crate::registry::TTL).await.expect("registered");
                let kill = move || {
                    registry.halt();
                    std::mem::forget(registration);
                };
                Box::new(kill) as Kill
            }))
        }
    }

    crate::registry_conformance!(Harness::new());
}
