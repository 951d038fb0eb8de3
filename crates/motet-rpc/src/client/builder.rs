//! Putting a client together.

use std::{fmt, sync::Arc};

use motet_core::{
    ClientProtocol, Codec, Codecs, Dispatcher, Drain, Entropy, Middleware, Registry, Strategy, Transport, Transports,
};
use tokio::time::Instant;

use super::{Client, ClientConfig, budget::RetryBudget, local::Local, settings::Settings};
use crate::{Filter, Selector, Stats};

/// Builds a [`Client`]. What is not given is left out: without a registry only local services and
/// addresses can be called, without transports and protocols only local services.
#[derive(Default)]
pub struct ClientBuilder {
    config: ClientConfig,
    registry: Option<Arc<dyn Registry>>,
    transports: Transports,
    codecs: Codecs,
    protocols: Vec<Arc<dyn ClientProtocol>>,
    middleware: Vec<Arc<dyn Middleware>>,
    selector: Selector,
    entropy: Option<Entropy>,
    stats: Stats,
    local: Option<(Dispatcher, Option<Drain>)>,
}

impl ClientBuilder {
    /// Sets all settings.
    #[must_use]
    pub fn config(mut self, config: ClientConfig) -> ClientBuilder {
        self.config = config;
        self
    }

    /// Sets where nodes are found.
    #[must_use]
    pub fn registry(mut self, registry: Arc<dyn Registry>) -> ClientBuilder {
        self.registry = Some(registry);
        self
    }

    /// Adds a transport, in place of one of the same scheme.
    #[must_use]
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> ClientBuilder {
        self.transports = self.transports.with(transport);
        self
    }

    /// Sets all transports.
    #[must_use]
    pub fn transports(mut self, transports: Transports) -> ClientBuilder {
        self.transports = transports;
        self
    }

    /// Adds a codec.
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> ClientBuilder {
        self.codecs = self.codecs.with(codec);
        self
    }

    /// Sets all codecs.
    #[must_use]
    pub fn codecs(mut self, codecs: Codecs) -> ClientBuilder {
        self.codecs = codecs;
        self
    }

    /// Adds a protocol behind those that there are: of those that a node speaks the first is used.
    #[must_use]
    pub fn protocol(mut self, protocol: Arc<dyn ClientProtocol>) -> ClientBuilder {
        self.protocols.push(protocol);
        self
    }

    /// Adds middleware inside of that which there is. It runs once per call, around all attempts.
    #[must_use]
    pub fn middleware(mut self, middleware: impl Middleware) -> ClientBuilder {
        self.middleware.push(Arc::new(middleware));
        self
    }

    /// Adds several, the outermost first.
    #[must_use]
    pub fn middlewares(mut self, middleware: impl IntoIterator<Item = Arc<dyn Middleware>>) -> ClientBuilder {
        self.middleware.extend(middleware);
        self
    }

    /// Sets filters and strategy; by default no filter and [`P2c`](crate::P2c).
    #[must_use]
    pub fn selector(mut self, selector: Selector) -> ClientBuilder {
        self.selector = selector;
        self
    }

    /// Sets the strategy; one that [`ClientConfig::strategy`] names goes before it.
    #[must_use]
    pub fn strategy(mut self, strategy: Arc<dyn Strategy>) -> ClientBuilder {
        self.selector = self.selector.strategy(strategy);
        self
    }

    /// Adds a filter.
    #[must_use]
    pub fn filter(mut self, filter: Arc<dyn Filter>) -> ClientBuilder {
        self.selector = self.selector.filter(filter);
        self
    }

    /// Sets where random numbers come from; by default a generator that differs from run to run.
    #[must_use]
    pub fn entropy(mut self, entropy: Entropy) -> ClientBuilder {
        self.entropy = Some(entropy);
        self
    }

    /// Sets where calls are counted.
    #[must_use]
    pub fn stats(mut self, stats: Stats) -> ClientBuilder {
        self.stats = stats;
        self
    }

    /// Sets the services of this process: calls to them skip the network. One-way calls to them belong
    /// to `drain`; without one they end with the client.
    #[must_use]
    pub fn local(mut self, dispatcher: Dispatcher, drain: Option<Drain>) -> ClientBuilder {
        self.local = Some((dispatcher, drain));
        self
    }

    /// The client.
    pub fn build(self) -> Client {
        let selector = match self.config.strategy {
            Some(name) => self.selector.strategy(name.strategy()),
            None => self.selector,
        };
        let budget = RetryBudget::new(self.config.retry_ratio, self.config.retries_per_second);
        Client::from_settings(Settings {
            config: self.config,
            registry: self.registry,
            transports: self.transports,
            codecs: self.codecs,
            protocols: self.protocols,
            middleware: self.middleware.into(),
            selector,
            entropy: self.entropy.unwrap_or_else(Entropy::from_system),
            stats: self.stats,
            local: self.local.map(|(dispatcher, drain)| Local::new(dispatcher, drain)),
            budget,
            origin: Instant::now(),
            pools: Default::default(),
            health: Default::default(),
        })
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("config", &self.config)
            .field("registry", &self.registry.as_ref().map(|registry| registry.url()))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Random, client::StrategyName};

    #[test]
    fn a_configured_strategy_goes_before_that_of_the_code() {
        for (configured, expected) in
            [(None, "random"), (Some(StrategyName::P2c), "p2c"), (Some(StrategyName::RoundRobin), "round_robin")]
        {
            let config = ClientConfig { strategy: configured, ..ClientConfig::default() };
            let client = ClientBuilder::default().strategy(Arc::new(Random)).config(config).build();
            assert_eq!(format!("{:?}", client.0.settings.selector), format!("Selector(0 filters, {expected})"));
        }
    }
}
