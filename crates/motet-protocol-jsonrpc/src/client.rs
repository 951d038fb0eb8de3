//! The client side over TCP.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use motet_core::{
    BoxFuture, ClientProtocol, Codec, Connecting, Connection, Endpoint, MethodDescriptor, Payload, Result,
};
use motet_rpc::exchange::{self, Answer, Asking, Fault};

use crate::{
    Framing, FramingError, Id, JsonRpcConfig, Message, Request, Version, reply_body, request_params,
    server::json_request,
};

/// The client side of JSON-RPC over TCP: `jsonrpc://host:port` speaks 1.0 as Go's client does,
/// `jsonrpc2://host:port` speaks 2.0, which carries codes, reasons and details of errors, and
/// notifications for one-way calls.
///
/// The protocol carries no deadline, metadata or cancel: a deadline ends the call on this side, and the
/// reply that comes later is passed over.
#[derive(Clone, Debug)]
pub struct JsonRpcClient {
    version: Version,
    config: JsonRpcConfig,
}

impl JsonRpcClient {
    /// A client of this version.
    pub fn new(version: Version, config: JsonRpcConfig) -> JsonRpcClient {
        JsonRpcClient { version, config }
    }
}

impl ClientProtocol for JsonRpcClient {
    fn name(&self) -> &str {
        match self.version {
            Version::V1 => "jsonrpc",
            Version::V2 => "jsonrpc2",
        }
    }

    fn connect<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        connecting: &'a Connecting,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>>> {
        let framing = Framing::new(self.config.max_message, self.config.max_depth);
        let limits = self.config.limits();
        Box::pin(async move {
            match self.version {
                Version::V1 => exchange::connect(endpoint, connecting, Machine::<1>(framing), limits, ready).await,
                Version::V2 => exchange::connect(endpoint, connecting, Machine::<2>(framing), limits, ready).await,
            }
        })
    }
}

/// The machine of a connection that speaks 1.0.
pub(crate) fn machine(config: &JsonRpcConfig) -> impl Asking + use<> {
    Machine::<1>(Framing::new(config.max_message, config.max_depth))
}

async fn ready(io: motet_core::BoxIo) -> Result<motet_core::BoxIo> {
    Ok(io)
}

/// The conversation in version `V`.
struct Machine<const V: u8>(Framing);

impl<const V: u8> Machine<V> {
    const VERSION: Version = if V == 1 { Version::V1 } else { Version::V2 };
}

impl<const V: u8> Asking for Machine<V> {
    type Reply = Bytes;

    fn ask(
        &mut self,
        id: u64,
        method: &MethodDescriptor,
        body: &Payload,
        one_way: bool,
        out: &mut BytesMut,
    ) -> Result<()> {
        let params = request_params(method, Self::VERSION, &json_request(body.clone())?);
        // 1.0 as Go speaks it has no notifications: the reply is passed over.
        let id = (V == 1 || !one_way).then(|| Id::number(id));
        Request { version: Self::VERSION, method: method.dotted(), params, id, extension: None }.write(out);
        Ok(())
    }

    fn next(&mut self, input: &mut BytesMut) -> Result<Option<Answer<Bytes>>, Fault> {
        loop {
            let text = match self.0.next(input) {
                Ok(None) => return Ok(None),
                Ok(Some(text)) => text,
                Err(FramingError::Syntax) => return Err(Fault::malformed("the peer's bytes are no JSON object")),
                Err(_) => return Err(Fault::over_limit("a reply is too long or nests too deep")),
            };
            let Ok(Message::Response(response)) = Message::parse(&text) else {
                return Err(Fault::malformed("the peer sent JSON that is no response"));
            };
            let outcome = response.outcome.map_err(|error| error.into_status(response.version));
            match (response.id.as_number(), outcome) {
                (Some(id), outcome) => return Ok(Some(Answer { id, outcome })),
                // What the peer could not read at all it cannot tie to a call.
                (None, Err(_)) => return Err(Fault::malformed("the peer could not read a request")),
                (None, Ok(_)) => {}
            }
        }
    }

    fn body(method: &MethodDescriptor, _: &Payload, result: Bytes) -> Result<Payload> {
        Ok(Payload::encoded(reply_body(method, Self::VERSION, result), Codec::JSON))
    }
}
