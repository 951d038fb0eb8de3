//! The server: from a connection to a handler.
//!
//! A [`Server`] owns listeners, connections and a dispatcher; what connections speak is up to the
//! [`ServerProtocol`](motet_core::ServerProtocol)s it is given. It registers nowhere and reads no signal: an App does.
//!
//! ```
//! # async fn serve(service: motet_core::Service) -> motet_core::Result<()> {
//! use std::{sync::Arc, time::Duration};
//! use motet_rpc::{NativeServer, Server};
//!
//! let server = Server::builder().protocol(Arc::new(NativeServer::default())).service(service).build()?;
//! let endpoint = server.listen("tcp://127.0.0.1:0").await?;
//! println!("listening at {endpoint}");
//! let report = server.shutdown(Duration::from_secs(10)).await;
//! assert!(report.drained);
//! # Ok(())
//! # }
//! ```

mod advertise;
mod builder;
mod config;
mod current;
mod listener;
mod one_way;
pub(crate) mod overload;
mod pipeline;
mod served;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use motet_core::{Dispatcher, DrainSignal, Endpoint, Entrance, Result, Service, Status, Transports};
use tokio::{task::AbortHandle, time::timeout};

use self::{
    listener::{Front, accept_loop, recognised},
    pipeline::PipelineSettings as Settings,
};
use crate::stats::Stats;

// For the fuzz target.
#[doc(hidden)]
pub use self::listener::{ProxyHeader, ProxySource};
pub use self::{
    builder::ServerBuilder,
    config::ServerConfig,
    listener::{ConnectionCounts, Network, Recognised},
    one_way::spawn_one_way,
    overload::OverloadConfig,
    pipeline::{PipelineSettings, routes},
};

/// How long dropped tasks get to notice after patience has run out: a handler that blocks its thread
/// may never.
const LAST: Duration = Duration::from_secs(2);

/// Serves services on listeners. Clones share it; dropping the last one ends everything at once.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    config: ServerConfig,
    transports: Transports,
    dispatcher: Dispatcher,
    settings: Settings,
    front: Arc<Front>,
    signal: DrainSignal,
    entered: Mutex<Entered>,
}

/// How calls get in.
#[derive(Default)]
struct Entered {
    stopping: bool,
    services: Vec<Service>,
    endpoints: Vec<Endpoint>,
    entrances: Vec<Arc<dyn Entrance>>,
    listeners: Vec<AbortHandle>,
}

/// How a shutdown went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Whether everything that ran could finish.
    pub drained: bool,
    /// The calls that were dropped because they took too long: path and number.
    pub abandoned: Vec<(String, usize)>,
    /// Connections and tasks that did not even end when dropped; they block their threads.
    pub stuck: usize,
}

impl Server {
    /// Starts to describe a server.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    /// Its settings.
    pub fn config(&self) -> &ServerConfig {
        &self.0.config
    }

    /// Where calls enter.
    pub fn dispatcher(&self) -> &Dispatcher {
        &self.0.dispatcher
    }

    /// What its calls have counted.
    pub fn stats(&self) -> &Stats {
        self.0.settings.stats_ref()
    }

    /// What its connections have counted.
    pub fn connections(&self) -> ConnectionCounts {
        self.0.front.counters.snapshot(&self.0.front.admission)
    }

