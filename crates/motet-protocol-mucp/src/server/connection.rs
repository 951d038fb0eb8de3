//! A server's connection.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use motet_core::{
    Body, Call, CallOptions, Codec, Context, Dispatcher, Drain, Executed, Kind, Metadata, Offence, Offences, Payload,
    Peer, Reply, Result, Route, Status, TraceParent,
};
use motet_rpc::native::Lease;
use tokio::time::{Instant, sleep, timeout};

use super::{
    MucpServer,
    answer::{self, Answer},
    request::{self, NoCall, Request},
    stream,
};
use crate::{
    line::{Cost, Either, End, Incoming, Outgoing, either},
    wire::{Broken, EOS, Envelope, Event, First, Form, Head, Refused, Side, name, refusal, too_long},
};

/// What a call takes of memory beside its message, about.
const CALL_COST: usize = 3 << 10;
/// How long a peer has to take what was said last and to close its side.
const LINGER: Duration = Duration::from_millis(500);
/// How much is read of what a peer sends behind the end.
const LINGER_BYTES: usize = 1 << 20;

/// Serves a connection to its end: a call at a time, in the order in which they come, or one stream.
/// The end of the peer's side is half a close: what runs is answered; only a reset or a failed write
/// cancels it. A stream whose peer leaves without ending it is cancelled.
///
/// Cancel safe in that dropping it ends its calls but the one-way ones, which the drain owns.
pub(super) async fn serve(server: MucpServer, incoming: motet_core::Incoming) {
    let motet_core::Incoming { io, mut peer, head_by, dispatcher, drain, offences, .. } = incoming;
    "mucp".clone_into(&mut peer.protocol);
    let config = server.config.clone();
    let lease = Arc::new(Mutex::new(server.budget.lease(config.connection_memory)));
    let (read, write) = tokio::io::split(io);
    let leased = Some(lease.clone());
    let mut messages = Incoming::new(read, Side::Requests, config.max_message(), config.message_timeout, leased);
    messages.complete_by(head_by);
    let mut serving = Serving {
        out: BytesMut::new(),
        outgoing: Outgoing::new(write, config.write_timeout),
        server,
        lease,
        dispatcher,
        drain,
        peer: Arc::new(peer),
        offences,
        options: Arc::default(),
        told: false,
    };
    if serving.run(&mut messages).await == Last::Said {
        serving.outgoing.close().await;
        let _ = timeout(LINGER, messages.discard(LINGER_BYTES)).await;
    }
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// With everything said.
    Said,
    /// It is of no use any more.
    Lost,
}

/// What becomes of a connection behind a message: it goes on, or ends.
pub(super) type Flow = Result<(), Last>;

pub(super) struct Serving {
    pub(super) server: MucpServer,
    pub(super) lease: Arc<Mutex<Lease>>,
    pub(super) outgoing: Outgoing,
    /// What is to be written.
    pub(super) out: BytesMut,
    dispatcher: Dispatcher,
    drain: Drain,
    peer: Arc<Peer>,
    offences: Offences,
    options: Arc<CallOptions>,
    /// Whether a refused call was logged.
    told: bool,
}

impl Serving {
    async fn run(&mut self, messages: &mut Incoming) -> Last {
        loop {
            let idle = self.server.config.idle_timeout;
            let over = either(self.drain.draining(), sleep(idle));
            let event = match either(messages.next(), over).await {
                Either::First(event) => event,
                Either::Second(_) => return Last::Said,
            };
            let flow = match event {
                Ok(None) => Err(Last::Said),
                Ok(Some(Event::Continue)) => self.go_on().await,
                Ok(Some(Event::Refused(head, why))) => self.refused(&head, why).await,
                Ok(Some(Event::Message(head, body))) => self.message(head, body, messages).await,
                Err(End::Lost(_)) => Err(Last::Lost),
                Err(end) => self.broken(&end).await,
            };
            if let Err(last) = flow {
                return last;
            }
        }
    }

