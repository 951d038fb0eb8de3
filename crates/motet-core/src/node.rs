//! One running instance of a service.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One running instance of a service, as registries record it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Node {
    /// The service's name.
    pub service: String,
    /// The service's version.
    pub version: String,
    /// The node's id, unique in its service.
    pub id: String,
    /// Labels of one's own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// The zone it runs in.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub zone: String,
    /// Its share of the calls, 100 being an equal one.
    pub weight: u32,
    /// Whether it takes calls.
    pub state: NodeState,
    /// The hash of its descriptor; the descriptor itself is fetched from the node.
    pub descriptor_hash: String,
    /// The names of its methods.
    pub methods: Vec<String>,
    /// Where it can be reached, the best first.
    pub endpoints: Vec<Endpoint>,
}

/// Whether a node takes calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum NodeState {
    /// Registered, not yet ready.
    Starting,
    /// Takes calls.
    #[default]
    Active,
    /// Finishes what it has; new calls go elsewhere.
    Draining,
}

/// Where a node can be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Endpoint {
    /// The transport: `tcp`, `unix`, `memory`.
    pub transport: String,
    /// The address as the transport writes it: `127.0.0.1:4000`, a path, a name.
    pub address: String,
    /// Whether TLS is spoken there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tls: bool,
    /// The protocols spoken there, the preferred first.
    pub protocols: Vec<String>,
}

impl Endpoint {
    /// An endpoint without TLS that speaks motet.
    pub fn new(transport: impl Into<String>, address: impl Into<String>) -> Endpoint {
        Endpoint {
            transport: transport.into(),
            address: address.into(),
            tls: false,
            protocols: vec!["motet".to_owned()],
        }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tls = if self.tls { "+tls" } else { "" };
        write!(f, "{}{tls}://{}", self.transport, self.address)
    }
}

impl Node {
    /// A node of a service, active, with an equal share of the calls.
    pub fn new(service: impl Into<String>, id: impl Into<String>) -> Node {
        Node { service: service.into(), id: id.into(), weight: 100, ..Node::default() }
    }

    /// Adds an endpoint.
    #[must_use]
    pub fn endpoint(mut self, endpoint: Endpoint) -> Node {
        self.endpoints.push(endpoint);
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Node {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Sets the version.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Node {
        self.version = version.into();
        self
    }
}
