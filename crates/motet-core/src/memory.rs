//! The in-memory implementations: a registry and a transport that live and die with their App.

mod registry;
mod transport;

pub use registry::MemoryRegistry;
pub use transport::MemoryTransport;
