//! A service: a descriptor and one handler per method.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use crate::{BoxFuture, Call, MethodDescriptor, Reply, Result, ServiceDescriptor, Status};

/// Runs calls of one method. The typed doors (traits, closures) make handlers of this kind; written
/// by hand it sees bodies as they came.
///
/// The future is dropped when the deadline passes or the caller leaves; what must outlive that is
/// spawned. It is polled first on the task that reads the connection: it must not block its thread.
pub trait Handler: Send + Sync + 'static {
    /// Runs one call.
    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply>>;

    /// Runs one call up to where it first waits. Handlers that wrap others can do without a box for
    /// those calls that never wait; the default makes one and polls it.
    fn start(&self, call: Call, task: &mut Context<'_>) -> Started {
        let mut running = self.call(call);
        match running.as_mut().poll(task) {
            Poll::Ready(result) => Started::Done(result),
            Poll::Pending => Started::Running(running),
        }
    }
}

/// How far a call has come at its first poll.
pub enum Started {
    /// It is over, or its reply stream has begun.
    Done(Result<Reply>),
    /// It waits; the future has been polled once.
    Running(BoxFuture<'static, Result<Reply>>),
}

impl<F> Handler for F
where
    F: Fn(Call) -> BoxFuture<'static, Result<Reply>> + Send + Sync + 'static,
{
    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply>> {
        self(call)
    }
}

/// A service: a descriptor and one handler per method. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    descriptor: Arc<ServiceDescriptor>,
    handlers: Arc<[Arc<dyn Handler>]>,
}

impl Service {
    /// A service from its parts: one handler per method of the descriptor, in its order.
    ///
    /// # Errors
    /// InvalidArgument when [`ServiceDescriptor::check`] fails or the numbers differ.
    pub fn new(mut descriptor: ServiceDescriptor, handlers: Vec<Arc<dyn Handler>>) -> Result<Service> {
        descriptor.check()?;
        descriptor.spell();
        if descriptor.methods.len() != handlers.len() {
            return Err(Status::invalid_argument(format!(
                "service {}: {} methods but {} handlers",
                descriptor.name,
                descriptor.methods.len(),
                handlers.len()
            )));
        }
        Ok(Service { descriptor: Arc::new(descriptor), handlers: handlers.into() })
    }

    /// What it is, as data.
    pub fn descriptor(&self) -> &Arc<ServiceDescriptor> {
        &self.descriptor
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.descriptor.name
    }

    /// Methods and their handlers.
    pub fn methods(&self) -> impl Iterator<Item = (&Arc<MethodDescriptor>, &Arc<dyn Handler>)> {
        self.descriptor.methods.iter().zip(self.handlers.iter())
    }
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Started::Done(result) => f.debug_tuple("Done").field(result).finish(),
            Started::Running(_) => f.write_str("Running"),
        }
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Service").field(&self.descriptor.name).finish()
    }
}
