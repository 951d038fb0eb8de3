//! Settings of go-rpc.

use std::{collections::BTreeMap, fmt, time::Duration};

use motet_framed::{Heartbeats, Limits};

/// Settings of one side of go-rpc: `[protocols.gorpc]`. Sizes are in bytes.
#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct GoRpcConfig {
    /// The longest message: 4 MiB.
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
    /// Silence without calls after which a client sends a heartbeat: 30 s. While calls run it sends
    /// none: a go-rpc server runs handlers in its read loop and could not answer.
    pub heartbeat_idle: Duration,
    /// How long the answer to a heartbeat may take before the node is suspect, which is what go-rpc
    /// calls degraded: 2 s.
    pub heartbeat_timeout: Duration,
    /// How many heartbeats in a row may go unanswered before a client closes the connection: 20.
    pub max_missed_heartbeats: u32,
    /// How clients write: JSON, as go-rpc does unless told otherwise. A go-rpc server understands the
    /// one that it is configured for. Servers answer in what they are asked in.
    pub serialize: Serialize,
    /// The tokens of which a caller must present one in the metadata `rpc_auth`; none are asked for
    /// if there are none.
    pub accept_tokens: Vec<String>,
    /// The token that a client sends, unless a call's metadata has the key `rpc_auth`; none if empty.
    pub token: String,
    /// The tags of a server: a call that asks for others in its metadata `tags` is refused. An App's
    /// labels, if empty.
    pub tags: BTreeMap<String, String>,
    /// The tags that a client asks for, beside the labels that a call's options ask for.
    pub ask_tags: BTreeMap<String, String>,
    /// Whether an App answers `POST /invoke` and `/view/health`, `/view/disk`, `/view/cpu`,
    /// `/view/ram` on its HTTP door: no by default, since the pages tell everyone how the machine does.
    pub gateway: bool,
}

/// How messages and headers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Serialize {
    /// JSON.
    #[default]
    Json,
    /// MessagePack with named fields and numbers in full width.
    MsgPack,
}

impl Default for GoRpcConfig {
    fn default() -> GoRpcConfig {
        let limits = Limits::default();
        GoRpcConfig {
            max_message: limits.max_message,
            max_calls: limits.max_calls,
            connection_memory: limits.connection_memory,
            frame_timeout: limits.frame_timeout,
            write_timeout: limits.write_timeout,
            heartbeat_idle: Duration::from_secs(30),
            heartbeat_timeout: Duration::from_secs(2),
            max_missed_heartbeats: 20,
            serialize: Serialize::Json,
            accept_tokens: Vec::new(),
            token: String::new(),
            tags: BTreeMap::new(),
            ask_tags: BTreeMap::new(),
            gateway: false,
        }
    }
}

impl GoRpcConfig {
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
}

/// Shows no token.
impl fmt::Debug for GoRpcConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GoRpcConfig")
            .field("max_message", &self.max_message)
            .field("max_calls", &self.max_calls)
            .field("serialize", &self.serialize)
            .field("accept_tokens", &self.accept_tokens.len())
            .field("tags", &self.tags)
            .finish_non_exhaustive()
    }
}
