//! Calls to services of the same process: no network, no encoding, and everything else as always.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context as Task, Poll},
};

use futures_core::Stream;
use futures_util::future::{Either, select};
use motet_core::{
    Body, Call, Cancel, Codec, Context, Dispatcher, Drain, DrainSignal, Ends, Executed, Payload, Peer, Reply, Result,
    Route, Status, Streaming, TraceParent,
};
use tokio::{sync::oneshot, time::Instant};

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

/// Runs a call in this process, and says when it was over.
pub(super) async fn run(target: &Target, route: Result<Route>, slot: &mut Option<Call>) -> (Result<Reply>, Instant) {
    let result = match (&target.settings.local, route, slot.take()) {
        (Some(local), Ok(route), Some(call)) => {
            let cx = call.cx.clone();
            let served = until_cancelled(&cx, pin!(serve(local, route, call))).await;
            served.unwrap_or_else(|| Err(Cancel::status()))
        }
        (_, Err(status), _) => Err(status),
        _ => Err(Status::internal("a local call without local services")),
    };
    (result, Instant::now())
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
    let running = route.call(call);
    let result = match failed {
        None => running.await,
        Some(failed) => match select(running, failed).await {
            Either::Left((result, _)) => result,
            Either::Right((Ok(status), _)) => Err(status),
            // The handler has let go of the request without an error in it.
            Either::Right((Err(_), running)) => running.await,
        },
    };
    let meta = match &result {
        // What a stream's handler sets is known at its end.
        Ok(Reply { body: Body::Stream(_), .. }) => Some(cx.reply()),
        _ => cx.reply_if_set().cloned(),
    };
    match (result, meta) {
        (Ok(reply), Some(meta)) => Ok(Reply { meta, ..reply }),
        (Err(status), Some(meta)) if status.metadata().is_empty() => {
            let trailing = meta.trailing().unwrap_or_default();
            Err(status.with_metadata(trailing))
        }
        (result, _) => result,
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
                    // Nobody listens once the reply's head is there; then the handler alone is told.
                    let _ = tell.send(status);
                }
                Poll::Ready(Some(Err(Status::cancelled("the caller's request stream failed"))))
            }
        }
    }
}
