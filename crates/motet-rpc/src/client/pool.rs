//! The connections to one node.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use motet_core::{
    BoxFuture, Candidate, ClientProtocol, Connection, ConnectionState, Deadline, Endpoint, Executed, Reply, Result,
    Status,
};
use tokio::{sync::Notify, time::Instant};

use super::{dial, kept::Kept, settings::Settings};

/// The connections to one process, shared by all services that it runs. Dialled when first needed;
/// once a connection is lost a task dials again, with growing pauses, until there is one or the pool
/// is dropped. Dropping it closes the connections when the calls on them are done.
pub(crate) struct Pool {
    pub(super) protocol: Arc<dyn ClientProtocol>,
    /// Where the process can be reached by this protocol, the best first; tried in turn.
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) settings: Arc<Settings>,
    wanted: usize,
    open: ArcSwap<Vec<Arc<dyn Connection>>>,
    pub(super) dialling: Mutex<dial::Dialling>,
    rounds: Rounds,
    avoided: AtomicBool,
    /// Wakes calls that may be sent again elsewhere once the node does not answer.
    suspected: Notify,
    /// The node as each service's strategy sees it.
    candidates: Mutex<Vec<Weak<Candidate>>>,
}

impl Pool {
    pub(super) fn new(protocol: Arc<dyn ClientProtocol>, endpoints: Vec<Endpoint>, settings: Arc<Settings>) -> Pool {
        let wanted = settings.config.connections_per_node.unwrap_or_else(|| protocol.connections_per_node());
        Pool {
            protocol,
            endpoints,
            settings,
            wanted: wanted.clamp(1, 64),
            open: ArcSwap::default(),
            dialling: Mutex::default(),
            rounds: Rounds::default(),
            avoided: AtomicBool::new(false),
            suspected: Notify::new(),
            candidates: Mutex::default(),
        }
    }

