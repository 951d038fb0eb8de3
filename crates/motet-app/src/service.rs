//! An App of one service, in one line.

use std::fmt;

use motet_core::{Middleware, Result, Status};
use motet_rpc::typed::IntoService;

use crate::{App, AppBuilder, ConfigSource, RegistrySource, RunningApp, module::UNVERSIONED};

/// An App of one service:
///
/// ```no_run
/// use motet_app::Service;
///
/// # async fn example(greeter: motet_core::Service) -> motet_core::Result<()> {
/// Service::new("greeter").serve(greeter).run().await
/// # }
/// ```
///
/// The name is the App's and the service's, in place of the one that its trait declares.
pub struct Service {
    name: String,
    version: Option<String>,
    served: Option<Result<motet_core::Service>>,
    app: AppBuilder,
}

impl Service {
    /// An App of this name, whose service is still to be given.
    pub fn new(name: impl Into<String>) -> Service {
        let name = name.into();
        Service { app: App::builder().name(&name), name, version: None, served: None }
    }

    /// Gives what is served.
    #[must_use]
    pub fn serve(mut self, service: impl IntoService) -> Service {
        self.served = Some(service.into_service_or(&self.name, UNVERSIONED));
        self
    }

    /// Sets the version, in place of the one that the service declares.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Service {
        self.version = Some(version.into());
        self
    }

    /// As [`AppBuilder::listen`].
    #[must_use]
    pub fn listen(self, address: impl Into<String>) -> Service {
        self.app(|app| app.listen(address))
    }

    /// As [`AppBuilder::registry`].
    #[must_use]
    pub fn registry(self, registry: impl Into<RegistrySource>) -> Service {
        self.app(|app| app.registry(registry))
    }

    /// As [`AppBuilder::middleware`].
    #[must_use]
    pub fn middleware(self, middleware: impl Middleware) -> Service {
        self.app(|app| app.middleware(middleware))
    }

    /// As [`AppBuilder::config`].
    #[must_use]
    pub fn config(self, source: impl Into<ConfigSource>) -> Service {
        self.app(|app| app.config(source))
    }

    /// Changes anything else about the App.
    #[must_use]
    pub fn app(mut self, change: impl FnOnce(AppBuilder) -> AppBuilder) -> Service {
        self.app = change(self.app);
        self
    }

    /// The App.
    ///
    /// # Errors
    /// FailedPrecondition when [`Service::serve`] was not called; InvalidArgument for a service whose
    /// descriptor is wrong.
    pub fn build(self) -> Result<App> {
        let served = self.served.ok_or_else(|| {
            let name = &self.name;
            Status::failed_precondition(format!("service {name} serves nothing: call .serve(…) before it is run"))
        })??;
        let service = renamed(&served, &self.name, self.version.as_deref())?;
        Ok(self.app.service(service).build())
    }

    /// As [`App::run`].
    ///
    /// # Errors
    /// As [`Service::build`] and [`App::run`].
    pub async fn run(self) -> Result<()> {
        self.build()?.run().await
    }

    /// As [`App::start`].
    ///
    /// # Errors
    /// As [`Service::build`] and [`App::start`].
    pub async fn start(self) -> Result<RunningApp> {
        self.build()?.start().await
    }
}

/// The same service under another name and version.
fn renamed(service: &motet_core::Service, name: &str, version: Option<&str>) -> Result<motet_core::Service> {
    let mut descriptor = motet_core::ServiceDescriptor::clone(service.descriptor());
    if descriptor.name == name && version.is_none() {
        return Ok(service.clone());
    }
    if let Some(version) = version {
        version.clone_into(&mut descriptor.version);
    }
    if descriptor.name != name {
        name.clone_into(&mut descriptor.name);
        for method in &mut descriptor.methods {
            let method = std::sync::Arc::make_mut(method);
            method.path = format!("{name}/{}", method.name);
        }
    }
    motet_core::Service::new(descriptor, service.methods().map(|(_, handler)| handler.clone()).collect())
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("name", &self.name).field("app", &self.app).finish_non_exhaustive()
    }
}
