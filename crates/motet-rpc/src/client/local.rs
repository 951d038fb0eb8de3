//! Calls to services of the same process: no network, no encoding, and everything else as always.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context as Task, Poll},
};

use futures_core::Stream;
use futures_util::future::{Either, select};
use motet_core::{
    Body, BoxFuture, Call, Cancel, Codec, Context, Dispatcher, Drain, DrainSignal, Ends, Executed, Kind, Payload, Peer,
    Reply, Result, Route, Status, Streaming, TraceParent,
};
use tokio::sync::oneshot;

use super::{attempt::until_cancelled, target::Target};
use crate::{selector, server::spawn_one_way};

/// The services of this process.
pub(crate) struct Local {
    dispatcher: Dispatcher,
    /// Owns the tasks of one-way calls.
    drain: Drain,
    /// The same, where nobody else does: dropping it ends them.
    _signal: Option<DrainSignal>,
    peer: Arc<Peer>,
}

impl Local {
    /// The services behind this dispatcher; one-way calls belong to `drain`, or to the client.
    pub(super) fn new(dispatcher: Dispatcher, drain: Option<Drain>) -> Local {
        let peer = Arc::new(Peer::new("local", "this process", true));
        match drain {
            Some(drain) => Local { dispatcher, drain, _signal: None, peer },
            None => {
                let signal = DrainSignal::new();
                Local { dispatcher, drain: signal.drain(), _signal: Some(signal), peer }
            }
        }
    }
}

/// What runs a call in this process, if anything does and the call did not ask for a certain node.
/// A client that knows no other way gets the dispatcher's error.
#[inline]
pub(super) fn find(target: &Target, call: &Call) -> Option<Result<Route>> {
    let local = target.settings.local.as_ref().filter(|_| !target.pinned)?;
    if target.settings.registry.is_none() {
        return Some(local.dispatcher.resolve(&call.method.path));
    }
    local.dispatcher.find(&call.method.path).filter(|_| !selector::chooses(&call.options)).map(Ok)
}

/// Runs a call in this process.
pub(super) async fn run(target: &Target, route: Result<Route>, call: Arc<Call>) -> Result<Reply> {
    match (&target.settings.local, route, Arc::into_inner(call)) {
        (Some(local), Ok(route), Some(call)) => {
            let cx = call.cx.clone();
            let served = until_cancelled(&cx, pin!(serve(local, route, call))).await;
            served.unwrap_or_else(|| Err(Cancel::status()))
        }
        (_, Err(status), _) => Err(status),
        _ => Err(Status::internal("a local call without local services")),
    }
}

async fn serve(local: &Local, route: Route, mut call: Call) -> Result<Reply> {
    let trace = call.metadata.get(TraceParent::KEY).and_then(TraceParent::parse);
    let peer = Some(local.peer.clone());
    let cx = Context::incoming(call.deadline, call.metadata.clone(), peer, trace);
    let (body, failed) = match call.body {
        Body::One(payload) => (Body::One(payload), None),
        Body::Stream(stream) => {
            let (tell, failed) = oneshot::channel();
            let stream = Streaming::new(Request { stream: Some(stream), tell: Some(tell) });
            (Body::Stream(stream), Some(failed))
        }
    };
    call.body = body;
    call.cx = cx.clone();
    call.method = route.method().clone();
    call.ends = Ends::default();
    if call.one_way {
        if local.drain.is_draining() {
            return Err(Status::unavailable("the App is stopping").with_executed(Executed::No));
        }
        spawn_one_way(&route, call, &local.drain);
        return Ok(Reply::one(Payload::encoded("", Codec::RAW)));
    }
    let kind = call.method.kind;
    let mut running = route.call(call);
    let Some(mut failed) = failed else { return running.await };
    if kind == Kind::Bidi {
        // As over a network: the caller gets its stream although the handler may wait for the first
        // request before it answers, and the handler's early error is the first item.
        let meta = cx.reply();
        let first = poll_fn(|task| Poll::Ready(running.as_mut().poll(task))).await;
        let source = match first {
            Poll::Pending => Source::Head(running),
            Poll::Ready(head) => Source::of(head),
        };
        return Ok(Reply { meta, body: Body::Stream(Streaming::new(Replies { source, failed: Some(failed) })) });
    }
    let result = running_or_failed(running, &mut failed).await;
    // The handler ends as well once it has read the error of its caller.
    failed.try_recv().map_or(result, Err)
}

/// Waits for the handler, or for the error of its request stream.
async fn running_or_failed(
    running: BoxFuture<'static, Result<Reply>>,
    failed: &mut oneshot::Receiver<Status>,
) -> Result<Reply> {
    match select(running, failed).await {
        Either::Left((result, _)) => result,
        Either::Right((Ok(status), _)) => Err(status),
        // The handler has let go of the request without an error in it.
        Either::Right((Err(_), running)) => running.await,
    }
}

/// A reply stream that the error of the request stream ends.
struct Replies {
    source: Source,
    failed: Option<oneshot::Receiver<Status>>,
}

/// Where replies come from.
enum Source {
    Head(BoxFuture<'static, Result<Reply>>),
    Items(Streaming<Payload>),
    Failed(Status),
    Over,
}

impl Source {
    fn of(head: Result<Reply>) -> Source {
        head.map_or_else(Source::Failed, |reply| Source::Items(reply.body.stream()))
    }

    fn poll(&mut self, task: &mut Task<'_>) -> Poll<Option<Result<Payload>>> {
        if let Source::Head(running) = self {
            *self = Source::of(std::task::ready!(running.as_mut().poll(task)));
        }
        match std::mem::replace(self, Source::Over) {
            Source::Items(mut items) => {
                let item = Pin::new(&mut items).poll_next(task);
                *self = Source::Items(items);
                item
            }
            Source::Failed(status) => Poll::Ready(Some(Err(status))),
            Source::Head(_) | Source::Over => Poll::Ready(None),
        }
    }
}

impl Stream for Replies {
    type Item = Result<Payload>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        // The handler's own poll may be what reads the error.
        let item = this.source.poll(task);
        if let Some(failed) = &mut this.failed
            && let Poll::Ready(failed) = Pin::new(failed).poll(task)
        {
            this.failed = None;
            if let Ok(status) = failed {
                this.source = Source::Over;
                return Poll::Ready(Some(Err(status)));
            }
        }
        item
    }
}

/// A request stream whose error is the caller's own: the call fails with it, the handler sees only
/// that the caller has gone.
struct Request {
    stream: Option<Streaming<Payload>>,
    tell: Option<oneshot::Sender<Status>>,
}

impl Stream for Request {
    type Item = Result<Payload>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(None) };
        match std::task::ready!(Pin::new(stream).poll_next(task)) {
            Some(Ok(payload)) => Poll::Ready(Some(Ok(payload))),
            None => {
                self.stream = None;
                Poll::Ready(None)
            }
            Some(Err(status)) => {
                self.stream = None;
                if let Some(tell) = self.tell.take() {
                    // Nobody listens once the call is over.
                    let _ = tell.send(status);
                }
                Poll::Ready(Some(Err(Status::cancelled("the caller's request stream failed"))))
            }
        }
    }
}
