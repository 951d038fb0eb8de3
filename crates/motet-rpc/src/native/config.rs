//! Settings of the native protocol.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::wire::Settings;

/// Settings of one side of the native protocol. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct NativeConfig {
    /// How many body bytes the peer may have under way on the connection: 1 MiB.
    pub connection_window: u64,
    /// How many bytes of messages the peer may have under way, or waiting to be read, on one stream:
    /// 256 KiB.
    pub stream_window: u64,
    /// How many calls the peer may have open at once: 4,096.
    pub max_streams: u64,
    /// The longest message, after decompression: 4 MiB.
    pub max_message: u64,
    /// How much memory the messages and calls of one connection may hold, beside its first 64 KiB:
    /// 32 MiB.
    pub connection_memory: usize,
    /// Messages of this size and more are compressed where the peer can read it; `None`, the
    /// default, compresses only what a call's options ask for.
    pub compress_above: Option<usize>,
    /// Silence with calls outstanding after which the peer is pinged: 500 ms.
    pub ping_after: Duration,
    /// How long a ping may go unanswered before the peer is suspect: 1 s.
    pub ping_timeout: Duration,
    /// Silence without calls after which the peer is pinged: 30 s.
    pub idle_ping: Duration,
    /// How many pings in a row may go unanswered before the connection is closed: 20.
    pub max_missed_pings: u32,
    /// How many pings the peer may send in a second: 100. More end the connection.
    pub max_pings: u32,
    /// How many calls the peer may cancel in a second that are less than 50 ms old: 4,096. More end
    /// the connection.
    pub max_rapid_cancels: u32,
    /// How long a message may take from its first frame to its last, and a frame from its first byte
    /// to its last: 60 s. A message that takes longer ends its call, a frame the connection.
    pub message_timeout: Duration,
    /// How long the peer may take less than 64 KiB of what waits for it, be it bytes that its socket
    /// does not take or messages for which it gives no credit: 30 s. Then the connection ends.
    pub write_timeout: Duration,
}

impl Default for NativeConfig {
    fn default() -> NativeConfig {
        NativeConfig {
            connection_window: Settings::V1.connection_window,
            stream_window: Settings::V1.stream_window,
            max_streams: Settings::V1.max_streams,
            max_message: Settings::V1.max_message,
            connection_memory: 32 << 20,
            compress_above: None,
            ping_after: Duration::from_millis(500),
            ping_timeout: Duration::from_secs(1),
            idle_ping: Duration::from_secs(30),
            max_missed_pings: 20,
            max_pings: 100,
            max_rapid_cancels: 4096,
            message_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
        }
    }
}

impl NativeConfig {
    /// What this side announces.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            connection_window: self.connection_window.clamp(64 << 10, u32::MAX.into()),
            stream_window: self.stream_window.clamp(1 << 10, u32::MAX.into()),
            max_streams: self.max_streams.max(1),
            max_message: self.max_message.clamp(1 << 10, u32::MAX.into()),
            deflate: true,
            accepts_calls: false,
        }
    }
}
