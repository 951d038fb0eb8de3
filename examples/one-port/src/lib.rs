//! One service, one port, every protocol: what a program has to do for each is its URL.

use std::fmt;

use motet::Client;
use motet::prelude::*;

/// Speaks to everybody.
#[motet::service(name = "greeter")]
pub trait Greeter {
    /// Says hello.
    async fn hello(&self, cx: &Context, name: String) -> Result<String>;
    /// Counts up to a number.
    async fn count(&self, cx: &Context, to: u32) -> Result<Streaming<u32>>;
}

/// The service.
#[derive(Debug, Default)]
pub struct MyGreeter;

impl Greeter for MyGreeter {
    async fn hello(&self, _: &Context, name: String) -> Result<String> {
        Ok(format!("Hello, {name}!"))
    }

    async fn count(&self, _: &Context, to: u32) -> Result<Streaming<u32>> {
        Ok(Streaming::from_iter(1..=to))
    }
}

/// What Motet speaks, and the scheme of the URL that asks for it.
pub const PROTOCOLS: [(&str, &str); 13] = [
    ("motet/1", "tcp"),
    ("gRPC", "grpc"),
    ("gRPC-Web", "grpc-web"),
    ("Connect", "connect"),
    ("HTTP/JSON", "http"),
    ("WebSocket", "ws"),
    ("JSON-RPC 2.0", "jsonrpc2"),
    ("JSON-RPC 1.0, Go's", "jsonrpc"),
    ("net/rpc in gob", "netrpc"),
    ("the same over HTTP", "netrpc-http"),
    ("mucp, go-micro's", "mucp"),
    ("rpcx", "rpcx"),
    ("go-rpc", "gorpc"),
];

/// What came of the calls by one protocol.
#[derive(Debug)]
pub struct Answers {
    /// The protocol's name.
    pub protocol: &'static str,
    /// Where the service was called.
    pub url: String,
    /// What it said.
    pub hello: Result<String>,
    /// How it counted; protocols that know calls alone have no streams.
    pub count: Result<Vec<u32>>,
}

/// Calls the service at that host and port by each protocol.
///
/// # Errors
/// When no client can be made for one of the URLs.
pub async fn tour(client: &Client, address: &str) -> Result<Vec<Answers>> {
    let mut all = Vec::new();
    for (protocol, scheme) in PROTOCOLS {
        let url = format!("{scheme}://{address}");
        let client = client.to(&url)?;
        all.push(Answers { protocol, hello: hello(&client).await, count: count(&client).await, url });
    }
    Ok(all)
}

async fn hello(client: &Client) -> Result<String> {
    GreeterClient::new(client).hello(&Context::new(), "Ada".to_owned()).await
}

async fn count(client: &Client) -> Result<Vec<u32>> {
    GreeterClient::new(client).count(&Context::new(), 3).await?.collect().await
}

impl fmt::Display for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<19} {:<29} ", self.protocol, self.url)?;
        match &self.hello {
            Ok(text) => write!(f, "{text:<13} ")?,
            Err(error) => return write!(f, "{error}"),
        }
        match &self.count {
            Ok(numbers) => write!(f, "{numbers:?}"),
            Err(error) if error.code() == Code::Unimplemented => write!(f, "no streams"),
            Err(error) => write!(f, "{error}"),
        }
    }
}
