//! What every call passes between its protocol and its handler.
//!
//! One fused layer enforces the deadline, catches panics, makes the Context current, counts, traces
//! and runs the user's middleware. A call whose handler completes at its first poll arms no timer and
//! costs one allocation beyond the handler's own.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use motet_core::{
    BoxFuture, Call, Entropy, Executed, Handler, Map, MethodDescriptor, Middleware, Next, Reply, Result, Route,
    Service, Started, Status, Timeouts, TraceParent,
};
use tokio::time::Instant;

use super::{
    OverloadConfig,
    current::InContext,
    overload::{Gate, Naming, Proceed, Slow, Waiting},
    served::{Scope, Served, catch},
};
use crate::stats::{MethodStats, Stats};

/// How many one-way calls run at once unless told otherwise.
pub(super) const MAX_ONE_WAY: usize = 10_000;

/// What the pipelines of one server share.
#[derive(Clone)]
pub struct PipelineSettings {
    middleware: Arc<[Arc<dyn Middleware>]>,
    stats: Stats,
    entropy: Entropy,
    timeouts: Timeouts,
    max_one_way: usize,
    inline_blocking: bool,
    overload: Option<Arc<OverloadConfig>>,
    shared: Arc<Shared>,
}

/// What is counted across all methods; untouched by calls that answer while the server is up.
#[derive(Default)]
pub(super) struct Shared {
    one_way: AtomicUsize,
    stopping: AtomicBool,
    pub(super) naming: Naming,
    abandoned: Mutex<Map<String, usize>>,
}

impl Default for PipelineSettings {
    /// No middleware, counters of its own, 10 s by default and 10 min at most, protected against
    /// overload.
    fn default() -> PipelineSettings {
        PipelineSettings {
            middleware: Arc::from([]),
            stats: Stats::new(),
            entropy: Entropy::from_system(),
            timeouts: Timeouts::default(),
            max_one_way: MAX_ONE_WAY,
            inline_blocking: false,
            overload: Some(Arc::default()),
            shared: Arc::default(),
        }
    }
}

impl PipelineSettings {
    /// Sets the middleware around every call, the outermost first.
    #[must_use]
    pub fn middleware(mut self, middleware: impl Into<Arc<[Arc<dyn Middleware>]>>) -> PipelineSettings {
        self.middleware = middleware.into();
        self
    }

    /// Sets where calls are counted.
    #[must_use]
    pub fn stats(mut self, stats: Stats) -> PipelineSettings {
        self.stats = stats;
        self
    }

    /// Sets where span ids are drawn from.
    #[must_use]
    pub fn entropy(mut self, entropy: Entropy) -> PipelineSettings {
        self.entropy = entropy;
        self
    }

    /// Sets how long unary calls may take: the default, and the most that a caller may ask for.
    #[must_use]
    pub fn timeouts(mut self, default: Duration, max: Duration) -> PipelineSettings {
        self.timeouts = Timeouts { default, max };
        self
    }

    /// Sets how many one-way calls run at once; those beyond are refused. 10,000 by default.
    #[must_use]
    pub fn max_one_way(mut self, max: usize) -> PipelineSettings {
        self.max_one_way = max;
        self
    }

    /// Sets whether `blocking` methods run on the task of their call. No by default.
    #[must_use]
    pub fn inline_blocking(mut self, inline: bool) -> PipelineSettings {
        self.inline_blocking = inline;
        self
    }

    /// Sets how methods are protected against overload; with none only their own `max_in_flight`
    /// counts.
    #[must_use]
    pub fn overload(mut self, config: impl Into<Option<OverloadConfig>>) -> PipelineSettings {
        self.overload = config.into().map(Arc::new);
        self
    }

    pub(super) fn stats_ref(&self) -> &Stats {
        &self.stats
    }

    /// From now on calls that are dropped count as abandoned.
    pub(super) fn stopping(&self) {
        self.shared.stopping.store(true, Ordering::Release);
    }

    /// The calls that were dropped while stopping: path and number.
    pub(super) fn abandoned(&self) -> Vec<(String, usize)> {
        let abandoned = self.shared.abandoned.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = abandoned.iter().map(|(path, count)| (path.clone(), *count)).collect();
        all.sort();
        all
    }
}

