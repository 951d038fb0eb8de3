//! The server side of rpcx.

use std::{fmt, sync::Arc};

use bytes::{Bytes, BytesMut};
use motet_core::{Body, BoxFuture, Dispatcher, Executed, Incoming, Recognition, Reply, Result, ServerProtocol, Status};
use motet_framed::{
    Broken, Extent, Limits, Received, Request, ServerWire, Unreadable, Wire, decompress, serve, too_long,
};
use motet_rpc::native::MemoryBudget;

use crate::{
    RpcxConfig,
    frame::{self, Frame, Header, WORTH, Writer},
    metadata,
};

/// Says whether a token, empty if there is none, may call this service path and method.
type Auth = Arc<dyn Fn(&str, &str, &str) -> bool + Send + Sync>;

/// The server side of rpcx.
#[derive(Clone, Default)]
pub struct RpcxServer {
    wire: ServerFrames,
    budget: MemoryBudget,
}

impl RpcxServer {
    /// A server side with these settings, whose connections share a budget of their own (512 MiB).
    pub fn new(config: RpcxConfig) -> RpcxServer {
        let tokens = config.accept_tokens.clone();
        let auth: Option<Auth> = match tokens.is_empty() {
            true => None,
            false => Some(Arc::new(move |token, _, _| tokens.iter().any(|known| same(known, token)))),
        };
        RpcxServer { wire: ServerFrames { limits: config.limits(), auth }, budget: MemoryBudget::default() }
    }

    /// The same within a budget that others share.
    #[must_use]
    pub fn with_budget(mut self, budget: MemoryBudget) -> RpcxServer {
        self.budget = budget;
        self
    }

    /// Sets who may call, in place of [`RpcxConfig::accept_tokens`]: `auth` is asked about every call
    /// with the token of the metadata `__AUTH`, empty if there is none, service path and method. A
    /// call that it refuses ends its connection, as rpcx does. Heartbeats need no token.
    #[must_use]
    pub fn with_auth(mut self, auth: impl Fn(&str, &str, &str) -> bool + Send + Sync + 'static) -> RpcxServer {
        self.wire.auth = Some(Arc::new(auth));
        self
    }
}

/// Compares in a time that tells nothing of where two tokens differ.
fn same(known: &str, token: &str) -> bool {
    known.len() == token.len() && known.bytes().zip(token.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

impl fmt::Debug for RpcxServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RpcxServer").field("limits", &self.wire.limits).finish_non_exhaustive()
    }
}

impl ServerProtocol for RpcxServer {
    fn name(&self) -> &str {
        ServerFrames::NAME
    }

    fn recognise(&self, first: &[u8], _: bool) -> Recognition {
        match first.first() {
            None => Recognition::NeedMore(1),
            Some(&frame::MAGIC) => Recognition::Yes,
            Some(_) => Recognition::No,
        }
    }

    fn serve(&self, incoming: Incoming) -> BoxFuture<'static, ()> {
        Box::pin(serve(self.wire.clone(), self.wire.limits.clone(), self.budget.clone(), incoming))
    }
}

/// The server's side of the frames.
#[derive(Clone, Default)]
struct ServerFrames {
    limits: Limits,
    auth: Option<Auth>,
}

/// What is kept of a request to answer it.
#[derive(Debug)]
struct Ticket {
    header: Header,
    service: Bytes,
    method: Bytes,
}

impl Ticket {
    fn bare(header: Header) -> Ticket {
        Ticket { header, service: Bytes::new(), method: Bytes::new() }
    }
}

impl Wire for ServerFrames {
    const NAME: &'static str = "rpcx";

    fn measure(&self, input: &[u8]) -> Result<Option<Extent>, Broken> {
        frame::measure(input)
    }
}

impl ServerFrames {
    /// Finds what runs a call, and reads what came with it.
    fn prepare(&self, frame: &Frame, dispatcher: &Dispatcher) -> Result<Request> {
        let route = route(frame, dispatcher)?;
        if frame.header.is_strange() {
            let text = format!("compression {} is not spoken here; accepted: gzip", frame.header.compression);
            return Err(Status::unimplemented(text));
        }
        let codec = dispatcher.codecs().find(frame::content_type(frame.header.serializer))?;
        let max = self.limits.max_message;
        let message = match frame.header.is_gzip() {
            false => frame.message.clone(),
            true => decompress(&frame.message, max).map_err(|why| match why {
                Unreadable::Damaged => Status::invalid_argument("the message is no gzip"),
                Unreadable::TooLong => too_long("message", max),
            })?,
        };
        let one_way = frame.header.one_way;
        Ok(Request {
            route,
            metadata: metadata::read(frame)?,
            timeout: metadata::timeout(frame),
            message,
            codec,
            one_way,
        })
    }

    fn admits(&self, frame: &Frame) -> bool {
        let Some(auth) = &self.auth else { return true };
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let token = frame.value(metadata::AUTH).unwrap_or_default();
        auth(&text(&token), &text(&frame.service), &text(&frame.method))
    }
}

