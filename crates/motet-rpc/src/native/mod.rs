//! The native protocol, motet/1: many calls and streams at once on one byte stream.
//!
//! `docs/protocol.md` of the repository specifies it byte for byte. Here it is built in three
//! layers: [`wire`] turns bytes into frames and back, [`machine`] is the state of one connection
//! (bytes and time in, events and bytes out; no socket, no task), and `driver` moves bytes between
//! the machine and a stream. [`NativeServer`] and [`NativeClient`] put calls on top.

pub(crate) mod budget;
mod client;
mod compress;
mod config;
mod driver;
mod inbox;
mod input;
pub mod machine;
mod server;
mod task;
pub mod wire;

pub use budget::{HeldMemory, Lease, MemoryBudget};
pub use client::NativeClient;
pub use config::NativeConfig;
pub use server::NativeServer;
