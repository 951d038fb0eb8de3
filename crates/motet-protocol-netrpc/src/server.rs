//! The server side.

use std::sync::Arc;

use bytes::{Buf, BufMut, BytesMut};
use motet_core::{
    BoxFuture, Dispatcher, Incoming, Kind, Map, MethodDescriptor, Payload, Recognition, Result, ServerProtocol, Status,
};
use motet_rpc::{
    exchange::{self, Answering, Fault, go_find, go_text},
    native::MemoryBudget,
};

use crate::{
    NetRpcConfig,
    body::{Schemas, reply_value, request_body},
    gob::{self, One},
    stream::{Arrived, Arriving, Header, Leaving},
};

/// What `rpc.DialHTTP` begins with, and what Go's server answers; neither has to be any longer.
pub(crate) const CONNECT: &[u8] = b"CONNECT /_goRPC_ ";
const CONNECTED: &[u8] = b"HTTP/1.0 200 Connected to Go RPC\n\n";
const DEBUG: &[u8] = b"GET /debug/rpc ";
/// The longest head of `CONNECT` or `GET`.
const MAX_HEAD: usize = 8 << 10;
/// What a call takes beside its argument.
const CALL: usize = 256;

/// The server side of Go's net/rpc: gob on TCP, and behind `CONNECT /_goRPC_`. It stands before HTTP in
/// a listener's order.
#[derive(Clone, Debug, Default)]
pub struct NetRpcServer {
    config: NetRpcConfig,
    budget: MemoryBudget,
}

impl NetRpcServer {
    /// A server side with these settings, whose connections share a budget of their own (512 MiB).
    pub fn new(config: NetRpcConfig) -> NetRpcServer {
        NetRpcServer { config, budget: MemoryBudget::default() }
    }

    /// The same within a budget that others share.
    #[must_use]
    pub fn with_budget(mut self, budget: MemoryBudget) -> NetRpcServer {
        self.budget = budget;
        self
    }
}

impl ServerProtocol for NetRpcServer {
    fn name(&self) -> &str {
        "netrpc"
    }

    /// The definition of the type `Request`, or the line that `rpc.DialHTTP` sends.
    fn recognise(&self, first: &[u8], _: bool) -> Recognition {
        let heads: &[&[u8]] = if self.config.debug { &[CONNECT, DEBUG] } else { &[CONNECT] };
        for head in heads {
            if first.starts_with(head) {
                return Recognition::Yes;
            }
            if head.starts_with(first) {
                return Recognition::NeedMore(head.len());
            }
        }
        begins_with_request(first)
    }

    fn serve(&self, incoming: Incoming) -> BoxFuture<'static, ()> {
        Box::pin(exchange::serve(incoming, machine(&self.config), self.config.limits(), self.budget.clone()))
    }
}

/// The machine of a connection.
pub(crate) fn machine(config: &NetRpcConfig) -> impl Answering + use<> {
    Machine {
        stage: Stage::First,
        debug: config.debug,
        arriving: Arriving::new(config.max_message),
        leaving: Leaving::default(),
        header: None,
        running: Map::default(),
        next: 0,
        schemas: Schemas::default(),
    }
}

/// A message of 32 to 63 bytes that defines a type of any number as the struct `Request`.
fn begins_with_request(first: &[u8]) -> Recognition {
    const STRUCT: &[u8] = b"\x03\x01\x01\x07Request";
    let longest = Recognition::NeedMore(4 + STRUCT.len());
    let (Some(length), rest) = (first.first(), first.get(1..).unwrap_or_default()) else { return longest };
    if !(0x20..0x40).contains(length) {
        return Recognition::No;
    }
    let Some(number) = rest.first() else { return longest };
    let width = if *number < 0x80 { 1 } else { 1 + usize::from(number.wrapping_neg()) };
    if width > 3 {
        return Recognition::No;
    }
    // Definitions have negative numbers: the lowest bit is set.
    match rest.get(width - 1) {
        None => return longest,
        Some(last) if last & 1 == 0 => return Recognition::No,
        Some(_) => {}
    }
    let name = &rest[width..];
    match () {
        () if name.starts_with(STRUCT) => Recognition::Yes,
        () if STRUCT.starts_with(name) => longest,
        () => Recognition::No,
    }
}

