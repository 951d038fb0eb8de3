//! A registry inside one process.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use crate::{
    Abilities, BoxFuture, Map, Node, Registration, Registry, RegistryEvent, Result, ServiceSummary, Status, Streaming,
    Watch, WatchAbility, registry::check_node,
};

/// A registry inside one process. Clones share their nodes; two Apps see each other through it only
/// if they were given clones of one. A record lives until its registration is closed or dropped.
#[derive(Clone, Default)]
pub struct MemoryRegistry(Arc<Shared>);

#[derive(Default)]
struct Shared {
    nodes: Mutex<Map<(String, String), (u64, Node)>>,
    changes: watch::Sender<u64>,
}

impl MemoryRegistry {
    /// A registry without nodes.
    pub fn new() -> MemoryRegistry {
        MemoryRegistry::default()
    }
}

impl Shared {
    fn change<T>(&self, f: impl FnOnce(&mut Map<(String, String), (u64, Node)>, u64) -> T) -> T {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = None;
        self.changes.send_modify(|version| {
            *version += 1;
            changed = Some(f(&mut nodes, *version));
        });
        changed.expect("send_modify runs its closure")
    }

    fn of(&self, service: &str) -> Vec<Node> {
        let nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<_> =
            nodes.values().filter(|(_, node)| node.service == service).map(|(_, node)| node.clone()).collect();
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found
    }
}

impl Registry for MemoryRegistry {
    fn url(&self) -> String {
        "memory:".to_owned()
    }

    fn abilities(&self) -> Abilities {
        Abilities { granularity: Duration::ZERO, ..Abilities::new(Some(Duration::ZERO), WatchAbility::Push) }
    }

    fn register(&self, node: Node, _: Duration) -> BoxFuture<'_, Result<Box<dyn Registration>>> {
        Box::pin(async move {
            check_node(&node)?;
            let key = (node.service.clone(), node.id.clone());
            let owner = self.0.change(|nodes, version| {
                nodes.insert(key.clone(), (version, node));
                version
            });
            Ok(Box::new(MemoryRegistration { shared: self.0.clone(), key, owner }) as Box<dyn Registration>)
        })
    }

    fn lookup<'a>(&'a self, service: &'a str) -> BoxFuture<'a, Result<Vec<Node>>> {
        Box::pin(async move { Ok(self.0.of(service)) })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<ServiceSummary>>> {
        Box::pin(async move {
            let nodes = self.0.nodes.lock().unwrap_or_else(PoisonError::into_inner);
            let all: Vec<_> = nodes.values().map(|(_, node)| node.clone()).collect();
            Ok(ServiceSummary::of(&all))
        })
    }

    fn watch<'a>(&'a self, service: &'a str) -> BoxFuture<'a, Result<Watch>> {
        Box::pin(async move {
            let (sender, stream) = Streaming::channel(64);
            let (shared, service) = (Arc::downgrade(&self.0), service.to_owned());
            let mut changes = self.0.changes.subscribe();
            let mut known = self.0.of(&service);
            // The task ends with the stream's receiver or with the registry.
            tokio::spawn(async move {
                if sender.send(Ok(RegistryEvent::Reset(known.clone()))).await.is_err() {
                    return;
                }
                loop {
                    let open = tokio::select! {
                        biased;
                        () = sender.closed() => false,
                        changed = changes.changed() => changed.is_ok(),
                    };
                    let Some(shared) = shared.upgrade().filter(|_| open) else { return };
                    let now = shared.of(&service);
                    drop(shared);
                    for event in difference(&known, &now) {
                        if sender.send(Ok(event)).await.is_err() {
                            return;
                        }
                    }
                    known = now;
                }
            });
            Ok(stream)
        })
    }
}

/// The events that lead from one list of nodes to another.
pub(crate) fn difference(before: &[Node], after: &[Node]) -> Vec<RegistryEvent> {
    let put = after.iter().filter(|node| !before.contains(node)).cloned().map(RegistryEvent::Put);
    let gone = before.iter().filter(|node| !after.iter().any(|other| other.id == node.id));
    let remove = gone.map(|node| RegistryEvent::Remove(node.id.clone()));
    put.chain(remove).collect()
}

struct MemoryRegistration {
    shared: Arc<Shared>,
    key: (String, String),
    owner: u64,
}

impl MemoryRegistration {
    fn remove(&self) {
        self.shared.change(|nodes, _| {
            if nodes.get(&self.key).is_some_and(|(owner, _)| *owner == self.owner) {
                nodes.remove(&self.key);
            }
        });
    }
}

impl Registration for MemoryRegistration {
    fn node(&self) -> Node {
        let nodes = self.shared.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        match nodes.get(&self.key) {
            Some((_, node)) => node.clone(),
            None => Node::new(&self.key.0, &self.key.1),
        }
    }

    fn update(&self, node: Node) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            check_node(&node)?;
            if (&node.service, &node.id) != (&self.key.0, &self.key.1) {
                return Err(Status::invalid_argument(format!(
                    "a registration keeps its service and id: {}/{}",
                    self.key.0, self.key.1
                )));
            }
            self.shared.change(|nodes, _| match nodes.get_mut(&self.key) {
                Some((owner, current)) if *owner == self.owner => {
                    *current = node;
                    Ok(())
                }
                _ => Err(Status::failed_precondition(format!("node {} is no longer registered", self.key.1))),
            })
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.remove();
            Ok(())
        })
    }
}

impl Drop for MemoryRegistration {
    fn drop(&mut self) {
        self.remove();
    }
}

impl fmt::Debug for MemoryRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = self.0.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_set().entries(nodes.keys()).finish()
    }
}
