//! Settings of rpcx.

use std::{fmt, time::Duration};

use motet_core::{Call, Codec, Family};
use motet_framed::{Heartbeats, Limits};

use crate::frame;

/// Settings of one side of rpcx: `[protocols.rpcx]`. Sizes are in bytes.
#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RpcxConfig {
    /// The longest message, after decompression: 4 MiB.
    pub max_message: usize,
    /// How many calls of one connection run at once: 4,096. Beyond, a server reads no further and a
    /// client lets calls wait.
    pub max_calls: usize,
    /// How much memory the calls of one connection may hold, beside its first 64 KiB: 32 MiB. Calls
    /// beyond are refused.
    pub connection_memory: usize,
    /// How long a frame may take from its first byte to its last: 60 s. Then the connection ends.
    pub frame_timeout: Duration,
    /// How long the peer may take nothing of what waits for it: 30 s. Then the connection ends.
    pub write_timeout: Duration,
    /// Silence without calls after which a client sends a heartbeat: 30 s.
    pub heartbeat_idle: Duration,
    /// How long the answer to a heartbeat may take before the node is suspect: 2 s.
    pub heartbeat_timeout: Duration,
    /// How many heartbeats in a row may go unanswered before a client closes the connection: 3.
    pub max_missed_heartbeats: u32,
    /// How clients write messages of serde types: MessagePack, as rpcx does unless told otherwise.
    /// Messages of protobuf types are always protobuf. Servers answer in what they are asked in.
    pub serialize: Serialize,
    /// Requests of this size and more are compressed; `None`, the default, compresses only what a
    /// call's options ask for, from 1 KiB on. Servers compress the answers to compressed requests.
    pub compress_above: Option<usize>,
    /// The tokens of which a caller must present one in the metadata `__AUTH`; none are asked for
    /// if there are none. Another token ends the connection.
    pub accept_tokens: Vec<String>,
    /// The token that a client sends, unless a call's metadata has the key `__auth`; none if empty.
    pub token: String,
}

/// How messages are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Serialize {
    /// JSON.
    Json,
    /// Binary protobuf.
    Protobuf,
    /// MessagePack with named fields.
    #[default]
    MsgPack,
}

impl Default for RpcxConfig {
    fn default() -> RpcxConfig {
        let limits = Limits::default();
        RpcxConfig {
            max_message: limits.max_message,
            max_calls: limits.max_calls,
            connection_memory: limits.connection_memory,
            frame_timeout: limits.frame_timeout,
            write_timeout: limits.write_timeout,
            heartbeat_idle: Duration::from_secs(30),
            heartbeat_timeout: Duration::from_secs(2),
            max_missed_heartbeats: 3,
            serialize: Serialize::MsgPack,
            compress_above: None,
            accept_tokens: Vec::new(),
            token: String::new(),
        }
    }
}

impl RpcxConfig {
    pub(crate) fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        limits.max_message = self.max_message.clamp(1 << 10, u32::MAX as usize - Limits::OVERHEAD);
        limits.max_calls = self.max_calls.max(1);
        limits.connection_memory = self.connection_memory;
        limits.frame_timeout = self.frame_timeout;
        limits.write_timeout = self.write_timeout;
        limits
    }

    pub(crate) fn heartbeats(&self) -> Heartbeats {
        let (idle, timeout) = (self.heartbeat_idle, self.heartbeat_timeout);
        Heartbeats { idle, timeout, max_missed: self.max_missed_heartbeats.max(1) }
    }

    /// The codec that a call goes in, where its message is still a value.
    pub(crate) fn codec(&self, call: &Call) -> Codec {
        match (&call.options.codec, call.method.family, self.serialize) {
            (Some(codec), ..) => codec.clone(),
            (None, Family::Proto, _) | (None, _, Serialize::Protobuf) => Codec::PROTOBUF,
            (None, _, Serialize::Json) => Codec::JSON,
            (None, _, Serialize::MsgPack) => Codec::MSGPACK,
        }
    }

    /// The size from which a call's message is compressed.
    pub(crate) fn compress_above(&self, call: &Call) -> Option<usize> {
        match call.options.compress {
            None => self.compress_above,
            Some(true) => Some(self.compress_above.unwrap_or(frame::WORTH)),
            Some(false) => None,
        }
    }
}

/// Shows no token.
impl fmt::Debug for RpcxConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RpcxConfig")
            .field("max_message", &self.max_message)
            .field("max_calls", &self.max_calls)
            .field("serialize", &self.serialize)
            .field("accept_tokens", &self.accept_tokens.len())
            .finish_non_exhaustive()
    }
}
