//! Routes of services that no pipeline is around.

use std::sync::Arc;

use motet_core::{MethodDescriptor, Route, Service};

/// The routes of a service as they are: without middleware, counting and protection against overload.
pub(super) fn routes(service: &Service) -> Vec<Route> {
    service
        .methods()
        .map(|(method, handler)| Route::new(Arc::<MethodDescriptor>::clone(method), handler.clone()))
        .collect()
}
