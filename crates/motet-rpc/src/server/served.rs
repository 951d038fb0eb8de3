//! A call while it runs, and its reply stream while it is read.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll},
};

use futures_core::Stream;
use motet_core::{
    Body, BoxFuture, Call, Code, Context, Deadline, Ends, Executed, MethodDescriptor, Pace, Payload, Reply, ReplyMeta,
    Result, Status, Streaming,
};
use tokio::time::{Instant, Sleep};

use super::pipeline::Pipeline;

/// Everything of a call that lasts to its true end: the reply, or the end of its reply stream.
/// Dropping it ends the call as cancelled.
pub(super) struct Scope {
    pipeline: Arc<Pipeline>,
    cx: Context,
    deadline: Option<Deadline>,
    /// Armed when the handler first waits; most never do.
    timer: Option<Pin<Box<Sleep>>>,
    started: Option<Instant>,
    /// When it got past the gate.
    admitted: Option<Instant>,
    /// Whether it has a place behind the gate: since it first waited, most never do.
    counted: bool,
    ends: Ends,
    span: tracing::Span,
    one_way: bool,
    over: bool,
}

impl Scope {
    pub(super) fn new(
        pipeline: Arc<Pipeline>,
        call: &Call,
        started: Option<Instant>,
        admitted: Option<Instant>,
        span: tracing::Span,
    ) -> Scope {
        if let Some(stats) = &pipeline.stats {
            stats.begin();
        }
        Scope {
            pipeline,
            cx: call.cx.clone(),
            deadline: call.deadline,
            timer: None,
            started,
            admitted,
            counted: false,
            ends: call.ends.clone(),
            span,
            one_way: call.one_way,
            over: false,
        }
    }

    /// Polls code of the user with its Context and span current. A panic in it, and the deadline once
    /// it waits, become the call's status.
    fn poll<T>(&mut self, task: &mut Task<'_>, poll: impl FnOnce(&mut Task<'_>) -> Poll<T>) -> Poll<Result<T>> {
        let polled = {
            let _current = self.cx.enter();
            let _span = (!self.span.is_disabled()).then(|| self.span.enter());
            catch(&self.pipeline.method, || poll(task))
        };
        match polled {
            Ok(Poll::Pending) => {
                self.occupy();
                self.poll_deadline(task).map(Err)
            }
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(status) => Poll::Ready(Err(status)),
        }
    }

    /// Takes a place behind the gate, unless it has one.
    pub(super) fn occupy(&mut self) {
        if !std::mem::replace(&mut self.counted, true) {
            self.pipeline.gate.occupy();
            if let Some(peer) = self.cx.peer() {
                peer.running.begin();
            }
        }
    }

    /// Gives the place back; the gate learns how long the call had it.
    fn leave(&mut self, now: Option<Instant>, status: Option<&Status>) {
        if !std::mem::take(&mut self.counted) {
            return;
        }
        if let Some(peer) = self.cx.peer() {
            peer.running.end();
        }
        let gate = &self.pipeline.gate;
        let given_up = status.is_some_and(|s| matches!(s.code(), Code::DeadlineExceeded | Code::Cancelled));
        // One that was refused further inside tells nothing about the time that calls take.
        let ran = status.is_none_or(|s| s.executed() != Executed::No && s.code() != Code::ResourceExhausted);
        if let (Some(admitted), Some(now), true) = (self.admitted, now, ran || given_up) {
            gate.learn(now.saturating_duration_since(admitted), now, given_up);
        }
        gate.leave();
    }

    /// How a call ends whose time was up before it was polled for the first time.
    fn expired(&self) -> Option<Status> {
        let deadline = self.deadline.filter(|deadline| deadline.at <= Instant::now())?;
        Some(deadline.status(&self.pipeline.method.path).with_executed(Executed::No))
    }

    fn poll_deadline(&mut self, task: &mut Task<'_>) -> Poll<Status> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.at)));
        timer.as_mut().poll(task).map(|()| deadline.status(&self.pipeline.method.path).with_executed(Executed::Yes))
    }

    /// Whether polls are measured: the first is not, the protocol does that.
    fn slow_poll_after(&self) -> Option<Instant> {
        (self.timer.is_some() && self.pipeline.stats.is_some()).then(Instant::now)
    }

    fn measured(&self, since: Option<Instant>) {
        if let (Some(since), Some(stats)) = (since, &self.pipeline.stats) {
            let took = since.elapsed();
            if took > Pace::SLOW {
                stats.slow_poll();
            }
            self.pipeline.later_poll(took);
        }
    }

    fn finish(&mut self, status: Option<&Status>) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        self.timer = None;
        self.cx.end();
        let now = self.started.map(|_| Instant::now());
        if !self.ends.is_none() {
            // Before the call counts as over, which may be what a stop waits for. Hooks are user code; without the
            // catch a panic here would end the whole connection.
            let _ = catch(&self.pipeline.method, || self.ends.finish(status));
        }
        if let (Some(stats), Some(started), Some(now)) = (&self.pipeline.stats, self.started, now) {
            stats.end(now.saturating_duration_since(started), status.map(Status::code));
        }
        self.leave(now, status);
        if self.one_way {
            self.pipeline.shared().return_one_way();
        }
        if !self.span.is_disabled() {
            self.span.record("code", status.map_or("OK", |status| status.code().name()));
        }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        if !self.over {
            self.pipeline.shared().dropped(&self.pipeline.method.path);
            self.finish(Some(&Status::cancelled("the caller has left")));
        }
    }
}

