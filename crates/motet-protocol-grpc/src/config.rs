//! The settings of gRPC.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::wire::{Compression, MAX_MESSAGE};

/// The settings of gRPC, `[protocols.grpc]`, of both sides. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct GrpcConfig {
    /// The longest message either way, after decompression: 4 MiB.
    pub max_message: usize,
    /// How many bytes of messages that have not arrived whole all connections of a server may hold
    /// together, beside 16 KiB of each call: 256 MiB. Beyond that calls end with ResourceExhausted.
    pub max_unfinished: usize,
    /// How long a message of a request may take from its first byte to its last: 60 s.
    pub message_timeout: Duration,
    /// Messages of this size and more are compressed where the peer can read it; `None`, the
    /// default, compresses only what a call's options ask for.
    pub compress_above: Option<usize>,
    /// How: `gzip`, the default, or `zstd`.
    pub compression: CompressionName,
    /// How many bytes of replies may be under way or unread on a client's connection: 16 MiB. A small
    /// one cuts off streams of small messages that are read slowly, since the HTTP/2 library closes
    /// connections whose unread small frames cost more than half of it.
    pub connection_window: u32,
    /// How many bytes of one reply may be under way or unread: 1 MiB.
    pub stream_window: u32,
    /// How many connections to one node serve a client: 2.
    pub connections_per_node: usize,
    /// Silence with calls outstanding after which a client pings its peer: 500 ms. It does so at most
    /// twice until the peer sends something of a call: more are answered with a GOAWAY by many.
    pub ping_after: Duration,
    /// How long a ping may go unanswered before the peer is suspect: 1 s.
    pub ping_timeout: Duration,
    /// How long it may go unanswered before the connection is closed: 20 s.
    pub dead_after: Duration,
}

/// A compression by its name in configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum CompressionName {
    /// [`Compression::Gzip`].
    #[default]
    Gzip,
    /// [`Compression::Zstd`].
    Zstd,
}

impl CompressionName {
    /// The compression.
    pub fn compression(self) -> Compression {
        match self {
            CompressionName::Gzip => Compression::Gzip,
            CompressionName::Zstd => Compression::Zstd,
        }
    }
}

impl Default for GrpcConfig {
    fn default() -> GrpcConfig {
        GrpcConfig {
            max_message: MAX_MESSAGE,
            max_unfinished: 256 << 20,
            message_timeout: Duration::from_secs(60),
            compress_above: None,
            compression: CompressionName::Gzip,
            connection_window: 16 << 20,
            stream_window: 1 << 20,
            connections_per_node: 2,
            ping_after: Duration::from_millis(500),
            ping_timeout: Duration::from_secs(1),
            dead_after: Duration::from_secs(20),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_setting_with_its_default() {
        let page = include_str!("../../../docs/grpc.md");
        let default = serde_json::to_value(GrpcConfig::default()).expect("plain data");
        let (mut keys, mut rows) = (Vec::new(), 0);
        for row in page.lines().filter_map(|line| line.strip_prefix("| `protocols.grpc.")?.split_once("` | ")) {
            let (key, value) = (row.0, row.1.split(" |").next().unwrap_or_default().trim_matches('`'));
            // Times are written as people write them.
            let shown = match &default[key] {
                serde_json::Value::Null => "—".to_owned(),
                serde_json::Value::Object(time) => {
                    let millis = time["secs"].as_u64().expect("seconds") * 1000
                        + time["nanos"].as_u64().expect("ns") / 1_000_000;
                    if millis % 1000 == 0 { format!("\"{}s\"", millis / 1000) } else { format!("\"{millis}ms\"") }
                }
                other => other.to_string(),
            };
            assert_eq!(value, shown, "{key}");
            keys.push(key);
            rows += 1;
        }
        assert_eq!(rows, default.as_object().expect("a section").len(), "{keys:?}");
    }

    #[test]
    fn settings_are_read_and_unknown_ones_refused() {
        let read = |json| serde_json::from_str::<GrpcConfig>(json);
        let config = read(r#"{"max_message": 1024, "compression": "zstd", "compress_above": 100}"#).expect("valid");
        assert_eq!((config.max_message, config.compress_above), (1024, Some(100)));
        assert_eq!(config.compression.compression(), Compression::Zstd);
        assert!(read(r#"{"max_mesage": 1}"#).is_err());
        assert!(read(r#"{"compression": "snappy"}"#).is_err());
    }
}
