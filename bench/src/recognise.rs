//! `motet-bench recognise`: what it takes to tell a connection's protocol from its first bytes, with
//! every protocol enabled.
//!
//! It is the listener's own decision, a pure function of the bytes, asked in the order in which an App
//! asks. To add a protocol, add it to [`server`] and what its clients send first to [`CASES`].

use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Result, ensure};
use motet::{NativeServer, Recognised, Server};
use motet_http::{HttpConfig, HttpServer};
use motet_protocol_gorpc::GoRpcServer;
use motet_protocol_jsonrpc::JsonRpcServer;
use motet_protocol_mucp::MucpServer;
use motet_protocol_netrpc::NetRpcServer;
use motet_protocol_rpcx::RpcxServer;

use crate::timing;

/// What it may take at most, in ns.
const GOAL: f64 = 2000.0;

/// First bytes and whose they are; nobody's if empty. `docs/one-port.md` has whole captures.
const CASES: [(&str, &[u8]); 13] = [
    ("motet", b"\xab\xba\x01\x14\0\0\0\x01"),
    ("gorpc", b"\xab\xba\0\0\0\0\x95\0\0\0\x7a"),
    ("rpcx", b"\x08\0\0\x30\0\0\0\0\0\0\0\0\0\0\0\x2f"),
    ("mucp", b"POST / HTTP/1.1\r\nHost: 127.0.0.1:1\r\nContent-Type: application/json\r\nMicro-Endpoint: World.HelloWorld\r\n"),
    ("netrpc", b"\x2e\x7f\x03\x01\x01\x07Request\x01\xff\x80\0"),
    ("netrpc", b"CONNECT /_goRPC_ HTTP/1.0\n\n"),
    ("jsonrpc", b"{\"method\":\"world.HelloWorld\",\"params\":[1],\"id\":0}\n"),
    ("jsonrpc", b"                                                               {"),
    ("h2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04"),
    ("http/1.1", b"POST /world/hello_world HTTP/1.1\r\nHost: 127.0.0.1:46119\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n"),
    ("http/1.1", b"PATCH /world/hello_world HTTP/1.1\r\nHost: 127.0.0.1:46119\r\n"),
    ("", b"SSH-2.0-OpenSSH_9.2\r\n"),
    ("", b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
];

/// Prints a line for each case.
pub(crate) fn run() -> Result<()> {
    timing::settle()?;
    let server = server()?;
    println!("{:<12}{:<28}{:>8}", "protocol", "first bytes", "ns");
    let mut longest: f64 = 0.0;
    for (name, first) in CASES {
        check(&server, name, first)?;
        let nanos = timing::nanos(|| {
            black_box(server.recognise(black_box(first), false));
        });
        let shown: String = first.escape_ascii().to_string().chars().take(24).collect();
        println!("{:<12}{shown:<28}{nanos:>8.1}", if name.is_empty() { "(nobody)" } else { name });
        longest = longest.max(nanos);
    }
    let verdict = if longest <= GOAL { "met" } else { "MISSED" };
    println!("the longest: {longest:.0} ns, goal ≤ {GOAL:.0} ns: {verdict}");
    Ok(())
}

/// Every protocol, in the order of an App.
fn server() -> Result<Server> {
    let mut builder = Server::builder()
        .protocol(Arc::new(NativeServer::default()))
        .protocol(Arc::new(GoRpcServer::default()))
        .protocol(Arc::new(RpcxServer::default()))
        .protocol(Arc::new(MucpServer::default()))
        .protocol(Arc::new(NetRpcServer::default()))
        .protocol(Arc::new(JsonRpcServer::default()));
    for protocol in HttpServer::new(HttpConfig::default()).server_protocols() {
        builder = builder.protocol(protocol);
    }
    Ok(builder.build()?)
}

fn check(server: &Server, name: &str, first: &[u8]) -> Result<()> {
    let recognised = server.recognise(first, false);
    let expected = if name.is_empty() { Recognised::Nobody } else { Recognised::Speaks(name) };
    ensure!(recognised == expected, "{:?} is {recognised:?}, not {expected:?}", first.escape_ascii().to_string());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_beginning_is_told_and_none_too_early() {
        let server = server().expect("protocols that fit");
        for (name, first) in CASES {
            check(&server, name, first).expect("told");
            let mut told = (1..first.len()).map(|at| server.recognise(&first[..at], false));
            assert!(told.all(|told| told == Recognised::NeedMore || told == server.recognise(first, false)), "{name}");
        }
    }
}
