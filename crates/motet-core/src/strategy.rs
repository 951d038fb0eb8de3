//! The choice of one node among many.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
};

use crate::{Entropy, Node};

/// Picks one of the nodes that filters have left.
///
/// Called once per attempt on the way of every call: it takes no lock, allocates nothing and costs
/// a constant, whatever the number of nodes.
pub trait Strategy: Send + Sync + 'static {
    /// The name that configuration uses, such as `p2c`.
    fn name(&self) -> &'static str;

    /// The index of the node to call among `candidates`, which holds at least one.
    fn pick(&self, candidates: &[Arc<Candidate>], entropy: &Entropy) -> usize;
}

/// A node as a client sees it: its record, and how calls to it went.
#[derive(Debug)]
pub struct Candidate {
    node: Arc<Node>,
    // A copy of the record's, so that a comparison touches one cache line less.
    weight: u32,
    in_flight: AtomicU32,
    turn: AtomicU32,
    latency_ns: AtomicU64,
    stamp_ns: AtomicU64,
    suspect: AtomicBool,
}

/// What a node's latency is taken to be before it has answered: 1 ms.
const UNKNOWN_LATENCY_NS: u64 = 1_000_000;
/// Over this time an old latency loses 63 % of its weight, as in linkerd's peak EWMA.
const DECAY_NS: f64 = 10e9;
/// The same for a latency that no call confirms: a node that was slow or failed once is tried again.
const FADE_NS: f64 = 3e9;
/// The weight of an equal share.
const EQUAL: u32 = 100;
/// What a failure counts as at least: failing fast must not attract calls.
const FAILURE_NS: u64 = 1_000_000_000;

impl Candidate {
    /// A node that has not been called.
    pub fn new(node: Arc<Node>) -> Candidate {
        Candidate {
            weight: node.weight.max(1),
            node,
            in_flight: AtomicU32::new(0),
            turn: AtomicU32::new(0),
            latency_ns: AtomicU64::new(UNKNOWN_LATENCY_NS),
            stamp_ns: AtomicU64::new(0),
            suspect: AtomicBool::new(false),
        }
    }

    /// The same history under a changed record.
    pub fn renewed(&self, node: Arc<Node>) -> Candidate {
        Candidate {
            turn: AtomicU32::new(self.turn.load(Ordering::Relaxed)),
            latency_ns: AtomicU64::new(self.latency_ns.load(Ordering::Relaxed)),
            stamp_ns: AtomicU64::new(self.stamp_ns.load(Ordering::Relaxed)),
            suspect: AtomicBool::new(self.is_suspect()),
            ..Candidate::new(node)
        }
    }

    /// The record.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// How many calls are running on it from here.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The latency it is expected to have, in nanoseconds; failures count as at least one second.
    pub fn latency_ns(&self) -> u64 {
        self.latency_ns.load(Ordering::Relaxed)
    }

    /// Whether it does not answer: new calls go elsewhere while there is an elsewhere.
    pub fn is_suspect(&self) -> bool {
        self.suspect.load(Ordering::Relaxed)
    }

    /// Says whether it answers.
    pub fn set_suspect(&self, suspect: bool) {
        self.suspect.store(suspect, Ordering::Relaxed);
    }

    /// A number that grows by one each time: strategies that take turns keep their place in the
    /// first of the candidates, so that each service has its own.
    pub fn next_turn(&self) -> u32 {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    /// A call starts.
    #[inline]
    pub fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// A call ends without saying anything about the node: it was cancelled.
    pub fn abandon(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// A call ends: how long it took and whether the node failed it, at `now_ns` of any clock that
    /// is the same for all calls. Peak-sensitive: a slower answer counts at once, a faster one
    /// slowly.
    pub fn end(&self, now_ns: u64, took_ns: u64, failed: bool) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let before = self.latency_ns.load(Ordering::Relaxed);
        let took = if failed { took_ns.max(FAILURE_NS).max(before) } else { took_ns };
        let since = now_ns.saturating_sub(self.stamp_ns.swap(now_ns, Ordering::Relaxed));
        let next = if took >= before {
            took
        } else {
            // For small x, 1 - e^-x is x; the exact curve matters only after seconds of silence.
            let x = since as f64 / DECAY_NS;
            let share = if x < 0.01 { x } else { 1.0 - (-x).exp() };
            before - ((before - took) as f64 * share) as u64
        };
        self.latency_ns.store(next, Ordering::Relaxed);
    }

    /// Time passes: the latency of a node that no call runs on is forgotten by and by, down to that of
    /// a node that has not been called, so that one that was slow or failed is tried again. Clients call
    /// it a few times a second, with the clock of [`Candidate::end`].
    pub fn fade(&self, now_ns: u64) {
        let before = self.latency_ns();
        if self.in_flight() > 0 || before <= UNKNOWN_LATENCY_NS {
            return;
        }
        let since = now_ns.saturating_sub(self.stamp_ns.swap(now_ns, Ordering::Relaxed));
        let left = (before as f64 * (-(since as f64) / FADE_NS).exp()) as u64;
        self.latency_ns.store(left.max(UNKNOWN_LATENCY_NS), Ordering::Relaxed);
    }

    /// What p2c compares: expected latency × (calls in flight + 1) ÷ weight.
    pub fn load(&self) -> u64 {
        let work = self.latency_ns().saturating_mul(u64::from(self.in_flight()) + 1);
        // An equal share is the usual one and needs no division.
        if self.weight == EQUAL { work } else { work.saturating_mul(EQUAL.into()) / u64::from(self.weight) }
    }
}
