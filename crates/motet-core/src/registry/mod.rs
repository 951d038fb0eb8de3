//! Who runs where.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{BoxFuture, Node, Result, Status, Streaming};

mod changes;
mod fixed;

pub use changes::follow_nodes;
pub use fixed::StaticRegistry;

/// Who runs where: the nodes of every service, kept up to date.
///
/// # Obligations of an implementation
/// - A registration lives until it is closed, or until `ttl` after its process died, whichever
///   comes first; the implementation renews it by itself and restores it after an outage.
/// - It changes and deletes only the records of its own registrations.
/// - [`Registry::watch`] sends [`RegistryEvent::Reset`] first, with all nodes, then every change in
///   order; after any gap it sends `Reset` again. An outage of the backend is a gap, not an empty
///   service: `Reset` is sent when the backend answers again.
/// - Records it cannot read are passed over and logged once, never an error for all others.
/// - All futures are cancel safe: a dropped one leaves at most a registration that expires.
///
/// # Obligations of a user
/// - Serve the last nodes known while the registry is away.
/// - Treat nodes as claims: a node that does not answer is passed over, whatever the registry says.
pub trait Registry: Send + Sync + 'static {
    /// The URL that names it, such as `file:///tmp/motet-0`, without credentials.
    fn url(&self) -> String;

    /// What it can do.
    fn abilities(&self) -> Abilities;

    /// Records a node and keeps the record alive. The id belongs to the registration: until that is
    /// closed, dropped or expired nobody else gets it, through this registry or through another; its
    /// holder changes the record with [`Registration::update`]. A record whose owner died is taken
    /// over once it has expired.
    ///
    /// `ttl` is how long the record may outlive its owner. A backend that learns of an owner's end
    /// by itself ignores it; [`Abilities::lease`] says what holds.
    ///
    /// # Errors
    /// InvalidArgument for a node without service, id or endpoint; AlreadyExists when a living
    /// registration holds the id; Unimplemented when the registry takes no registrations;
    /// Unavailable when the backend does not answer.
    fn register(&self, node: Node, ttl: Duration) -> BoxFuture<'_, Result<Box<dyn Registration>>>;

    /// The nodes of a service at this moment; empty when there is none.
    ///
    /// # Errors
    /// Unavailable when the backend does not answer.
    fn lookup<'a>(&'a self, service: &'a str) -> BoxFuture<'a, Result<Vec<Node>>>;

    /// The services that have nodes, sorted by name.
    ///
    /// # Errors
    /// Unavailable when the backend does not answer.
    fn list(&self) -> BoxFuture<'_, Result<Vec<ServiceSummary>>>;

    /// The nodes of a service and every change from now on. Dropping the stream ends the watch.
    ///
    /// # Errors
    /// Unavailable when the backend does not answer.
    fn watch<'a>(&'a self, service: &'a str) -> BoxFuture<'a, Result<Watch>>;
}

/// What [`Registry::watch`] gives: it never ends by itself; an error item says that the backend is
/// away, and the stream goes on.
pub type Watch = Streaming<RegistryEvent>;

/// A change to the nodes of one service.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RegistryEvent {
    /// These are all nodes; forget what was known.
    Reset(Vec<Node>),
    /// A node is new or has changed.
    Put(Node),
    /// The node of this id is gone.
    Remove(String),
}

/// A node's record, kept alive until it is closed. Dropping it closes it in the background.
pub trait Registration: Send + Sync + 'static {
    /// The node as it is recorded.
    fn node(&self) -> Node;

    /// Changes the record: state, weight, metadata, endpoints. Service and id stay.
    ///
    /// # Errors
    /// InvalidArgument for another service or id; FailedPrecondition after [`Registration::close`];
    /// Unavailable when the backend does not answer.
    fn update(&self, node: Node) -> BoxFuture<'_, Result<()>>;

    /// Marks the node as one that takes calls.
    ///
    /// # Errors
    /// As [`Registration::update`].
    fn activate(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let mut node = self.node();
            node.state = crate::NodeState::Active;
            self.update(node).await
        })
    }

    /// Deletes the record. Closing again changes nothing.
    ///
    /// # Errors
    /// Unavailable when the backend does not answer; the record then expires by its ttl.
    fn close(&self) -> BoxFuture<'_, Result<()>>;
}

/// What a registry can do.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Abilities {
    /// Whether nodes can be registered through it.
    pub register: bool,
    /// How long after its process died a record is gone, at most; `None` when it stays.
    pub lease: Option<Duration>,
    /// How changes reach a watch.
    pub watch: WatchAbility,
    /// Whether a record can be changed in place.
    pub update: bool,
    /// The finest difference in time that leases are measured in.
    pub granularity: Duration,
}

/// How changes reach a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchAbility {
    /// They never come: the nodes are fixed.
    Fixed,
    /// By asking again at this interval.
    Poll(Duration),
    /// By themselves.
    Push,
}

impl Abilities {
    /// Abilities of a registry that takes registrations.
    pub fn new(lease: Option<Duration>, watch: WatchAbility) -> Abilities {
        Abilities { register: true, lease, watch, update: true, granularity: Duration::from_millis(100) }
    }
}

/// A service that has nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceSummary {
    /// The name.
    pub name: String,
    /// The versions that run, sorted.
    pub versions: Vec<String>,
    /// How many nodes there are.
    pub nodes: usize,
}

impl ServiceSummary {
    /// Sums up nodes of any services, sorted by service.
    pub fn of(nodes: &[Node]) -> Vec<ServiceSummary> {
        let mut all = std::collections::BTreeMap::<&str, ServiceSummary>::new();
        for node in nodes {
            let summary = all.entry(&node.service).or_default();
            summary.name.clone_from(&node.service);
            summary.nodes += 1;
            if let Err(at) = summary.versions.binary_search(&node.version) {
                summary.versions.insert(at, node.version.clone());
            }
        }
        all.into_values().collect()
    }
}

/// Checks what every registry asks of a node.
///
/// # Errors
/// InvalidArgument naming the field.
pub fn check_node(node: &Node) -> Result<()> {
    crate::check_service_name(&node.service)?;
    let id_ok = !node.id.is_empty()
        && node.id.len() <= 128
        && node.id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if !id_ok {
        return Err(Status::invalid_argument(format!(
            "node id {:?} of service {} must be 1 to 128 of letters, digits, _ . -",
            node.id.chars().take(64).collect::<String>(),
            node.service
        )));
    }
    if node.endpoints.is_empty() {
        return Err(Status::invalid_argument(format!("node {} of service {} has no endpoint", node.id, node.service)));
    }
    Ok(())
}

impl fmt::Debug for dyn Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registry({})", self.url())
    }
}
