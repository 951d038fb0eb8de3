//! The opening handshake (RFC 6455, section 4), as functions of requests and responses.
//!
//! Whoever speaks HTTP brings the request and the response to and from the peer. Where a request may
//! come from (`Origin`, `Host`) and who may make it is the HTTP server's business.

mod client;
mod extensions;
mod headers;
mod server;
#[cfg(test)]
mod tests;

use base64::{Engine, engine::general_purpose::STANDARD};

pub use self::{
    client::{ClientHandshake, HandshakeError},
    headers::offered_protocols,
    server::{Accepted, Refusal, accept},
};
use crate::deflate::Agreement;

/// What both sides agreed on in the opening handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreed {
    /// The subprotocol.
    pub protocol: Option<String>,
    /// How messages are compressed.
    pub compression: Option<Agreement>,
}

/// The value of Sec-WebSocket-Accept that answers a Sec-WebSocket-Key.
pub fn accept_key(key: &[u8]) -> String {
    let mut sha1 = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
    sha1.update(key);
    sha1.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(sha1.finish())
}
