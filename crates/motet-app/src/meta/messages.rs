//! The messages of `motet.meta`.

use std::sync::Arc;

use motet_core::{Endpoint, Node, ServiceDescriptor};
use motet_rpc::MethodSnapshot;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::app::Shared;

/// Which services are asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[non_exhaustive]
pub struct Filter {
    /// The one service asked about; all but `motet.meta` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

impl Filter {
    /// This service only.
    pub fn service(name: impl Into<String>) -> Filter {
        Filter { service: Some(name.into()) }
    }
}

/// What runs here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[non_exhaustive]
pub struct DescribeReply {
    /// The descriptors, sorted by name.
    #[schemars(with = "Vec<serde_json::Value>")]
    pub services: Vec<Arc<ServiceDescriptor>>,
}

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[non_exhaustive]
pub struct StatsReport {
    /// The calls that were served, by method.
    #[schemars(with = "Vec<serde_json::Value>")]
    pub server: Vec<MethodSnapshot>,
    /// The calls that were made, by method.
    #[schemars(with = "Vec<serde_json::Value>")]
    pub client: Vec<MethodSnapshot>,
}

impl StatsReport {
    pub(crate) fn of(shared: &Shared) -> StatsReport {
        StatsReport { server: shared.server.stats().snapshot(), client: shared.client.stats().snapshot() }
    }
}

/// What is registered from here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[non_exhaustive]
pub struct NodesReply {
    /// The App's name.
    pub app: String,
    /// The registry's URL.
    pub registry: String,
    /// Where others reach the App.
    #[schemars(with = "Vec<serde_json::Value>")]
    pub endpoints: Vec<Endpoint>,
    /// The nodes: one for each service, none before they are active and once the App is stopping.
    #[schemars(with = "Vec<serde_json::Value>")]
    pub nodes: Vec<Node>,
}
