//! Describing a server.

use std::{fmt, sync::Arc};

use motet_core::{
    Codecs, Dispatcher, DrainSignal, Entropy, MemoryTransport, Middleware, Result, ServerProtocol, Service, Transport,
    Transports,
};

use super::{
    Inner, PipelineSettings, Server, ServerConfig,
    listener::{Admission, Counters, Front},
};
use crate::{
    stats::Stats,
    transport::{ServerTls, TcpTransport, UnixTransport},
};

/// Describes a [`Server`].
pub struct ServerBuilder {
    config: ServerConfig,
    codecs: Codecs,
    transports: Transports,
    protocols: Vec<Arc<dyn ServerProtocol>>,
    middleware: Vec<Arc<dyn Middleware>>,
    services: Vec<Service>,
    entropy: Option<Entropy>,
    stats: Stats,
    tls: Option<ServerTls>,
}

impl ServerBuilder {
    /// A server with default settings and codecs, on TCP, Unix sockets and a memory of its own, that
    /// speaks nothing and serves nothing.
    pub(super) fn new() -> ServerBuilder {
        ServerBuilder {
            config: ServerConfig::default(),
            codecs: Codecs::default(),
            transports: Transports::new()
                .with(Arc::new(TcpTransport::new()))
                .with(Arc::new(UnixTransport::new()))
                .with(Arc::new(MemoryTransport::new())),
            protocols: Vec::new(),
            middleware: Vec::new(),
            services: Vec::new(),
            entropy: None,
            stats: Stats::new(),
            tls: None,
        }
    }

    /// Sets the settings. Listening at [`ServerConfig::listen`] is [`ServerBuilder::start`]'s.
    #[must_use]
    pub fn config(mut self, config: ServerConfig) -> ServerBuilder {
        self.config = config;
        self
    }

    /// Sets the codecs that calls may arrive in.
    #[must_use]
    pub fn codecs(mut self, codecs: Codecs) -> ServerBuilder {
        self.codecs = codecs;
        self
    }

    /// Sets all transports.
    #[must_use]
    pub fn transports(mut self, transports: Transports) -> ServerBuilder {
        self.transports = transports;
        self
    }

    /// Adds a transport, or replaces the one of the same scheme.
    #[must_use]
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> ServerBuilder {
        self.transports = self.transports.with(transport);
        self
    }

    /// Adds a protocol; those added first are asked first, and the first is the one preferred.
    #[must_use]
    pub fn protocol(mut self, protocol: Arc<dyn ServerProtocol>) -> ServerBuilder {
        self.protocols.push(protocol);
        self
    }

    /// Adds middleware inside that which was added before.
    #[must_use]
    pub fn middleware(mut self, middleware: impl Middleware) -> ServerBuilder {
        self.middleware.push(Arc::new(middleware));
        self
    }

    /// Adds a service.
    #[must_use]
    pub fn service(mut self, service: Service) -> ServerBuilder {
        self.services.push(service);
        self
    }

    /// Sets the randomness; the system's by default.
    #[must_use]
    pub fn entropy(mut self, entropy: Entropy) -> ServerBuilder {
        self.entropy = Some(entropy);
        self
    }

    /// Sets where calls are counted; [`Stats::disabled`] turns counting off.
    #[must_use]
    pub fn stats(mut self, stats: Stats) -> ServerBuilder {
        self.stats = stats;
        self
    }

    /// Sets certificate and key, in place of the files that [`ServerConfig::tls`] names.
    #[must_use]
    pub fn tls(mut self, tls: ServerTls) -> ServerBuilder {
        self.tls = Some(tls);
        self
    }

    /// The server; it listens nowhere yet. Reads the files of [`ServerConfig::tls`].
    ///
    /// # Errors
    /// InvalidArgument for settings that make no sense and certificates that cannot be read, AlreadyExists when two services claim
    /// one path.
    pub fn build(self) -> Result<Server> {
        let config = self.config;
        config.overload.check()?;
        let tls = match (self.tls, &config.tls) {
            (Some(tls), _) => Some(tls),
            (None, Some(files)) => Some(ServerTls::load(files)?),
            (None, None) => None,
        };
        let protocols: Arc<[_]> = self.protocols.into();
        let dispatcher = Dispatcher::new(self.codecs);
        let signal = DrainSignal::new();
        let settings = PipelineSettings::default()
            .middleware(self.middleware)
            .stats(self.stats)
            .entropy(self.entropy.unwrap_or_else(Entropy::from_system))
            .timeouts(config.default_timeout, config.max_timeout)
            .max_one_way(config.max_one_way)
            .inline_blocking(config.inline_blocking)
            .overload(config.overload.clone());
        let front = Front {
            tls: tls.map(|tls| tls.accept_for(&protocols)),
            protocols,
            allow_plaintext: config.allow_plaintext,
            proxy_from: config.proxy_from.clone(),
            dispatcher: dispatcher.clone(),
            drain: signal.drain(),
            head_timeout: config.head_timeout,
            idle_first_byte: config.idle_first_byte,
            admission: Arc::new(Admission::new(config.max_connections, config.max_silent)),
            counters: Counters::default(),
        };
        let server = Server(Arc::new(Inner {
            config,
            transports: self.transports,
            dispatcher,
            settings,
            front: Arc::new(front),
            signal,
            entered: Default::default(),
        }));
        self.services.into_iter().try_for_each(|service| server.add(service))?;
        Ok(server)
    }

    /// The server, listening at all addresses of [`ServerConfig::listen`].
    ///
    /// # Errors
    /// As [`ServerBuilder::build`] and [`Server::listen`].
    pub async fn start(self) -> Result<Server> {
        let server = self.build()?;
        for address in server.config().listen.clone() {
            server.listen(&address).await?;
        }
        Ok(server)
    }
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("config", &self.config)
            .field("services", &self.services)
            .finish_non_exhaustive()
    }
}
