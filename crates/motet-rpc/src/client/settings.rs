//! What all clients of one App share.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use motet_core::{ClientProtocol, Codecs, Endpoint, Entropy, Map, Middleware, Node, Registry, Transports};
use tokio::time::Instant;

use super::{ClientConfig, budget::RetryBudget, health, local::Local, pool::Pool};
use crate::{Selector, Stats};

/// What all clients of one App share: the parts they were built from, and the connections.
pub(crate) struct Settings {
    pub(crate) config: ClientConfig,
    pub(crate) registry: Option<Arc<dyn Registry>>,
    pub(crate) transports: Transports,
    pub(crate) codecs: Codecs,
    pub(crate) protocols: Vec<Arc<dyn ClientProtocol>>,
    pub(crate) middleware: Arc<[Arc<dyn Middleware>]>,
    pub(crate) selector: Selector,
    pub(crate) entropy: Entropy,
    pub(crate) stats: Stats,
    pub(crate) local: Option<Local>,
    pub(crate) budget: RetryBudget,
    /// Where the client's clock begins, of the nodes' latencies and of the retry budget.
    pub(crate) origin: Instant,
    pub(crate) pools: Mutex<Pools>,
    pub(super) health: health::Watchman,
}

/// The pools by protocol and endpoints, as long as anybody uses them.
pub(crate) type Pools = Map<(String, Vec<Endpoint>), Weak<Pool>>;

/// Of up to 584 years.
#[inline]
pub(super) fn nanos(duration: Duration) -> u64 {
    duration.as_secs() * 1_000_000_000 + u64::from(duration.subsec_nanos())
}

impl Settings {
    /// The client's clock now.
    pub(super) fn now_ns(&self) -> u64 {
        self.ns(Instant::now())
    }

    /// The client's clock at this moment.
    #[inline]
    pub(super) fn ns(&self, at: Instant) -> u64 {
        nanos(at.saturating_duration_since(self.origin))
    }

    /// The connections to a node, by the first protocol that both sides know or by this one; `None`
    /// when there is none.
    pub(crate) fn pool(self: &Arc<Self>, node: &Node, protocol: Option<&str>) -> Option<Arc<Pool>> {
        let mut wanted = self.protocols.iter().filter(|known| protocol.is_none_or(|wanted| wanted == known.name()));
        let (protocol, endpoints) = wanted.find_map(|known| {
            let endpoints = self.endpoints(node, known.name());
            (!endpoints.is_empty()).then_some((known, endpoints))
        })?;
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (protocol.name().to_owned(), endpoints);
        if let Some(pool) = pools.get(&key).and_then(Weak::upgrade) {
            return Some(pool);
        }
        pools.retain(|_, pool| pool.strong_count() > 0);
        let pool = Arc::new(Pool::new(protocol.clone(), key.1.clone(), self.clone()));
        pools.insert(key, Arc::downgrade(&pool));
        Some(pool)
    }

    /// The endpoints at which a protocol is spoken, those whose transport this client has before
    /// those that only the protocol may know.
    fn endpoints(&self, node: &Node, protocol: &str) -> Vec<Endpoint> {
        let speaks = node.endpoints.iter().filter(|endpoint| endpoint.protocols.iter().any(|p| p == protocol));
        let (known, unknown): (Vec<_>, Vec<_>) =
            speaks.cloned().partition(|endpoint| self.transports.find(&endpoint.transport).is_ok());
        if known.is_empty() { unknown } else { known }
    }

    /// The names of the protocols, the preferred first.
    pub(crate) fn protocol_names(&self) -> Vec<&str> {
        self.protocols.iter().map(|protocol| protocol.name()).collect()
    }
}
