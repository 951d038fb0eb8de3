//! The bounds on what a peer can make grow.

use std::time::Duration;

/// The bounds of one side of a protocol. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest message, after decompression: 4 MiB.
    pub max_message: usize,
    /// How many calls of one connection run at once: 4,096. A server reads no further while so many
    /// run; a client lets calls wait.
    pub max_calls: usize,
    /// How much memory the calls of one connection may hold, beside its first 64 KiB: 32 MiB.
    pub connection_memory: usize,
    /// How long a frame may take from its first byte to its last: 60 s.
    pub frame_timeout: Duration,
    /// How long a peer may take nothing of what waits for it: 30 s.
    pub write_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_message: 4 << 20,
            max_calls: 4096,
            connection_memory: 32 << 20,
            frame_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// What a frame may have beside its message: names and metadata. Metadata that a call can hold
    /// is a quarter of it.
    pub const OVERHEAD: usize = 64 << 10;
    /// A frame up to this length that is too long for a call is read to its end and dropped, and its
    /// call refused; a longer one ends the connection.
    pub const MAX_SKIPPED: u64 = 256 << 20;

    pub(crate) fn max_frame(&self) -> u64 {
        self.max_message as u64 + Self::OVERHEAD as u64
    }
}

/// When a client asks its peer for a sign of life. It does so only while no call runs: some peers run
/// handlers inside their read loops and could not answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heartbeats {
    /// Silence after which one is sent.
    pub idle: Duration,
    /// How long the answer may take before the peer is suspect and the next one is sent.
    pub timeout: Duration,
    /// How many in a row may go unanswered before the connection is closed.
    pub max_missed: u32,
}
