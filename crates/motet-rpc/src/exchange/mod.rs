//! Protocols of requests and replies on one byte stream: what JSON-RPC over TCP and net/rpc have in
//! common.
//!
//! A protocol is a pure machine, [`Answering`] on a server and [`Asking`] on a client: bytes in,
//! requests or replies out. [`serve`] and [`connect`] move the bytes, run the calls and keep the
//! [`ExchangeConfig`]'s limits. Calls run at once and are answered in any order; the end of input is a
//! half close: what runs goes on and is answered, and only a connection that breaks cancels it.

mod client;
mod config;
mod go;
mod server;

pub use client::{Answer, Asking, connect};
pub use config::ExchangeConfig;
pub use go::{go_error, go_find, go_text};
pub use server::{Answering, Fault, Incoming, serve};
