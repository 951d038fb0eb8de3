//! One call: the first attempt without detours, then what failing leads to.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use futures_util::future::{Either, select};
use motet_core::{BoxFuture, Call, Cancel, Code, Context, Deadline, Executed, FailMode, Reply, Result, Status};
use tokio::time::Instant;

use super::{
    kept::Kept,
    local,
    pool::Pool,
    settings::nanos,
    target::{Place, Target},
    trace,
};

/// How many nodes a call is offered to before it counts as a failed attempt: nothing is sent to
/// those that cannot be connected to.
const REACH: usize = 8;
/// The first pause before a call is sent again, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A peer that wishes for a longer pause is not waited for, even where there is no deadline.
const LONGEST_WISH: Duration = Duration::from_secs(60);

/// Makes a call of which there is no other copy, with as many attempts as its options allow, and says
/// how long it took. `started` is the present moment, which the call knows as well: the clock is read only once
/// more.
pub(crate) async fn run(target: &Arc<Target>, call: Arc<Call>, started: Instant) -> (Result<Reply>, Duration) {
    if let Some(status) = too_late(&call, started) {
        return (Err(status), Duration::ZERO);
    }
    if let Some(route) = local::find(target, &call) {
        // Boxed, as all that is rare: the future of every call has room for what it awaits in place.
        let running = Box::pin(local::run(target, route, call));
        return (running.await, started.elapsed());
    }
    let settings = &target.settings;
    let began_ns = settings.ns(started);
    settings.budget.deposit(began_ns);
    settings.health.wake(settings);
    let place = target.pick(&call);
    let mut kept = Kept::of(call);
    let first = match place {
        Some(place) if !(kept.may_run_twice_at_once() && target.elsewhere(&place, &kept.call)) => {
            match place.pool.start(&mut kept) {
                Some(running) => {
                    trace::sent(&place, 1);
                    let sent = Sent::new(place);
                    let Some(result) = until_cancelled(&kept.call.cx, running).await else {
                        return (Err(Cancel::status()), started.elapsed());
                    };
                    let took = started.elapsed();
                    let place = sent.end(began_ns, nanos(took), &result);
                    match result {
                        Ok(reply) => return (Ok(reply), took),
                        Err(status) => Err(Failure { status, place: Some(place) }),
                    }
                }
                None => Ok(Go::There(place)),
            }
        }
        Some(place) => Ok(Go::There(place)),
        None => Ok(Go::Anywhere),
    };
    let rest = Box::pin(go_on(target, kept, first));
    (rest.await, started.elapsed())
}

/// The rest of a call that its first attempt did not end.
async fn go_on(target: &Arc<Target>, mut kept: Kept, first: Result<Go, Failure>) -> Result<Reply> {
    let call = kept.call.clone();
    let rest = Box::pin(persist(target, &mut kept, first));
    let result = until_cancelled(&call.cx, rest).await.unwrap_or_else(|| Err(Cancel::status()));
    result.map_err(|status| own_limit(status, call.deadline, &call.method.path, Instant::now()))
}

/// The status of a call that need not begin.
fn too_late(call: &Call, now: Instant) -> Option<Status> {
    let late = call.deadline.filter(|deadline| deadline.at <= now);
    let late = late.map(|deadline| deadline.status(&call.method.path));
    let left = || call.cx.is_cancelled().then(Cancel::status);
    late.or_else(left).map(|status| status.with_executed(Executed::No))
}

/// A peer knows only that its caller had a limit; which one that was, and where it was set, is known
/// here.
pub(super) fn own_limit(status: Status, deadline: Option<Deadline>, path: &str, now: Instant) -> Status {
    /// The peer's clock may run out a little earlier.
    const EARLY: Duration = Duration::from_millis(10);
    match deadline {
        Some(own) if status.code() == Code::DeadlineExceeded => {
            let passed = own.at <= now + EARLY || status.message().contains("the caller's limit of");
            if passed { own.status(path).with_executed(status.executed()) } else { status }
        }
        _ => status,
    }
}

/// Runs to the end, or until the Context is cancelled, which drops it.
pub(super) async fn until_cancelled<T>(cx: &Context, mut running: impl Future<Output = T> + Unpin) -> Option<T> {
    // Waiting for a cancel takes room, which calls that nobody can cancel do without.
    let mut cancelled = cx.can_be_cancelled().then(|| Box::pin(cx.cancelled()));
    std::future::poll_fn(|task| match (Pin::new(&mut running).poll(task), &mut cancelled) {
        (Poll::Ready(value), _) => Poll::Ready(Some(value)),
        (Poll::Pending, Some(cancelled)) => cancelled.as_mut().poll(task).map(|()| None),
        (Poll::Pending, None) => Poll::Pending,
    })
    .await
}

