//! The server side of go-rpc.

use std::{collections::BTreeMap, fmt, sync::Arc};

use bytes::{Bytes, BytesMut};
use motet_core::{
    Body, BoxFuture, Codec, Dispatcher, Executed, Incoming, Recognition, Reply, Result, Route, ServerProtocol, Status,
};
use motet_framed::{Broken, Extent, Limits, Received, Request, ServerWire, Wire, serve, too_long};
use motet_rpc::native::MemoryBudget;

use crate::{
    GoRpcConfig, Serialize, frame,
    header::{Header, Kind, Outgoing},
    metadata, wide,
};

/// Says whether a token, empty if there is none, may call.
type Auth = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// The server side of go-rpc.
#[derive(Clone)]
pub struct GoRpcServer {
    wire: ServerFrames,
    limits: Limits,
    budget: MemoryBudget,
}

impl Default for GoRpcServer {
    fn default() -> GoRpcServer {
        GoRpcServer::new(GoRpcConfig::default())
    }
}

impl GoRpcServer {
    /// A server side with these settings, whose connections share a budget of their own (512 MiB).
    pub fn new(config: GoRpcConfig) -> GoRpcServer {
        let limits = config.limits();
        let tokens = config.accept_tokens;
        let auth: Option<Auth> = match tokens.is_empty() {
            true => None,
            false => Some(Arc::new(move |token| tokens.iter().any(|known| same(known, token)))),
        };
        let wire =
            ServerFrames { max_message: limits.max_message, auth, tags: Arc::new(config.tags), msgpack: wide::codec() };
        GoRpcServer { wire, limits, budget: MemoryBudget::default() }
    }

    /// The same within a budget that others share.
    #[must_use]
    pub fn with_budget(mut self, budget: MemoryBudget) -> GoRpcServer {
        self.budget = budget;
        self
    }

    /// Its calls by HTTP, and go-rpc's pages: for those who may call here.
    #[cfg(feature = "http")]
    pub fn gateway(&self) -> crate::GoRpcGateway {
        crate::GoRpcGateway::new(self.wire.clone())
    }

    /// Sets who may call, in place of [`GoRpcConfig::accept_tokens`]: `auth` is asked about every call
    /// with the token of the metadata `rpc_auth`, empty if there is none. Heartbeats need no token.
    #[must_use]
    pub fn with_auth(mut self, auth: impl Fn(&str) -> bool + Send + Sync + 'static) -> GoRpcServer {
        self.wire.auth = Some(Arc::new(auth));
        self
    }
}

/// Compares in a time that tells nothing of where two tokens differ.
fn same(known: &str, token: &str) -> bool {
    known.len() == token.len() && known.bytes().zip(token.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

impl fmt::Debug for GoRpcServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GoRpcServer")
            .field("limits", &self.limits)
            .field("tags", &self.wire.tags)
            .finish_non_exhaustive()
    }
}

impl ServerProtocol for GoRpcServer {
    fn name(&self) -> &str {
        ServerFrames::NAME
    }

    /// The magic bytes and version 0; with any other version they are motet's.
    fn recognise(&self, first: &[u8], _: bool) -> Recognition {
        const FIRST: [u8; 3] = [frame::MAGIC[0], frame::MAGIC[1], 0];
        let known = first.len().min(FIRST.len());
        match first[..known] == FIRST[..known] {
            true if known == FIRST.len() => Recognition::Yes,
            true => Recognition::NeedMore(FIRST.len()),
            false => Recognition::No,
        }
    }

    fn serve(&self, incoming: Incoming) -> BoxFuture<'static, ()> {
        Box::pin(serve(self.wire.clone(), self.limits.clone(), self.budget.clone(), incoming))
    }
}

/// The server's side of the frames.
#[derive(Clone)]
pub(crate) struct ServerFrames {
    pub(crate) max_message: usize,
    auth: Option<Auth>,
    tags: Arc<BTreeMap<String, String>>,
    msgpack: Codec,
}

/// What is kept of a request to answer it.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) header: Header,
    pub(crate) serialize: Serialize,
}

