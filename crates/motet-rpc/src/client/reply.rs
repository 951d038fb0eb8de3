//! The end of a call: at its reply, or at the last message of its reply stream.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll},
    time::Duration,
};

use futures_core::Stream;
use motet_core::{
    Body, BoxFuture, Call, Cancel, Code, Context, Deadline, Ends, MethodDescriptor, Payload, Reply, ReplyMeta, Result,
    Status, Streaming,
};
use tokio::time::Instant;
use tracing::Span;

use super::{attempt::own_limit, trace};
use crate::MethodStats;

/// Who is told how a call ended. Dropping it ends the call as cancelled.
pub(super) struct Ending {
    stats: Arc<MethodStats>,
    started: Instant,
    captured: Option<ReplyMeta>,
    ends: Ends,
    span: Span,
    limits: Option<Box<Limits>>,
    over: bool,
}

/// What may end a reply stream before its time.
struct Limits {
    method: Arc<MethodDescriptor>,
    deadline: Option<Deadline>,
    cancelled: Option<(Context, BoxFuture<'static, ()>)>,
}

impl Limits {
    fn of(call: &Call) -> Box<Limits> {
        let cx = call.cx.can_be_cancelled().then(|| call.cx.clone());
        let cancelled = cx.map(|cx| {
            let waiting = cx.clone();
            (cx, Box::pin(async move { waiting.cancelled().await }) as BoxFuture<'static, ()>)
        });
        Box::new(Limits { method: call.method.clone(), deadline: call.deadline, cancelled })
    }
}

impl Ending {
    /// A call begins.
    #[inline]
    pub(super) fn new(stats: Arc<MethodStats>, started: Instant, call: &Call) -> Ending {
        stats.begin();
        let limits = call.method.kind.server_streams().then(|| Limits::of(call));
        let captured = call.cx.captured().cloned();
        Ending { stats, started, captured, ends: Ends::default(), span: Span::none(), limits, over: false }
    }

    /// Adds those who are told only on calls that have middleware or a span.
    pub(super) fn tell(&mut self, ends: Ends, span: Span) {
        (self.ends, self.span) = (ends, span);
    }

    /// The time since the call began.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The result of a call as its caller sees it: the call ends now, or with its reply stream.
    #[inline]
    pub(super) fn finish(mut self, result: Result<Reply>, took: Duration) -> Result<Reply> {
        match result {
            Ok(Reply { meta, body: Body::Stream(stream) }) => {
                self.capture_head(&meta);
                let stream = Streaming::new(Watched { ending: self, stream: Some(stream), meta: meta.clone() });
                Ok(Reply { meta, body: Body::Stream(stream) })
            }
            Ok(reply) => {
                self.capture_head(&reply.meta);
                self.end(None, Some(&reply.meta), took);
                Ok(reply)
            }
            Err(status) => {
                self.end(Some(&status), None, took);
                Err(status.of_call())
            }
        }
    }

    /// Says that the call's Context was cancelled, once it was.
    fn poll_cancelled(&mut self, task: &mut Task<'_>) -> Poll<Status> {
        match self.limits.as_mut().and_then(|limits| limits.cancelled.as_mut()) {
            Some((_, cancelled)) => cancelled.as_mut().poll(task).map(|()| Cancel::status()),
            None => Poll::Pending,
        }
    }

    fn is_cancelled(&self) -> bool {
        let cancelled = self.limits.as_ref().and_then(|limits| limits.cancelled.as_ref());
        cancelled.is_some_and(|(cx, _)| cx.is_cancelled())
    }

    /// The status of the caller's own limit, where that ended the stream.
    fn own_limit(&self, status: Status) -> Status {
        match &self.limits {
            Some(limits) => own_limit(status, limits.deadline, &limits.method.path, Instant::now()),
            None => status,
        }
    }

    fn capture_head(&self, meta: &ReplyMeta) {
        if let Some(captured) = &self.captured
            && let Some(initial) = meta.initial()
        {
            captured.set_initial(initial);
        }
    }

    fn end(&mut self, status: Option<&Status>, meta: Option<&ReplyMeta>, took: Duration) {
        self.over = true;
        self.stats.end(took, status.map(Status::code));
        if let Some(captured) = &self.captured {
            let trailing = status.map(|status| status.metadata().clone()).filter(|metadata| !metadata.is_empty());
            if let Some(trailing) = trailing.or_else(|| meta.and_then(ReplyMeta::trailing)) {
                captured.set_trailing(trailing);
            }
        }
        trace::ended(&self.span, status);
        self.ends.finish(status);
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if !self.over {
            self.stats.end(self.elapsed(), Some(Code::Cancelled));
            if !self.ends.is_none() || !self.span.is_disabled() {
                let status = Status::cancelled("the call was dropped before its end");
                trace::ended(&self.span, Some(&status));
                self.ends.finish(Some(&status));
            }
        }
    }
}

/// A reply stream on its way to the caller.
struct Watched {
    stream: Option<Streaming<Payload>>,
    meta: ReplyMeta,
    // Behind the stream: dropping cancels the call before it tells of its end.
    ending: Ending,
}

impl Stream for Watched {
    type Item = Result<Payload>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(stream) = &mut this.stream else { return Poll::Ready(None) };
        let item = match Pin::new(stream).poll_next(task) {
            Poll::Ready(Some(_)) if this.ending.is_cancelled() => Some(Err(Cancel::status())),
            Poll::Ready(item) => item.map(|item| item.map_err(|status| this.ending.own_limit(status))),
            Poll::Pending => Some(Err(std::task::ready!(this.ending.poll_cancelled(task)))),
        };
        if !matches!(item, Some(Ok(_))) {
            this.stream = None;
            let status = item.as_ref().and_then(|item| item.as_ref().err());
            this.ending.capture_head(&this.meta);
            this.ending.end(status, Some(&this.meta), this.ending.elapsed());
        }
        Poll::Ready(item.map(|item| item.map_err(Status::of_call)))
    }
}
