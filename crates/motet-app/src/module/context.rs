//! What an App gives its modules.

use std::{fmt, sync::Arc};

use motet_core::{Dispatcher, Entropy, Registry, Result, Status};
use motet_rpc::{Client, typed::IntoService};

use super::service::UNVERSIONED;
use crate::{ConfigView, Health, app::Shared};

/// What an App gives a module. Cheap to clone.
#[derive(Clone)]
pub struct AppContext {
    shared: Arc<Shared>,
    config: ConfigView,
    health: Health,
}

impl AppContext {
    pub(crate) fn new(shared: Arc<Shared>, config: ConfigView, health: Health) -> AppContext {
        AppContext { shared, config, health }
    }

    /// The App's name.
    pub fn app(&self) -> &str {
        &self.shared.name
    }

    /// The configuration.
    pub fn config(&self) -> &ConfigView {
        &self.config
    }

    /// Calls services, those of this App without the network.
    pub fn client(&self) -> &Client {
        &self.shared.client
    }

    /// Who runs where.
    pub fn registry(&self) -> &Arc<dyn Registry> {
        &self.shared.registry
    }

    /// Where calls enter the App, for modules that take them from elsewhere than its listeners.
    pub fn dispatcher(&self) -> &Dispatcher {
        self.shared.server.dispatcher()
    }

    /// The App's randomness.
    pub fn entropy(&self) -> &Entropy {
        &self.shared.entropy
    }

    /// This module's say in whether the App is ready.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Serves a service; it is registered once all modules are initialised. One without a name gets
    /// the module's.
    ///
    /// # Errors
    /// InvalidArgument for a service whose descriptor is wrong; AlreadyExists when one of its paths
    /// is served already; FailedPrecondition after the start.
    pub fn serve(&self, service: impl IntoService) -> Result<()> {
        let service = service.into_service_or(self.config.name(), UNVERSIONED)?;
        if !self.shared.offer(self.health.module(), service.clone()) {
            return Err(Status::failed_precondition(format!(
                "service {} comes too late: services are given in a module's init",
                service.name()
            )));
        }
        self.shared.server.add(service)
    }

    /// Asks the App to stop, in order. It returns at once.
    pub fn stop(&self) {
        self.shared.stop_gently();
    }
}

impl fmt::Debug for AppContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppContext")
            .field("app", &self.shared.name)
            .field("module", &self.health)
            .finish_non_exhaustive()
    }
}
