//! The nodes of one service, as its callers see them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use arc_swap::ArcSwap;
use motet_core::{Call, Candidate, Map, MethodDescriptor, Node, NodeState, RegistryEvent, Status};
use tokio::{sync::Notify, task::AbortHandle, time::Instant};

use super::{pool::Pool, settings::Settings};
use crate::{MethodStats, selector};

/// The most nodes of one service that are taken into account; a registry that lists more is broken.
const MAX_NODES: usize = 65_536;
/// The most methods whose counters are found without a map.
const MAX_METHODS: usize = 64;

/// One service and its nodes. Calls read a snapshot without a lock; a task that follows the registry
/// replaces it.
pub(crate) struct Target {
    pub(crate) settings: Arc<Settings>,
    pub(crate) service: String,
    /// Whether its one node was given by address; else the registry says.
    pub(crate) pinned: bool,
    nodes: ArcSwap<Nodes>,
    table: Mutex<Table>,
    /// Wakes those who wait for nodes, in the order in which they came.
    pub(super) changed: Notify,
    pub(super) follower: Mutex<Option<AbortHandle>>,
    /// The counters of the first methods that were called, in this order.
    methods: Box<[OnceLock<Counted>]>,
}

/// A method and its counters.
type Counted = (Arc<MethodDescriptor>, Arc<MethodStats>);

/// The nodes at one moment: those that calls may go to.
#[derive(Default)]
pub(crate) struct Nodes {
    /// As strategies see them; the same order as `places`.
    pub(crate) candidates: Vec<Arc<Candidate>>,
    pub(crate) places: Vec<Arc<Place>>,
    /// Whether the registry has answered and no node is about to be ready.
    pub(crate) settled: bool,
    /// How many nodes are registered but not ready.
    pub(crate) starting: usize,
    /// The protocols of nodes with which this client has none in common.
    pub(crate) foreign: Vec<String>,
}

/// A node that calls may go to.
pub(crate) struct Place {
    pub(crate) candidate: Arc<Candidate>,
    pub(crate) pool: Arc<Pool>,
    /// By other protocols, for calls that asked for one.
    others: Mutex<Vec<Arc<Pool>>>,
}

impl Place {
    /// The connections by a protocol, or by the first that both sides know.
    pub(crate) fn by(&self, settings: &Arc<Settings>, protocol: Option<&str>) -> Option<Arc<Pool>> {
        let speaks = |pool: &Arc<Pool>| protocol.is_none_or(|protocol| pool.protocol.name() == protocol);
        if speaks(&self.pool) {
            return Some(self.pool.clone());
        }
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = others.iter().find(|pool| speaks(pool)) {
            return Some(pool.clone());
        }
        let pool = settings.pool(self.candidate.node(), protocol)?;
        others.push(pool.clone());
        Some(pool)
    }
}

/// What the registry has said so far.
#[derive(Default)]
struct Table {
    known: BTreeMap<String, (Arc<Node>, Option<Arc<Place>>)>,
    answered: bool,
    /// Set by an error of the registry, until its next Reset; the latest error.
    outage: Option<Status>,
    /// Nodes that a Reset after an outage did not name, and until when they are kept.
    kept: Map<String, Instant>,
}

impl Target {
    pub(crate) fn new(settings: Arc<Settings>, service: &str, pinned: Option<Node>) -> Target {
        let target = Target {
            settings,
            service: service.to_owned(),
            pinned: pinned.is_some(),
            nodes: ArcSwap::default(),
            table: Mutex::default(),
            changed: Notify::new(),
            follower: Mutex::default(),
            methods: (0..MAX_METHODS).map(|_| OnceLock::new()).collect(),
        };
        if let Some(node) = pinned {
            target.apply(RegistryEvent::Reset(vec![node]));
        }
        target
    }

    /// The nodes at this moment.
    #[inline]
    pub(crate) fn nodes(&self) -> arc_swap::Guard<Arc<Nodes>> {
        self.nodes.load()
    }

    /// The place to call, if a strategy alone can choose it.
    #[inline]
    pub(crate) fn pick(&self, call: &Call) -> Option<Arc<Place>> {
        let nodes = self.nodes.load();
        if nodes.places.is_empty() || !self.settings.selector.filters().is_empty() || selector::chooses(&call.options) {
            return None;
        }
        let picked = self.settings.selector.pick(&nodes.candidates, &self.settings.entropy);
        nodes.places.get(picked).cloned()
    }

    /// Whether neither the client's filters nor the call's options choose among nodes.
    #[inline]
    pub(crate) fn any_will_do(&self, call: &Call) -> bool {
        self.settings.selector.filters().is_empty() && !selector::chooses(&call.options)
    }

    /// Whether the call may go to another node than this one that answers.
    pub(crate) fn elsewhere(&self, than: &Place, call: &Call) -> bool {
        let nodes = self.nodes.load();
        let any = self.any_will_do(call);
        nodes.places.iter().any(|other| {
            let candidate = &other.candidate;
            !candidate.is_suspect()
                && candidate.node().id != than.candidate.node().id
                && (any || self.keeps(other, call))
        })
    }

    /// The counters of a method, found by the address of its descriptor.
    #[inline]
    pub(crate) fn stats(&self, method: &Arc<MethodDescriptor>) -> Arc<MethodStats> {
        let mut learned = self.methods.iter().map_while(OnceLock::get);
        match learned.find(|(known, _)| Arc::ptr_eq(known, method)) {
            Some((_, stats)) => stats.clone(),
            None => self.learn(method),
        }
    }

