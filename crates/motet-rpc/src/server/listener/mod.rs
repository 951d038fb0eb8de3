//! Listening: from an accepted connection to the protocol that it speaks.
//!
//! Nothing here knows a protocol by name. Each enabled one is asked, in order, whether it recognises
//! the first bytes; the first whose Yes no earlier one still waits for gets the connection with
//! those bytes in front.

mod accept;
mod admission;
mod connection;
mod prefixed;
mod recognise;
mod refusal;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use motet_core::{Dispatcher, Drain, ServerProtocol};
use serde::{Deserialize, Serialize};

use crate::transport::TlsAccept;

pub(super) use self::{accept::accept_loop, admission::Admission};

/// What all connections of one server share.
pub(super) struct Front {
    pub(super) protocols: Arc<[Arc<dyn ServerProtocol>]>,
    pub(super) tls: Option<TlsAccept>,
    pub(super) allow_plaintext: bool,
    pub(super) dispatcher: Dispatcher,
    pub(super) drain: Drain,
    pub(super) head_timeout: Duration,
    pub(super) idle_first_byte: Duration,
    pub(super) admission: Arc<Admission>,
    pub(super) counters: Counters,
}

impl Front {
    /// The names of the enabled protocols, for people.
    pub(super) fn spoken(&self) -> String {
        match self.protocols.len() {
            0 => "none".to_owned(),
            _ => self.protocols.iter().map(|protocol| protocol.name()).collect::<Vec<_>>().join(", "),
        }
    }
}

impl fmt::Debug for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Front").field("protocols", &self.spoken()).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    accepted: AtomicU64,
    accept_errors: AtomicU64,
    over_limit: AtomicU64,
    unrecognised: AtomicU64,
    plaintext_refused: AtomicU64,
    tls_failed: AtomicU64,
    too_slow: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    pub(super) fn snapshot(&self, admission: &Admission) -> ConnectionCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (open, silent) = admission.open_and_silent();
        ConnectionCounts {
            open,
            silent,
            accepted: read(&self.accepted),
            accept_errors: read(&self.accept_errors),
            over_limit: read(&self.over_limit),
            unrecognised: read(&self.unrecognised),
            plaintext_refused: read(&self.plaintext_refused),
            tls_failed: read(&self.tls_failed),
            too_slow: read(&self.too_slow),
        }
    }
}

/// The connections of a server, all its listeners together. What is not said to be now is since the
/// start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ConnectionCounts {
    /// Open now.
    pub open: usize,
    /// Open now and silent: they have not sent their first byte.
    pub silent: usize,
    /// Accepted.
    pub accepted: u64,
    /// Failures to accept one, such as running out of file descriptors.
    pub accept_errors: u64,
    /// Closed because there were too many.
    pub over_limit: u64,
    /// Closed because no enabled protocol recognised them.
    pub unrecognised: u64,
    /// Closed because they did not speak TLS where TLS is configured.
    pub plaintext_refused: u64,
    /// Closed because the TLS handshake failed.
    pub tls_failed: u64,
    /// Closed because their first bytes took too long to be complete.
    pub too_slow: u64,
}