    /// Writes what is to be written.
    pub(super) async fn flush(&mut self) -> Flow {
        match self.outgoing.write(&mut self.out, &mut 0).await {
            Ok(()) => {
                self.out = BytesMut::new();
                Ok(())
            }
            Err(error) => {
                if error.kind() == std::io::ErrorKind::TimedOut {
                    self.blame(Offence::Stalled, "what is sent is not taken");
                }
                Err(Last::Lost)
            }
        }
    }

    async fn go_on(&mut self) -> Flow {
        self.out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        self.flush().await
    }

    /// Answers a message whose body is not taken.
    async fn refused(&mut self, head: &Head, why: Refused) -> Flow {
        let status = match why {
            Refused::TooLong => too_long(self.server.config.max_message()),
            Refused::NoMemory => no_memory(),
        };
        self.count_refused(&status);
        match request::read(&head.fields, &Bytes::new(), &self.dispatcher, &self.server.debug) {
            Ok((answer, _)) => answer.error(&status.with_executed(Executed::No), &mut self.out),
            Err(NoCall::Refused(answer, _)) => answer.error(&status.with_executed(Executed::No), &mut self.out),
            Err(NoCall::Unspoken(text)) => answer::unspoken(&text, &mut self.out),
        }
        self.flush().await?;
        match head.fields.closes() {
            true => Err(Last::Said),
            false => Ok(()),
        }
    }

    /// Answers what is no mucp, and ends the connection.
    pub(super) async fn broken(&mut self, end: &End) -> Flow {
        let (offence, reason) = match end {
            End::Broken(Broken::Malformed(reason)) => (Offence::Malformed, *reason),
            End::Broken(Broken::OverLimit(reason)) => (Offence::OverLimit, *reason),
            End::Stalled => (Offence::Stalled, "a message did not come in time"),
            End::Broken(Broken::Cut) | End::Lost(_) => return Err(Last::Lost),
        };
        self.blame(offence, reason);
        let status = match end {
            End::Broken(Broken::OverLimit(_)) => "431 Request Header Fields Too Large",
            End::Stalled => "408 Request Timeout",
            _ => "400 Bad Request",
        };
        self.out.extend_from_slice(refusal(status, reason).as_bytes());
        self.flush().await?;
        Err(Last::Said)
    }

    async fn message(&mut self, head: Head, body: Bytes, messages: &mut Incoming) -> Flow {
        let under_way = messages.cost();
        let fields = &head.fields;
        // go-micro's clients are no browsers; a page that asks here means harm.
        if fields.get("origin").is_some() || fields.get("sec-fetch-site").is_some() {
            return self.dismiss("403 Forbidden", "web pages may not call over mucp").await;
        }
        if head.first != First::Request(true) {
            return self.dismiss("405 Method Not Allowed", "mucp asks by POST").await;
        }
        if fields.get(name::ERROR) == Some(EOS) {
            // The end of a stream that is not, or no more: clients send it whatever came before.
            return Ok(());
        }
        let read = match fields.micro(name::TOPIC) {
            None => request::read(fields, &body, &self.dispatcher, &self.server.debug),
            Some(topic) => {
                let shown: String = topic.chars().filter(|c| !c.is_control()).take(128).collect();
                let status = Status::not_found(format!("nobody here subscribes to topic {shown:?}"));
                let form = Form::new(Envelope::Plain, Codec::JSON);
                Err(NoCall::Refused(Box::new(Answer::new(form, fields)), status.with_executed(Executed::No)))
            }
        };
        let (mut answer, request) = match read {
            Ok(read) => read,
            Err(NoCall::Unspoken(text)) => {
                answer::unspoken(&text, &mut self.out);
                return self.flush().await;
            }
            Err(NoCall::Refused(answer, status)) => return self.answer(&answer, Err(status)).await,
        };
        answer.closes |= self.drain.is_draining();
        let cost = under_way.or_else(|| Cost::take(&self.lease, CALL_COST + body.len()));
        drop(body);
        let streams = request.route.method().kind != Kind::Unary;
        let status = match () {
            () if cost.is_none() => {
                let status = no_memory();
                self.count_refused(&status);
                Some(status)
            }
            () if self.drain.is_draining() => Some(Status::unavailable("this server is stopping")),
            () if streams && answer.stream.is_none() => Some(Status::unimplemented(format!(
                "{} takes or gives a stream: say which in {}",
                request.route.method().path,
                name::STREAM
            ))),
            () => None,
        };
        if let Some(status) = status {
            return self.answer(&answer, Err(status.with_executed(Executed::No))).await;
        }
        match streams {
            true => stream::serve(self, messages, answer, request).await,
            false => self.unary(messages, answer, request).await,
        }
        // The memory of the message is given back here.
    }

