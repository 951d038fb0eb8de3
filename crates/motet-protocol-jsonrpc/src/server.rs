//! The server side over TCP.

use std::{collections::VecDeque, sync::Arc};

use bytes::{Bytes, BytesMut};
use motet_core::{
    BoxFuture, Codec, Dispatcher, Executed, Incoming, Map, MethodDescriptor, Payload, Recognition, Result,
    ServerProtocol, Status,
};
use motet_rpc::{
    exchange::{self, Answering, Fault, go_find, go_text},
    native::MemoryBudget,
};
use serde_json::value::RawValue;

use crate::{
    ErrorObject, Framing, FramingError, JsonRpcConfig, Session, SessionRequest, Version, framing::is_space,
    reply_result, request_body,
};

/// What a request takes beside its parameters.
const REQUEST: usize = 256;

/// The server side of JSON-RPC 1.0 and 2.0 over TCP. Each message is answered in its own version.
#[derive(Clone, Debug, Default)]
pub struct JsonRpcServer {
    config: JsonRpcConfig,
    budget: MemoryBudget,
}

impl JsonRpcServer {
    /// A server side with these settings, whose connections share a budget of their own (512 MiB).
    pub fn new(config: JsonRpcConfig) -> JsonRpcServer {
        JsonRpcServer { config, budget: MemoryBudget::default() }
    }

    /// The same within a budget that others share.
    #[must_use]
    pub fn with_budget(mut self, budget: MemoryBudget) -> JsonRpcServer {
        self.budget = budget;
        self
    }
}

impl ServerProtocol for JsonRpcServer {
    fn name(&self) -> &str {
        "jsonrpc"
    }

    /// White space, if any, and the beginning of an object or array.
    fn recognise(&self, first: &[u8], _: bool) -> Recognition {
        match first.iter().find(|byte| !is_space(**byte)) {
            Some(b'{' | b'[') => Recognition::Yes,
            Some(_) => Recognition::No,
            None => Recognition::NeedMore(first.len() + 1),
        }
    }

    fn serve(&self, incoming: Incoming) -> BoxFuture<'static, ()> {
        Box::pin(exchange::serve(incoming, machine(&self.config), self.config.limits(), self.budget.clone()))
    }
}

/// Values cut from the stream, a session, and the methods of what runs.
struct Machine {
    framing: Framing,
    session: Session,
    queue: VecDeque<SessionRequest>,
    running: Map<u64, (Version, Arc<MethodDescriptor>)>,
    /// Whether the peer has spoken 2.0.
    modern: bool,
}

/// The machine of a connection.
pub(crate) fn machine(config: &JsonRpcConfig) -> impl Answering + use<> {
    Machine {
        framing: Framing::new(config.max_message, config.max_depth),
        session: Session::new(config.max_batch),
        queue: VecDeque::new(),
        running: Map::default(),
        modern: false,
    }
}

impl Machine {
    fn prepare(
        &mut self,
        request: SessionRequest,
        dispatcher: &Dispatcher,
    ) -> Result<exchange::Incoming, (u64, ErrorObject)> {
        let SessionRequest { token, version, method, params, notification, .. } = request;
        self.modern = version == Version::V2;
        let route = go_find(dispatcher, &method).map_err(|status| match version {
            Version::V1 => (token, ErrorObject::new(0, status.message())),
            Version::V2 => (token, ErrorObject::new(ErrorObject::METHOD_NOT_FOUND, "Method not found")),
        })?;
        let body = request_body(route.method(), version, params.as_ref()).map_err(|error| (token, error))?;
        if !notification {
            self.running.insert(token, (version, route.method().clone()));
        }
        let (cost, body) = (REQUEST + body.len(), Payload::encoded(body, Codec::JSON));
        Ok(exchange::Incoming { token, route, body, cost, one_way: notification })
    }
}

impl Answering for Machine {
    fn next(
        &mut self,
        input: &mut BytesMut,
        out: &mut BytesMut,
        dispatcher: &Dispatcher,
    ) -> Result<Option<exchange::Incoming>, Fault> {
        loop {
            while let Some(request) = self.queue.pop_front() {
                let notification = request.notification;
                match self.prepare(request, dispatcher) {
                    Ok(incoming) => return Ok(Some(incoming)),
                    // Whoever sends a notification learns nothing of it.
                    Err(_) if notification => {}
                    Err((token, error)) => self.session.answer(token, Err(error), out),
                }
            }
            let text = match self.framing.next(input) {
                Ok(None) => return Ok(None),
                Ok(Some(text)) => text,
                Err(error) => {
                    let seen = &input[..self.framing.seen().min(input.len())];
                    if error == FramingError::Syntax && (self.modern || says_modern(seen)) {
                        Session::parse_error(out);
                    }
                    return Err(match error {
                        FramingError::Syntax => Fault::malformed("the bytes are no JSON object or array"),
                        _ => Fault::over_limit("a message is too long or nests too deep"),
                    });
                }
            };
            match self.session.receive(text.clone(), out) {
                Ok(requests) => self.queue.extend(requests),
                Err(_) if self.modern || says_modern(&text) => Session::parse_error(out),
                Err(malformed) => return Err(Fault::malformed(malformed.reason)),
            }
        }
    }

    fn answer(&mut self, token: u64, outcome: Result<Payload>, out: &mut BytesMut) {
        let Some((version, method)) = self.running.remove(&token) else { return };
        let result = outcome.and_then(json).map(|body| reply_result(&method, body));
        let outcome = result.map_err(|status| match version {
            Version::V1 => ErrorObject::new(0, go_text(&status)),
            Version::V2 => ErrorObject::from_status(&status),
        });
        self.session.answer(token, outcome, out);
    }

    fn is_inside(&self, _: &BytesMut) -> bool {
        self.framing.is_inside()
    }
}

/// The bytes of a payload in JSON: they will stand within other JSON.
///
/// # Errors
/// Internal when the value cannot be written or is bytes that are no JSON, Unimplemented when it is in
/// another codec.
pub fn json(payload: Payload) -> Result<Bytes> {
    let payload = payload.with_codec(Codec::JSON);
    if *payload.codec() != Codec::JSON {
        let other = payload.codec().content_type();
        return Err(Status::unimplemented(format!("JSON-RPC carries JSON, not {other}")));
    }
    let bytes = payload.bytes()?;
    let is_strange = payload.is_encoded() && !bytes.trim_ascii().is_empty();
    match is_strange && serde_json::from_slice::<&RawValue>(&bytes).is_err() {
        true => Err(Status::internal(NO_JSON)),
        false => Ok(bytes),
    }
}

/// As [`json`], for the body of a request: one that is no JSON ends its own call, and not the connection by
/// which others go.
///
/// # Errors
/// As [`json`], but InvalidArgument for bytes that are no JSON; executed: no.
pub fn json_request(payload: Payload) -> Result<Bytes> {
    let blame = |status: Status| match status.message() == NO_JSON {
        true => Status::invalid_argument(NO_JSON),
        false => status,
    };
    match json(payload) {
        Ok(bytes) if bytes.trim_ascii().is_empty() => Ok(Bytes::from_static(b"{}")),
        Ok(bytes) => Ok(bytes),
        Err(status) => Err(blame(status).with_executed(Executed::No)),
    }
}

const NO_JSON: &str = "the body is no JSON";

/// Whether broken text was meant to be of version 2.0.
fn says_modern(text: &[u8]) -> bool {
    let key = b"\"jsonrpc\"";
    text[..text.len().min(4096)].windows(key.len()).any(|part| part == key)
}
