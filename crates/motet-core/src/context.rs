//! What surrounds a call: deadline, metadata, caller, trace and cancellation.

use std::{
    any::Any,
    cell::RefCell,
    fmt,
    future::Future,
    marker::PhantomData,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::Poll,
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use crate::{Code, Metadata, ReplyMeta, Result, Status, TraceParent};

/// The metadata keys that child calls inherit from the call they serve. Credentials are never
/// among them.
const FORWARDED: [&str; 3] = ["tracestate", "baggage", "x-request-id"];

/// What surrounds a call: deadline, metadata, caller, trace and cancellation. Cloning shares it;
/// the `with_*` methods make a changed copy that is cancelled together with the original.
///
/// A handler gets the Context of the call it serves and passes it to the calls it makes, which
/// inherit what is left of the deadline, the trace and the cancellation.
///
/// ```
/// use std::time::Duration;
/// use motet_core::Context;
///
/// let cx = Context::new().with_timeout(Duration::from_secs(2));
/// assert!(cx.remaining().unwrap() <= Duration::from_secs(2));
/// ```
#[derive(Clone)]
pub struct Context(Option<Arc<Inner>>);

/// What a new Context says: nothing. It takes no memory until something is added.
static NOTHING: Inner = Inner {
    deadline: None,
    incoming: Metadata::new(),
    outgoing: Metadata::new(),
    peer: None,
    trace: None,
    capture: None,
    values: None,
    scope: ScopeRef::None,
};

struct Inner {
    deadline: Option<Deadline>,
    incoming: Metadata,
    outgoing: Metadata,
    peer: Option<Arc<Peer>>,
    trace: Option<TraceParent>,
    capture: Option<ReplyMeta>,
    /// At most one of each type. A Context without any is larger by this pointer and no more.
    values: Option<Arc<Values>>,
    scope: ScopeRef,
}

type Values = Vec<Arc<dyn Any + Send + Sync>>;

/// Where cancellation and reply metadata live.
enum ScopeRef {
    None,
    Own(Scope),
    Of(Context),
}

#[derive(Default)]
struct Scope {
    cancelled: AtomicBool,
    notify: Notify,
    reply: OnceLock<ReplyMeta>,
    /// The scope that this one is a part of: it is cancelled with it and sets its reply's metadata.
    within: Option<Context>,
}

impl Scope {
    #[inline]
    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire) || self.within.as_ref().is_some_and(Context::is_cancelled)
    }

    async fn cancelled(&self) {
        loop {
            let notified = self.notify.notified();
            if self.cancelled.load(Ordering::Acquire) {
                return;
            }
            notified.await;
        }
    }
}

/// When a call must be over, and who said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The moment.
    pub at: Instant,
    /// The time that was given.
    pub timeout: Duration,
    /// Who gave it.
    pub limit: Limit,
}

/// Who set a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// The caller: its Context, or the deadline it sent.
    Caller,
    /// The method's own `timeout` option.
    Method,
    /// The client's default timeout or a call's `timeout` option.
    Client,
    /// The server's default or its cap on remote deadlines.
    Server,
    /// The time a connection may take to be made.
    Connect,
}

impl Deadline {
    /// A deadline `timeout` from now.
    pub fn after(timeout: Duration, limit: Limit) -> Deadline {
        Deadline::starting(Instant::now(), timeout, limit)
    }

    /// A deadline `timeout` from `now`.
    #[inline]
    pub fn starting(now: Instant, timeout: Duration, limit: Limit) -> Deadline {
        // A time too far away to be represented is as good as thirty years.
        let far = || now + Duration::from_secs(30 * 365 * 24 * 3600);
        Deadline { at: now.checked_add(timeout).unwrap_or_else(far), timeout, limit }
    }

    /// Whichever comes first.
    #[must_use]
    #[inline]
    pub fn earlier(self, other: Option<Deadline>) -> Deadline {
        match other {
            Some(other) if other.at < self.at => other,
            _ => self,
        }
    }

