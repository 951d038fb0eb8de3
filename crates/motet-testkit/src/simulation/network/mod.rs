//! The network between the nodes: who reaches whom, how quickly, and what is under way.

mod connection;
mod events;
mod stream;
mod transport;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use motet_core::{Accepted, Entropy};
use tokio::{sync::mpsc, time::Instant};

use super::{Quality, Trace};
use connection::Connection;
use events::Event;

pub(super) use transport::{SCHEME, SimulatedTransport};

/// After so long without an acknowledgement a connection breaks for its sender: 15 s.
pub const GIVE_UP: Duration = Duration::from_secs(15);

/// A node by its number.
pub(super) type NodeId = usize;

/// The network. Everything runs on one thread; the lock is never waited for.
#[derive(Clone)]
pub(super) struct Network(Arc<Mutex<State>>);

/// What the network is at one moment.
pub(super) struct State {
    /// The simulation's time, in milliseconds.
    now: u64,
    machines: Vec<Machine>,
    quality: Quality,
    cut: BTreeSet<(NodeId, NodeId)>,
    /// By address.
    listeners: BTreeMap<String, (NodeId, mpsc::Sender<Accepted>)>,
    connections: BTreeMap<u64, Connection>,
    opened: u64,
    planned: BinaryHeap<Reverse<(u64, u64, Event)>>,
    order: u64,
    entropy: Entropy,
    trace: Trace,
}

/// A node as the network sees it.
struct Machine {
    name: String,
    /// Where the clock of its process stood when it began, and when that was; `None` while it is down.
    clock: Option<(Instant, u64)>,
    /// Whether its process is at work at this moment.
    runs: bool,
}

impl Network {
    pub(super) fn new(entropy: Entropy) -> Network {
        Network(Arc::new(Mutex::new(State {
            now: 0,
            machines: Vec::new(),
            quality: Quality::default(),
            cut: BTreeSet::new(),
            listeners: BTreeMap::new(),
            connections: BTreeMap::new(),
            opened: 0,
            planned: BinaryHeap::new(),
            order: 0,
            entropy,
            trace: Trace::default(),
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A node's process is gone: its machine closes what it had open.
    pub(super) fn end(&self, node: NodeId) {
        let listeners = self.lock().end(node);
        // Dropped without the lock: what waited to be accepted is closed through it.
        drop(listeners);
    }
}

impl State {
    pub(super) fn add_machine(&mut self, name: &str) -> NodeId {
        self.machines.push(Machine { name: name.to_owned(), clock: None, runs: false });
        self.machines.len() - 1
    }

    pub(super) fn find(&self, name: &str) -> Option<NodeId> {
        self.machines.iter().position(|machine| machine.name == name)
    }

    pub(super) fn set_now(&mut self, now: u64) {
        self.now = now;
    }

    /// A node's process begins; its clock shows `base`.
    pub(super) fn begin(&mut self, node: NodeId, base: Instant) {
        self.machines[node].clock = Some((base, self.now));
    }

    /// Says that a node's process is, or is no longer, at work, and gives how much has been planned.
    pub(super) fn set_runs(&mut self, node: NodeId, runs: bool) -> u64 {
        self.machines[node].runs = runs;
        self.order
    }

    /// The time at a node: its process's clock while that is at work, else the present.
    pub(super) fn time_of(&self, node: NodeId) -> u64 {
        match &self.machines[node] {
            Machine { clock: Some((base, born)), runs: true, .. } => {
                let passed = Instant::now().saturating_duration_since(*base);
                born + u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
            }
            _ => self.now,
        }
    }

    /// Whether a node has a process.
    fn is_up(&self, node: NodeId) -> bool {
        self.machines[node].clock.is_some()
    }

    pub(super) fn set_quality(&mut self, quality: Quality) {
        self.quality = quality;
    }

    pub(super) fn cut(&mut self, from: NodeId, to: NodeId) {
        self.cut.insert((from, to));
    }

    pub(super) fn isolate(&mut self, node: NodeId) {
        for other in (0..self.machines.len()).filter(|other| *other != node) {
            self.cut.extend([(node, other), (other, node)]);
        }
    }

    pub(super) fn heal(&mut self, a: NodeId, b: NodeId) {
        self.cut.remove(&(a, b));
        self.cut.remove(&(b, a));
    }

    pub(super) fn heal_all(&mut self) {
        self.cut.clear();
    }

    /// How long a piece takes from one node to another; `None` when it is lost.
    fn flight(&mut self, from: NodeId, to: NodeId) -> Option<u64> {
        let [fastest, slowest] = [self.quality.fastest, self.quality.slowest].map(|d| d.as_millis() as usize);
        let lost = self.quality.loss > 0.0 && self.entropy.unit() < self.quality.loss;
        if from != to && (lost || self.cut.contains(&(from, to))) {
            return None;
        }
        let spread = self.entropy.below(slowest.saturating_sub(fastest) + 1);
        Some((fastest + spread).max(1) as u64)
    }

    pub(super) fn name(&self, node: NodeId) -> &str {
        &self.machines[node].name
    }

    /// Notes what happens at a moment.
    pub(super) fn note_at(&mut self, at: u64, what: fmt::Arguments<'_>) {
        self.trace.add(at, what);
    }

    /// Notes what happens now.
    pub(super) fn note(&mut self, what: fmt::Arguments<'_>) {
        self.note_at(self.now, what);
    }

    /// The trace so far.
    pub(super) fn trace(&self) -> &Trace {
        &self.trace
    }

    pub(super) fn take_trace(&mut self) -> Trace {
        std::mem::take(&mut self.trace)
    }
}
