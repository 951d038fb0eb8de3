//! Settings.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Settings of calls over WebSocket, on either side: `[protocols.websocket]`. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct WebSocketConfig {
    /// The longest message, after decompression: 4 MiB; where it is not set, `server.message_limit`. A
    /// longer one ends the connection with 1009.
    pub max_message: usize,
    /// How deep a message may nest: 100. A deeper one is answered with an error.
    pub max_depth: usize,
    /// How many requests one batch may hold: 100. Of a larger one none runs.
    pub max_batch: usize,
    /// How many calls of one connection run at once: 1,024. On a server further ones are answered with
    /// RESOURCE_EXHAUSTED, on a client they wait.
    pub max_calls: usize,
    /// How many messages of a stream may be under way or unread before its reader asks for more: 32.
    pub window: u32,
    /// How many bytes the requests of a connection's calls, and the messages that wait on it, may hold
    /// on a server: 32 MiB. What is beyond is answered with RESOURCE_EXHAUSTED.
    pub connection_memory: usize,
    /// How many bytes may wait for the peer before who has more to say waits: 1 MiB.
    pub max_output: usize,
    /// How long a message may take from its first byte to its last: 60 s. Then the connection ends.
    pub message_timeout: Duration,
    /// How long the peer may take less than 64 KiB of what waits for it: 30 s. Then the connection ends.
    pub write_timeout: Duration,
    /// Silence after which the peer is pinged: 30 s.
    pub ping_after: Duration,
    /// How long a ping may go without a sign of life: 20 s. Then the connection ends.
    pub ping_timeout: Duration,
    /// How long a server keeps a connection on which no call runs: 10 min. Then it closes it with 1001.
    pub idle_timeout: Duration,
    /// Whether messages of 1 KiB and more are compressed, where the peer can do it too: yes.
    pub compression: bool,
}

impl Default for WebSocketConfig {
    fn default() -> WebSocketConfig {
        WebSocketConfig {
            max_message: 4 << 20,
            max_depth: 100,
            max_batch: 100,
            max_calls: 1024,
            window: 32,
            connection_memory: 32 << 20,
            max_output: 1 << 20,
            message_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            ping_after: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(600),
            compression: true,
        }
    }
}

impl WebSocketConfig {
    /// The settings of the framing beneath.
    pub(crate) fn framing(&self) -> motet_websocket::WebSocketConfig {
        let mut framing = motet_websocket::WebSocketConfig::default();
        framing.max_message = self.max_message;
        // Compression may lengthen a little.
        framing.max_frame = self.max_message.saturating_add(64 << 10);
        // Who queues looks at `max_output` first; what is one message is never refused.
        framing.max_unsent = self.max_output.max(1);
        framing.message_timeout = self.message_timeout;
        framing.write_timeout = self.write_timeout;
        framing.ping_after = self.ping_after;
        framing.ping_timeout = self.ping_timeout;
        framing.compression = framing.compression.filter(|_| self.compression);
        framing
    }

    /// As a semaphore counts it.
    pub(crate) fn window(&self) -> usize {
        usize::try_from(self.window).unwrap_or(usize::MAX).clamp(1, crate::wire::MAX_CREDIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_has_its_default_and_what_is_misspelt_is_named() {
        let config: WebSocketConfig = serde_json::from_str(r#"{"window": 7}"#).expect("valid");
        assert_eq!(config, WebSocketConfig { window: 7, ..WebSocketConfig::default() });
        let error = serde_json::from_str::<WebSocketConfig>(r#"{"windows": 7}"#).expect_err("misspelt");
        assert!(error.to_string().contains("windows"));
    }

    #[test]
    fn a_window_is_at_least_one_message() {
        assert_eq!(WebSocketConfig { window: 0, ..WebSocketConfig::default() }.window(), 1);
        assert_eq!(WebSocketConfig { window: u32::MAX, ..WebSocketConfig::default() }.window(), 65_536);
    }
}