/// How far a connection is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    First,
    Gob,
    Over,
}

struct Machine {
    stage: Stage,
    debug: bool,
    arriving: Arriving,
    leaving: Leaving,
    /// A header whose value has not come yet.
    header: Option<Header>,
    running: Map<u64, Running>,
    next: u64,
    schemas: Schemas,
}

/// What a reply needs.
struct Running {
    header: Header,
    method: Arc<MethodDescriptor>,
}

impl Machine {
    /// Answers `CONNECT` or `GET`, if that is how the connection begins.
    fn begin(&mut self, input: &mut BytesMut, out: &mut BytesMut, dispatcher: &Dispatcher) -> Result<(), Fault> {
        let is_get = input.starts_with(b"G");
        if !is_get && !input.starts_with(b"C") {
            self.stage = Stage::Gob;
            return Ok(());
        }
        let Some(end) = end_of_head(input) else {
            return match input.len() > MAX_HEAD {
                true => Err(Fault::over_limit("the head of CONNECT is too long")),
                false => Ok(()),
            };
        };
        input.advance(end);
        if is_get && self.debug {
            self.stage = Stage::Over;
            out.put_slice(&page(dispatcher));
        } else {
            self.stage = Stage::Gob;
            out.put_slice(CONNECTED);
        }
        Ok(())
    }

    /// The call of a value, or the header that is to be answered with an error.
    fn prepare(
        &mut self,
        header: Header,
        arrived: Arrived,
        dispatcher: &Dispatcher,
    ) -> Result<exchange::Incoming, (Header, Status)> {
        let gob = |error| Status::invalid_argument(format!("gob: {error}"));
        let read = go_find(dispatcher, &header.service_method).and_then(|route| {
            let one = self.arriving.one(arrived).map_err(gob)?;
            let body = request_body(route.method(), one).map_err(gob)?;
            // The definitions of its types are a part of it.
            let cost = CALL + body.bytes()?.len();
            Ok((route, body, cost))
        });
        match read {
            Ok((route, body, cost)) => {
                let token = self.next;
                self.next += 1;
                self.running.insert(token, Running { header, method: route.method().clone() });
                Ok(exchange::Incoming { token, route, body, cost, one_way: false })
            }
            Err(status) => Err((header, status)),
        }
    }

    fn reply(&mut self, mut header: Header, outcome: Result<One>, out: &mut BytesMut) {
        let mut definitions = BytesMut::new();
        let written = outcome.and_then(|one| {
            let number = self.leaving.define(&one, &mut definitions);
            let number =
                number.map_err(|error| Status::internal(format!("the reply cannot be written as gob: {error}")))?;
            Ok((number, one))
        });
        match written {
            Ok((number, one)) => {
                self.leaving.header("Response", &header, out);
                out.put_slice(&definitions);
                gob::write_value(number, &one.value, out);
            }
            Err(status) => {
                // Types that were defined for it stay defined.
                out.put_slice(&definitions);
                definitions.clear();
                header.error = go_text(&status);
                self.leaving.header("Response", &header, out);
                let empty = self.schemas.empty();
                let number = self.leaving.define(&empty, &mut definitions);
                out.put_slice(&definitions);
                gob::write_value(number.expect("the empty struct is always carried"), &empty.value, out);
            }
        }
    }
}

impl Answering for Machine {
    fn next(
        &mut self,
        input: &mut BytesMut,
        out: &mut BytesMut,
        dispatcher: &Dispatcher,
    ) -> Result<Option<exchange::Incoming>, Fault> {
        if self.stage == Stage::First && !input.is_empty() {
            self.begin(input, out, dispatcher)?;
        }
        if self.stage != Stage::Gob {
            return Ok(None);
        }
        while let Some(arrived) = self.arriving.next(input)? {
            let Some(header) = self.header.take() else {
                self.header = Some(self.arriving.header(&arrived)?);
                continue;
            };
            match self.prepare(header, arrived, dispatcher) {
                Ok(incoming) => return Ok(Some(incoming)),
                Err((header, status)) => self.reply(header, Err(status), out),
            }
        }
        Ok(None)
    }

