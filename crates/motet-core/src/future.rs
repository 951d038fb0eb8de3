//! The boxed future of the object-safe traits.

use std::{future::Future, pin::Pin};

/// A boxed, sendable future: what object-safe plug-in traits return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