impl Wire for ServerFrames {
    const NAME: &'static str = "gorpc";

    fn measure(&self, input: &[u8]) -> Result<Option<Extent>, Broken> {
        frame::measure(input)
    }
}

impl ServerFrames {
    /// Finds what runs a call, and reads what came with it.
    pub(crate) fn prepare(&self, ticket: &Ticket, message: Bytes, dispatcher: &Dispatcher) -> Result<Request> {
        let header = &ticket.header;
        if self.auth.as_ref().is_some_and(|auth| !auth(metadata::token(header))) {
            return Err(Status::unauthenticated("auth failed"));
        }
        metadata::check_tags(header, &self.tags)?;
        let route = route(header, dispatcher)?;
        if header.compress != 0 {
            return Err(Status::unimplemented(format!("compression {} is not spoken here", header.compress)));
        }
        let codec = match ticket.serialize {
            Serialize::Json => Codec::JSON,
            Serialize::MsgPack => self.msgpack.clone(),
        };
        Ok(Request { route, metadata: metadata::read(header)?, timeout: None, message, codec, one_way: false })
    }
}

fn route(header: &Header, dispatcher: &Dispatcher) -> Result<Route> {
    let Header { service, method, .. } = header;
    let dotted = format!("{service}.{method}");
    let found = dispatcher.find_dotted(&dotted);
    // Motet's own callers that have no descriptor know names as they are declared.
    found.or_else(|| dispatcher.find(&format!("{service}/{method}"))).ok_or_else(|| {
        if let Some(several) = dispatcher.ambiguous(&dotted) {
            return several;
        }
        let known = dispatcher.services().iter().any(|known| known.ident == *service || known.name == *service);
        Status::unimplemented(if known { "can not find method" } else { "can not find service" })
    })
}

impl ServerWire for ServerFrames {
    type Ticket = Ticket;

    fn receive(&self, bytes: Bytes, dispatcher: &Dispatcher) -> Result<Received<Ticket>, Broken> {
        let (header, message) = frame::split(bytes.clone())?;
        let (header, serialize) = Header::read(&header)?;
        match header.kind {
            Kind::Heartbeat => return Ok(Received::Echo(bytes)),
            Kind::Response => return Ok(Received::Nothing),
            Kind::Request => {}
        }
        let ticket = Ticket { header, serialize };
        Ok(match self.prepare(&ticket, message, dispatcher) {
            Ok(request) => Received::Call(ticket, Box::new(request)),
            Err(status) => Received::Refused(ticket, status.with_executed(Executed::No)),
        })
    }

    fn receive_head(&self, head: &[u8]) -> Result<Option<Ticket>, Broken> {
        let (header, _) = frame::split(Bytes::copy_from_slice(head))?;
        let (header, serialize) = Header::read(&header)?;
        Ok((header.kind == Kind::Request).then_some(Ticket { header, serialize }))
    }

    fn answer(&self, ticket: Ticket, result: Result<Reply>, out: &mut BytesMut) {
        let Ticket { header, serialize } = ticket;
        let mut header =
            Header { kind: Kind::Response, error: String::new(), status: 0, metadata: Vec::new(), ..header };
        let before = out.len();
        let result = result.and_then(|reply| {
            let Body::One(message) = reply.body else {
                return Err(Status::internal("a stream arrived where one message was expected"));
            };
            let start = write_header(&header, serialize, out);
            let body = out.len();
            message.encode_into(out)?;
            if out.len() - body > self.max_message {
                return Err(too_long("reply", self.max_message));
            }
            frame::end(out, start);
            Ok(())
        });
        if let Err(status) = result {
            out.truncate(before);
            header.status = 1;
            header.error = if status.message().is_empty() { status.code().name() } else { status.message() }.to_owned();
            // With any body at all a go-rpc client takes it for success.
            let start = write_header(&header, serialize, out);
            frame::end(out, start);
        }
    }
}

fn write_header(header: &Header, serialize: Serialize, out: &mut BytesMut) -> usize {
    let start = frame::begin(out);
    header.write(serialize, &Outgoing::default(), out);
    frame::end_header(out, start);
    start
}
