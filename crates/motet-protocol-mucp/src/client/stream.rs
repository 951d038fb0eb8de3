//! Streams, each on a connection to itself.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::BytesMut;
use futures_core::Stream;
use motet_core::{Body, Call, Deadline, Executed, Kind, Payload, Reply, ReplyMeta, Result, Status, Streaming};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::timeout_at,
};

use super::{
    call::Asking,
    connection::{InFlight, Inner, within},
    pool::{self, Line},
    reply::{self, Said},
};
use crate::line::{Either, Outgoing, either};

/// How many messages of a reply wait for their reader at most; then the connection is read no further.
const WAITING: usize = 4;

/// Makes a call that streams. Its messages are pumped by a task that the reply owns.
pub(super) async fn make(inner: &Arc<Inner>, call: Call, in_flight: InFlight) -> Result<Reply> {
    let (kind, path, deadline) = (call.method.kind, call.method.path.clone(), call.deadline);
    let asking = Asking::new(inner, &call);
    let (sender, receiver) = mpsc::channel(WAITING);
    let (begun, begins) = oneshot::channel();
    let exchange =
        Exchange { inner: inner.clone(), asking, kind, begun: (kind == Kind::Bidi).then_some(begun), sender };
    let mut task = JoinSet::new();
    let (one_way, body) = (call.one_way, call.body);
    if one_way {
        return Err(Status::unimplemented("a stream cannot be one-way").with_executed(Executed::No));
    }
    task.spawn(exchange.run(body, deadline, path.clone()));
    let mut replies = Replies { receiver, _task: task, _in_flight: in_flight };
    match kind {
        // Whoever has both streams may send its messages only once it holds the replies.
        Kind::Bidi => {
            within(deadline, &path, async { Ok(begins.await) }).await?.unwrap_or(Ok(()))?;
            Ok(Reply::stream(Streaming::new(Plain(None, replies))))
        }
        Kind::ClientStream => match replies.receiver.recv().await {
            Some(Ok((message, meta))) => Ok(Reply { meta, body: Body::One(message) }),
            Some(Err(status)) => Err(status),
            None => Err(Status::internal("the stream ended without a reply")),
        },
        _ => match replies.receiver.recv().await {
            Some(Ok((message, meta))) => {
                Ok(Reply { meta, body: Body::Stream(Streaming::new(Plain(Some(message), replies))) })
            }
            Some(Err(status)) => Err(status),
            None => Ok(Reply::stream(Streaming::from_iter([]))),
        },
    }
}

type Item = Result<(Payload, ReplyMeta)>;

/// The replies as they come. Dropping it ends the call.
struct Replies {
    receiver: mpsc::Receiver<Item>,
    _task: JoinSet<()>,
    _in_flight: InFlight,
}

/// The same as messages, behind one that is there already.
struct Plain(Option<Payload>, Replies);

impl Stream for Plain {
    type Item = Result<Payload>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Payload>>> {
        if let Some(first) = self.0.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        self.1.receiver.poll_recv(cx).map(|item| item.map(|item| item.map(|(message, _)| message)))
    }
}

/// A stream under way.
struct Exchange {
    inner: Arc<Inner>,
    asking: Asking,
    kind: Kind,
    /// Told once the stream is open, or why it is not.
    begun: Option<oneshot::Sender<Result<()>>>,
    sender: mpsc::Sender<Item>,
}

impl Exchange {
    async fn run(mut self, body: Body, deadline: Option<Deadline>, path: String) {
        let sender = self.sender.clone();
        let running = self.open_and_talk(body);
        let outcome = match deadline {
            None => running.await,
            Some(deadline) => timeout_at(deadline.at, running).await.unwrap_or_else(|_| Err(deadline.status(&path))),
        };
        if let Err(status) = outcome {
            // Whoever would hear of it may have left.
            match self.begun.take() {
                Some(begun) => drop(begun.send(Err(status))),
                None => drop(sender.send(Err(status)).await),
            }
        }
    }

