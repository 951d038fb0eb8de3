//! Somebody who watches a service.

use std::time::Duration;

use motet_core::{Node, RegistryEvent, Watch};
use tokio::time::{Instant, timeout_at};

use super::Shared;

/// Somebody who watches a service, and knows what a user of the watch would know.
pub struct Observer {
    watch: Watch,
    nodes: Vec<Node>,
    events: Vec<RegistryEvent>,
    patience: Duration,
}

impl Observer {
    /// Watches a service; each thing waited for may take as long as `patience`.
    ///
    /// # Panics
    /// When the watch cannot be started.
    pub async fn of(registry: &Shared, service: &str, patience: Duration) -> Observer {
        let watch = registry.watch(service).await.expect("the service can be watched");
        Observer { watch, nodes: Vec::new(), events: Vec::new(), patience }
    }

    /// The nodes as the events until now tell them, sorted by id.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The next event. Errors, which report an outage, are passed over.
    ///
    /// # Panics
    /// When it does not come in time or the watch ends.
    pub async fn next(&mut self) -> RegistryEvent {
        let by = Instant::now() + self.patience;
        self.next_by(by).await
    }

    async fn next_by(&mut self, by: Instant) -> RegistryEvent {
        loop {
            let item = match timeout_at(by, self.watch.next()).await {
                Ok(item) => item.expect("a watch does not end by itself"),
                Err(_) => {
                    panic!("no event in {:?}; nodes: {:#?}; events: {:#?}", self.patience, self.nodes, self.events)
                }
            };
            if let Ok(event) = item {
                event.clone().apply(&mut self.nodes);
                // Enough to see what went wrong.
                if self.events.len() < 100 {
                    self.events.push(event.clone());
                }
                return event;
            }
        }
    }

    /// Takes in events until the nodes are as wanted.
    ///
    /// # Panics
    /// When they do not become so in time.
    pub async fn until(&mut self, wanted: impl Fn(&[Node]) -> bool) -> &[Node] {
        let by = Instant::now() + self.patience;
        while !wanted(&self.nodes) {
            self.next_by(by).await;
        }
        &self.nodes
    }
}