    /// What a connection that begins with these bytes speaks, as listeners decide it: within TLS if they
    /// come from there.
    pub fn recognise(&self, first: &[u8], tls: bool) -> Recognised<'_> {
        recognised(&self.0.front.protocols, first, tls)
    }

    /// Serves one more service.
    ///
    /// # Errors
    /// AlreadyExists when a path is taken, InvalidArgument when a method that is not there is limited
    /// in [`ServerConfig::overload`]; then none of its methods is served.
    pub fn add(&self, service: Service) -> Result<()> {
        self.add_with(service, &self.0.settings)
    }

    /// As [`Server::add`], for a service that stands beside the user's own: the middleware is not for
    /// its calls, and overload is not measured by them. Deadlines, panics and counters are kept as for
    /// all.
    ///
    /// # Errors
    /// As [`Server::add`].
    pub fn add_without_middleware(&self, service: Service) -> Result<()> {
        self.add_with(service, &self.0.settings.clone().middleware(Vec::new()).overload(None))
    }

    fn add_with(&self, service: Service, settings: &Settings) -> Result<()> {
        self.0.config.overload.check_methods(service.descriptor())?;
        self.0.dispatcher.add(service.descriptor(), routes(&service, settings))?;
        self.0.entered().services.push(service);
        Ok(())
    }

    /// Stops serving a service: new calls get Unimplemented, running ones go on.
    pub fn remove(&self, service: &str) {
        self.0.dispatcher.remove(service);
        self.0.entered().services.retain(|served| served.name() != service);
    }

    /// The services it serves, in the order they were added.
    pub fn services(&self) -> Vec<Service> {
        self.0.entered().services.clone()
    }

    /// Listens at an address such as `tcp://127.0.0.1:0`, `unix:///run/greeter.sock` or
    /// `memory://greeter`; without a scheme it is TCP. Where TLS is configured everything but memory
    /// speaks it; `tls://` is TCP that must. Gives the endpoint that was bound.
    ///
    /// # Errors
    /// InvalidArgument for an address that cannot be read, Unimplemented for a scheme that is not
    /// enabled, FailedPrecondition for `tls://` without a certificate or once it is stopping,
    /// Unavailable when the address is taken.
    pub async fn listen(&self, address: &str) -> Result<Endpoint> {
        let (scheme, rest) = address.split_once("://").unwrap_or(("tcp", address));
        let (scheme, must) = match scheme {
            "tls" => ("tcp", true),
            other => other.strip_suffix("+tls").map_or((other, false), |scheme| (scheme, true)),
        };
        let has_tls = self.0.front.tls.is_some();
        if must && !has_tls {
            return Err(Status::failed_precondition(format!("{address}: no certificate configured: set server.tls")));
        }
        let tls = must || has_tls && scheme != "memory";
        let listener = self.0.transports.find(scheme)?.listen(rest).await?;
        let mut endpoint = listener.endpoint();
        endpoint.tls = tls;
        endpoint.protocols.clear();
        for name in self.0.front.protocols.iter().flat_map(|protocol| protocol.speaks()) {
            if !endpoint.protocols.contains(&name) {
                endpoint.protocols.push(name);
            }
        }

        let mut entered = self.0.entered();
        if entered.stopping {
            return Err(stopping());
        }
        let task = tokio::spawn(accept_loop(listener, tls, self.0.front.clone()));
        entered.listeners.push(task.abort_handle());
        entered.endpoints.push(endpoint.clone());
        Ok(endpoint)
    }

    /// Opens another way for calls to enter and gives the endpoints that lead to it.
    ///
    /// # Errors
    /// What the entrance says; FailedPrecondition once the server is stopping.
    pub async fn open(&self, entrance: Arc<dyn Entrance>) -> Result<Vec<Endpoint>> {
        if self.0.entered().stopping {
            return Err(stopping());
        }
        let opened = entrance.open(self.0.dispatcher.clone(), self.0.signal.drain()).await?;
        let mut entered = self.0.entered();
        entered.endpoints.extend(opened.iter().cloned());
        entered.entrances.push(entrance);
        Ok(opened)
    }

    /// Where others reach it: the configured `advertise` address, else the bound one, for a wildcard
    /// the address of the default route.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let advertise = self.0.config.advertise.as_deref();
        self.0.entered().endpoints.iter().map(|bound| advertise::advertised(bound, advertise)).collect()
    }

    /// Stops: accepts no more connections, lets the protocols refuse new calls in a way that may be
    /// retried, waits at most `grace` for running calls, then drops what is left. Ends at the latest
    /// two seconds after `grace`. Repeating it, also at the same time, is fine. Cancel safe: dropping
    /// the future leaves the server draining.
    pub async fn shutdown(&self, grace: Duration) -> ShutdownReport {
        self.0.entered().stopping = true;
        self.0.signal.start();
        let drained = timeout(grace, self.0.signal.idle()).await.is_ok();
        if !drained {
            self.0.settings.stopping();
            self.0.signal.abort();
            if timeout(LAST, self.0.signal.idle()).await.is_err() {
                self.0.abort_listeners();
            }
        }
        self.0.entered().entrances.clear();
        let stuck = self.0.signal.held();
        ShutdownReport { drained, abandoned: self.0.settings.abandoned(), stuck }
    }
}

fn stopping() -> Status {
    Status::failed_precondition("the server is stopping")
}

impl Inner {
    fn entered(&self) -> MutexGuard<'_, Entered> {
        self.entered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn abort_listeners(&self) {
        self.entered().listeners.drain(..).for_each(|task| task.abort());
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The connections live in the listeners' tasks; one-way calls end with the signal.
        self.abort_listeners();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("endpoints", &self.0.entered().endpoints).finish_non_exhaustive()
    }
}
