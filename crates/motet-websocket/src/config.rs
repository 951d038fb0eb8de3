//! Settings of a connection.

use std::time::Duration;

use serde::{Deserialize, Serialize};

// The defaults, which docs/limits.md names.
const MAX_MESSAGE: usize = 4 << 20;
const MAX_FRAME: usize = MAX_MESSAGE + (64 << 10);
const MAX_CONTROLS: u32 = 100;
const MAX_UNSENT: usize = 1 << 20;
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
const PING_AFTER: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Settings of one side of a connection. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct WebSocketConfig {
    /// The longest message, after decompression: 4 MiB. A longer one ends the connection with 1009.
    pub max_message: usize,
    /// The longest frame, as it is on the wire: 4 MiB + 64 KiB, since compression may lengthen a
    /// little. A longer one ends the connection with 1009.
    pub max_frame: usize,
    /// How many pings, pongs and empty fragments the peer may send in a second: 100. More end the
    /// connection with 1008.
    pub max_controls: u32,
    /// How much may wait to be written: 1 MiB. Who has more to send waits. One message may go beyond
    /// it, however long it is.
    pub max_unsent: usize,
    /// How long a message may take from its first byte to its last: 60 s. Then the connection ends
    /// with 1008.
    pub message_timeout: Duration,
    /// How long the peer may take less than 64 KiB of what waits for it: 30 s. Then the connection
    /// ends.
    pub write_timeout: Duration,
    /// Silence after which the peer is pinged: 30 s. Zero: never.
    pub ping_after: Duration,
    /// How long a ping may go without a sign of life: 20 s. Then the connection ends.
    pub ping_timeout: Duration,
    /// How long the peer has to close its side after this one: 5 s.
    pub close_timeout: Duration,
    /// Compression by permessage-deflate, where the peer can do it too: on. `None`: never.
    pub compression: Option<CompressionConfig>,
}

impl Default for WebSocketConfig {
    fn default() -> WebSocketConfig {
        WebSocketConfig {
            max_message: MAX_MESSAGE,
            max_frame: MAX_FRAME,
            max_controls: MAX_CONTROLS,
            max_unsent: MAX_UNSENT,
            message_timeout: MESSAGE_TIMEOUT,
            write_timeout: WRITE_TIMEOUT,
            ping_after: PING_AFTER,
            ping_timeout: PING_TIMEOUT,
            close_timeout: CLOSE_TIMEOUT,
            compression: Some(CompressionConfig::default()),
        }
    }
}

/// Settings of permessage-deflate.
///
/// Windows are sizes as powers of two, from 8 to 15. zlib cannot compress with a window of 8, so a side
/// held to one sends its messages uncompressed, which is allowed. A side that forgets its messages sets
/// up its state for each, which takes some 20 µs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CompressionConfig {
    /// Messages of this size and more are compressed: 1 KiB.
    pub min_size: usize,
    /// How hard to try, from 1 to 9: 1.
    pub level: u32,
    /// Whether this side forgets its messages once they are sent: yes. A side that remembers
    /// compresses small messages better, and holds some 300 KiB for each connection.
    pub own_no_context_takeover: bool,
    /// Whether the peer is asked to forget its messages too: yes. One that remembers costs this side
    /// some 40 KiB for each connection.
    pub peer_no_context_takeover: bool,
    /// The largest window of this side: 15.
    pub own_max_window_bits: u8,
    /// The largest window that the peer is allowed: 15.
    pub peer_max_window_bits: u8,
}

impl Default for CompressionConfig {
    fn default() -> CompressionConfig {
        CompressionConfig {
            min_size: 1 << 10,
            level: 1,
            own_no_context_takeover: true,
            peer_no_context_takeover: true,
            own_max_window_bits: 15,
            peer_max_window_bits: 15,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_has_its_default_and_what_does_not_exist_is_refused() {
        let config: WebSocketConfig =
            serde_json::from_str(r#"{"max_message": 100, "compression": {"level": 6}}"#).expect("settings");
        let compression = CompressionConfig { level: 6, ..CompressionConfig::default() };
        let expected =
            WebSocketConfig { max_message: 100, compression: Some(compression), ..WebSocketConfig::default() };
        assert_eq!(config, expected);
        assert!(serde_json::from_str::<WebSocketConfig>(r#"{"max_messages": 100}"#).is_err());
    }
}
