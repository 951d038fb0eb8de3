//! Calls and streams over WebSocket, on the port that everything else is on.
//!
//! Three things are behind [`WebSocketServer`]:
//!
//! - `GET /-/ws`, `/ws` where nobody else takes it: JSON-RPC 2.0, each message one JSON text. Calls,
//!   batches and notifications are those of the specification; streams are a small extension of it.
//! - `GET /greeter/chat` with an upgrade: one call of a method that streams, its messages plain.
//! - `/motet.js`: a client for browsers and Node, and `/greeter.d.ts`, its types for a service.
//!
//! [`WebSocketClient`] is the client side for Motet itself: `ws://host:port`. `docs/websocket.md` is the
//! specification, with examples that the tests read.
//!
//! The rules of the extension are in [`StreamSession`], which knows no socket:
//!
//! ```
//! use bytes::{Bytes, BytesMut};
//! use motet_protocol_websocket::{Event, SessionLimits, StreamSession};
//!
//! let (mut session, mut out) = (StreamSession::new(SessionLimits::default()), BytesMut::new());
//! let text = r#"{"jsonrpc":"2.0","method":"greeter/chat","id":1}"#;
//! let events = session.receive(Bytes::from(text), &mut out);
//! let [Event::Call(asked)] = &events[..] else { panic!("a call") };
//! session.takes_messages(asked.token);
//!
//! let text = r#"{"jsonrpc":"2.0","method":"rpc.message","params":{"id":1,"message":"hi"}}"#;
//! let message = Bytes::from(r#""hi""#);
//! assert_eq!(session.receive(Bytes::from(text), &mut out), [Event::Message { token: asked.token, message }]);
//! ```
//!
//! Reading order: [`WebSocketConfig`], [`StreamSession`], [`WebSocketServer`], [`WebSocketClient`].

mod client;
mod config;
mod memory;
mod outbox;
mod pages;
mod server;
mod session;
mod wire;

pub use client::WebSocketClient;
pub use config::WebSocketConfig;
pub use pages::declarations;
pub use server::{MayAsk, WebSocketServer};
pub use session::{Asked, Event, SessionLimits, StreamSession};
pub use wire::Options;

/// For the fuzz targets; not for use by hand, and free to change in any release.
#[doc(hidden)]
pub mod __fuzz {
    /// What a client makes of a server's message.
    pub fn hear(text: bytes::Bytes) -> bool {
        crate::client::hear(text, 100).is_ok()
    }
}
