//! Settings of a client.

use std::{sync::Arc, time::Duration};

use motet_core::{FailMode, Strategy};
use serde::{Deserialize, Serialize};

use crate::{P2c, Random, RoundRobin};

/// Settings of a [`Client`](crate::Client). [`Default`] gives what each field says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The time a unary call may take unless its Context, method or options say otherwise: 10 s.
    pub timeout: Duration,
    /// The time a connection may take to be made, and a first call waits for the registry: 2 s.
    pub connect_timeout: Duration,
    /// What to do when an attempt fails: try another node.
    pub fail_mode: FailMode,
    /// How many times a call may be tried again: 2.
    pub retries: u32,
    /// How many retries each call adds to what the client may spend: 0.2.
    pub retry_ratio: f64,
    /// How many retries each second adds to it: 10.
    pub retries_per_second: f64,
    /// The shortest wait between two tries to connect to a node: 10 ms, doubled by each failure.
    pub backoff_min: Duration,
    /// The longest: 5 s.
    pub backoff_max: Duration,
    /// How to choose among nodes; `None`, the default, leaves it to the builder's strategy.
    pub strategy: Option<StrategyName>,
    /// How many connections to hold to one node, at most 64; `None`, the default, leaves it to the
    /// protocol.
    pub connections_per_node: Option<usize>,
    /// How long a node to which a connection is open stays in use when the registry comes back from
    /// an outage without it: 10 s, enough for the node to register again.
    pub outage_grace: Duration,
}

/// A strategy that every client has, by its name in configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StrategyName {
    /// [`P2c`].
    P2c,
    /// [`Random`].
    Random,
    /// [`RoundRobin`].
    RoundRobin,
}

impl StrategyName {
    /// The strategy.
    pub fn strategy(self) -> Arc<dyn Strategy> {
        match self {
            StrategyName::P2c => Arc::new(P2c),
            StrategyName::Random => Arc::new(Random),
            StrategyName::RoundRobin => Arc::new(RoundRobin),
        }
    }
}

impl Default for ClientConfig {
    fn default() -> ClientConfig {
        ClientConfig {
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(2),
            fail_mode: FailMode::Over,
            retries: 2,
            retry_ratio: 0.2,
            retries_per_second: 10.0,
            backoff_min: Duration::from_millis(10),
            backoff_max: Duration::from_secs(5),
            strategy: None,
            connections_per_node: None,
            outage_grace: Duration::from_secs(10),
        }
    }
}
