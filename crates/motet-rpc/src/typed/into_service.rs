//! Everything that can be served.

use motet_core::{Result, Service};

/// A service, or what becomes one: the server of a trait (`GreeterServer`), a
/// [`Router`](crate::Router), a [`Service`] put together by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no service",
    note = "an implementation of a service trait is served as `GreeterServer::new({Self} …)`, the server that \
            `#[motet::service]` makes beside the trait"
)]
pub trait IntoService {
    /// The service.
    ///
    /// # Errors
    /// InvalidArgument when its descriptor breaks a rule, such as two methods that have the same name
    /// in some protocol's spelling, or when it has no name.
    fn into_service(self) -> Result<Service>;

    /// The service; one that has no name of its own gets this name and version.
    ///
    /// # Errors
    /// As [`IntoService::into_service`].
    fn into_service_or(self, name: &str, version: &str) -> Result<Service>
    where
        Self: Sized,
    {
        let _ = (name, version);
        self.into_service()
    }
}

impl IntoService for Service {
    fn into_service(self) -> Result<Service> {
        Ok(self)
    }
}

impl<T: IntoService> IntoService for Result<T> {
    fn into_service(self) -> Result<Service> {
        self?.into_service()
    }

    fn into_service_or(self, name: &str, version: &str) -> Result<Service> {
        self?.into_service_or(name, version)
    }
}
