//! A service as a module.

use motet_core::{BoxFuture, Result, Service};

use super::{AppContext, Module};
use crate::{ConfigView, config::ServiceSettings};

/// The version of services that declare none.
pub(crate) const UNVERSIONED: &str = "0.0.0";

/// A service as a module: it has nothing to do but be served.
pub(crate) struct ServiceModule(pub(crate) Service);

impl Module for ServiceModule {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn configure(&self, config: &ConfigView) -> Result<()> {
        ServiceSettings::read(config.config(), self.name()).map(|_| ())
    }

    fn init<'a>(&'a self, cx: &'a AppContext) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { cx.serve(self.0.clone()) })
    }
}
