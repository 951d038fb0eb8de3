//! A node's side: a `Registry` behind the network.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use motet_core::{
    Abilities, BoxFuture, Endpoint, Entropy, Node, Registration, Registry, Result, ServiceSummary, Status, Transport,
    Watch, WatchAbility, check_node, follow_nodes,
};

use super::session::{Answer, Session};

/// The registry of a simulation, as one process sees it. It connects when first used, and again
/// whenever the connection is lost.
pub(crate) struct RemoteRegistry(Arc<Session>);

impl RemoteRegistry {
    /// The registry that listens at an endpoint.
    pub(crate) fn new(transport: Arc<dyn Transport>, endpoint: Endpoint, entropy: &Entropy) -> RemoteRegistry {
        RemoteRegistry(Session::new(transport, endpoint, format!("{:016x}", entropy.next_u64())))
    }

    /// Falls silent at once, as a process that was killed.
    #[cfg(test)]
    pub(crate) fn halt(&self) {
        self.0.halt();
    }
}

impl Registry for RemoteRegistry {
    fn url(&self) -> String {
        "sim://registry".to_owned()
    }

    fn abilities(&self) -> Abilities {
        let mut abilities = Abilities::new(Some(Duration::from_secs(10)), WatchAbility::Push);
        abilities.granularity = Duration::from_millis(250);
        abilities
    }

    fn register(&self, node: Node, ttl: Duration) -> BoxFuture<'_, Result<Box<dyn Registration>>> {
        Box::pin(async move {
            check_node(&node)?;
            let taken = Status::already_exists(format!("node {} of {} is registered already", node.id, node.service));
            let Some(claim) = self.0.claim(&node) else { return Err(taken) };
            if let Answer::Taken = self.0.put(&node, ttl).await? {
                return Err(taken);
            }
            self.0.keep(&node, ttl);
            claim.keep();
            let registration = RemoteRegistration {
                session: self.0.clone(),
                last: Mutex::new(node),
                ttl,
                closed: AtomicBool::new(false),
            };
            Ok(Box::new(registration) as Box<dyn Registration>)
        })
    }

    fn lookup<'a>(&'a self, service: &'a str) -> BoxFuture<'a, Result<Vec<Node>>> {
        Box::pin(async move { self.0.nodes(Some(service)).await })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<ServiceSummary>>> {
        Box::pin(async move { Ok(ServiceSummary::of(&self.0.nodes(None).await?)) })
    }

    fn watch<'a>(&'a self, service: &'a str) -> BoxFuture<'a, Result<Watch>> {
        Box::pin(async move {
            let session = self.0.clone();
            let nodes = self.0.watch(service).await?;
            Ok(follow_nodes(nodes, move |nodes| {
                // The watch keeps the connection, also when the registry itself is gone.
                let _ = &session;
                nodes.clone()
            }))
        })
    }
}

struct RemoteRegistration {
    session: Arc<Session>,
    last: Mutex<Node>,
    ttl: Duration,
    closed: AtomicBool,
}

impl Registration for RemoteRegistration {
    fn node(&self) -> Node {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn update(&self, node: Node) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            check_node(&node)?;
            let own = self.node();
            if (&node.service, &node.id) != (&own.service, &own.id) {
                let message = format!("a registration keeps its service and id: {}/{}", own.service, own.id);
                return Err(Status::invalid_argument(message));
            }
            if self.closed.load(Ordering::Acquire) {
                return Err(Status::failed_precondition(format!("the registration of node {} is closed", own.id)));
            }
            match self.session.put(&node, self.ttl).await? {
                Answer::Taken => Err(Status::unavailable(format!("node {} was taken over by another", own.id))),
                _ => {
                    self.session.keep(&node, self.ttl);
                    *self.last.lock().unwrap_or_else(PoisonError::into_inner) = node;
                    Ok(())
                }
            }
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            if self.closed.swap(true, Ordering::AcqRel) {
                return Ok(());
            }
            self.session.remove(&self.node()).await
        })
    }
}

impl Drop for RemoteRegistration {
    fn drop(&mut self) {
        if !self.closed.load(Ordering::Acquire) {
            self.session.remove_later(&self.node());
        }
    }
}

impl fmt::Debug for RemoteRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RemoteRegistry")
    }
}
