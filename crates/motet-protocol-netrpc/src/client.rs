//! The client side.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use motet_core::{
    BoxFuture, BoxIo, ClientProtocol, Connecting, Connection, Endpoint, Executed, MethodDescriptor, Payload, Result,
    Status,
};
use motet_rpc::exchange::{self, Answer, Asking, Fault, go_error};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    NetRpcConfig,
    body::{Schemas, reply_body, request_value},
    gob::{self, One},
    server::{CONNECT, end_of_head},
    stream::{Arriving, Header, Leaving},
};

/// The longest answer to `CONNECT`.
const MAX_HEAD: usize = 8 << 10;

/// The client side of Go's net/rpc: `netrpc://host:port` as `rpc.Dial` speaks it, and
/// `netrpc-http://host:port` as `rpc.DialHTTP`.
///
/// The protocol carries no deadline, metadata or cancel: a deadline ends the call on this side, and the
/// reply that comes later is passed over.
#[derive(Clone, Debug, Default)]
pub struct NetRpcClient {
    config: NetRpcConfig,
    http: bool,
}

impl NetRpcClient {
    /// A client on TCP.
    pub fn new(config: NetRpcConfig) -> NetRpcClient {
        NetRpcClient { config, http: false }
    }

    /// A client that begins with `CONNECT /_goRPC_`.
    pub fn over_http(config: NetRpcConfig) -> NetRpcClient {
        NetRpcClient { config, http: true }
    }
}

impl ClientProtocol for NetRpcClient {
    fn name(&self) -> &str {
        if self.http { "netrpc-http" } else { "netrpc" }
    }

    fn connect<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        connecting: &'a Connecting,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>>> {
        let (limits, http) = (self.config.limits(), self.http);
        let machine = machine(&self.config);
        let greet = move |io| async move { if http { connect_http(io).await } else { Ok(io) } };
        Box::pin(exchange::connect(endpoint, connecting, machine, limits, greet))
    }
}

/// The machine of a connection.
pub(crate) fn machine(config: &NetRpcConfig) -> impl Asking + use<> {
    Machine {
        arriving: Arriving::new(config.max_message),
        leaving: Leaving::default(),
        header: None,
        schemas: Schemas::default(),
    }
}

/// Asks an HTTP server for the connection.
async fn connect_http(mut io: BoxIo) -> Result<BoxIo> {
    let failed = |_| Status::unavailable("the connection was lost").with_executed(Executed::No);
    let request = [CONNECT, b"HTTP/1.0\n\n"].concat();
    io.write_all(&request).await.map_err(failed)?;
    io.flush().await.map_err(failed)?;
    let mut answer = Vec::new();
    // Nothing follows the answer before the first call: reading byte by byte costs one connection little.
    while end_of_head(&answer).is_none() {
        if answer.len() >= MAX_HEAD {
            return Err(Status::unavailable("the answer to CONNECT does not end").with_executed(Executed::No));
        }
        answer.push(io.read_u8().await.map_err(failed)?);
    }
    if answer.starts_with(b"HTTP/1.") && answer.get(8..13) == Some(b" 200 ") {
        return Ok(io);
    }
    Err(Status::unavailable("the server does not speak net/rpc under /_goRPC_").with_executed(Executed::No))
}

struct Machine {
    arriving: Arriving,
    leaving: Leaving,
    /// A header whose value has not come yet.
    header: Option<Header>,
    schemas: Schemas,
}

impl Asking for Machine {
    type Reply = One;

    fn ask(&mut self, id: u64, method: &MethodDescriptor, body: &Payload, _: bool, out: &mut BytesMut) -> Result<()> {
        let (known, one) = request_value(&mut self.schemas, method, body)?;
        let mut definitions = BytesMut::new();
        let number = self.leaving.define(&one, &mut definitions);
        let header = Header { service_method: known.name.clone(), seq: id, error: String::new() };
        if number.is_ok() {
            self.leaving.header("Request", &header, out);
        }
        // Types that were defined for a value that failed stay defined.
        out.put_slice(&definitions);
        let number =
            number.map_err(|error| Status::internal(format!("the request cannot be written as gob: {error}")))?;
        gob::write_value(number, &one.value, out);
        Ok(())
    }

    fn next(&mut self, input: &mut BytesMut) -> Result<Option<Answer<One>>, Fault> {
        while let Some(arrived) = self.arriving.next(input)? {
            let Some(header) = self.header.take() else {
                self.header = Some(self.arriving.header(&arrived)?);
                continue;
            };
            let outcome = if header.error.is_empty() {
                self.arriving.one(arrived).map_err(|error| {
                    Status::internal(format!("the peer's reply is no valid gob: {error}")).with_executed(Executed::Yes)
                })
            } else {
                Err(go_error(&header.error))
            };
            return Ok(Some(Answer { id: header.seq, outcome }));
        }
        Ok(None)
    }

    fn body(method: &MethodDescriptor, request: &Payload, reply: One) -> Result<Payload> {
        reply_body(method, request, reply)
    }
}