impl fmt::Debug for PipelineSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineSettings")
            .field("middleware", &self.middleware.len())
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn take_one_way(&self, max: usize) -> bool {
        self.one_way.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < max).then_some(n + 1)).is_ok()
    }

    pub(super) fn return_one_way(&self) {
        self.one_way.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self, path: &str) {
        if self.stopping.load(Ordering::Acquire) {
            let mut abandoned = self.abandoned.lock().unwrap_or_else(PoisonError::into_inner);
            *abandoned.entry(path.to_owned()).or_default() += 1;
        }
    }
}

/// The routes of a service, each handler behind the pipeline.
pub fn routes(service: &Service, settings: &PipelineSettings) -> Vec<Route> {
    let route = |(method, handler): (&Arc<MethodDescriptor>, &Arc<dyn Handler>)| {
        let stats = settings.stats.is_enabled().then(|| settings.stats.method(&method.path));
        let handler = match settings.middleware.is_empty() {
            true => handler.clone(),
            false => Arc::new(InContext(handler.clone())),
        };
        let gate = Gate::new(method, settings.overload.as_deref(), &settings.entropy);
        let pipeline = Arc::new(Pipeline {
            method: method.clone(),
            handler,
            settings: settings.clone(),
            stats: stats.clone(),
            gate: gate.clone(),
            slow: Slow::default(),
        });
        let named = Arc::downgrade(&pipeline);
        let route = Route::new(method.clone(), Arc::new(Entry(pipeline))).with_timeouts(settings.timeouts);
        route.pace().when_slow(move |took| {
            if let Some(pipeline) = named.upgrade() {
                pipeline.slow.name(took, &pipeline.method.path, &pipeline.shared().naming);
            }
        });
        if let Some(stats) = stats {
            stats.watch(route.pace(), &gate);
        }
        route
    };
    service.methods().map(route).collect()
}

/// The pipeline of one method.
pub(super) struct Pipeline {
    pub(super) method: Arc<MethodDescriptor>,
    handler: Arc<dyn Handler>,
    settings: PipelineSettings,
    pub(super) stats: Option<Arc<MethodStats>>,
    pub(super) gate: Arc<Gate>,
    slow: Slow,
}

impl Pipeline {
    pub(super) fn shared(&self) -> &Shared {
        &self.settings.shared
    }

    /// A poll after the first held its thread for longer than [`Pace::SLOW`](motet_core::Pace::SLOW).
    pub(super) fn later_poll(&self, took: Duration) {
        self.slow.later_poll(took, &self.method.path, &self.shared().naming);
    }

    /// Answers a call whose handler is not to run.
    fn refuse(&self, status: Status) -> Status {
        if let Some(stats) = &self.stats {
            stats.begin();
            stats.end(Duration::ZERO, Some(status.code()));
        }
        status
    }

    /// Makes the span of a call, where anybody listens, and lets the call's trace continue in it.
    fn span(&self, call: &mut Call) -> tracing::Span {
        // With its `log` feature on, which any crate of a program can do, the macro evaluates the
        // fields even where nobody listens.
        if !tracing::span_enabled!(tracing::Level::INFO) {
            return tracing::Span::none();
        }
        let span = tracing::info_span!(
            "motet.server",
            service = self.method.service(),
            method = self.method.name,
            peer = call.cx.peer().map(|peer| tracing::field::display(&peer.address)),
            trace_id = tracing::field::Empty,
            code = tracing::field::Empty,
        );
        if !span.is_disabled() {
            let entropy = &self.settings.entropy;
            let parent = call.cx.trace().unwrap_or_else(|| TraceParent {
                trace_id: (u128::from(entropy.next_u64()) << 64 | u128::from(entropy.next_u64())).max(1),
                span_id: 1,
                flags: 1,
            });
            let trace = parent.with_span(entropy.next_u64());
            span.record("trace_id", tracing::field::display(format_args!("{:032x}", trace.trace_id)));
            call.cx = call.cx.with_trace(trace);
        }
        span
    }
}

#[derive(Clone)]
struct Entry(Arc<Pipeline>);

