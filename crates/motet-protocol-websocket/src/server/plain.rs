//! One call on a connection of its own, its messages plain: what a few lines in a browser can speak.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context as Task, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use motet_core::{
    Body, BoxFuture, BoxIo, Call, Codec, Context, Executed, Metadata, Payload, Reply, Result, Route, Status, Streaming,
    TraceParent,
};
use motet_http::{Door, error_object};
use motet_protocol_jsonrpc::{Framing, json};
use motet_websocket::{CloseCode, Message, WebSocket};
use tokio::{sync::mpsc, time::timeout};

use super::{WebSocketServer, connection::blame};
use crate::{WebSocketConfig, wire};

/// How many messages of the caller wait for the handler; further ones are not read.
const WAITING: usize = 16;
/// How many messages are handled before other tasks get their turn.
const TURN: usize = 64;
/// The close code of an error is this and the number of its code: 4005 is NOT_FOUND.
const ERROR: u16 = 4000;

/// Serves a connection to its end. Text messages are the stream's messages, an empty one says that no
/// more follow; closing cancels the call.
pub(super) async fn serve(
    server: WebSocketServer,
    mut socket: WebSocket<BoxIo>,
    door: Door,
    metadata: Metadata,
    route: Route,
) {
    let method = route.method().clone();
    let (body, sender) = match method.kind.client_streams() {
        true => {
            let (sender, stream) = Streaming::channel(WAITING);
            (Body::Stream(stream), Some(sender))
        }
        false => match first(&server.config, &mut socket, &door).await {
            Some(message) => (Body::One(Payload::encoded(message, Codec::JSON)), None),
            None => return,
        },
    };
    let trace = metadata.get(TraceParent::KEY).and_then(TraceParent::parse);
    let cx = Context::incoming(route.deadline(None), metadata.clone(), Some(door.peer().clone()), trace);
    let mut call = Call::new(method, cx, body, Codec::JSON, Arc::default());
    call.metadata = metadata;
    let mut plain = Plain {
        max_depth: server.config.max_depth,
        max_output: server.config.max_output,
        socket,
        door,
        sender,
        permit: None,
        state: State::Running(route.call(call)),
    };
    poll_fn(|cx| plain.poll(cx)).await;
}

/// The request of a method that takes one message.
async fn first(config: &WebSocketConfig, socket: &mut WebSocket<BoxIo>, door: &Door) -> Option<Bytes> {
    let refused = match timeout(door.config().body_timeout, socket.next()).await {
        Ok(Ok(Some(Message::Text(text)))) => match check(text, config.max_depth) {
            Ok(Some(message)) => return Some(message),
            // A method whose request has no required field can be asked with nothing.
            Ok(None) => return Some(Bytes::from_static(b"{}")),
            Err(status) => status,
        },
        Ok(Ok(Some(Message::Binary(_)))) => Status::invalid_argument("messages are JSON, as text"),
        Ok(Ok(None)) => return None,
        Ok(Err(error)) => {
            blame(door, &error);
            return None;
        }
        Err(_) => Status::deadline_exceeded("the message that asks did not come in time"),
    };
    let refused = refused.with_executed(Executed::No);
    let _ = socket.feed(error_text(&refused)).await;
    let _ = socket.close(close_code(&refused), refused.message()).await;
    None
}

/// A message of the caller; `None` for an empty one.
fn check(text: String, max_depth: usize) -> Result<Option<Bytes>> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let bad = || Status::invalid_argument(format!("a message is one JSON object, at most {max_depth} levels deep"));
    let mut rest = BytesMut::from(Bytes::from(text));
    let value = Framing::new(usize::MAX, max_depth).next(&mut rest).map_err(|_| bad())?.ok_or_else(bad)?;
    if rest.trim_ascii().is_empty() { Ok(Some(value)) } else { Err(bad()) }
}

fn error_text(status: &Status) -> String {
    serde_json::json!({ "@error": error_object(status) }).to_string()
}

fn close_code(status: &Status) -> CloseCode {
    CloseCode::new(ERROR + u16::from(status.code().number())).unwrap_or(CloseCode::INTERNAL)
}

type Sender = mpsc::Sender<Result<Payload>>;
type Permit = mpsc::OwnedPermit<Result<Payload>>;

struct Plain {
    max_depth: usize,
    max_output: usize,
    socket: WebSocket<BoxIo>,
    door: Door,
    /// Where the caller's messages go, until it sends no more.
    sender: Option<Sender>,
    /// A place for the next of them, or the wait for one.
    permit: Option<Place>,
    state: State,
}