/// A call that runs.
pub(super) struct Served {
    /// Until the reply's head; a reply stream takes it along.
    scope: Option<Scope>,
    handler: Option<BoxFuture<'static, Result<Reply>>>,
    /// The panic of a handler that never became a future.
    failed: Option<Status>,
    /// Whether others may have run between its coming and its first poll, which is still to come.
    waited: bool,
}

impl Served {
    /// A call that is about to begin, at once unless it `waited`.
    pub(super) fn new(scope: Scope, handler: Result<BoxFuture<'static, Result<Reply>>>, waited: bool) -> Served {
        let (handler, failed) = match handler {
            Ok(handler) => (Some(handler), None),
            Err(status) => (None, Some(status)),
        };
        Served { scope: Some(scope), handler, failed, waited }
    }

    fn end(&mut self, result: Result<Reply>) -> Result<Reply> {
        let Some(scope) = &mut self.scope else { return result };
        drop_quietly(&scope.pipeline.method, self.handler.take());
        match result {
            Ok(Reply { meta, body: Body::Stream(stream) }) => {
                // What its handler sets beside is known at its end.
                let meta = if meta.is_none() { scope.cx.reply() } else { meta };
                let stream = ServedStream { scope: self.scope.take(), stream: Some(stream) };
                Ok(Reply { meta, body: Body::Stream(Streaming::new(stream)) })
            }
            Ok(mut reply) => {
                if reply.meta.is_none()
                    && let Some(meta) = scope.cx.reply_if_set()
                {
                    reply.meta = meta.clone();
                }
                scope.finish(None);
                Ok(reply)
            }
            Err(status) => {
                let mut status = status.of_handler();
                if status.metadata().is_empty()
                    && let Some(trailing) = scope.cx.reply_if_set().and_then(ReplyMeta::trailing)
                {
                    status = status.with_metadata(trailing);
                }
                scope.finish(Some(&status));
                Err(status)
            }
        }
    }
}

impl Future for Served {
    type Output = Result<Reply>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<Reply>> {
        let this = &mut *self;
        let (Some(scope), Some(handler)) = (&mut this.scope, &mut this.handler) else {
            let status = this.failed.take().unwrap_or_else(|| Status::internal("the call was polled after its end"));
            return Poll::Ready(this.end(Err(status)));
        };
        // Nobody waits for it any more: what its handler would do is kept for those who do.
        if std::mem::take(&mut this.waited)
            && let Some(status) = scope.expired()
        {
            return Poll::Ready(this.end(Err(status)));
        }
        let since = scope.slow_poll_after();
        let polled = scope.poll(task, |task| handler.as_mut().poll(task));
        scope.measured(since);
        polled.map(|result| this.end(result.and_then(|reply| reply)))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(scope) = &self.scope {
            drop_quietly(&scope.pipeline.method, self.handler.take());
        }
    }
}

/// A reply stream that is read.
struct ServedStream {
    /// Always there: an `Option` because it moves over from [`Served`].
    scope: Option<Scope>,
    stream: Option<Streaming<Payload>>,
}

impl Stream for ServedStream {
    type Item = Result<Payload>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let (Some(scope), Some(stream)) = (&mut this.scope, &mut this.stream) else { return Poll::Ready(None) };
        let item = match std::task::ready!(scope.poll(task, |task| Pin::new(stream).poll_next(task))) {
            Ok(Some(Ok(payload))) => return Poll::Ready(Some(Ok(payload))),
            Ok(None) => None,
            Ok(Some(Err(status))) | Err(status) => Some(status.of_handler()),
        };
        drop_quietly(&scope.pipeline.method, this.stream.take());
        scope.finish(item.as_ref());
        Poll::Ready(item.map(Err))
    }
}

impl Drop for ServedStream {
    fn drop(&mut self) {
        if let Some(scope) = &self.scope {
            drop_quietly(&scope.pipeline.method, self.stream.take());
        }
    }
}

/// Runs code of the user; its panic becomes a status that does not quote it. The process's panic
/// hook has then told where it was.
pub(super) fn catch<T>(method: &MethodDescriptor, run: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        tracing::error!(method = method.path, "the handler panicked; the panic hook's output names the place");
        // The payload is a value of the user's whose drop may panic as well.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
        Status::new(Code::Internal, "the handler panicked").with_executed(Executed::Yes)
    })
}

/// Drops a value of the user's; a panic in it ends nothing but this value.
fn drop_quietly<T>(method: &MethodDescriptor, value: Option<T>) {
    if value.is_some() {
        let _ = catch(method, || drop(value));
    }
}