    /// The status of a call that this deadline ended: it names limit, value and where it is set.
    pub fn status(&self, method: &str) -> Status {
        let (who, set) = match self.limit {
            Limit::Caller => ("caller's", "Context::with_timeout, or the deadline the caller sent"),
            Limit::Method => ("method's", "#[method(timeout = \"…\")]"),
            Limit::Client => ("client's", "the client's timeout or the call's option"),
            Limit::Server => ("server's", "the server's default_timeout and max_timeout"),
            Limit::Connect => ("connect", "the client's connect_timeout"),
        };
        Status::deadline_exceeded(format!("{method}: the {who} limit of {:?} passed; set by {set}", self.timeout))
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// The address as the transport writes it, such as `127.0.0.1:40312`.
    pub address: String,
    /// The transport, such as `tcp`.
    pub transport: String,
    /// The protocol, such as `motet`.
    pub protocol: String,
    /// Whether the peer is on this machine: a loopback address, a Unix socket or memory.
    pub local: bool,
    /// What TLS established.
    pub tls: Option<TlsPeer>,
    /// How many of its calls run.
    pub running: RunningCalls,
}

/// How many calls of one connection wait in handlers, where the listener counts them; copies count
/// together. It is no part of who a peer is: any two are equal.
#[derive(Clone, Debug, Default)]
pub struct RunningCalls(Option<Arc<AtomicU32>>);

impl RunningCalls {
    /// A count, at zero. [`Default`] gives one that stays there.
    pub fn counted() -> RunningCalls {
        RunningCalls(Some(Arc::default()))
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.0.as_ref().map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// One more; exactly one [`RunningCalls::end`] must follow.
    pub fn begin(&self) {
        if let Some(count) = &self.0 {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One less.
    pub fn end(&self) {
        if let Some(count) = &self.0 {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl PartialEq for RunningCalls {
    fn eq(&self, _: &RunningCalls) -> bool {
        true
    }
}

impl Eq for RunningCalls {}

impl Peer {
    /// A peer at this address.
    pub fn new(transport: impl Into<String>, address: impl Into<String>, local: bool) -> Peer {
        Peer { transport: transport.into(), address: address.into(), local, ..Peer::default() }
    }
}

/// What TLS established about a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsPeer {
    /// The protocol that ALPN agreed on.
    pub alpn: Option<String>,
    /// The verified client certificate chain in DER, the peer's own first; empty if none was asked for.
    pub certificates: Vec<Vec<u8>>,
}

impl Default for Context {
    fn default() -> Context {
        Context::new()
    }
}

impl Context {
    /// A context without deadline, metadata or cancellation: where a chain of calls begins.
    pub fn new() -> Context {
        Context(None)
    }

    /// The context of an incoming call: protocols make it.
    pub fn incoming(
        deadline: Option<Deadline>,
        metadata: Metadata,
        peer: Option<Arc<Peer>>,
        trace: Option<TraceParent>,
    ) -> Context {
        Context::from_parts(deadline, metadata, peer, trace, ScopeRef::Own(Scope::default()))
    }

    fn from_parts(
        deadline: Option<Deadline>,
        incoming: Metadata,
        peer: Option<Arc<Peer>>,
        trace: Option<TraceParent>,
        scope: ScopeRef,
    ) -> Context {
        let outgoing = Metadata::new();
        Context(Some(Arc::new(Inner { deadline, incoming, outgoing, peer, trace, capture: None, values: None, scope })))
    }

    /// The Context of the call that this code serves, for libraries that are not handed one. It
    /// covers polls of a handler and of its reply stream; not tasks that it spawned.
    pub fn current() -> Option<Context> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Makes this the current Context of this thread until the guard is dropped.
    pub fn enter(&self) -> Entered {
        Entered {
            before: CURRENT.with_borrow_mut(|current| current.replace(self.clone())),
            on_this_thread: PhantomData,
        }
    }

    fn inner(&self) -> &Inner {
        self.0.as_deref().unwrap_or(&NOTHING)
    }

    fn derive(&self, change: impl FnOnce(&mut Inner)) -> Context {
        let scope = match &self.inner().scope {
            ScopeRef::None => ScopeRef::None,
            ScopeRef::Own(_) => ScopeRef::Of(self.clone()),
            ScopeRef::Of(origin) => ScopeRef::Of(origin.clone()),
        };
        let mut inner = Inner {
            deadline: self.inner().deadline,
            incoming: self.inner().incoming.clone(),
            outgoing: self.inner().outgoing.clone(),
            peer: self.inner().peer.clone(),
            trace: self.inner().trace,
            capture: self.inner().capture.clone(),
            values: self.inner().values.clone(),
            scope,
        };
        change(&mut inner);
        Context(Some(Arc::new(inner)))
    }

    /// The same context, over at the latest `timeout` from now.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Context {
        self.with_deadline(Deadline::after(timeout, Limit::Caller))
    }

    /// The same context, over at the latest at `deadline`.
    #[must_use]
    pub fn with_deadline(&self, deadline: Deadline) -> Context {
        self.derive(|inner| inner.deadline = Some(deadline.earlier(inner.deadline)))
    }

    /// The same context with one more metadata value on the calls made with it.
    ///
    /// # Errors
    /// As [`Metadata::append`], and InvalidArgument for the reserved prefix `motet-`.
    pub fn with_metadata(&self, key: &str, value: &str) -> Result<Context> {
        if key.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("motet-")) {
            return Err(Status::invalid_argument(format!("metadata key {key:?}: the prefix motet- is reserved")));
        }
        let mut outgoing = self.inner().outgoing.clone();
        outgoing.append(key, value)?;
        Ok(self.derive(|inner| inner.outgoing = outgoing))
    }

    /// The same context, its calls part of this trace.
    #[must_use]
    pub fn with_trace(&self, trace: TraceParent) -> Context {
        self.derive(|inner| inner.trace = Some(trace))
    }

    /// The same context with a value for the code that it is handed to, in place of one of the same
    /// type: how middleware tells a handler who the caller is.
    ///
    /// Contexts made of this one have it too. It stays on this side of a call: the service that is
    /// called with it does not see it, not even one of the same process. What is to travel is
    /// [metadata](Context::with_metadata).
    ///
    /// ```
    /// use motet_core::Context;
    ///
    /// #[derive(Debug, PartialEq)]
    /// struct Caller(&'static str);
    ///
    /// let cx = Context::new().with_value(Caller("Ada"));
    /// assert_eq!(cx.value::<Caller>(), Some(&Caller("Ada")));
    /// ```
    #[must_use]
    pub fn with_value<T: Send + Sync + 'static>(&self, value: T) -> Context {
        let known = self.inner().values.iter().flat_map(|values| values.iter());
        let mut values: Values = known.filter(|known| !known.is::<T>()).cloned().collect();
        values.push(Arc::new(value));
        self.derive(|inner| inner.values = Some(Arc::new(values)))
    }

    /// The same context, and a record of the reply metadata of the calls made with it: the last
    /// call's, where there are several. Calls made by the called service are not recorded.
    #[must_use]
    pub fn capture(&self) -> (Context, ReplyMeta) {
        let seen = ReplyMeta::new();
        let cx = self.derive(|inner| inner.capture = Some(seen.clone()));
        (cx, seen)
    }

    /// The same metadata and trace without deadline or cancellation, for work that outlives the call.
    #[must_use]
    pub fn detached(&self) -> Context {
        let mut cx = self.derive(|inner| inner.deadline = None);
        if let Some(inner) = cx.0.as_mut().and_then(Arc::get_mut) {
            inner.scope = ScopeRef::None;
        }
        cx
    }

    /// The same context with a handle that cancels all calls made with it; what cancels the original
    /// cancels it as well.
    #[must_use]
    pub fn cancellable(&self) -> (Context, Cancel) {
        let mut cx = self.derive(|_| ());
        if let Some(inner) = cx.0.as_mut().and_then(Arc::get_mut) {
            let within = self.can_be_cancelled().then(|| self.clone());
            inner.scope = ScopeRef::Own(Scope { within, ..Scope::default() });
        }
        let cancel = Cancel(cx.clone());
        (cx, cancel)
    }

    /// When the call must be over.
    #[inline]
    pub fn deadline(&self) -> Option<Deadline> {
        self.inner().deadline
    }

    /// The time that is left; zero once the deadline has passed, `None` without a deadline.
    pub fn remaining(&self) -> Option<Duration> {
        self.inner().deadline.map(|deadline| deadline.at.saturating_duration_since(Instant::now()))
    }

    /// The metadata that came with the call being served.
    pub fn metadata(&self) -> &Metadata {
        &self.inner().incoming
    }

    /// The metadata that calls made with this context carry, without what they inherit.
    pub fn outgoing(&self) -> &Metadata {
        &self.inner().outgoing
    }

    /// All metadata of a call made with this context: its own, and the keys that child calls inherit
    /// (`traceparent`, `tracestate`, `baggage`, `x-request-id`; never credentials).
    ///
    /// # Errors
    /// ResourceExhausted when both together are past the limits of [`Metadata`].
    pub fn call_metadata(&self) -> Result<Metadata> {
        let mut all = self.inner().outgoing.clone();
        if !self.inner().incoming.is_empty() {
            for key in FORWARDED {
                if all.get(key).is_none()
                    && let Some(value) = self.inner().incoming.get(key)
                {
                    all.append(key, value)?;
                }
            }
        }
        if let Some(trace) = self.inner().trace {
            all.insert(TraceParent::KEY, &trace.to_string())?;
        }
        Ok(all)
    }

    /// The caller.
    pub fn peer(&self) -> Option<&Arc<Peer>> {
        self.inner().peer.as_ref()
    }

    /// The trace.
    pub fn trace(&self) -> Option<TraceParent> {
        self.inner().trace
    }

    /// Where the client puts the reply metadata it sees; see [`Context::capture`].
    #[inline]
    pub fn captured(&self) -> Option<&ReplyMeta> {
        self.inner().capture.as_ref()
    }

    /// The value of this type that [`Context::with_value`] has put here.
    pub fn value<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.inner().values.as_ref()?.iter().find_map(|value| value.downcast_ref())
    }

    /// The metadata of the reply, for a handler to set. Outside a handler it leads nowhere.
    pub fn reply(&self) -> ReplyMeta {
        match self.scope() {
            Some(Scope { within: Some(outer), .. }) => outer.reply(),
            Some(scope) => scope.reply.get_or_init(ReplyMeta::new).clone(),
            None => ReplyMeta::new(),
        }
    }

    /// The reply metadata that a handler has set, if any.
    pub fn reply_if_set(&self) -> Option<&ReplyMeta> {
        self.scope().and_then(|scope| scope.reply.get())
    }

    /// Whether the call was cancelled or has ended.
    pub fn is_cancelled(&self) -> bool {
        self.scope().is_some_and(Scope::is_cancelled)
    }

    /// Whether anything can cancel this context.
    #[inline]
    pub fn can_be_cancelled(&self) -> bool {
        self.scope().is_some()
    }

    /// Waits until the call is cancelled or has ended; for ever when nothing can cancel it. Cancel
    /// safe. It says nothing of the deadline, which ends a handler by dropping it.
    pub async fn cancelled(&self) {
        let Some(scope) = self.scope() else { return std::future::pending().await };
        if scope.within.is_none() {
            return scope.cancelled().await;
        }
        let scopes = std::iter::successors(Some(scope), |scope| scope.within.as_ref().and_then(Context::scope));
        let mut scopes: Vec<_> = scopes.map(|scope| Box::pin(scope.cancelled())).collect();
        std::future::poll_fn(|task| match scopes.iter_mut().any(|scope| scope.as_mut().poll(task).is_ready()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }

    /// Fails once the call is cancelled or its deadline has passed: a check for long computations.
    ///
    /// # Errors
    /// Cancelled or DeadlineExceeded.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            return Err(Status::cancelled("the caller has left"));
        }
        match self.inner().deadline {
            Some(deadline) if deadline.at <= Instant::now() => Err(deadline.status("the call")),
            _ => Ok(()),
        }
    }

    /// Marks the call as over: everything that waits for [`Context::cancelled`] wakes. Server
    /// pipelines call it when a call ends.
    pub fn end(&self) {
        let Some(scope) = self.scope() else { return };
        scope.cancelled.store(true, Ordering::Release);
        // Waiting borrows a Context: where this is the only one, nobody waits and nobody can begin to.
        let alone = matches!(self.inner().scope, ScopeRef::Own(_))
            && self.0.as_ref().is_none_or(|inner| Arc::strong_count(inner) == 1);
        if !alone {
            scope.notify.notify_waiters();
        }
    }

    fn scope(&self) -> Option<&Scope> {
        match &self.inner().scope {
            ScopeRef::None => None,
            ScopeRef::Own(scope) => Some(scope),
            ScopeRef::Of(origin) => origin.scope(),
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("deadline", &self.inner().deadline)
            .field("peer", &self.inner().peer)
            .field("trace", &self.inner().trace)
            .field("cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

/// Cancels the context it was made with.
#[derive(Clone, Debug)]
pub struct Cancel(Context);

impl Cancel {
    /// Cancels all calls made with the context; repeating it changes nothing.
    pub fn cancel(&self) {
        self.0.end();
    }

    /// The status of a call that was cancelled this way.
    pub fn status() -> Status {
        Status::new(Code::Cancelled, "the call's Context was cancelled")
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Context>> = const { RefCell::new(None) };
}

/// Keeps a Context current; see [`Context::enter`].
#[must_use = "dropping it ends the scope"]
pub struct Entered {
    before: Option<Context>,
    on_this_thread: PhantomData<*const ()>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let before = self.before.take();
        let ended = CURRENT.with_borrow_mut(|current| std::mem::replace(current, before));
        drop(ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_earlier_deadline_wins() {
        let cx = Context::new().with_timeout(Duration::from_secs(1));
        assert_eq!(cx.with_timeout(Duration::from_secs(5)).remaining(), Some(Duration::from_secs(1)));
        assert_eq!(cx.with_timeout(Duration::from_millis(5)).remaining(), Some(Duration::from_millis(5)));
        assert_eq!(cx.detached().remaining(), None);
    }

    #[tokio::test]
    async fn copies_are_cancelled_together_and_detached_ones_are_not() {
        let (cx, cancel) = Context::new().cancellable();
        let copy = cx.with_timeout(Duration::from_secs(9));
        let outlives = copy.detached();
        let waiter = tokio::spawn({
            let copy = copy.clone();
            async move { copy.cancelled().await }
        });
        tokio::task::yield_now().await;
        cancel.cancel();
        waiter.await.expect("woken");
        assert!(copy.is_cancelled() && copy.check().is_err() && !outlives.is_cancelled());
    }

    #[tokio::test]
    async fn a_part_of_a_call_is_cancelled_with_it_and_alone() {
        let (call, cancel_call) = Context::new().cancellable();
        let ((part, cancel_part), (other, _)) = (call.cancellable(), call.cancellable());
        let inner = other.cancellable().0.with_timeout(Duration::from_secs(9));
        cancel_part.cancel();
        assert!(part.is_cancelled() && !call.is_cancelled() && !inner.is_cancelled());
        part.cancelled().await;
        let waiter = tokio::spawn(async move { inner.cancelled().await });
        tokio::task::yield_now().await;
        cancel_call.cancel();
        waiter.await.expect("woken");
        assert!(other.is_cancelled());
    }

    #[test]
    fn values_are_one_of_a_type_and_inherited() {
        let cx = Context::new().with_value(1_u8).with_value("text").with_value(2_u8);
        let child = cx.cancellable().0.with_timeout(Duration::from_secs(9)).detached();
        for cx in [&cx, &child] {
            assert_eq!((cx.value::<u8>(), cx.value::<&str>(), cx.value::<u16>()), (Some(&2), Some(&"text"), None));
        }
        assert_eq!(cx.inner().values.as_ref().map(|values| values.len()), Some(2));
        assert!(cx.call_metadata().expect("within limits").is_empty());
    }

    #[test]
    fn a_part_of_a_call_sets_the_metadata_of_the_call_s_reply() {
        let call = Context::incoming(None, Metadata::new(), None, None);
        call.cancellable().0.reply().add_initial("a", "1").expect("valid");
        assert_eq!(call.reply().initial().expect("set").get("a"), Some("1"));
    }

    #[test]
    fn child_calls_inherit_the_trace_and_the_request_id_but_no_credentials() {
        let mut incoming = Metadata::new();
        for (key, value) in [("authorization", "secret"), ("cookie", "c"), ("x-request-id", "7"), ("custom", "x")] {
            incoming.append(key, value).expect("valid");
        }
        let trace = TraceParent { trace_id: 1, span_id: 2, flags: 1 };
        let cx = Context::incoming(None, incoming, None, Some(trace)).with_metadata("own", "1").expect("valid");
        let sent = cx.call_metadata().expect("within limits");
        let keys: Vec<_> = sent.iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["own", "x-request-id", "traceparent"]);
    }

    #[test]
    fn the_reserved_prefix_is_refused() {
        assert_eq!(Context::new().with_metadata("Motet-X", "1").expect_err("reserved").code(), Code::InvalidArgument);
    }

    #[test]
    fn the_current_context_is_restored() {
        assert!(Context::current().is_none());
        let outer = Context::new().with_timeout(Duration::from_secs(1)).enter();
        {
            let _inner = Context::new().enter();
            assert!(Context::current().expect("entered").deadline().is_none());
        }
        assert!(Context::current().expect("restored").deadline().is_some());
        drop(outer);
        assert!(Context::current().is_none());
    }

    #[test]
    fn a_deadline_s_status_names_limit_value_and_setting() {
        let text = Deadline::after(Duration::from_millis(250), Limit::Method).status("greeter/hello").to_string();
        for part in ["DEADLINE_EXCEEDED", "greeter/hello", "method's", "250ms", "#[method(timeout"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
