//! What must hold for any bytes.

mod bodies;
mod go;
mod gorpcx;
mod grpc;
mod http;
mod machines;
mod mucp;
mod pair;
mod proxy;
mod websocket;
mod websocket_calls;
mod wire;

pub use bodies::{config, json, msgpack, protobuf, registry_record};
pub use go::{go_clients, gob, jsonrpc_server, netrpc_server};
pub use gorpcx::{gorpc, rpcx};
pub use grpc::{grpc_compression, grpc_connect, grpc_frames, grpc_headers, grpc_web};
pub use http::{http_frames, http_lines, http_parameters};
pub use machines::{client_machine, server_machine};
pub use mucp::mucp;
pub use pair::two_machines;
pub use proxy::proxy_header;
pub use websocket::{websocket_client, websocket_handshake, websocket_server};
pub use websocket_calls::websocket_calls;
pub use wire::{frames, metadata};

/// Reads small numbers off the front of the input; 0 when there are no more.
pub(crate) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Script<'a> {
        Script(bytes)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()])) % bound
    }

    /// At most this many bytes.
    pub(crate) fn take(&mut self, length: usize) -> &'a [u8] {
        let length = length.min(self.0.len());
        self.0.split_off(..length).unwrap_or_default()
    }
}
