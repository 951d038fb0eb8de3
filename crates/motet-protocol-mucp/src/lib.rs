//! mucp, the protocol that go-micro speaks unless told otherwise: its clients call Motet services, and
//! Motet clients call its services, of versions 2 to 6.
//!
//! [`MucpServer`] and [`MucpClient`] carry unary calls and streams, metadata, deadlines and errors with
//! their codes, in JSON, protobuf, raw bytes and in the envelopes of old versions. Each message is a
//! message of HTTP/1.1: a call is a POST and its answer; a stream has a connection to itself, on which
//! both sides send POSTs and answers as they like. `Greeter.Hello` is the header `Micro-Endpoint`.
//!
//! It has no cancel but the end of the connection. Events (`Micro-Topic`) are refused, and so are
//! go-micro's other transports. What go-micro speaks as gRPC is Motet's gRPC.
//!
//! ```
//! # fn main() -> motet_core::Result<()> {
//! use std::sync::Arc;
//! use motet_protocol_mucp::{MucpClient, MucpConfig, MucpServer};
//! use motet_rpc::{Client, Server, TcpTransport};
//!
//! let config = MucpConfig::default();
//! let server = Server::builder().protocol(Arc::new(MucpServer::new(config.clone()))).build()?;
//! let client = Client::builder()
//!     .transport(Arc::new(TcpTransport::new()))
//!     .protocol(Arc::new(MucpClient::new(config)))
//!     .build();
//! # Ok(())
//! # }
//! ```
//!
//! With the facade's feature `mucp` an App speaks it on its one port, and `mucp://host:port` is an
//! address. On a port with HTTP it is asked first: a request is its own when a field `Micro-…` stands
//! in its head.

mod client;
mod config;
mod line;
mod server;
pub mod wire;

pub use client::MucpClient;
pub use config::{ContentType, MucpConfig};
pub use server::MucpServer;

/// The code on the page about moving from go-micro, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/from-go-micro.md")]
mod from_go_micro {}

/// What a node's metadata says in go-micro's registries. Without `protocol` go-micro's clients write
/// bodies as version 0 did.
pub const NODE_METADATA: [(&str, &str); 3] = [("protocol", "mucp"), ("server", "mucp"), ("transport", "http")];