/// How a call gets into its handler.
enum Way {
    Free(Served),
    Waiting(Box<Waiting<Entry>>),
}

impl Handler for Entry {
    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply>> {
        // Whoever polls it may have much to do before: it counts from now on.
        match self.begin(call, true) {
            Ok(Way::Free(served)) => Box::pin(served),
            Ok(Way::Waiting(waiting)) => Pin::from(waiting),
            Err(status) => Box::pin(std::future::ready(Err(status))),
        }
    }

    fn start(&self, call: Call, task: &mut Context<'_>) -> Started {
        let mut served = match self.begin(call, false) {
            Ok(Way::Free(served)) => served,
            Ok(Way::Waiting(waiting)) => return Started::Running(Pin::from(waiting)),
            Err(status) => return Started::Done(Err(status)),
        };
        match Pin::new(&mut served).poll(task) {
            Poll::Ready(result) => Started::Done(result),
            Poll::Pending => Started::Running(Box::pin(served)),
        }
    }
}

impl Entry {
    /// Lets a call into its handler, or into the queue before it. `counts` says whether it has a place
    /// from now on, or only once it waits.
    ///
    /// # Errors
    /// Why it is not to run.
    fn begin(&self, mut call: Call, counts: bool) -> Result<Way> {
        let pipeline = &self.0;
        let settings = &pipeline.settings;
        call.inline = settings.inline_blocking;
        let started = call.started.or_else(|| (pipeline.stats.is_some() || call.deadline.is_none()).then(Instant::now));

        // Protocols put the deadline into the Context; this is for those, and for calls inside the
        // App, that left it to the pipeline.
        if call.deadline.is_none() {
            call.deadline = started.and_then(|now| settings.timeouts.deadline(&pipeline.method, None, now));
        }
        if let Some(deadline) = call.deadline {
            if call.cx.deadline().is_none_or(|known| deadline.at < known.at) {
                call.cx = call.cx.with_deadline(deadline);
            }
            if deadline.timeout.is_zero() {
                let status = deadline.status(&pipeline.method.path).with_executed(Executed::No);
                return Err(pipeline.refuse(status));
            }
        }
        let gate = &pipeline.gate;
        if !gate.is_open_to(call.cx.peer().map(Arc::as_ref)) {
            return Err(pipeline.refuse(gate.refuse_connection(&call)));
        }
        if !gate.is_open() {
            call.started = started;
            let ticket = gate.wait(&call).map_err(|status| pipeline.refuse(status))?;
            return Ok(Way::Waiting(Box::new(Waiting::new(gate, ticket, call, self.clone()))));
        }
        self.enter(call, started, started, counts).map(Way::Free)
    }

    /// Lets a call that came at `started` into its handler at `admitted`.
    ///
    /// # Errors
    /// Why it is not to run.
    fn enter(
        &self,
        mut call: Call,
        started: Option<Instant>,
        admitted: Option<Instant>,
        counts: bool,
    ) -> Result<Served> {
        let pipeline = &self.0;
        let settings = &pipeline.settings;
        if call.one_way && !settings.shared.take_one_way(settings.max_one_way) {
            let status = format!("{}: {} one-way calls run already", pipeline.method.path, settings.max_one_way);
            return Err(pipeline.refuse(Status::resource_exhausted(status).with_executed(Executed::No)));
        }
        let span = pipeline.span(&mut call);
        if !settings.middleware.is_empty() && call.ends.is_none() {
            call.ends = motet_core::Ends::new();
        }
        let mut scope = Scope::new(pipeline.clone(), &call, started, admitted, span);
        if counts {
            scope.occupy();
        }
        let inner = catch(&pipeline.method, || {
            if settings.middleware.is_empty() {
                pipeline.handler.call(call)
            } else {
                Box::pin(Next::new(settings.middleware.clone(), pipeline.handler.clone()).run(call))
            }
        });
        Ok(Served::new(scope, inner, counts))
    }
}

impl Proceed for Entry {
    type Running = Served;

    fn run(&self, call: Call, admitted: Instant) -> Result<Served> {
        let started = call.started;
        self.enter(call, started, Some(admitted), true)
    }

    fn refuse(&self, status: Status) -> Status {
        self.0.refuse(status)
    }
}
