//! Client, server, router, middleware, selector, pool and the native protocol.

pub mod client;
pub mod exchange;
pub mod native;
pub mod router;
pub mod selector;
pub mod server;
pub mod stats;
pub mod transport;
pub mod typed;

pub use client::{Client, ClientBuilder, ClientConfig, ServiceClient, StrategyName};
pub use native::{NativeClient, NativeConfig, NativeServer};
pub use router::Router;
pub use selector::{Filter, P2c, Random, RoundRobin, Selector};
pub use server::{Server, ServerBuilder, ServerConfig};
pub use stats::{MethodSnapshot, MethodStats, Stats};
pub use transport::{ClientTls, ServerTls, TcpTransport, UnixTransport};
