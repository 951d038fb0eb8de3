//! What can go wrong in one direction of a connection.

use std::time::Duration;

/// A direction of a connection through the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// What clients send.
    ToServer,
    /// What the server sends.
    ToClient,
}

/// What goes wrong in one direction of a connection; nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Faults {
    /// How much later bytes arrive. At most 256 KiB are on their way; then nothing more is read.
    pub delay: Duration,
    /// How many bytes are forwarded in a second; `None` for as many as there are.
    pub bandwidth: Option<u64>,
    /// Whether nothing is forwarded; the connection stays open, and once 256 KiB wait nothing more
    /// is read.
    pub stalled: bool,
    /// How it ends, and after how many bytes of this direction, counted from the connection's
    /// beginning.
    pub end: Option<(u64, Ending)>,
}

/// How a connection, or a direction of it, ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// Both sides are closed in order (FIN).
    Cut,
    /// Both sides are reset (RST).
    Reset,
    /// Nothing more comes in this direction (FIN); the other goes on.
    HalfClose,
}

impl Faults {
    /// No faults.
    pub fn none() -> Faults {
        Faults::default()
    }

    /// Sets [`Faults::delay`].
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Faults {
        self.delay = delay;
        self
    }

    /// Sets [`Faults::bandwidth`], in bytes a second; 0 counts as 1.
    #[must_use]
    pub fn bandwidth(mut self, bytes_per_second: u64) -> Faults {
        self.bandwidth = Some(bytes_per_second.max(1));
        self
    }

    /// Sets [`Faults::stalled`].
    #[must_use]
    pub fn stall(mut self) -> Faults {
        self.stalled = true;
        self
    }

    /// Sets [`Faults::end`]; 0 bytes end it at once.
    #[must_use]
    pub fn end_after(mut self, bytes: u64, ending: Ending) -> Faults {
        self.end = Some((bytes, ending));
        self
    }
}
