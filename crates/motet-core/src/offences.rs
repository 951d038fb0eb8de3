//! What peers did wrong, counted for the server that they did it to.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// What a protocol can hold against a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Offence {
    /// Its connection was closed because it broke the protocol.
    Malformed,
    /// Its connection was closed because it went over a limit of the protocol.
    OverLimit,
    /// Its connection was closed because it said or took nothing for too long.
    Stalled,
    /// One of its calls was refused because of a rule or limit of its connection.
    Refused,
}

/// Counts the [`Offence`]s of a server's peers; clones share the counters. A protocol that counts a
/// fault also logs it, once for each connection.
#[derive(Clone, Debug, Default)]
pub struct Offences(Arc<[AtomicU64; 4]>);

impl Offences {
    /// Counters at zero.
    pub fn new() -> Offences {
        Offences::default()
    }

    /// Counts offences.
    pub fn count(&self, fault: Offence, times: u64) {
        self.0[fault as usize].fetch_add(times, Ordering::Relaxed);
    }

    /// How many were counted.
    pub fn counted(&self, fault: Offence) -> u64 {
        self.0[fault as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_count_together_and_offences_apart() {
        let offences = Offences::new();
        offences.clone().count(Offence::Refused, 3);
        offences.count(Offence::Stalled, 1);
        let all = [Offence::Malformed, Offence::OverLimit, Offence::Stalled, Offence::Refused];
        assert_eq!(all.map(|fault| offences.counted(fault)), [0, 0, 1, 3]);
    }
}
