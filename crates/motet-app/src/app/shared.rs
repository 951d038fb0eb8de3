//! What everything of one App shares.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use motet_core::{DrainSignal, Endpoint, Entropy, Node, Registry, Service};
use motet_rpc::{Client, Server};
use tokio::sync::watch;

use crate::{
    config::{Config, Settings},
    health::Board,
};

/// What everything of one App shares.
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) config: Config,
    pub(crate) settings: Settings,
    pub(crate) entropy: Entropy,
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) client: Client,
    pub(crate) server: Server,
    /// Owns the one-way calls that this App makes to its own services.
    pub(crate) local: DrainSignal,
    pub(crate) board: Board,
    pub(crate) will: watch::Sender<Will>,
    /// Whether services are still taken.
    pub(crate) open: AtomicBool,
    pub(crate) offered: Mutex<Vec<Offered>>,
    pub(crate) nodes: Mutex<Vec<Node>>,
    /// The short forms of built-in HTTP paths at which the user's own HTTP services are mounted.
    #[cfg(feature = "http")]
    pub(crate) mounted: Vec<&'static str>,
}

/// What the App is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Will {
    /// Run.
    Run,
    /// Stop in order.
    Stop,
    /// Stop at once.
    Halt,
}

/// A service and the number of the module that serves it.
pub(crate) struct Offered {
    pub(crate) module: usize,
    pub(crate) service: Service,
}

impl Shared {
    /// Says which short forms of built-in HTTP paths the user's own services and routes have.
    #[cfg(feature = "http")]
    pub(crate) fn tell_given_way(&self) {
        let taken = motet_protocol_http::HttpJson::taken(self.server.dispatcher());
        let given: Vec<_> = motet_protocol_http::SHORT_FORMS
            .into_iter()
            .filter(|path| taken.contains(path) || self.mounted.contains(path))
            .collect();
        if !given.is_empty() {
            let (app, paths) = (&self.name, given.join(" "));
            tracing::info!(app, paths, "the App's own routes have these paths; the built-in pages are under /-/");
        }
    }

    /// Takes a service that a module serves; false once it is too late.
    pub(crate) fn offer(&self, module: usize, service: Service) -> bool {
        let open = self.open.load(Ordering::Acquire);
        if open {
            lock(&self.offered).push(Offered { module, service });
        }
        open
    }

    /// Asks the App to stop, in order.
    pub(crate) fn stop_gently(&self) {
        self.ask(Will::Stop);
    }

    /// Asks for at least this much.
    pub(crate) fn ask(&self, will: Will) {
        self.will.send_if_modified(|current| {
            let more = will > *current;
            *current = will.max(*current);
            more
        });
    }

    /// Waits until at least this much is asked for. Cancel safe.
    pub(crate) async fn asked(&self, will: Will) {
        // The sender lives in `self`, so this cannot fail.
        let _ = self.will.subscribe().wait_for(|current| *current >= will).await;
    }

    /// Where the App can be reached.
    pub(crate) fn endpoints(&self) -> Vec<Endpoint> {
        self.server.endpoints()
    }

    /// The nodes that are registered.
    pub(crate) fn nodes(&self) -> Vec<Node> {
        lock(&self.nodes).clone()
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