    #[cold]
    fn learn(&self, method: &Arc<MethodDescriptor>) -> Arc<MethodStats> {
        let stats = self.settings.stats.method(&method.path);
        let mut learned = (method.clone(), stats.clone());
        for place in &self.methods {
            // Another thread may learn the same one at this moment: it then has two places, which do no harm.
            match place.set(learned) {
                Ok(()) => break,
                Err(taken) => learned = taken,
            }
        }
        stats
    }

    /// The registry is away: what is known stays.
    pub(super) fn away(&self, error: Status) {
        tracing::debug!(target: "motet", service = self.service, %error, "the registry is away");
        self.table.lock().unwrap_or_else(PoisonError::into_inner).outage = Some(error);
        self.changed.notify_waiters();
    }

    /// The registry's latest error, if it has not answered since.
    pub(super) fn outage(&self) -> Option<Status> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).outage.clone()
    }

    /// Takes in what the registry says.
    pub(super) fn apply(&self, event: RegistryEvent) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            RegistryEvent::Reset(nodes) => table.reset(self, nodes),
            RegistryEvent::Put(node) => table.put(self, node),
            RegistryEvent::Remove(id) => drop((table.kept.remove(&id), table.known.remove(&id))),
            // Events of a later version change nothing that is known here.
            _ => return,
        }
        self.publish(&table);
    }

    /// Forgets nodes that were kept over an outage and did not come back in time. Says when to look
    /// again.
    pub(super) fn forget(&self, now: Instant) -> Option<Instant> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let over: Vec<_> = table.kept.iter().filter(|(_, until)| **until <= now).map(|(id, _)| id.clone()).collect();
        if !over.is_empty() {
            for id in over {
                table.kept.remove(&id);
                table.known.remove(&id);
            }
            self.publish(&table);
        }
        table.kept.values().min().copied()
    }

    fn publish(&self, table: &Table) {
        let usable = |state| {
            let of_state = table.known.values().filter(move |(node, _)| node.state == state);
            of_state.filter_map(|(_, place)| place.clone()).collect::<Vec<_>>()
        };
        let mut places = usable(NodeState::Active);
        if places.is_empty() {
            places = usable(NodeState::Draining);
        }
        let starting = table.known.values().filter(|(node, _)| node.state == NodeState::Starting).count();
        let foreign = table.known.values().filter(|(_, place)| place.is_none());
        let mut foreign: Vec<_> = foreign
            .flat_map(|(node, _)| node.endpoints.iter().flat_map(|endpoint| endpoint.protocols.iter().cloned()))
            .collect();
        foreign.sort();
        foreign.dedup();
        self.nodes.store(Arc::new(Nodes {
            candidates: places.iter().map(|place| place.candidate.clone()).collect(),
            settled: table.answered && (starting == 0 || !places.is_empty()),
            places,
            starting,
            foreign,
        }));
        self.changed.notify_waiters();
    }

    /// The place of a node: with the history and the connections of the one it replaces, as far as
    /// they still hold.
    fn place(&self, node: &Arc<Node>, before: Option<&Place>) -> Option<Arc<Place>> {
        let pool = self.settings.pool(node, None)?;
        let candidate = match before {
            Some(before) if Arc::ptr_eq(&before.pool, &pool) => before.candidate.renewed(node.clone()),
            _ => Candidate::new(node.clone()),
        };
        let candidate = Arc::new(candidate);
        pool.attach(&candidate);
        Some(Arc::new(Place { candidate, pool, others: Mutex::default() }))
    }
}

impl Table {
    fn reset(&mut self, target: &Target, nodes: Vec<Node>) {
        let after_outage = self.outage.take().is_some();
        self.answered = true;
        let before = std::mem::take(&mut self.known);
        if nodes.len() > MAX_NODES {
            tracing::debug!(target: "motet", service = target.service, nodes = nodes.len(), "more nodes than are used");
        }
        for node in nodes.into_iter().take(MAX_NODES) {
            self.insert(target, node, &before);
        }
        self.kept.retain(|id, _| !self.known.contains_key(id) && before.contains_key(id));
        for (id, (node, place)) in before {
            if self.known.contains_key(&id) {
                continue;
            }
            // The node may only have been forgotten: while it answers, it is given time to return.
            let healthy = place.as_ref().is_some_and(|place| place.pool.is_healthy());
            if after_outage && healthy && node.state == NodeState::Active {
                let until = Instant::now() + target.settings.config.outage_grace;
                self.kept.entry(id.clone()).or_insert(until);
            }
            if self.kept.contains_key(&id) {
                self.known.insert(id, (node, place));
            }
        }
    }

    fn put(&mut self, target: &Target, node: Node) {
        self.kept.remove(&node.id);
        if self.known.len() < MAX_NODES || self.known.contains_key(&node.id) {
            let before = self.known.remove_entry(&node.id).into_iter().collect();
            self.insert(target, node, &before);
        }
    }

    fn insert(&mut self, target: &Target, node: Node, before: &BTreeMap<String, (Arc<Node>, Option<Arc<Place>>)>) {
        let id = node.id.clone();
        let known = match before.get(&id) {
            Some((known, place)) if **known == node => (known.clone(), place.clone()),
            before => {
                let node = Arc::new(node);
                let place = target.place(&node, before.and_then(|(_, place)| place.as_deref()));
                (node, place)
            }
        };
        self.known.insert(id, known);
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(follower) = self.follower.get_mut().unwrap_or_else(PoisonError::into_inner) {
            follower.abort();
        }
    }
}
