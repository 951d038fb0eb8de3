//! One port for everything: each protocol is told from the others by its first bytes, however they
//! arrive.

use std::{sync::Arc, time::Duration};

use motet::{NativeServer, Server, ServerConfig, prelude::*};
use motet_protocol_jsonrpc::{JsonRpcConfig, JsonRpcServer};
use motet_protocol_netrpc::{NetRpcConfig, NetRpcServer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[motet::service(name = "world", version = "1.0.0")]
trait World {
    async fn hello_world(&self, cx: &Context, name: String) -> Result<String>;
}

struct Mine;

impl World for Mine {
    async fn hello_world(&self, _: &Context, name: String) -> Result<String> {
        Ok(format!("{name}!"))
    }
}

/// What a client of each protocol sends first, and how the answer begins.
const BEGINNINGS: [(&str, &[u8], &[u8]); 7] = [
    // The preface of version 1.
    ("motet/1", b"\xab\xba\x01", b"\xab\xba\x01"),
    ("net/rpc of Go 1.26", GOB, b"\x3a\xff\x81\x03\x01\x01\x08Response"),
    ("net/rpc of older Go", OLD_GOB, b"\x3a\xff\x81\x03\x01\x01\x08Response"),
    ("net/rpc over HTTP", b"CONNECT /_goRPC_ HTTP/1.0\n\n", b"HTTP/1.0 200 Connected to Go RPC\n\n"),
    (
        "JSON-RPC 1.0",
        b"{\"method\":\"world.HelloWorld\",\"params\":[\"a\"],\"id\":0}\n",
        b"{\"id\":0,\"result\":\"a!\"",
    ),
    (
        "JSON-RPC 2.0",
        b" \n{\"jsonrpc\":\"2.0\",\"method\":\"world.HelloWorld\",\"params\":[\"a\"],\"id\":0}",
        b"{\"jsonrpc\":\"2.0\",\"result\":\"a!\"",
    ),
    (
        "a batch",
        b"[{\"jsonrpc\":\"2.0\",\"method\":\"world.HelloWorld\",\"params\":[\"a\"],\"id\":0}]",
        b"[{\"jsonrpc\"",
    ),
];

/// `Request{"world.HelloWorld", 0}` and "a".
const GOB: &[u8] = b"\x2e\x7f\x03\x01\x01\x07Request\x01\xff\x80\x00\x01\x02\x01\x0dServiceMethod\x01\x0c\x00\x01\x03Seq\x01\x06\x00\x00\x00\x15\xff\x80\x01\x10world.HelloWorld\x00\x04\x0c\x00\x01a";
const OLD_GOB: &[u8] = b"\x2f\xff\x81\x03\x01\x01\x07Request\x01\xff\x82\x00\x01\x02\x01\x0dServiceMethod\x01\x0c\x00\x01\x03Seq\x01\x06\x00\x00\x00\x15\xff\x82\x01\x10world.HelloWorld\x00\x04\x0c\x00\x01a";

async fn answer(address: &str, bytes: &[u8], split: usize, expected: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).await.expect("the server listens");
    socket.set_nodelay(true).expect("an option");
    socket.write_all(&bytes[..split]).await.expect("it reads");
    tokio::time::sleep(Duration::from_millis(1)).await;
    socket.write_all(&bytes[split..]).await.expect("it reads");
    let mut answer = vec![0; expected.len()];
    let reading = tokio::time::timeout(Duration::from_secs(30), socket.read_exact(&mut answer)).await;
    reading.expect("an answer in time").expect("an answer");
    answer
}

#[tokio::test]
async fn every_protocol_is_recognised_at_every_split_in_every_order() {
    let server = Server::builder()
        .config(ServerConfig::default())
        .protocol(Arc::new(NativeServer::default()))
        .protocol(Arc::new(NetRpcServer::new(NetRpcConfig::default())))
        .protocol(Arc::new(JsonRpcServer::new(JsonRpcConfig::default())))
        .service(WorldServer::new(Mine).into_service().expect("valid"))
        .build()
        .expect("valid");
    let address = server.listen("tcp://127.0.0.1:0").await.expect("a free port").address;
    for round in 0..BEGINNINGS.len() {
        for at in 0..BEGINNINGS.len() {
            let (name, bytes, expected) = BEGINNINGS[(at + round) % BEGINNINGS.len()];
            let splits = if round == 0 { (0..bytes.len()).collect() } else { vec![round % bytes.len()] };
            let answers = splits.into_iter().map(|split| answer(&address, bytes, split, expected));
            for answer in answers {
                assert_eq!(answer.await, expected, "{name}");
            }
        }
    }
    assert_eq!(server.connections().unrecognised, 0);
}
