//! Go's net/rpc: calls in gob over TCP or behind HTTP's `CONNECT /_goRPC_`, with types that serde shows.
//!
//! A Go program calls a Motet service, and is called by a Motet client, as it calls another Go program.
//! The name of a method is `Greeter.Hello`; a service without a trait is called by its own name, such
//! as `world.HelloWorld`. Go's structs become messages by the names of their fields, whatever the case:
//! `UserID` is `user_id`. Field names travel as Go exports them, `user_name` as `UserName`.
//!
//! What gob has no word for is left out or refused: `None` is a field that is not there; complex
//! numbers, and integers of more than 64 bits, are errors.
//!
//! [`NetRpcServer`] and [`NetRpcClient`] are the two sides, [`GobCodec`] is the codec
//! `application/x-gob` on its own.
//!
//! ```
//! use std::sync::Arc;
//! use motet_protocol_netrpc::{NetRpcConfig, NetRpcServer};
//! use motet_rpc::Server;
//!
//! let server = Server::builder().protocol(Arc::new(NetRpcServer::new(NetRpcConfig::default()))).build().unwrap();
//! # drop(server);
//! ```

mod body;
mod client;
mod config;
mod gob;
mod server;
mod stream;

pub use client::NetRpcClient;
pub use config::NetRpcConfig;
pub use gob::GobCodec;
pub use server::NetRpcServer;

/// For the fuzz targets; not for use by hand, and free to change in any release.
#[doc(hidden)]
pub mod __fuzz {
    use motet_rpc::exchange::{Answering, Asking};

    use crate::NetRpcConfig;

    /// The server's machine.
    pub fn server(max_message: usize) -> impl Answering {
        crate::server::machine(&NetRpcConfig { max_message, ..NetRpcConfig::default() })
    }

    /// The client's machine.
    pub fn client(max_message: usize) -> impl Asking {
        crate::client::machine(&NetRpcConfig { max_message, ..NetRpcConfig::default() })
    }
}

/// The code on the page about moving from net/rpc, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/from-net-rpc.md")]
mod from_net_rpc {}
