//! go-rpc: its clients call Motet services, and Motet clients call its services.
//!
//! [`GoRpcServer`] and [`GoRpcClient`] speak its frames of version 0: unary calls in JSON or MessagePack
//! with metadata, a token under `rpc_auth`, tags, heartbeats. `ArithService.Add` is service name
//! `ArithService`, method name `Add`. A server tells by the first byte of a header which of the two
//! serializers it is in, and answers alike, so that one port serves clients of both.
//!
//! Of an error the protocol carries the text alone, and no deadline, no cancel and no metadata of
//! replies; a one-way call is one whose answer is dropped. go-rpc's own clients do not read errors: they see the empty body that comes
//! with one, drop the call and time out. A body beside the error would read as success to them.
//!
//! ```
//! # fn main() -> motet_core::Result<()> {
//! use std::sync::Arc;
//! use motet_protocol_gorpc::{GoRpcClient, GoRpcConfig, GoRpcServer};
//! use motet_rpc::{Client, Server, TcpTransport};
//!
//! let config = GoRpcConfig::default();
//! let server = Server::builder().protocol(Arc::new(GoRpcServer::new(config.clone()))).build()?;
//! let client = Client::builder()
//!     .transport(Arc::new(TcpTransport::new()))
//!     .protocol(Arc::new(GoRpcClient::new(config)))
//!     .build();
//! # Ok(())
//! # }
//! ```
//!
//! With the facade's feature `gorpc` an App speaks it on its one port, and `gorpc://host:port` is an
//! address.

mod any;
mod client;
mod config;
pub mod frame;
#[cfg(feature = "http")]
mod gateway;
pub mod header;
mod metadata;
mod server;
#[cfg(feature = "http")]
mod views;
mod wide;

pub use client::GoRpcClient;
pub use config::{GoRpcConfig, Serialize};
#[cfg(feature = "http")]
pub use gateway::GoRpcGateway;
pub use server::GoRpcServer;
