//! One call.

use std::{future::Future, sync::Arc};

use bytes::{Bytes, BytesMut};
use motet_core::{
    Body, Call, Codec, Deadline, Executed, Kind, MethodDescriptor, Payload, Reply, ReplyMeta, Result, Status, Streaming,
};
use motet_protocol_jsonrpc::{Id, Request, Version, bare_message, json, json_request, reply_body, request_params};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{Instant, timeout_at},
};

use super::{
    Inner, Owned,
    driver::{Outgoing, Slot, To},
    reply::{ReplyStream, Trouble},
};
use crate::wire::{self, Note, Options};

/// Makes a call. Dropping the future cancels it.
pub(super) async fn run(inner: Arc<Inner>, call: Call) -> Result<Reply> {
    let (deadline, path) = (call.deadline, call.method.path.clone());
    if let Some(deadline) = deadline.filter(|deadline| deadline.at <= Instant::now()) {
        return Err(deadline.status(&path).with_executed(Executed::No));
    }
    let waiting = inner.calls.clone().acquire_owned();
    let permit = within(deadline, &path, async { waiting.await.map_err(Status::internal_from) }).await;
    let permit = permit.map_err(|status| status.with_executed(Executed::No))?;
    if call.one_way {
        return within(deadline, &path, one_way(&inner, call)).await;
    }
    match call.method.kind {
        Kind::Unary => within(deadline, &path, one(&inner, call)).await,
        Kind::ClientStream => {
            let trouble = Trouble::default();
            let answered = within(deadline, &path, client_stream(&inner, call, trouble.clone())).await;
            answered.map_err(|status| trouble.take().unwrap_or(status))
        }
        Kind::ServerStream | Kind::Bidi => within(deadline, &path, reply_stream(&inner, call, permit)).await,
    }
}

/// Ends a wait at the call's deadline.
async fn within<T>(deadline: Option<Deadline>, path: &str, call: impl Future<Output = Result<T>>) -> Result<T> {
    match deadline {
        None => call.await,
        Some(deadline) => timeout_at(deadline.at, call).await.unwrap_or_else(|_| Err(deadline.status(path))),
    }
}

/// The text of a request; without an id it is a notification.
fn request(call: &Call, id: Option<u64>, window: Option<u32>) -> Result<BytesMut> {
    let params = match &call.body {
        Body::One(message) => request_params(&call.method, Version::V2, &json_request(message.clone())?),
        Body::Stream(_) => None,
    };
    let timeout = call.deadline.map(|deadline| deadline.at.saturating_duration_since(Instant::now()));
    let options = Options { timeout, metadata: call.metadata.clone(), credit: window };
    let request = Request {
        version: Version::V2,
        method: call.method.path.clone(),
        params,
        id: id.map(Id::number),
        extension: options.write(),
    };
    let mut text = BytesMut::new();
    request.write(&mut text);
    Ok(text)
}

/// A call that is open on the connection; dropping it cancels the call unless it was answered.
pub(super) struct Open {
    pub(super) inner: Arc<Inner>,
    pub(super) id: u64,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.inner.shared.forget(self.id);
    }
}

/// Registers a call and leaves its request to be sent.
async fn open(inner: &Arc<Inner>, call: &Call, to: To, meta: &ReplyMeta) -> Result<(Open, Arc<Semaphore>)> {
    let credit = Arc::new(Semaphore::new(inner.config.window()));
    let slot = Slot { sent: false, meta: meta.clone(), credit: credit.clone(), to };
    let window = call.method.kind.server_streams().then(|| u32::try_from(inner.config.window()).unwrap_or(u32::MAX));
    let id = inner.shared.register(slot)?;
    let open = Open { inner: inner.clone(), id };
    let text = request(call, Some(id), window).map_err(|status| status.with_executed(Executed::No))?;
    if text.len() > inner.config.max_message {
        let limit = inner.config.max_message;
        let status = Status::resource_exhausted(format!("the request is longer than {limit} bytes"));
        return Err(status.with_executed(Executed::No));
    }
    let room = inner.shared.outbox.room(text.len()).await;
    inner.shared.outbox.put(Outgoing { text, room, opens: Some(id), written: None });
    Ok((open, credit))
}

fn gone() -> Status {
    Status::unavailable("the connection was lost")
}

