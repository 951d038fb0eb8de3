//! The settings of HTTP.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The settings of HTTP, `[protocols.http]`. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HttpConfig {
    /// Names beside loopback names, IP addresses and the advertised address by which browsers and
    /// callers of a loopback listener may ask for this server, such as `greeter.test`. None.
    pub hosts: Vec<String>,
    /// Origins beside the server's own whose pages may call it, such as `https://app.example`; `*` is
    /// any. None.
    pub origins: Vec<String>,
    /// Whether pages of these origins may read the answers (CORS) and send what needs a preflight. No.
    pub cors: bool,
    /// How long HTTP/1.1 and HTTP/2 connections may be open without a request: 2 min.
    pub idle_timeout: Duration,
    /// From the first byte of a request's head to its last: 10 s.
    pub head_timeout: Duration,
    /// How long each 64 KiB of a request that is no stream may take, from the end of its head: 10 s.
    pub body_timeout: Duration,
    /// How long a peer may take nothing of what waits for it: 30 s.
    pub write_timeout: Duration,
    /// The most header fields of a request, HTTP/1.1: 100.
    pub max_headers: usize,
    /// The longest head of a request: 64 KiB.
    pub max_head: usize,
    /// The longest message of a body, after decompression: 4 MiB; where it is not set,
    /// `server.message_limit`.
    pub max_message: usize,
    /// HTTP/2: how many requests of a connection may run at once: 1,000.
    pub max_streams: u32,
    /// HTTP/2: how many bytes of bodies a peer may have under way on the connection: 2 MiB.
    pub connection_window: u32,
    /// HTTP/2: how many bytes of one body a peer may have under way or unread: 1 MiB.
    pub stream_window: u32,
    /// HTTP/2: how many bytes of an answer wait for the peer at most: 400 KiB.
    pub send_buffer: usize,
    /// HTTP/2: silence after which the peer is pinged: 30 s.
    pub ping_after: Duration,
    /// HTTP/2: how long a ping may go unanswered before the connection is closed: 20 s.
    pub ping_timeout: Duration,
    /// HTTP/2: how many requests a peer may reset in a second: 4,096. More end the connection.
    pub max_resets: u32,
    /// HTTP/2: how many frames that carry nothing (PING, SETTINGS, PRIORITY, empty DATA, frames of
    /// types that nobody knows, WINDOW_UPDATE counting a tenth) a peer may send in a second: 10,000.
    /// More end the connection.
    pub max_idle_frames: u32,
}

impl Default for HttpConfig {
    fn default() -> HttpConfig {
        HttpConfig {
            hosts: Vec::new(),
            origins: Vec::new(),
            cors: false,
            idle_timeout: Duration::from_secs(120),
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            max_headers: 100,
            max_head: 64 << 10,
            max_message: 4 << 20,
            max_streams: 1000,
            connection_window: 2 << 20,
            stream_window: 1 << 20,
            send_buffer: 400 << 10,
            ping_after: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(20),
            max_resets: 4096,
            max_idle_frames: 10_000,
        }
    }
}

impl HttpConfig {
    /// HTTP/2's connection window as it is announced. The HTTP/2 library closes connections whose
    /// small unread DATA frames cost more than half of it: a small one would cut off streams of small
    /// messages, so that it is at least 1 MiB.
    pub(crate) fn connection_window(&self) -> u32 {
        self.connection_window.clamp(1 << 20, i32::MAX as u32)
    }

    pub(crate) fn stream_window(&self) -> u32 {
        self.stream_window.clamp(16 << 10, i32::MAX as u32)
    }

    /// What the HTTP/1.1 library reads at once at most; it asks for 8 KiB at least.
    pub(crate) fn max_head(&self) -> usize {
        self.max_head.max(8 << 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_has_its_default_and_what_is_misspelt_is_named() {
        let config: HttpConfig = serde_json::from_str(r#"{"max_headers": 7}"#).expect("valid");
        assert_eq!(config, HttpConfig { max_headers: 7, ..HttpConfig::default() });
        let error = serde_json::from_str::<HttpConfig>(r#"{"max_header": 7}"#).expect_err("misspelt");
        assert!(error.to_string().contains("max_header"));
    }

    #[test]
    fn small_windows_are_raised_to_what_streams_of_small_messages_need() {
        let config = HttpConfig { connection_window: 1, ..HttpConfig::default() };
        assert_eq!(config.connection_window(), 1 << 20);
    }
}