    /// Offers a call to the connections; `None` when none can take it now.
    #[inline]
    pub(crate) fn start(self: &Arc<Self>, kept: &mut Kept) -> Option<BoxFuture<'static, Result<Reply>>> {
        let open = self.open.load();
        let connection = match &open[..] {
            [one] if self.wanted == 1 && one.state() == ConnectionState::Open => one,
            [] => return None,
            all => self.best(all)?,
        };
        kept.send(&**connection)
    }

    /// The connection with the fewest calls: one that answers, else, if the node is known not to
    /// answer and was picked all the same, one that might.
    fn best<'a>(self: &Arc<Self>, all: &'a [Arc<dyn Connection>]) -> Option<&'a Arc<dyn Connection>> {
        let least = |state| all.iter().filter(move |c| c.state() == state).min_by_key(|c| c.in_flight());
        if let Some(best) = least(ConnectionState::Open) {
            if all.len() < self.wanted && best.in_flight() > 0 {
                self.dial(Duration::ZERO);
            }
            return Some(best);
        }
        match least(ConnectionState::Suspect) {
            Some(best) if self.is_avoided() => Some(best),
            Some(_) => {
                self.suspect();
                None
            }
            None => {
                self.lost();
                None
            }
        }
    }

    /// No connection takes calls any more. While a stopping node finishes what it has, it is left
    /// alone.
    #[cold]
    fn lost(self: &Arc<Self>) {
        let stopping = self.open.load().iter().any(|c| c.state() == ConnectionState::Draining);
        self.prune();
        if stopping {
            self.avoid(true);
            self.dial(self.settings.config.backoff_min * 10);
        }
    }

    /// Waits until there is a connection, at most until `by`. Cancel safe.
    ///
    /// # Errors
    /// Unavailable, executed: no, when connecting fails or would be tried again too late; the
    /// deadline's status when it passes meanwhile.
    pub(crate) async fn ready(self: &Arc<Self>, path: &str, by: Option<Deadline>) -> Result<()> {
        let over = self.rounds.over.notified();
        if self.takes_calls() {
            return Ok(());
        }
        let next = self.dial(Duration::ZERO);
        if let Some(by) = by
            && next > by.at
        {
            let error = self.rounds.error();
            return Err(error.unwrap_or_else(|| self.unreachable("the next try comes after the call's deadline")));
        }
        match by {
            Some(by) => match tokio::time::timeout_at(by.at, over).await {
                Ok(()) => {}
                Err(_) => return Err(by.status(path).with_executed(Executed::No)),
            },
            None => over.await,
        }
        self.rounds.error().map_or(Ok(()), Err)
    }

    fn takes_calls(&self) -> bool {
        let takes = |c: &Arc<dyn Connection>| matches!(c.state(), ConnectionState::Open | ConnectionState::Suspect);
        self.open.load().iter().any(takes)
    }

    /// Sees to it that a task is dialling, and says when its next try comes.
    pub(super) fn dial(self: &Arc<Self>, pause: Duration) -> Instant {
        let mut dialling = self.dialling.lock().unwrap_or_else(PoisonError::into_inner);
        dialling.ensure(self, pause)
    }

    /// A connection was made.
    pub(super) fn opened(&self, connection: Arc<dyn Connection>) {
        self.change(|all| {
            all.retain(usable);
            all.push(connection.clone());
        });
        self.avoid(false);
        self.rounds.end(None);
    }

    /// Connecting failed. Says whether to try again although nobody asks: a node without connection
    /// is avoided and would never be asked for again.
    pub(super) fn failed(&self, error: Status) -> bool {
        let helpless = !self.takes_calls();
        if helpless {
            self.avoid(true);
        }
        self.rounds.end(Some(error));
        helpless
    }

    /// The status of a node that cannot be reached.
    pub(super) fn unreachable(&self, why: &str) -> Status {
        let whereto = self.endpoints.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        Status::unavailable(format!("cannot connect to {whereto}: {why}")).with_executed(Executed::No)
    }

    fn prune(&self) {
        self.change(|all| all.retain(usable));
    }

    fn change(&self, change: impl Fn(&mut Vec<Arc<dyn Connection>>)) {
        self.open.rcu(|all| {
            let mut all = Vec::clone(all);
            change(&mut all);
            all
        });
    }

    /// Whether calls go elsewhere while there is an elsewhere.
    pub(crate) fn is_avoided(&self) -> bool {
        self.avoided.load(Ordering::Relaxed)
    }

    fn avoid(&self, avoid: bool) {
        self.avoided.store(avoid, Ordering::Relaxed);
        let candidates = self.candidates.lock().unwrap_or_else(PoisonError::into_inner);
        candidates.iter().filter_map(Weak::upgrade).for_each(|candidate| candidate.set_suspect(avoid));
    }

    fn suspect(&self) {
        self.avoid(true);
        self.suspected.notify_waiters();
    }

    /// Tells this candidate, too, whether the node answers.
    pub(crate) fn attach(&self, candidate: &Arc<Candidate>) {
        let mut candidates = self.candidates.lock().unwrap_or_else(PoisonError::into_inner);
        candidates.retain(|known| known.strong_count() > 0);
        candidates.push(Arc::downgrade(candidate));
        candidate.set_suspect(self.is_avoided());
    }

    /// Whether a connection is open and answers.
    pub(crate) fn is_healthy(&self) -> bool {
        self.open.load().iter().any(|connection| connection.state() == ConnectionState::Open)
    }

    /// Looks at the connections: a node whose connections all fell silent is avoided until one
    /// answers again. Also lets the strategies forget old latencies. Says whether there is anything to
    /// look at again soon.
    pub(super) fn check(self: &Arc<Self>, now_ns: u64) -> bool {
        let candidates = self.candidates.lock().unwrap_or_else(PoisonError::into_inner);
        candidates.iter().filter_map(Weak::upgrade).for_each(|candidate| candidate.fade(now_ns));
        drop(candidates);
        let open = self.open.load();
        let silent = open.iter().any(|c| c.state() == ConnectionState::Suspect);
        if self.is_healthy() {
            if self.is_avoided() {
                self.avoid(false);
            }
        } else if silent && !self.is_avoided() {
            self.suspect();
        }
        silent || open.iter().any(|c| c.in_flight() > 0)
    }

    /// Resolves once the node no longer answers.
    pub(crate) fn suspected(&self) -> impl Future<Output = ()> + '_ {
        self.suspected.notified()
    }
}

/// The tries to connect: how the last one went, and who waits for the next to be over. They are woken
/// in the order in which they came, so that a run can be replayed.
#[derive(Default)]
struct Rounds {
    last: Mutex<Option<Status>>,
    over: Notify,
}

impl Rounds {
    fn error(&self) -> Option<Status> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn end(&self, error: Option<Status>) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = error;
        self.over.notify_waiters();
    }
}

fn usable(connection: &Arc<dyn Connection>) -> bool {
    matches!(connection.state(), ConnectionState::Open | ConnectionState::Suspect)
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.open.load().iter().for_each(|connection| connection.close());
    }
}
