//! A service, and ways to talk to it byte by byte.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test uses a part of it")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use motet::{Client, Server, ServerConfig, TcpTransport, prelude::*};
use motet_protocol_jsonrpc::{JsonRpcClient, JsonRpcConfig, JsonRpcServer, Version};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[motet::message]
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub first_name: String,
    pub count: u32,
    pub note: Option<String>,
}

#[motet::service(name = "world", version = "1.0.0")]
pub trait World {
    async fn hello_world(&self, cx: &Context, name: String) -> Result<String>;
    async fn subtract(&self, cx: &Context, minuend: i64, subtrahend: i64) -> Result<i64>;
    async fn divide(&self, cx: &Context, a: i64, b: i64) -> Result<i64>;
    async fn slow(&self, cx: &Context, ms: u64) -> Result<u64>;
    async fn nothing(&self, cx: &Context) -> Result<()>;
    async fn find(&self, cx: &Context, name: String) -> Result<Option<String>>;
    async fn echo(&self, cx: &Context, item: Item) -> Result<Item>;
    async fn ticks(&self, cx: &Context) -> Result<Streaming<u32>>;
}

#[derive(Clone, Default)]
pub struct MyWorld {
    /// How many calls of `nothing` there were.
    pub nothings: Arc<AtomicUsize>,
    /// How many calls of `slow` have begun, and how many of them ended.
    pub slow: Arc<(AtomicUsize, AtomicUsize)>,
}

struct Ended(Arc<(AtomicUsize, AtomicUsize)>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.1.fetch_add(1, SeqCst);
    }
}

impl World for MyWorld {
    async fn hello_world(&self, _: &Context, name: String) -> Result<String> {
        Ok(format!("{name} 你好...."))
    }

    async fn subtract(&self, _: &Context, minuend: i64, subtrahend: i64) -> Result<i64> {
        Ok(minuend - subtrahend)
    }

    async fn divide(&self, _: &Context, a: i64, b: i64) -> Result<i64> {
        a.checked_div(b).ok_or_else(|| Status::invalid_argument("divide by zero").with_reason("Math.Zero"))
    }

    async fn slow(&self, _: &Context, ms: u64) -> Result<u64> {
        self.slow.0.fetch_add(1, SeqCst);
        let _ended = Ended(self.slow.clone());
        tokio::time::sleep(Duration::from_millis(ms)).await;
        Ok(ms)
    }

    async fn nothing(&self, _: &Context) -> Result<()> {
        self.nothings.fetch_add(1, SeqCst);
        Ok(())
    }

    async fn find(&self, _: &Context, name: String) -> Result<Option<String>> {
        Ok(Some(name).filter(|name| !name.is_empty()))
    }

    async fn echo(&self, _: &Context, item: Item) -> Result<Item> {
        Ok(item)
    }

    async fn ticks(&self, _: &Context) -> Result<Streaming<u32>> {
        Ok(Streaming::from_iter([1, 2]))
    }
}

/// A server of the world on a port of its own.
pub async fn serve(config: JsonRpcConfig) -> (Server, String, MyWorld) {
    let world = MyWorld::default();
    let server = Server::builder()
        .config(ServerConfig::default())
        .protocol(Arc::new(JsonRpcServer::new(config)))
        .service(WorldServer::new(world.clone()).into_service().expect("a valid service"))
        .build()
        .expect("valid settings");
    let endpoint = server.listen("tcp://127.0.0.1:0").await.expect("a free port");
    (server, endpoint.address, world)
}

/// A client of an address such as `jsonrpc://127.0.0.1:80`.
pub fn client(address: &str) -> WorldClient {
    client_with(address, JsonRpcConfig::default())
}

pub fn client_with(address: &str, config: JsonRpcConfig) -> WorldClient {
    WorldClient::new(dynamic(address, config))
}

pub fn dynamic(address: &str, config: JsonRpcConfig) -> Client {
    let client = Client::builder()
        .protocol(Arc::new(JsonRpcClient::new(Version::V1, config.clone())))
        .protocol(Arc::new(JsonRpcClient::new(Version::V2, config)))
        .transport(Arc::new(TcpTransport::new()))
        .build();
    client.to(address).expect("an address")
}

/// Sends bytes, says that no more follow, and reads to the end.
pub async fn converse(address: &str, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).await.expect("the server listens");
    socket.write_all(bytes).await.expect("it reads");
    socket.shutdown().await.expect("half closed");
    read_to_end(socket).await
}

pub async fn read_to_end(mut socket: TcpStream) -> String {
    let mut all = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(60), socket.read_to_end(&mut all));
    reading.await.expect("it ends").expect("without a reset");
    String::from_utf8(all).expect("text")
}

/// Waits until something is so.
pub async fn until(what: impl Fn() -> bool) {
    let waiting = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("it becomes so");
}
