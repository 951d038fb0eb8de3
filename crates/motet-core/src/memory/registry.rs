//! A registry inside one process.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use crate::{
    Abilities, BoxFuture, Node, Registration, Registry, Result, ServiceSummary, Status, Watch, WatchAbility,
    registry::{check_node, follow_nodes},
};

/// A registry inside one process. Clones share their nodes; two Apps see each other through it only
/// if they were given clones of one. A record lives until its registration is closed or dropped.
#[derive(Clone, Default)]
pub struct MemoryRegistry(Arc<Shared>);

#[derive(Default)]
struct Shared {
    records: Mutex<Records>,
    changes: watch::Sender<()>,
}

/// By service and id. A record's number tells it from an earlier one of the same id.
#[derive(Default)]
struct Records {
    services: BTreeMap<String, BTreeMap<String, (u64, Node)>>,
    registered: u64,
}

impl MemoryRegistry {
    /// A registry without nodes.
    pub fn new() -> MemoryRegistry {
        MemoryRegistry::default()
    }
}

impl Shared {
    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, service: &str) -> Vec<Node> {
        let records = self.records();
        let nodes = records.services.get(service).into_iter().flat_map(BTreeMap::values);
        nodes.map(|(_, node)| node.clone()).collect()
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
            let (service, id) = (node.service.clone(), node.id.clone());
            let number = {
                let mut records = self.0.records();
                if records.services.get(&service).is_some_and(|nodes| nodes.contains_key(&id)) {
                    return Err(Status::already_exists(format!("node {id} of {service} is registered already")));
                }
                records.registered += 1;
                let number = records.registered;
                records.services.entry(service.clone()).or_default().insert(id.clone(), (number, node.clone()));
                number
            };
            self.0.changes.send_replace(());
            let registration =
                MemoryRegistration { shared: self.0.clone(), service, id, number, last: Mutex::new(node) };
            Ok(Box::new(registration) as Box<dyn Registration>)
        })
    }

    fn lookup<'a>(&'a self, service: &'a str) -> BoxFuture<'a, Result<Vec<Node>>> {
        Box::pin(async move { Ok(self.0.of(service)) })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<ServiceSummary>>> {
        Box::pin(async move {
            let records = self.0.records();
            let nodes = records.services.values().flat_map(BTreeMap::values);
            Ok(ServiceSummary::of(&nodes.map(|(_, node)| node.clone()).collect::<Vec<_>>()))
        })
    }

    fn watch<'a>(&'a self, service: &'a str) -> BoxFuture<'a, Result<Watch>> {
        Box::pin(async move {
            let (shared, service) = (self.0.clone(), service.to_owned());
            Ok(follow_nodes(self.0.changes.subscribe(), move |()| Ok(shared.of(&service).into())))
        })
    }
}

struct MemoryRegistration {
    shared: Arc<Shared>,
    service: String,
    id: String,
    number: u64,
    last: Mutex<Node>,
}

impl MemoryRegistration {
    fn last(&self) -> MutexGuard<'_, Node> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove(&self) {
        let mut records = self.shared.records();
        let Some(nodes) = records.services.get_mut(&self.service) else { return };
        if nodes.get(&self.id).is_none_or(|(number, _)| *number != self.number) {
            return;
        }
        nodes.remove(&self.id);
        if nodes.is_empty() {
            records.services.remove(&self.service);
        }
        drop(records);
        self.shared.changes.send_replace(());
    }
}

impl Registration for MemoryRegistration {
    fn node(&self) -> Node {
        self.last().clone()
    }

    fn update(&self, node: Node) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            check_node(&node)?;
            if (&node.service, &node.id) != (&self.service, &self.id) {
                return Err(Status::invalid_argument(format!(
                    "a registration keeps its service and id: {}/{}",
                    self.service, self.id
                )));
            }
            {
                let mut records = self.shared.records();
                let record = records.services.get_mut(&self.service).and_then(|nodes| nodes.get_mut(&self.id));
                let Some((_, current)) = record.filter(|(number, _)| *number == self.number) else {
                    return Err(Status::failed_precondition(format!("the registration of node {} is closed", self.id)));
                };
                current.clone_from(&node);
                *self.last() = node;
            }
            self.shared.changes.send_replace(());
            Ok(())
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
        let records = self.0.records();
        f.debug_map().entries(records.services.iter().map(|(service, nodes)| (service, nodes.keys()))).finish()
    }
}
