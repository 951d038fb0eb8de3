//! A service from its typed handlers.

use std::sync::Arc;

use motet_core::{
    __private::protobuf::Body, Carry, Handler, Kind, MethodDescriptor, Result, Service, ServiceDescriptor,
};

use super::{blocking::Pool, serial::Group};

/// Describes a method whose request and reply are carried so.
pub fn method<I: Carry, O: Carry>(service: &str, name: &str, kind: Kind, docs: &str, _: I, _: O) -> MethodDescriptor {
    MethodDescriptor::new(service, name)
        .kind(kind)
        .docs(docs)
        .arguments(I::arguments())
        .request(I::SHAPE, I::MESSAGE.schema())
        .reply(O::SHAPE, O::MESSAGE.schema())
        .family(I::MESSAGE.family_with(&O::MESSAGE))
}

/// Request and reply as a protobuf file has them.
pub type Bodies = (Option<Body>, Option<Body>);

/// What a protobuf file says of a method whose request and reply are carried so.
pub fn bodies<I: Carry, O: Carry>(_: I, _: O) -> Bodies {
    (I::MESSAGE.protobuf(), O::MESSAGE.protobuf())
}

/// Puts a service together: handlers in the order of the descriptor's methods, each run as its
/// method's options `serial` and `blocking` ask.
pub struct ServiceBuilder {
    descriptor: ServiceDescriptor,
    handlers: Vec<Arc<dyn Handler>>,
    serial: Arc<Group>,
    blocking: Pool,
}

impl ServiceBuilder {
    /// A service without handlers yet.
    pub fn new(descriptor: ServiceDescriptor) -> ServiceBuilder {
        ServiceBuilder { descriptor, handlers: Vec::new(), serial: Arc::default(), blocking: Pool::default() }
    }

    /// The handler of the next method.
    #[must_use]
    pub fn handle(mut self, mut handler: Arc<dyn Handler>) -> ServiceBuilder {
        if let Some(method) = self.descriptor.methods.get(self.handlers.len()) {
            if method.options.blocking {
                handler = self.blocking.wrap(handler);
            }
            if method.options.serial {
                handler = self.serial.wrap(handler);
            }
        }
        self.handlers.push(handler);
        self
    }

    /// The service.
    ///
    /// # Errors
    /// As [`Service::new`].
    pub fn build(self) -> Result<Service> {
        Service::new(self.descriptor, self.handlers)
    }
}

impl std::fmt::Debug for ServiceBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ServiceBuilder({})", self.descriptor.name)
    }
}
