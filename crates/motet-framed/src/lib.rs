//! What protocols share whose calls are numbered frames on one byte stream, such as rpcx and go-rpc:
//! unary calls side by side, answered in any order, none of them cancelled by a frame.
//!
//! A protocol brings its [`Wire`]: pure functions between bytes and calls. This crate brings the rest:
//! [`Cutter`] cuts the stream into frames, [`serve`] runs a server's connection and [`connect`] a
//! client's. What a peer can make grow is bounded by [`Limits`] there, for all such protocols alike.
//!
//! It knows no protocol and opens no socket.

mod client;
mod cut;
mod gzip;
mod limits;
mod link;
mod server;
mod shared;
mod wire;

pub use client::connect;
pub use cut::{Cutter, Extent, Piece};
pub use gzip::{Unreadable, compress, decompress};
pub use limits::{Heartbeats, Limits};
pub use server::serve;
pub use wire::{Answer, Asked, Broken, ClientWire, Received, Request, ServerWire, Wire, too_long};
