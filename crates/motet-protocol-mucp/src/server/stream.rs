//! A stream, which has its connection to itself.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use motet_core::{Body, Executed, Metadata, Payload, ReplyMeta, Result, Status, Streaming};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};

use super::{
    answer::Answer,
    connection::{Flow, Last, Serving},
    request::Request,
};
use crate::{
    line::{Cost, Either, End, Incoming, either},
    wire::{EOS, Event, Form, Refused, name, read_error, too_long},
};

/// How many messages wait for a handler at most; then the connection is read no further.
const WAITING: usize = 16;
/// How many bytes of small messages are written together.
const BATCH: usize = 16 << 10;

/// A message of the request stream, with the memory that it takes.
struct Item {
    message: Result<Payload>,
    _cost: Option<Cost>,
    _room: Option<OwnedSemaphorePermit>,
}

/// Why no more messages come of a stream that has not ended.
enum Broke {
    /// The connection has, or its peer has left.
    Ended(End),
    /// The peer has left.
    Left,
    /// A message that is not taken.
    Refused(Status),
}

/// Serves a stream and ends its connection. The body of the message that opens it is dropped, as
/// go-micro does: what it asks with comes next.
pub(super) async fn serve(serving: &mut Serving, messages: &mut Incoming, answer: Answer, request: Request) -> Flow {
    let (sender, receiver) = mpsc::channel(WAITING);
    let max = serving.server.config.max_message();
    let feeding = feed(messages, &answer, sender, max);
    let answering = reply(serving, &answer, request, Requests(receiver));
    let broke = match either(answering, feeding).await {
        Either::First(flow) => return flow.and(Err(Last::Said)),
        Either::Second(broke) => broke,
    };
    // The handler is dropped; half a message may have been written, of which nobody reads the rest.
    match broke {
        Broke::Left | Broke::Ended(End::Lost(_)) => Err(Last::Lost),
        Broke::Ended(end) => serving.broken(&end).await,
        Broke::Refused(status) => {
            serving.count_refused(&status);
            answer.error(&status, &mut serving.out);
            serving.flush().await.and(Err(Last::Said))
        }
    }
}

/// Reads the messages of a stream for its handler, then watches the connection. It ends only with one
/// of the two.
async fn feed(messages: &mut Incoming, answer: &Answer, sender: mpsc::Sender<Item>, max: usize) -> Broke {
    // One long message waits at most, or many short ones.
    let room = Arc::new(Semaphore::new(max));
    loop {
        let (fields, body) = match messages.next().await {
            Ok(Some(Event::Message(head, body))) => (head.fields, body),
            Ok(Some(Event::Continue)) => continue,
            Ok(Some(Event::Refused(_, Refused::TooLong))) => return Broke::Refused(too_long(max)),
            Ok(Some(Event::Refused(_, Refused::NoMemory))) => {
                return Broke::Refused(Status::resource_exhausted("the memory for messages is used up"));
            }
            Ok(None) => return Broke::Left,
            Err(end) => return Broke::Ended(end),
        };
        let cost = messages.cost();
        if fields.micro(name::STREAM) != answer.stream.as_deref() {
            let text = "a message of another stream came on the connection of this one";
            return Broke::Refused(Status::invalid_argument(text).with_executed(Executed::Unknown));
        }
        let (message, last) = match fields.get(name::ERROR).filter(|error| !error.is_empty()) {
            Some(EOS) => break,
            Some(error) => (Err(read_error(error, "")), true),
            None => (message(&answer.form, &body), false),
        };
        let size = u32::try_from(body.len().min(max)).unwrap_or(u32::MAX);
        let permit = room.clone().acquire_many_owned(size).await.ok();
        let sent = sender.send(Item { message, _cost: cost, _room: permit }).await;
        if last || sent.is_err() {
            break;
        }
    }
    drop(sender);
    Broke::Ended(End::Lost(messages.lost().await))
}

fn message(form: &Form, body: &Bytes) -> Result<Payload> {
    let (_, message) = form.open_request(body)?;
    Ok(Payload::encoded(message, form.codec.clone()))
}

/// The messages of a request stream, as its handler reads them.
struct Requests(mpsc::Receiver<Item>);

impl Stream for Requests {
    type Item = Result<Payload>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Payload>>> {
        self.0.poll_recv(cx).map(|item| item.map(|item| item.message))
    }
}

/// Runs the handler and writes what it says, to the end.
async fn reply(serving: &mut Serving, answer: &Answer, request: Request, mut requests: Requests) -> Flow {
    let Request { route, metadata, timeout: time, .. } = request;
    let body = match route.method().kind.client_streams() {
        true => Body::Stream(Streaming::new(requests)),
        false => {
            let first = timeout(serving.server.config.idle_timeout, requests.0.recv()).await;
            let missing = || Err(Status::invalid_argument("the stream ended before its request"));
            match first.ok().flatten().map_or_else(missing, |item| item.message) {
                Ok(message) => Body::One(message),
                Err(status) => return end(serving, answer, Err(status.with_executed(Executed::No))).await,
            }
        }
    };
    let call = serving.call(&route, metadata, time, body, answer);
    let began = serving.server.debug.began(&call.metadata);
    let result = route.call(call).await;
    serving.server.debug.ended(began, route.method(), result.as_ref().err());
    let reply = match result {
        Ok(reply) => reply,
        Err(status) => return end(serving, answer, Err(status)).await,
    };
    let (meta, mut initial) = (reply.meta, true);
    let mut stream = reply.body.stream();
    let max = serving.server.config.max_message();
    loop {
        let mut item = stream.next().await;
        // What is there together goes together.
        loop {
            let message = match item {
                Some(Ok(message)) => message,
                Some(Err(status)) => return end(serving, answer, Err(status)).await,
                None => return end(serving, answer, Ok(meta)).await,
            };
            let first = std::mem::take(&mut initial).then(|| meta.initial()).flatten();
            if let Err(status) = answer.message(message, &[first], max, &mut serving.out) {
                return end(serving, answer, Err(status)).await;
            }
            if serving.out.len() >= BATCH {
                break;
            }
            let next = std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut stream).poll_next(cx))).await;
            match next {
                Poll::Ready(next) => item = next,
                Poll::Pending => break,
            }
        }
        serving.flush().await?;
    }
}

async fn end(serving: &mut Serving, answer: &Answer, result: Result<ReplyMeta>) -> Flow {
    match result {
        Ok(meta) => answer.eos(&meta.trailing().unwrap_or_else(Metadata::new), &mut serving.out),
        Err(status) => answer.error(&status, &mut serving.out),
    }
    serving.flush().await
}
