//! The client: from a call to a connection.
//!
//! A [`Client`] is shared by everything of one App; a [`ServiceClient`] calls one service. On the way
//! of a call are the client's middleware, the choice of a node (a snapshot read without a lock), the
//! connections to it, and attempts: what provably did not run, or may run twice, is sent again
//! within a budget. Bytes are the business of [`ClientProtocol`](motet_core::ClientProtocol)s, who
//! runs where that of the [`Registry`].
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use motet_core::{Body, Code, Codec, Context, MemoryRegistry, MethodDescriptor, Payload};
//! use motet_rpc::Client;
//! use std::sync::Arc;
//!
//! let client = Client::builder().registry(Arc::new(MemoryRegistry::new())).build();
//! let greeter = client.service("greeter");
//! let hello = Arc::new(MethodDescriptor::new("greeter", "hello"));
//! let body = Body::One(Payload::encoded(r#"{"name": "Ada"}"#, Codec::JSON));
//! let call = greeter.prepare(&hello, &Context::new(), Codec::JSON, body).unwrap();
//! let error = greeter.call(call).await.unwrap_err();
//! assert_eq!(error.code(), Code::Unavailable);
//! assert_eq!(error.message(), "no node of `greeter` is registered in memory:; no service is running");
//! # })
//! ```

mod address;
mod attempt;
mod budget;
mod builder;
mod choose;
mod config;
mod dial;
mod follow;
mod health;
mod kept;
mod local;
mod pool;
mod reply;
mod service;
mod settings;
mod suggest;
mod target;
mod trace;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use motet_core::{CallOptions, Dispatcher, Entropy, Map, Node, Registry, Result, Service};

pub use self::{
    builder::ClientBuilder,
    config::{ClientConfig, StrategyName},
    service::ServiceClient,
};
use self::{settings::Settings, target::Target};
use crate::{
    Stats,
    server::{PipelineSettings, routes},
};

/// How many services one client remembers; those beyond, once nobody calls them, are forgotten.
const MAX_TARGETS: usize = 1024;

/// Calls services: shared by everything of one App. Cheap to clone; the last copy, with the
/// [`ServiceClient`]s made of it, ends the tasks behind it and closes its connections.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    settings: Arc<Settings>,
    targets: Mutex<Map<String, Arc<Target>>>,
    /// The node that all calls go to, where an address was given.
    pinned: Option<Node>,
}

impl Client {
    /// Begins a client.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// A client of this service in this process, over no network, for tests and mocks. The rules are
    /// those of remote calls: deadline, cancellation, checks, panics, metadata.
    pub fn local(service: Service) -> Client {
        let entropy = Entropy::from_system();
        let dispatcher = Dispatcher::new(Default::default());
        let settings = PipelineSettings::default().entropy(entropy.clone()).stats(Stats::disabled());
        if dispatcher.add(service.descriptor(), routes(&service, &settings)).is_err() {
            // Nothing else is in this dispatcher, and a service's own paths differ.
            tracing::error!(service = service.name(), "two methods of one path");
        }
        Client::builder().entropy(entropy).local(dispatcher, None).build()
    }

    fn from_settings(settings: Settings) -> Client {
        Client(Arc::new(Inner { settings: Arc::new(settings), targets: Mutex::default(), pinned: None }))
    }

    /// A client whose calls, whatever the service, go to this address and ask no registry:
    /// `host:port`, `tcp://host:port`, `tcp+tls://host:port`, `unix:///path`, `memory://name`, or
    /// `grpc://host:port` for a protocol by name. An [`Endpoint`](motet_core::Endpoint) is written so
    /// too. It shares connections, counters and budget with this one.
    ///
    /// ```no_run
    /// # fn example(client: motet_rpc::Client, node: motet_core::Node) -> motet_core::Result<()> {
    /// let by_text = client.to("127.0.0.1:4000")?;
    /// let by_endpoint = client.to(&node.endpoints[0])?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// InvalidArgument for an address it cannot read; FailedPrecondition when this client speaks no
    /// protocol.
    pub fn to(&self, address: impl fmt::Display) -> Result<Client> {
        let settings = &self.0.settings;
        let has = |scheme: &str| settings.transports.find(scheme).is_ok();
        let endpoint = address::parse(&address.to_string(), &settings.protocol_names(), &has)?;
        let node = Node::new("", endpoint.to_string()).endpoint(endpoint);
        let pinned = Inner { settings: settings.clone(), targets: Mutex::default(), pinned: Some(node) };
        Ok(Client(Arc::new(pinned)))
    }

    /// The client for one service, with the method's and the client's own options. It starts to
    /// follow the service's nodes, unless that is going on already.
    pub fn service(&self, name: &str) -> ServiceClient {
        let mut targets = self.0.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let target = match targets.get(name) {
            Some(target) => target.clone(),
            None => {
                let pinned = self.0.pinned.clone().map(|mut node| {
                    name.clone_into(&mut node.service);
                    node
                });
                let target = Arc::new(Target::new(self.0.settings.clone(), name, pinned));
                if targets.len() >= MAX_TARGETS {
                    targets.retain(|_, target| Arc::strong_count(target) > 1);
                }
                if targets.len() < MAX_TARGETS {
                    targets.insert(name.to_owned(), target.clone());
                }
                target
            }
        };
        drop(targets);
        target.follow();
        ServiceClient::new(target, Arc::new(CallOptions::default()))
    }

    /// What this client has counted, by method.
    pub fn stats(&self) -> &Stats {
        &self.0.settings.stats
    }

    /// Where nodes are found.
    pub fn registry(&self) -> Option<&Arc<dyn Registry>> {
        self.0.settings.registry.as_ref()
    }

    /// The settings.
    pub fn config(&self) -> &ClientConfig {
        &self.0.settings.config
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let targets = self.0.targets.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Client").field("services", &targets.keys()).finish_non_exhaustive()
    }
}
