//! A registry whose nodes are fixed.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{
    Abilities, Registration, Registry, ServiceSummary, Watch, WatchAbility, changes::follow_nodes, check_node,
};
use crate::{BoxFuture, Node, Result, Status};

/// A fixed list of nodes.
#[derive(Clone, Debug, Default)]
pub struct StaticRegistry {
    nodes: Vec<Node>,
}

impl StaticRegistry {
    /// A registry of these nodes.
    ///
    /// # Errors
    /// InvalidArgument for a node without service, id or endpoint; AlreadyExists for one listed twice.
    pub fn new(nodes: impl IntoIterator<Item = Node>) -> Result<StaticRegistry> {
        let mut nodes: Vec<_> = nodes.into_iter().collect();
        nodes.iter().try_for_each(check_node)?;
        nodes.sort_by(|a, b| (&a.service, &a.id).cmp(&(&b.service, &b.id)));
        if let Some([twice, _]) = nodes.array_windows().find(|[a, b]| (&a.service, &a.id) == (&b.service, &b.id)) {
            return Err(Status::already_exists(format!("node {} of {} is listed twice", twice.id, twice.service)));
        }
        Ok(StaticRegistry { nodes })
    }

    fn of(&self, service: &str) -> Vec<Node> {
        self.nodes.iter().filter(|node| node.service == service).cloned().collect()
    }
}

impl Registry for StaticRegistry {
    fn url(&self) -> String {
        "static:".to_owned()
    }

    fn abilities(&self) -> Abilities {
        Abilities { register: false, update: false, ..Abilities::new(None, WatchAbility::Fixed) }
    }

    fn register(&self, node: Node, _: Duration) -> BoxFuture<'_, Result<Box<dyn Registration>>> {
        Box::pin(async move {
            Err(Status::unimplemented(format!(
                "node {} cannot be registered: a static registry holds the nodes it was made with",
                node.id
            )))
        })
    }

    fn lookup<'a>(&'a self, service: &'a str) -> BoxFuture<'a, Result<Vec<Node>>> {
        Box::pin(async move { Ok(self.of(service)) })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<ServiceSummary>>> {
        Box::pin(async move { Ok(ServiceSummary::of(&self.nodes)) })
    }

    fn watch<'a>(&'a self, service: &'a str) -> BoxFuture<'a, Result<Watch>> {
        // A channel whose sender is gone: one list, then silence.
        let (_, never) = watch::channel(());
        let nodes: Arc<[Node]> = self.of(service).into();
        Box::pin(async move { Ok(follow_nodes(never, move |()| Ok(nodes.clone()))) })
    }
}
