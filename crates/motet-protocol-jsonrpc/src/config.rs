//! Settings.

use std::time::Duration;

use motet_rpc::exchange::ExchangeConfig;
use serde::{Deserialize, Serialize};

/// Settings of JSON-RPC, on either side: `[protocols.jsonrpc]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct JsonRpcConfig {
    /// How deep a message may nest: 100.
    pub max_depth: usize,
    /// How many requests one batch of 2.0 may hold: 1,000. Of a larger one none runs.
    pub max_batch: usize,
    /// The longest message, in bytes: 4 MiB. A longer one ends the connection.
    pub max_message: usize,
    /// How many calls of one connection run at once: 1,024. Further ones are not read until there is
    /// room; a client has at most so many under way on one connection.
    pub max_calls: usize,
    /// How many bytes the requests of one connection's calls may hold before no more are read: 32 MiB.
    pub connection_memory: usize,
    /// How many bytes may wait for the peer before no more requests are read, or sent: 4 MiB.
    pub max_output: usize,
    /// How long a message may take from its first byte to its last: 60 s.
    pub message_timeout: Duration,
    /// How long the peer may take nothing of what waits for it: 30 s. Then the connection ends.
    pub write_timeout: Duration,
}

impl Default for JsonRpcConfig {
    fn default() -> JsonRpcConfig {
        let ExchangeConfig {
            max_message,
            max_calls,
            connection_memory,
            max_output,
            message_timeout,
            write_timeout,
            ..
        } = ExchangeConfig::default();
        JsonRpcConfig {
            max_depth: 100,
            max_batch: 1000,
            max_message,
            max_calls,
            connection_memory,
            max_output,
            message_timeout,
            write_timeout,
        }
    }
}

impl JsonRpcConfig {
    /// What a peer may ask of one connection.
    pub(crate) fn limits(&self) -> ExchangeConfig {
        let mut limits = ExchangeConfig::default();
        limits.max_message = self.max_message;
        limits.max_calls = self.max_calls;
        limits.connection_memory = self.connection_memory;
        limits.max_output = self.max_output;
        limits.message_timeout = self.message_timeout;
        limits.write_timeout = self.write_timeout;
        limits
    }
}
