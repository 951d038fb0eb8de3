//! Settings of protocols of requests and replies.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a peer may ask of one connection. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ExchangeConfig {
    /// The longest message: 4 MiB. A longer one ends the connection.
    pub max_message: usize,
    /// How many calls of one connection run at once: 1,024. Further ones are not read until there is
    /// room. A client has at most so many under way on one connection.
    pub max_calls: usize,
    /// How much memory the requests of one connection's calls may take before no more are read:
    /// 32 MiB.
    pub connection_memory: usize,
    /// How much output may wait for the peer before no more requests are read, or sent: 4 MiB.
    pub max_output: usize,
    /// How long a message may take from its first byte to its last: 60 s.
    pub message_timeout: Duration,
    /// How long the peer may take nothing of what waits for it: 30 s. Then the connection ends.
    pub write_timeout: Duration,
}

impl Default for ExchangeConfig {
    fn default() -> ExchangeConfig {
        ExchangeConfig {
            max_message: 4 << 20,
            max_calls: 1024,
            connection_memory: 32 << 20,
            max_output: 4 << 20,
            message_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
        }
    }
}