/// An attempt that failed.
struct Failure {
    status: Status,
    /// Where; `None` when there was no node to try.
    place: Option<Arc<Place>>,
}

/// Attempts until one succeeds or no more are allowed. Begins with a call that has not been sent, or
/// with the failure of the first attempt.
async fn persist(target: &Arc<Target>, kept: &mut Kept, first: Result<Go, Failure>) -> Result<Reply> {
    let config = &target.settings.config;
    let mode = kept.call.options.fail_mode.unwrap_or(config.fail_mode);
    let retries = match mode {
        FailMode::Fast => 0,
        _ => kept.call.options.retries.unwrap_or(config.retries),
    };
    let mut outcome = match first {
        Ok(go) => {
            kept.again();
            send(target, kept, go, mode, 1).await
        }
        Err(failure) => Err(failure),
    };
    let (mut failures, mut ran) = (0, Executed::No);
    loop {
        let (status, place) = match outcome {
            Ok(reply) => return Ok(reply),
            Err(Failure { status, place: Some(place) }) => (also(status, ran), place),
            Err(failure) => return Err(also(failure.status, ran)),
        };
        ran = status.executed();
        let safe = status.executed() == Executed::No || kept.may_run_twice();
        if failures >= retries || !safe || !status.may_retry() {
            return Err(status);
        }
        if !kept.again() {
            return Err(status);
        }
        let changed = mode == FailMode::Over && target.elsewhere(&place, &kept.call) || !place.pool.is_healthy();
        let pause = pause(target, &status, failures, changed);
        if pause > LONGEST_WISH {
            return Err(status);
        }
        let in_time = kept.call.deadline.is_none_or(|by| Instant::now() + pause < by.at);
        if !in_time || !target.settings.budget.withdraw(target.settings.now_ns()) {
            return Err(status);
        }
        tokio::time::sleep(pause).await;
        tracing::debug!(target: "motet", method = kept.call.method.path, %status, "trying again");
        failures += 1;
        let go = if mode == FailMode::Try { Go::There(place) } else { Go::Elsewhere(place) };
        outcome = send(target, kept, go, mode, failures + 1).await;
    }
}

/// The status of a call of which this much was known before: it has not run only if no attempt has.
fn also(status: Status, before: Executed) -> Status {
    match (before, status.executed()) {
        (Executed::No, _) | (_, Executed::Yes) => status,
        (before, _) => status.with_executed(before),
    }
}

/// How long to wait before the next attempt. The first comes at once if nothing was executed and
/// circumstances have changed: another node, or a connection to be made anew.
fn pause(target: &Target, status: &Status, failures: u32, changed: bool) -> Duration {
    let own = if failures == 0 && status.executed() == Executed::No && changed {
        Duration::ZERO
    } else {
        let longest = FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
        longest.mul_f64(1.0 - target.settings.entropy.unit() / 2.0)
    };
    own.max(status.retry_after().unwrap_or_default())
}

/// Where an attempt goes.
enum Go {
    Anywhere,
    There(Arc<Place>),
    /// Away from here, while there is an elsewhere.
    Elsewhere(Arc<Place>),
}

/// Makes one attempt.
async fn send(target: &Arc<Target>, kept: &mut Kept, go: Go, mode: FailMode, attempt: u32) -> Result<Reply, Failure> {
    let (place, pool, running) = reach(target, kept, go, mode).await?;
    trace::sent(&place, attempt);
    let first = answer(target, place, running);
    let outcome = if kept.may_run_twice_at_once() {
        let first = pin!(first);
        match select(first, pin!(pool.suspected())).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(((), first)) => hedge(target, kept, first, attempt).await,
        }
    } else {
        first.await
    };
    outcome.map_err(|(status, place)| Failure { status, place: Some(place) })
}

type Outcome = Result<Reply, (Status, Arc<Place>)>;

/// Waits for the answer of a node and lets its candidate know how it went.
async fn answer(target: &Arc<Target>, place: Arc<Place>, running: BoxFuture<'static, Result<Reply>>) -> Outcome {
    let settings = &target.settings;
    let began_ns = settings.now_ns();
    let sent = Sent::new(place);
    let result = running.await;
    let place = sent.end(began_ns, settings.now_ns().saturating_sub(began_ns), &result);
    result.map_err(|status| (status, place))
}

