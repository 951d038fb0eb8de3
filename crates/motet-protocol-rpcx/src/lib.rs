//! rpcx: its clients call Motet services, and Motet clients call its services.
//!
//! [`RpcxServer`] and [`RpcxClient`] speak the protocol of rpcx 1.9, unchanged since its version 3:
//! unary and one-way calls side by side on one connection, metadata both ways, deadlines, heartbeats,
//! bodies in JSON, protobuf, MessagePack and as they are, gzip, tokens in the metadata `__AUTH`.
//! `Greeter.Hello` is service path `Greeter`, method `Hello`.
//!
//! Of an error it carries the text alone. It has no cancel: a call that is given up is forgotten.
//! Streams, file transfer, calls from the server and the serializer thrift are not spoken.
//!
//! ```
//! # fn main() -> motet_core::Result<()> {
//! use std::sync::Arc;
//! use motet_protocol_rpcx::{RpcxClient, RpcxConfig, RpcxServer};
//! use motet_rpc::{Client, Server, TcpTransport};
//!
//! let config = RpcxConfig::default();
//! let server = Server::builder().protocol(Arc::new(RpcxServer::new(config.clone()))).build()?;
//! let client = Client::builder()
//!     .transport(Arc::new(TcpTransport::new()))
//!     .protocol(Arc::new(RpcxClient::new(config)))
//!     .build();
//! # Ok(())
//! # }
//! ```
//!
//! With the facade's feature `rpcx` an App speaks it on its one port, and `rpcx://host:port` is an
//! address.

mod client;
mod config;
pub mod frame;
mod metadata;
mod server;

pub use client::RpcxClient;
pub use config::{RpcxConfig, Serialize};
pub use server::RpcxServer;
