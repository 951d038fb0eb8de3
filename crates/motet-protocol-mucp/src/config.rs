//! Settings of mucp.

use std::time::Duration;

use motet_core::{Call, Codec, Family};

use crate::wire::{Envelope, Form};

/// Settings of both sides of mucp: `[protocols.mucp]`. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MucpConfig {
    /// The longest message: 4 MiB.
    pub max_message: usize,
    /// How much memory the messages of one connection may hold, beside its first 64 KiB: 32 MiB. What
    /// does not fit is refused.
    pub connection_memory: usize,
    /// How long a message may take from its first byte to its last: 60 s. Then the connection ends.
    pub message_timeout: Duration,
    /// How long the peer may take nothing of what waits for it: 30 s. Then the connection ends.
    pub write_timeout: Duration,
    /// How long a connection may be open with nothing running: 10 min. Clients of go-micro keep theirs.
    pub idle_timeout: Duration,
    /// How clients write messages of serde types: JSON, as go-micro does unless told otherwise since
    /// version 4.9. Messages of protobuf types are always protobuf. Servers answer in what they are
    /// asked in.
    pub content_type: ContentType,
    /// How many connections a client may have open to a node, each for one call or stream at a time:
    /// 256. Calls beyond wait.
    pub max_connections: usize,
    /// How many of them are kept while they are not used: 32.
    pub max_idle: usize,
    /// How long a client keeps one that is not used: 60 s.
    pub keep: Duration,
    /// Whether `Debug.Stats`, `Debug.Log` and `Debug.Trace` answer callers of other machines; those of
    /// this one are always answered, and so is `Debug.Health`. No.
    pub debug: bool,
}

/// How messages are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ContentType {
    /// JSON.
    #[default]
    Json,
    /// Binary protobuf.
    Protobuf,
    /// JSON in an envelope of JSON-RPC, for servers that register no protocol.
    JsonRpc,
    /// Binary protobuf in an envelope, for servers that register no protocol.
    ProtoRpc,
}

impl Default for MucpConfig {
    fn default() -> MucpConfig {
        MucpConfig {
            max_message: 4 << 20,
            connection_memory: 32 << 20,
            message_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(600),
            content_type: ContentType::Json,
            max_connections: 256,
            max_idle: 32,
            keep: Duration::from_secs(60),
            debug: false,
        }
    }
}

impl MucpConfig {
    pub(crate) fn max_message(&self) -> usize {
        self.max_message.clamp(1 << 10, u32::MAX as usize / 2)
    }

    /// The form in which a call's messages go that are still values.
    pub(crate) fn form(&self, call: &Call) -> Form {
        let (envelope, codec) = match (self.content_type, call.method.family) {
            (ContentType::JsonRpc, Family::Proto) | (ContentType::ProtoRpc, _) => (Envelope::ProtoRpc, Codec::PROTOBUF),
            (_, Family::Raw) => (Envelope::Plain, Codec::RAW),
            (_, Family::Proto) | (ContentType::Protobuf, _) => (Envelope::Plain, Codec::PROTOBUF),
            (ContentType::Json, _) => (Envelope::Plain, Codec::JSON),
            (ContentType::JsonRpc, _) => (Envelope::JsonRpc, Codec::JSON),
        };
        match &call.options.codec {
            Some(wish) if *wish != codec => Form::new(Envelope::Plain, wish.clone()),
            _ => Form::new(envelope, codec),
        }
    }
}
