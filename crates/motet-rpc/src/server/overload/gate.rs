//! The gate in front of a method's handler.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{
            AtomicU32, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use motet_core::{Call, Deadline, Entropy, Executed, Kind, MethodDescriptor, Peer, Status};
use tokio::{sync::oneshot, time::Instant};

use super::{
    OverloadConfig,
    control::Control,
    queue::{Key, Queue},
    samples::Samples,
};

/// While the queue has not been empty for [`OverloadConfig::queue_time`], calls wait this part of it.
const STANDING: u32 = 5;
/// What a refused call is told to wait at least.
const SHORTEST_HINT: Duration = Duration::from_millis(100);
/// And at most, before [`Gate::hint`] spreads it.
const LONGEST_HINT: Duration = Duration::from_secs(5);

/// Lets calls into one method's handler, and keeps out those beyond its limit.
///
/// A call that is answered at its first poll costs two reads, and a third one of its connection. One
/// that waits is counted: two additions when it begins to wait, three when it ends.
#[derive(Debug)]
pub(crate) struct Gate {
    running: AtomicU32,
    limit: AtomicU32,
    queued: AtomicU32,
    /// What is configured: the limit is never above it.
    most: u32,
    /// Whether that is for this method in particular.
    own: bool,
    max_per_connection: u32,
    queue_time: Duration,
    refused: AtomicU64,
    hint_ms: AtomicU32,
    entropy: Entropy,
    adaptive: Option<Adaptive>,
    queue: Mutex<Queue<Place>>,
}

/// What finds the limit.
#[derive(Debug)]
struct Adaptive {
    samples: Samples,
    control: Mutex<Control>,
    /// The latency of calls that do not queue up, in microseconds.
    ordinary_us: AtomicU64,
}

/// A place in the handler that was kept for a call; dropping it gives the place to the next.
#[derive(Debug)]
pub(super) struct Place(Option<Arc<Gate>>);

/// A call's place in the queue; dropping it leaves the queue.
#[derive(Debug)]
pub(in crate::server) struct Ticket {
    gate: Arc<Gate>,
    key: Key,
    pub(super) turn: oneshot::Receiver<Place>,
    /// How long it may wait.
    pub(super) until: Instant,
}

impl Gate {
    /// The gate of a method; without settings only its own limit counts.
    pub(crate) fn new(method: &MethodDescriptor, config: Option<&OverloadConfig>, entropy: &Entropy) -> Arc<Gate> {
        let unary = method.kind == Kind::Unary;
        let own = config.map_or(method.options.max_in_flight, |config| config.own_limit(method));
        let most = config.filter(|_| unary).map_or(u32::MAX, |config| config.max_in_flight);
        let most = own.unwrap_or(u32::MAX).min(most).max(1);
        let adaptive = config.filter(|config| unary && config.adaptive).map(|config| Adaptive {
            samples: Samples::new(),
            control: Mutex::new(Control::new(config.min_in_flight.min(most), most)),
            ordinary_us: AtomicU64::new(0),
        });
        let defaults = OverloadConfig::default();
        Arc::new(Gate {
            running: AtomicU32::new(0),
            limit: AtomicU32::new(most),
            queued: AtomicU32::new(0),
            most,
            own: own.is_some(),
            max_per_connection: config.map_or(u32::MAX, |config| config.max_per_connection),
            queue_time: config.map_or(defaults.queue_time, |config| config.queue_time),
            refused: AtomicU64::new(0),
            hint_ms: AtomicU32::new(SHORTEST_HINT.as_millis() as u32),
            entropy: entropy.clone(),
            adaptive,
            queue: Mutex::new(Queue::new(config.map_or(defaults.queue, |config| config.queue))),
        })
    }

    /// Whether one more call may run. Those that come at the same moment may be let in together.
    pub(in crate::server) fn is_open(&self) -> bool {
        self.running.load(Relaxed) < self.limit.load(Relaxed)
    }

    /// Whether one more call of this connection may run.
    pub(in crate::server) fn is_open_to(&self, peer: Option<&Peer>) -> bool {
        peer.is_none_or(|peer| peer.running.count() < self.max_per_connection)
    }

    /// A call waits in the handler: [`Gate::leave`] must follow.
    pub(in crate::server) fn occupy(&self) {
        self.running.fetch_add(1, Relaxed);
    }

    /// A call that had a place is over.
    pub(in crate::server) fn leave(self: &Arc<Gate>) {
        self.running.fetch_sub(1, SeqCst);
        if self.queued.load(SeqCst) > 0 {
            self.hand_over();
        }
    }

    /// Learns from a call that has ended, before it leaves.
    pub(in crate::server) fn learn(self: &Arc<Gate>, took: Duration, now: Instant, given_up: bool) {
        if let Some(adaptive) = &self.adaptive
            && adaptive.samples.add(took, now, given_up)
        {
            self.adapt(adaptive, now);
        }
    }