enum Place {
    Wait(BoxFuture<'static, Option<Permit>>),
    There(Permit),
}

/// What the call is up to.
enum State {
    Running(BoxFuture<'static, Result<Reply>>),
    Streaming(Streaming<Payload>),
    Over,
}

impl Plain {
    fn poll(&mut self, cx: &mut Task<'_>) -> Poll<()> {
        for _ in 0..TURN {
            let said = self.poll_call(cx).is_ready();
            let heard = match self.poll_input(cx) {
                Poll::Ready(true) => return Poll::Ready(()),
                heard => heard.is_ready(),
            };
            if !said && !heard {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes one step of the call; `Ready` when there was one.
    fn poll_call(&mut self, cx: &mut Task<'_>) -> Poll<()> {
        if self.socket.unsent() >= self.max_output {
            return Poll::Pending;
        }
        match &mut self.state {
            State::Over => return Poll::Pending,
            State::Running(call) => match ready!(call.as_mut().poll(cx)) {
                Ok(Reply { body: Body::Stream(stream), .. }) => self.state = State::Streaming(stream),
                Ok(Reply { body: Body::One(message), .. }) => {
                    let end = self.say(message);
                    self.end(end.err());
                }
                Err(status) => self.end(Some(status)),
            },
            State::Streaming(stream) => match ready!(Pin::new(stream).poll_next(cx)) {
                None => self.end(None),
                Some(message) => {
                    if let Err(status) = message.and_then(|message| self.say(message)) {
                        self.end(Some(status));
                    }
                }
            },
        }
        Poll::Ready(())
    }

    fn say(&mut self, message: Payload) -> Result<()> {
        let message = wire::text(json(message)?.into())?;
        // There is room, or the connection is gone, which is noticed where it is read.
        let _ = self.socket.queue(&message);
        Ok(())
    }

    fn end(&mut self, status: Option<Status>) {
        (self.state, self.sender, self.permit) = (State::Over, None, None);
        match status {
            None => self.socket.start_close(CloseCode::NORMAL, ""),
            Some(status) => {
                let _ = self.socket.queue(&error_text(&status).into());
                self.socket.start_close(close_code(&status), status.message());
            }
        }
    }

    /// Takes one message in; `Ready` when there was one, with whether the connection is over.
    fn poll_input(&mut self, cx: &mut Task<'_>) -> Poll<bool> {
        let full = self.socket.unsent() >= self.max_output;
        if full || !self.poll_place(cx) {
            // Nothing is read now, but what waits is written.
            let flushed = pin!(self.socket.flush()).poll(cx);
            return match flushed {
                Poll::Ready(Err(error)) => {
                    blame(&self.door, &error);
                    Poll::Ready(true)
                }
                _ if full && self.socket.unsent() < self.max_output => Poll::Ready(false),
                _ => Poll::Pending,
            };
        }
        match ready!(self.socket.poll_next(cx)) {
            Ok(Some(Message::Text(text))) => self.receive(text),
            Ok(Some(Message::Binary(_))) => self.end(Some(Status::invalid_argument("messages are JSON, as text"))),
            Ok(None) => return Poll::Ready(true),
            Err(error) => {
                blame(&self.door, &error);
                return Poll::Ready(true);
            }
        }
        Poll::Ready(false)
    }

    /// Whether a message may be read: there is a place for it, or nobody is interested.
    fn poll_place(&mut self, cx: &mut Task<'_>) -> bool {
        let Some(sender) = &self.sender else { return true };
        let place = self.permit.get_or_insert_with(|| {
            let waiting = sender.clone().reserve_owned();
            Place::Wait(Box::pin(async move { waiting.await.ok() }))
        });
        if let Place::Wait(waiting) = place {
            match waiting.as_mut().poll(cx) {
                Poll::Pending => return false,
                Poll::Ready(Some(permit)) => *place = Place::There(permit),
                // The handler reads no more: the rest is discarded.
                Poll::Ready(None) => (self.sender, self.permit) = (None, None),
            }
        }
        true
    }

    fn receive(&mut self, text: String) {
        if self.sender.is_none() {
            return;
        }
        match check(text, self.max_depth) {
            Ok(None) => (self.sender, self.permit) = (None, None),
            Ok(Some(message)) => {
                if let Some(Place::There(permit)) = self.permit.take() {
                    permit.send(Ok(Payload::encoded(message, Codec::JSON)));
                }
            }
            Err(status) => self.end(Some(status)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_object_not_too_deep() {
        assert_eq!(check(" {\"a\":1} ".to_owned(), 3), Ok(Some(Bytes::from("{\"a\":1}"))));
        assert_eq!(check(" ".to_owned(), 3), Ok(None));
        for text in ["{", "7", "{}{}", "{\"a\":[[[]]]}"] {
            assert!(check(text.to_owned(), 3).is_err(), "{text}");
        }
    }

    #[test]
    fn the_close_code_names_the_error() {
        assert_eq!(close_code(&Status::not_found("x")).get(), 4005);
    }
}