    async fn unary(&mut self, messages: &mut Incoming, answer: Answer, request: Request) -> Flow {
        let Request { route, metadata, timeout, message, one_way } = request;
        let size = message.len();
        let body = Body::One(Payload::encoded(message, answer.form.codec.clone()));
        let mut call = self.call(&route, metadata, timeout, body, &answer);
        if one_way {
            call.one_way = true;
            // It outlives its connection: the server's memory bounds it.
            let Some(held) = self.server.budget.hold(CALL_COST + size) else {
                return self.answer(&answer, Err(no_memory().with_executed(Executed::No))).await;
            };
            call.on_end(move |_| drop(held));
            let running = route.call(call);
            self.drain.spawn(async move { drop(running.await) });
            answer.nothing(&mut self.out);
            return self.flush().await;
        }
        let began = self.server.debug.began(&call.metadata);
        let result = match either(route.call(call), messages.lost()).await {
            Either::First(result) => result,
            Either::Second(_) => return Err(Last::Lost),
        };
        self.server.debug.ended(began, route.method(), result.as_ref().err());
        self.answer(&answer, result).await
    }

    /// The call of a request.
    pub(super) fn call(
        &self,
        route: &Route,
        metadata: Metadata,
        timeout: Option<Duration>,
        body: Body,
        answer: &Answer,
    ) -> Call {
        let now = Instant::now();
        let deadline = route.deadline_at(now, timeout);
        let trace = metadata.get(TraceParent::KEY).and_then(TraceParent::parse);
        let cx = Context::incoming(deadline, metadata.clone(), Some(self.peer.clone()), trace);
        let mut call = Call::new(route.method().clone(), cx, body, answer.form.codec.clone(), self.options.clone());
        (call.metadata, call.started) = (metadata, Some(now));
        call
    }

    async fn answer(&mut self, answer: &Answer, result: Result<Reply>) -> Flow {
        let max = self.server.config.max_message();
        let written = result.and_then(|reply| {
            let message = reply.body.one()?;
            answer.message(message, &[reply.meta.initial(), reply.meta.trailing()], max, &mut self.out)
        });
        if let Err(status) = written {
            answer.error(&status, &mut self.out);
        }
        self.flush().await?;
        match answer.closes {
            true => Err(Last::Said),
            false => Ok(()),
        }
    }

    /// Answers something that is no call of mucp, and ends the connection.
    async fn dismiss(&mut self, status: &str, reason: &'static str) -> Flow {
        self.blame(Offence::Malformed, reason);
        self.out.extend_from_slice(refusal(status, reason).as_bytes());
        self.flush().await?;
        Err(Last::Said)
    }

    pub(super) fn count_refused(&mut self, status: &Status) {
        self.offences.count(Offence::Refused, 1);
        if !std::mem::replace(&mut self.told, true) {
            let (peer, reason) = (&self.peer.address, status.message());
            tracing::info!(peer, reason, "calls of this connection are refused; told once");
        }
    }

    fn blame(&self, offence: Offence, reason: &str) {
        self.offences.count(offence, 1);
        tracing::info!(peer = self.peer.address, protocol = "mucp", reason, "closed: the peer broke the rules");
    }
}

fn no_memory() -> Status {
    Status::resource_exhausted("the memory for calls of this connection or server is used up")
}