    #[cold]
    fn adapt(self: &Arc<Gate>, adaptive: &Adaptive, now: Instant) {
        let mut control = match adaptive.control.try_lock() {
            Ok(control) => control,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Somebody else does it.
            Err(TryLockError::WouldBlock) => return,
        };
        let Some((window, refused)) = adaptive.samples.close(now, self.running.load(Relaxed)) else { return };
        let limit = control.update(&window).unwrap_or(self.most).min(self.most);
        let ordinary = Duration::from_secs_f64(control.ordinary());
        drop(control);
        adaptive.ordinary_us.store(u64::try_from(ordinary.as_micros()).unwrap_or(u64::MAX), Relaxed);
        let hint = SHORTEST_HINT.mul_f64(1.0 + refused.min(1000.0)).min(LONGEST_HINT);
        self.hint_ms.store(hint.as_millis() as u32, Relaxed);
        let before = self.limit.swap(limit, SeqCst);
        if limit > before && self.queued.load(SeqCst) > 0 {
            self.hand_over();
        }
    }

    /// Gives free places to those who wait.
    #[cold]
    fn hand_over(self: &Arc<Gate>) {
        while let Some(turn) = self.next() {
            // One that has just given up leaves its place to the next.
            if let Err(place) = turn.send(Place(Some(self.clone()))) {
                place.forget();
            }
        }
    }

    /// The next that waits, counted as running, if there is a free place.
    fn next(&self) -> Option<oneshot::Sender<Place>> {
        let mut queue = self.queue();
        loop {
            if !self.is_open() {
                return None;
            }
            let newest = queue.since().is_some_and(|since| since.elapsed() >= self.queue_time);
            let turn = queue.pop(newest)?;
            self.queued.store(queue.len() as u32, SeqCst);
            if !turn.is_closed() {
                self.running.fetch_add(1, SeqCst);
                return Some(turn);
            }
        }
    }

    /// Lets a call wait for its turn.
    ///
    /// # Errors
    /// Why it need not.
    pub(in crate::server) fn wait(self: &Arc<Gate>, call: &Call) -> Result<Ticket, Status> {
        if let Some(adaptive) = &self.adaptive {
            adaptive.samples.kept_out();
        }
        let now = Instant::now();
        let mut queue = self.queue();
        let standing = queue.since().is_some_and(|since| now - since >= self.queue_time);
        let patience = if standing { self.queue_time / STANDING } else { self.queue_time };
        let until = self.latest(call.deadline).map_or(now + patience, |latest| latest.min(now + patience));
        if until <= now {
            drop(queue);
            return Err(self.refuse(call, "it could not be answered before its deadline"));
        }
        let connection = call.cx.peer().map_or(0, |peer| Arc::as_ptr(peer).addr());
        let Some((key, turn)) = queue.push(connection, now) else {
            drop(queue);
            return Err(self.refuse(call, "too many wait already"));
        };
        self.queued.store(queue.len() as u32, SeqCst);
        drop(queue);
        if self.is_open() {
            self.hand_over();
        }
        Ok(Ticket { gate: self.clone(), key, turn, until })
    }

    /// When a call must begin at the latest to be answered before its deadline.
    fn latest(&self, deadline: Option<Deadline>) -> Option<Instant> {
        let takes = self.adaptive.as_ref().map_or(0, |adaptive| adaptive.ordinary_us.load(Relaxed));
        deadline.map(|deadline| deadline.at.checked_sub(Duration::from_micros(takes)).unwrap_or(deadline.at))
    }

    /// The status of a call that is not to run here now.
    pub(in crate::server) fn refuse(&self, call: &Call, why: &str) -> Status {
        self.refused.fetch_add(1, Relaxed);
        if let Some(adaptive) = &self.adaptive {
            adaptive.samples.refused();
        }
        let (path, limit) = (&call.method.path, self.limit.load(Relaxed));
        Status::resource_exhausted(format!("{path}: {limit} calls run, which is all it can serve now; {why}"))
            .with_executed(Executed::No)
            .with_retry_after(self.hint())
    }

    /// The status of a call whose connection has too many.
    pub(in crate::server) fn refuse_connection(&self, call: &Call) -> Status {
        self.refused.fetch_add(1, Relaxed);
        let (path, max) = (&call.method.path, self.max_per_connection);
        let set = "set by server.overload.max_per_connection";
        Status::resource_exhausted(format!("{path}: the connection has {max} calls running, which is its limit; {set}"))
            .with_executed(Executed::No)
            .with_retry_after(self.hint())
    }

    /// How long to wait before another try: the longer, the more calls are refused for one that is
    /// served; up to twice as long, so that they don't come back together.
    fn hint(&self) -> Duration {
        Duration::from_millis(self.hint_ms.load(Relaxed).into()).mul_f64(1.0 + self.entropy.unit())
    }

    /// How many calls were refused.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// How many calls wait for their turn.
    pub(crate) fn queued(&self) -> u64 {
        self.queued.load(Relaxed).into()
    }

    /// The limit on calls at once, where there is one now beside [`OverloadConfig::max_in_flight`].
    pub(crate) fn limit(&self) -> Option<u64> {
        let limit = self.limit.load(Relaxed);
        (limit < self.most || self.own).then_some(limit.into())
    }

    fn queue(&self) -> MutexGuard<'_, Queue<Place>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// As dropping it, without looking for the next: the call has begun and is counted by whoever runs
    /// it, or the next is looked for already.
    pub(super) fn forget(mut self) {
        if let Some(gate) = self.0.take() {
            gate.running.fetch_sub(1, SeqCst);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(gate) = self.0.take() {
            gate.leave();
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut queue = self.gate.queue();
        queue.remove(self.key);
        self.gate.queued.store(queue.len() as u32, SeqCst);
    }
}