fn route(frame: &Frame, dispatcher: &Dispatcher) -> Result<motet_core::Route> {
    let shown = |bytes: &Bytes| {
        let text = String::from_utf8_lossy(bytes);
        text.chars().filter(|c| !c.is_control()).take(128).collect::<String>()
    };
    let names = (std::str::from_utf8(&frame.service), std::str::from_utf8(&frame.method));
    if let (Ok(service), Ok(method)) = names {
        let dotted = format!("{service}.{method}");
        let found = dispatcher.find_dotted(&dotted);
        // Motet's own callers that have no descriptor know names as they are declared.
        if let Some(route) = found.or_else(|| dispatcher.find(&format!("{service}/{method}"))) {
            return Ok(route);
        }
        if let Some(several) = dispatcher.ambiguous(&dotted) {
            return Err(Status::unimplemented(format!("rpcx: can't find method: {}", several.message())));
        }
        let known = dispatcher.services();
        if known.iter().any(|known| known.ident == service || known.name == service) {
            return Err(Status::unimplemented(format!("rpcx: can't find method {}", shown(&frame.method))));
        }
    }
    Err(Status::unimplemented(format!("rpcx: can't find service {}", shown(&frame.service))))
}

impl ServerWire for ServerFrames {
    type Ticket = Ticket;

    fn receive(&self, bytes: Bytes, dispatcher: &Dispatcher) -> Result<Received<Ticket>, Broken> {
        let frame = match Frame::read(bytes) {
            Ok(frame) => frame,
            Err((Some(header), broken)) => return Ok(Received::Broken(Ticket::bare(header), broken)),
            Err((None, broken)) => return Err(broken),
        };
        if frame.header.response {
            return Ok(Received::Nothing);
        }
        if frame.header.heartbeat {
            let mut out = BytesMut::new();
            let header = Header { response: true, ..frame.header };
            Frame { header, ..frame }.write(&mut out);
            return Ok(Received::Echo(out.freeze()));
        }
        let request = match self.admits(&frame) {
            true => self.prepare(&frame, dispatcher).map_err(|status| (false, status)),
            false => Err((true, Status::unauthenticated("auth failed"))),
        };
        let Frame { header, service, method, .. } = frame;
        let ticket = Ticket { header, service, method };
        Ok(match request {
            Ok(request) => Received::Call(ticket, Box::new(request)),
            Err((false, status)) => Received::Refused(ticket, status.with_executed(Executed::No)),
            Err((true, status)) => Received::Dismissed(ticket, status.with_executed(Executed::No)),
        })
    }

    fn receive_head(&self, head: &[u8]) -> Result<Option<Ticket>, Broken> {
        let header = Header::read(head)?;
        Ok((!header.response && !header.one_way).then(|| Ticket::bare(header)))
    }

    fn answer(&self, ticket: Ticket, result: Result<Reply>, out: &mut BytesMut) {
        if ticket.header.one_way {
            return;
        }
        if let Err(status) = result.and_then(|reply| self.reply(&ticket, reply, out)) {
            refuse(&ticket, &status, out);
        }
    }
}

impl ServerFrames {
    /// Appends a reply; nothing, if it cannot be written.
    fn reply(&self, ticket: &Ticket, reply: Reply, out: &mut BytesMut) -> Result<()> {
        let Body::One(message) = reply.body else {
            return Err(Status::internal("a stream arrived where one message was expected"));
        };
        let asked = ticket.header;
        let header = Header { response: true, serializer: asked.serializer, seq: asked.seq, ..Header::default() };
        let mut writer = Writer::begin(&header, &ticket.service, &ticket.method, out);
        for metadata in [reply.meta.initial(), reply.meta.trailing()].into_iter().flatten() {
            metadata::write(&metadata, &mut writer);
        }
        let Some(serializer) = frame::serializer(message.codec()) else {
            writer.undo();
            let text = format!("rpcx carries no {}", message.codec().content_type());
            return Err(Status::internal(text).with_executed(Executed::Yes));
        };
        writer.serializer(serializer);
        let before = writer.message().len();
        let result = message.encode_into(writer.message()).and_then(|()| {
            match writer.message().len() - before > self.limits.max_message {
                true => Err(too_long("reply", self.limits.max_message)),
                false => Ok(()),
            }
        });
        if let Err(status) = result {
            writer.undo();
            return Err(status.with_executed(Executed::Yes));
        }
        if asked.is_gzip() {
            writer.compress(WORTH);
        }
        writer.end();
        Ok(())
    }
}

fn refuse(ticket: &Ticket, status: &Status, out: &mut BytesMut) {
    let Header { serializer, seq, .. } = ticket.header;
    let header = Header { response: true, error: true, serializer, seq, ..Header::default() };
    let mut writer = Writer::begin(&header, &ticket.service, &ticket.method, out);
    let text = if status.message().is_empty() { status.code().name() } else { status.message() };
    writer.pair(metadata::ERROR.as_bytes(), text.as_bytes());
    metadata::write(status.metadata(), &mut writer);
    writer.end();
}
