//! Finds what a process has registered, and what it serves.

use std::{sync::Arc, time::Duration};

use motet::{
    App, Body, Client, Codec, Context, MethodDescriptor, Node, Payload, Registry, Result, RunningApp,
    ServiceDescriptor,
    core::{Family, NodeState},
};
use serde::Deserialize;
use tokio::time::Instant;

use crate::global::Global;

/// The label that tells the nodes of one process from all others.
pub(super) const LABEL: &str = "motet_run";

/// How often the registry is read.
const EVERY: Duration = Duration::from_millis(50);

/// How long the other services of a process are waited for once one is there.
const OTHERS: Duration = Duration::from_secs(2);

/// How long a node may take to say what it serves.
const ANSWER: Duration = Duration::from_secs(2);

/// Finds nodes, and asks them.
pub(super) struct Finder(RunningApp);

/// What a process serves.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// Its nodes that take calls, sorted by service.
    pub(super) nodes: Vec<Node>,
    /// What they say of themselves; nothing where they could not be asked.
    pub(super) services: Vec<ServiceDescriptor>,
}

impl Finder {
    /// Looks into the registry that the command line names, by default that of this machine.
    ///
    /// # Errors
    /// The registry cannot be opened.
    pub(super) async fn open(global: &Global) -> Result<Finder> {
        let url = global.registry.as_deref().filter(|url| !url.is_empty()).unwrap_or("file:");
        Ok(Finder(App::builder().name("motet run").registry(url).start().await?))
    }

    /// The registry's URL.
    pub(super) fn registry(&self) -> String {
        self.0.registry().url()
    }

    /// Waits until the process of this label has registered all that it serves; for ever, if it uses
    /// another registry. Cancel safe.
    pub(super) async fn find(&self, label: &str) -> Found {
        let mut first = None;
        loop {
            let nodes = nodes(self.0.registry(), label).await.unwrap_or_default();
            if !nodes.is_empty() {
                let services = describe(self.0.client(), &nodes[0]).await.unwrap_or_default();
                let waited = first.get_or_insert_with(Instant::now).elapsed();
                if nodes.len() >= services.len() || waited > OTHERS {
                    return Found { nodes, services };
                }
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}

/// The nodes of a label that take calls.
async fn nodes(registry: &Arc<dyn Registry>, label: &str) -> Result<Vec<Node>> {
    let mut found = Vec::new();
    for service in registry.list().await? {
        let nodes = registry.lookup(&service.name).await?;
        let own = |node: &Node| {
            node.state == NodeState::Active && node.metadata.get(LABEL).is_some_and(|found| found == label)
        };
        found.extend(nodes.into_iter().filter(own));
    }
    Ok(found)
}

#[derive(Deserialize)]
struct Described {
    services: Vec<ServiceDescriptor>,
}

/// What the process of a node says that it serves.
async fn describe(client: &Client, node: &Node) -> Option<Vec<ServiceDescriptor>> {
    let method = Arc::new(MethodDescriptor::new("motet.meta", "describe").family(Family::Plain));
    let meta = client.to(node.endpoints.first()?.to_string()).ok()?.service("motet.meta");
    let body = Body::One(Payload::encoded("{}", Codec::JSON));
    let call = meta.prepare(&method, &Context::new().with_timeout(ANSWER), Codec::JSON, body).ok()?;
    let reply = meta.call(call).await.ok()?.body.one().ok()?.bytes().ok()?;
    serde_json::from_slice(&reply).ok().map(|described: Described| described.services)
}
