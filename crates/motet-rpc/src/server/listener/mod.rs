//! Listening: from an accepted connection to the protocol that it speaks.
//!
//! Nothing here knows a protocol by name. Each enabled one is asked, in order, whether it recognises
//! the first bytes; the first whose Yes no earlier one still waits for gets the connection with
//! those bytes in front.

mod accept;
mod admission;
mod connection;
mod prefixed;
mod proxy;
mod recognise;
mod refusal;

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use motet_core::{Dispatcher, Drain, Offence, Offences, ServerProtocol};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::transport::TlsAccept;

pub(super) use self::{accept::accept_loop, admission::Admission, recognise::recognised};
pub use self::{
    proxy::{Network, ProxyHeader, ProxySource},
    recognise::Recognised,
};

/// What all connections of one server share.
pub(super) struct Front {
    pub(super) protocols: Arc<[Arc<dyn ServerProtocol>]>,
    pub(super) tls: Option<TlsAccept>,
    pub(super) allow_plaintext: bool,
    pub(super) proxy_from: Vec<Network>,
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
    never_spoke: AtomicU64,
    pub(super) offences: Offences,
    /// For what happens to many connections at once.
    pub(super) crowded: Throttle,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    pub(super) fn snapshot(&self, admission: &Admission) -> ConnectionCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (open, silent, evicted) = admission.open_silent_evicted();
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
            never_spoke: read(&self.never_spoke),
            evicted,
            malformed: self.offences.counted(Offence::Malformed),
            over_protocol_limit: self.offences.counted(Offence::OverLimit),
            stalled: self.offences.counted(Offence::Stalled),
            calls_refused: self.offences.counted(Offence::Refused),
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
    /// Closed because their first byte did not come in time.
    pub never_spoke: u64,
    /// Closed because they were silent and others needed their place.
    pub evicted: u64,
    /// Closed because they broke the rules of their protocol.
    pub malformed: u64,
    /// Closed because they went over a limit of their protocol.
    pub over_protocol_limit: u64,
    /// Closed because they said or took nothing for too long.
    pub stalled: u64,
    /// Calls that were refused because they broke a rule or a limit of their connection; those that
    /// handlers and middleware refuse are counted with their methods.
    pub calls_refused: u64,
}

/// Lets one log line through in a second.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<Option<Instant>>);

impl Throttle {
    pub(super) fn lets_through(&self) -> bool {
        let (now, mut last) = (Instant::now(), self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let due = last.is_none_or(|last| now.saturating_duration_since(last) >= Duration::from_secs(1));
        if due {
            *last = Some(now);
        }
        due
    }
}