    fn answer(&mut self, token: u64, outcome: Result<Payload>, out: &mut BytesMut) {
        let Some(Running { header, method }) = self.running.remove(&token) else { return };
        let outcome = outcome.and_then(|body| reply_value(&mut self.schemas, &method, &body));
        self.reply(header, outcome, out);
    }

    fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    fn is_inside(&self, input: &BytesMut) -> bool {
        !input.is_empty() || self.header.is_some()
    }
}

/// Behind the empty line, whether lines end in CR LF or in LF alone.
pub(crate) fn end_of_head(input: &[u8]) -> Option<usize> {
    let mut line = 0;
    for (at, byte) in input.iter().enumerate().take(MAX_HEAD) {
        if *byte == b'\n' {
            if input[line..at].strip_suffix(b"\r").unwrap_or(&input[line..at]).is_empty() && line > 0 {
                return Some(at + 1);
            }
            line = at + 1;
        }
    }
    None
}

/// The methods as `/debug/rpc` lists them.
fn page(dispatcher: &Dispatcher) -> Vec<u8> {
    let mut rows = String::new();
    for route in dispatcher.routes() {
        let method = route.method();
        if method.kind == Kind::Unary {
            let shown = method.dotted().replace('&', "&amp;").replace('<', "&lt;");
            rows.push_str(&format!("<tr><td>{shown}</td></tr>\n"));
        }
    }
    let body = format!("<!doctype html>\n<title>Services</title>\n<table>\n<tr><th>Method</th></tr>\n{rows}</table>\n");
    let head = "HTTP/1.0 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\n";
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recognised(first: &[u8]) -> Recognition {
        NetRpcServer::default().recognise(first, false)
    }

    #[test]
    fn every_beginning_of_go_is_recognised_at_every_split() {
        let beginnings: [&[u8]; 6] = [
            b"\x2e\x7f\x03\x01\x01\x07Request",
            b"\x2f\xff\x81\x03\x01\x01\x07Request",
            b"\x2f\xff\x8d\x03\x01\x01\x07Request",
            b"\x30\xfe\x01\x01\x03\x01\x01\x07Request",
            b"\x20\x7d\x03\x01\x01\x07Request",
            b"CONNECT /_goRPC_ HTTP/1.0\n\n",
        ];
        for beginning in beginnings {
            let decided = (0..=beginning.len()).map(|n| recognised(&beginning[..n]));
            let mut decided = decided.skip_while(|verdict| matches!(verdict, Recognition::NeedMore(_)));
            assert!(decided.next().is_some() && decided.all(|verdict| verdict == Recognition::Yes), "{beginning:?}");
        }
    }

    #[test]
    fn other_beginnings_are_not_claimed() {
        let others: [&[u8]; 9] = [
            b" {\"method\"",
            b"\x2e\x7e\x03\x01\x01\x07Request",
            b"\x2e\x7f\x03\x01\x01\x07Respond",
            b"\xab\xba\x01",
            b"CONNECT /other HTTP/1.1",
            b"PRI * HTTP/2.0",
            b"GET /debug/rpc HTTP/1.1",
            b"\x08\x00",
            b"\x2f\xfc\x01\x01\x01\x01",
        ];
        for other in others {
            assert_eq!(recognised(other), Recognition::No, "{other:?}");
        }
        let with_debug = NetRpcServer::new(NetRpcConfig { debug: true, ..NetRpcConfig::default() });
        assert_eq!(with_debug.recognise(b"GET /debug/rpc HTTP/1.1", false), Recognition::Yes);
    }

    #[test]
    fn a_head_ends_at_the_empty_line_however_lines_end() {
        assert_eq!(end_of_head(b"CONNECT / HTTP/1.0\n\n.."), Some(20));
        assert_eq!(end_of_head(b"CONNECT / HTTP/1.0\r\nHost: a\r\n\r\n"), Some(31));
        assert_eq!(end_of_head(b"CONNECT / HTTP/1.0\nHost: a\n"), None);
    }
}