fn reply(method: &MethodDescriptor, meta: ReplyMeta, result: Bytes) -> Reply {
    let body = reply_body(method, Version::V2, result);
    Reply { meta, body: Body::One(Payload::encoded(body, Codec::JSON)) }
}

async fn one(inner: &Arc<Inner>, call: Call) -> Result<Reply> {
    let meta = ReplyMeta::new();
    let (sender, answer) = oneshot::channel();
    let (_open, _) = open(inner, &call, To::One(sender), &meta).await?;
    let result = answer.await.map_err(|_| gone())??;
    Ok(reply(&call.method, meta, result))
}

async fn one_way(inner: &Arc<Inner>, call: Call) -> Result<Reply> {
    inner.shared.check()?;
    let text = request(&call, None, None).map_err(|status| status.with_executed(Executed::No))?;
    let (sender, written) = oneshot::channel();
    let room = inner.shared.outbox.room(text.len()).await;
    inner.shared.check()?;
    inner.shared.outbox.put(Outgoing { text, room, opens: None, written: Some(sender) });
    written.await.map_err(|_| gone())?;
    Ok(Reply::one(Payload::encoded(Bytes::new(), Codec::RAW)))
}

async fn client_stream(inner: &Arc<Inner>, mut call: Call, trouble: Trouble) -> Result<Reply> {
    let body = std::mem::replace(&mut call.body, Body::Stream(Streaming::from_iter([])));
    let meta = ReplyMeta::new();
    let (sender, answer) = oneshot::channel();
    let (open, credit) = open(inner, &call, To::One(sender), &meta).await?;
    let _pump = pump(&open, body.stream(), &call.method, credit, trouble);
    let result = answer.await.map_err(|_| gone())??;
    Ok(reply(&call.method, meta, result))
}

async fn reply_stream(inner: &Arc<Inner>, mut call: Call, permit: OwnedSemaphorePermit) -> Result<Reply> {
    let meta = ReplyMeta::new();
    let bidi = call.method.kind == Kind::Bidi;
    let body = bidi.then(|| std::mem::replace(&mut call.body, Body::Stream(Streaming::from_iter([]))));
    // The window, and one place for the end.
    let (messages, incoming) = mpsc::channel(inner.config.window() + 1);
    let (sender, head) = oneshot::channel();
    let to = To::Stream { head: (!bidi).then_some(sender), messages };
    let (open, credit) = open(inner, &call, to, &meta).await?;
    let trouble = Trouble::default();
    let pump = body.map(|body| pump(&open, body.stream(), &call.method, credit, trouble.clone()));
    if !bidi {
        head.await.map_err(|_| gone())??;
    }
    let stream = ReplyStream::new(open, incoming, &call, pump, trouble, permit);
    Ok(Reply { meta, body: Body::Stream(Streaming::new(stream)) })
}

/// Sends the messages of a request on a task that the call owns.
fn pump(
    open: &Open,
    mut messages: Streaming<Payload>,
    method: &Arc<MethodDescriptor>,
    credit: Arc<Semaphore>,
    trouble: Trouble,
) -> Owned {
    let (shared, id, method) = (open.inner.shared.clone(), open.id, method.clone());
    let max_message = open.inner.config.max_message;
    let sending = async move {
        let number = id.to_string();
        loop {
            let message = messages.next().await;
            let message = match message {
                None => break,
                Some(message) => message.and_then(json).and_then(|message| match message.len() > max_message {
                    true => Err(Status::resource_exhausted(format!("a message is longer than {max_message} bytes"))),
                    false => Ok(bare_message(method.request_shape, message)),
                }),
            };
            let message = match message {
                Ok(message) => message,
                Err(status) => {
                    // The call fails with it; the server sees a cancel.
                    trouble.set(status);
                    shared.forget(id);
                    return;
                }
            };
            // It is never closed.
            if let Ok(permit) = credit.acquire().await {
                permit.forget();
            }
            let text = wire::message_text(number.as_bytes(), &message);
            let room = shared.outbox.room(text.len()).await;
            shared.outbox.put(Outgoing { text, room, opens: None, written: None });
        }
        let text = Note::End.write(number.as_bytes());
        shared.outbox.put(Outgoing { text, room: 0, opens: None, written: None });
    };
    Owned(tokio::spawn(sending).abort_handle())
}
