//! WebSocket (RFC 6455) with permessage-deflate (RFC 7692), for both sides.
//!
//! This crate knows no HTTP server, no Motet and no protocol that goes over WebSocket. It has three layers,
//! each usable without the next:
//!
//! - [`Machine`]: one connection as a state machine. Bytes and time go in, [`Event`]s and bytes come out.
//!   It opens no socket, so that framing is tested from tables of bytes, and it can be put to any stream.
//! - [`handshake`]: how a connection is opened, as functions of requests and responses of the `http`
//!   crate: [`handshake::accept`] for servers, [`handshake::ClientHandshake`] for clients.
//! - [`WebSocket`]: a machine over a byte stream of tokio. It has no task of its own.
//!
//! ```
//! use std::sync::Arc;
//! use motet_websocket::{CloseCode, Masks, WebSocket, WebSocketConfig, handshake::Agreed};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), motet_websocket::Error> {
//! // Two ends of a stream, and what an opening handshake agreed on.
//! let (ours, theirs) = tokio::io::duplex(4096);
//! let (agreed, config) = (Agreed::default(), Arc::new(WebSocketConfig::default()));
//! let mut server = WebSocket::server(ours, Default::default(), &agreed, config.clone());
//! let echo = tokio::spawn(async move {
//!     while let Some(message) = server.next().await? {
//!         server.feed(message).await?; // written when `next` has nothing more to give
//!     }
//!     Ok::<_, motet_websocket::Error>(())
//! });
//!
//! let mut client = WebSocket::client(theirs, Default::default(), &agreed, config, Masks::from_system());
//! client.send("hello").await?;
//! assert_eq!(client.next().await?, Some("hello".into()));
//! client.close(CloseCode::NORMAL, "done").await?;
//! echo.await.expect("no panic")
//! # }
//! ```
//!
//! # What is checked
//!
//! Every rule of the RFCs that a peer can break, at the first byte that breaks it: reserved bits and
//! opcodes, masks, lengths in their shortest form, control frames and fragments, close codes, text as
//! UTF-8 and deflate as it arrives. The peer is told by a Close frame with the code and the rule in
//! words ([`Violation`]).
//!
//! # What is bounded
//!
//! Messages (4 MiB after decompression; a bomb is stopped at the first byte too many), frames, output
//! that waits, pings and empty fragments in a second, the time of a message, of a write, of silence and
//! of closing: see [`WebSocketConfig`]. Pongs take 4 KiB of output at most. A message takes memory as its
//! bytes arrive, not as its head announces.
//!
//! # What a connection costs
//!
//! At rest, no buffer and no compression state: in all about 2.4 kB of memory with its task, timer and socket.
//! Compression takes some 300 KiB to send a message and 40 KiB to receive one, given back at its end
//! unless context takeover is turned on ([`CompressionConfig`]).
//!
//! # What it leaves to others
//!
//! Checking `Origin` and `Host`, authentication, HTTP itself, WebSocket over HTTP/2 (RFC 8441), sending a
//! message in fragments before its end is known.

mod close;
mod config;
mod deflate;
mod error;
pub mod frame;
pub mod handshake;
mod machine;
mod masks;
mod message;
mod socket;
mod text;

pub use self::{
    close::{CloseCode, CloseReason},
    config::{CompressionConfig, WebSocketConfig},
    deflate::Agreement,
    error::{Error, ErrorKind, SendError, Violation},
    machine::{Event, Machine, Role, TimedOut},
    masks::Masks,
    message::Message,
    socket::WebSocket,
};