/// The node has fallen silent: sends the call to another, if the budget has one left, and takes the
/// first answer.
async fn hedge(
    target: &Arc<Target>,
    kept: &Kept,
    mut first: Pin<&mut (impl Future<Output = Outcome> + Send)>,
    attempt: u32,
) -> Outcome {
    let mode = kept.call.options.fail_mode.unwrap_or(target.settings.config.fail_mode);
    if mode != FailMode::Over || !target.settings.budget.withdraw(target.settings.now_ns()) {
        return first.await;
    }
    let mut twin = kept.beside();
    twin.again();
    let second = pin!(async {
        let (place, _, running) =
            reach(target, &mut twin, Go::Anywhere, mode).await.map_err(|failure| failure.status).ok()?;
        trace::sent(&place, attempt + 1);
        Some(answer(target, place, running).await)
    });
    let other = |outcome: Outcome, ran| outcome.map_err(|(status, place)| (also(status, ran), place));
    match select(first.as_mut(), second).await {
        Either::Left((Err(failed), second)) if failed.0.may_retry() => {
            let ran = failed.0.executed();
            other(second.await.unwrap_or(Err(failed)), ran)
        }
        // The other one may be running.
        Either::Left((outcome, _)) => other(outcome, Executed::Unknown),
        Either::Right((Some(Err(failed)), first)) if failed.0.may_retry() => other(first.await, failed.0.executed()),
        Either::Right((Some(outcome), _)) => other(outcome, Executed::Unknown),
        Either::Right((None, first)) => first.await,
    }
}

/// Brings a call to a connection: one that is open, or one that is made for it. While nothing is
/// sent, nodes that cannot be connected to are passed over.
async fn reach(
    target: &Arc<Target>,
    kept: &mut Kept,
    mut go: Go,
    mode: FailMode,
) -> Result<(Arc<Place>, Arc<Pool>, BoxFuture<'static, Result<Reply>>), Failure> {
    let nowhere = |status| Failure { status, place: None };
    let call = kept.call.clone();
    let mut tries = 0;
    loop {
        tries += 1;
        let place = match go {
            Go::There(place) => place,
            Go::Anywhere => target.choose(&call, None).await.map_err(nowhere)?,
            Go::Elsewhere(than) => target.choose(&call, Some(&than)).await.map_err(nowhere)?,
        };
        let Some(pool) = place.by(&target.settings, call.options.protocol.as_deref()) else {
            return Err(nowhere(Status::internal("a node was chosen that does not speak the call's protocol")));
        };
        let elsewhere = || mode == FailMode::Over && tries < REACH && target.elsewhere(&place, &call);
        if (!pool.is_avoided() || !elsewhere())
            && let Some(running) = pool.start(kept)
        {
            return Ok((place, pool, running));
        }
        // Offering it the call may have shown that the node does not answer.
        if pool.is_avoided() && elsewhere() {
            go = Go::Elsewhere(place);
            continue;
        }
        let status = match pool.ready(&call.method.path, call.deadline).await {
            Err(status) => status,
            Ok(()) => match pool.start(kept) {
                Some(running) => return Ok((place, pool, running)),
                None => pool.unreachable("the connection was lost at once"),
            },
        };
        if !status.may_retry() || !elsewhere() {
            return Err(Failure { status, place: Some(place) });
        }
        go = Go::Elsewhere(place);
    }
}

/// A call that a node has been given. Dropped before its end it was cancelled, which says nothing
/// about the node.
struct Sent(Option<Arc<Place>>);

impl Sent {
    #[inline]
    fn new(place: Arc<Place>) -> Sent {
        place.candidate.begin();
        Sent(Some(place))
    }

    #[inline]
    fn end(mut self, began_ns: u64, took: u64, result: &Result<Reply>) -> Arc<Place> {
        let place = self.0.take().expect("taken only here and by drop");
        let now = began_ns + took;
        match result {
            Ok(_) => place.candidate.end(now, took, false),
            Err(status) if status.code() == Code::Cancelled => place.candidate.abandon(),
            Err(status) => place.candidate.end(now, took, blames_the_node(status.code())),
        }
        place
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        if let Some(place) = self.0.take() {
            place.candidate.abandon();
        }
    }
}

/// Whether an error says that the node is in a bad way. One that was too slow is judged by its time:
/// the limit may have been a short one.
fn blames_the_node(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::ResourceExhausted
            | Code::Internal
            | Code::Unknown
            | Code::DataLoss
            | Code::Unimplemented
    )
}