    async fn open_and_talk(&mut self, body: Body) -> Result<()> {
        let _place = self.inner.pool.place().await?;
        let mut line = self.inner.pool.dial().await?;
        let mut out = BytesMut::new();
        self.asking.open(&mut out)?;
        write(&mut line.outgoing, &mut out).await?;
        if let Some(begun) = self.begun.take() {
            // The caller may have left.
            let _ = begun.send(Ok(()));
        }
        self.talk(line, body).await
    }

    /// Sends and receives until the replies have ended.
    async fn talk(&self, line: Line, body: Body) -> Result<()> {
        let Line { mut incoming, mut outgoing } = line;
        let mut sending = std::pin::pin!(self.send(body, &mut outgoing));
        let max = self.inner.config.max_message();
        let (mut sent, mut says_its_end) = (false, false);
        loop {
            let next = match sent {
                true => Either::First(pool::answer_or_end(&mut incoming, max).await),
                false => either(pool::answer_or_end(&mut incoming, max), sending.as_mut()).await,
            };
            let (head, body) = match next {
                Either::Second(Ok(())) => {
                    sent = true;
                    continue;
                }
                Either::Second(Err(Trouble::Own(status))) => return Err(status),
                // Who ends a stream early closes its connection behind the end, which is still to be read.
                Either::Second(Err(Trouble::Lost(status))) => match pool::answer_or_end(&mut incoming, max).await {
                    Ok(Some(answer)) => {
                        sent = true;
                        answer
                    }
                    _ => return Err(status),
                },
                Either::First(answer) => match answer? {
                    Some(answer) => answer,
                    // A server of go-micro that has seen the end of the requests says none of its own.
                    None if sent && self.kind == Kind::Bidi && !says_its_end => return Ok(()),
                    None => return Err(Status::unavailable("the connection ended before the stream")),
                },
            };
            says_its_end |= head.fields.get("server") == Some("motet");
            let message = match reply::read(&head, &body, &self.asking.form, &self.asking.service, &self.inner.codecs)?
            {
                Said::End => return Ok(()),
                Said::Message(message) => message,
            };
            // Requests are sent while a reply waits for its reader: who writes much before it reads goes on.
            let room = loop {
                match sent {
                    true => break self.sender.reserve().await,
                    false => match either(self.sender.reserve(), sending.as_mut()).await {
                        Either::First(room) => break room,
                        Either::Second(Ok(())) => sent = true,
                        Either::Second(Err(Trouble::Own(status) | Trouble::Lost(status))) => return Err(status),
                    },
                }
            };
            // Without a reader there is nobody to tell.
            let Ok(room) = room else { return Ok(()) };
            room.send(Ok((message, reply::meta(&head))));
            if self.kind == Kind::ClientStream {
                return Ok(());
            }
        }
    }

    /// Sends the requests and their end.
    async fn send(&self, body: Body, outgoing: &mut Outgoing) -> Result<(), Trouble> {
        let mut messages = body.stream();
        let mut out = BytesMut::new();
        while let Some(message) = messages.next().await {
            message.and_then(|message| self.asking.message(&message, &mut out)).map_err(Trouble::Own)?;
            write(outgoing, &mut out).await.map_err(Trouble::Lost)?;
        }
        self.asking.eos(&mut out);
        write(outgoing, &mut out).await.map_err(Trouble::Lost)
    }
}

/// Why requests are sent no further.
enum Trouble {
    /// The request stream gave an error, or a message that cannot be written.
    Own(Status),
    /// The connection takes no more.
    Lost(Status),
}

async fn write(outgoing: &mut Outgoing, out: &mut BytesMut) -> Result<()> {
    outgoing
        .write(out, &mut 0)
        .await
        .map_err(|error| Status::unavailable(format!("the stream was lost: {}", error.kind())).with_source(error))
}
