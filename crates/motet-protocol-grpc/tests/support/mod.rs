//! A server with a service of a trait, and raw ways to it.
#![allow(unreachable_pub, dead_code, reason = "each test file uses a part")]

use std::{sync::Arc, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::SendRequest;
use http::{HeaderMap, Request, Response};
use motet::{Client, ClientConfig, Context, Result, RpcError, Server, Status, Streaming, TcpTransport};
use motet_http::{HttpConfig, HttpServer};
use motet_protocol_grpc::{ConnectClient, GrpcClient, GrpcConfig, GrpcServer, GrpcWebClient};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

#[motet::message]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hello {
    #[garde(length(max = 12))]
    pub name: String,
    pub count: u32,
    pub text: String,
}

#[derive(Debug, PartialEq, motet::RpcError)]
pub enum HelloError {
    #[rpc(code = NotFound, message = "nobody is called {0}")]
    Unknown(String),
    #[rpc(other)]
    Other(Status),
}

#[motet::service(name = "greeter", version = "1.0.0")]
pub trait Greeter {
    /// Gives back what it gets; `nobody` is an error.
    async fn hello(&self, cx: &Context, hello: Hello) -> Result<Hello, HelloError>;
    #[method(safe)]
    async fn read(&self, cx: &Context, hello: Hello) -> Result<Hello>;
    async fn hold(&self, cx: &Context) -> Result<()>;
    async fn ticks(&self, cx: &Context, hello: Hello) -> Result<Streaming<Hello>>;
    async fn total(&self, cx: &Context, parts: Streaming<Hello>) -> Result<u64>;
    async fn chat(&self, cx: &Context, parts: Streaming<Hello>) -> Result<Streaming<Hello>>;
}

pub struct Me;

impl Greeter for Me {
    async fn hello(&self, cx: &Context, hello: Hello) -> Result<Hello, HelloError> {
        cx.reply().add_initial("head", "1").map_err(HelloError::from_status)?;
        cx.reply().add_trailing("tail", "2").map_err(HelloError::from_status)?;
        if hello.name == "nobody" {
            return Err(HelloError::Unknown(hello.name));
        }
        Ok(hello)
    }

    async fn read(&self, _: &Context, hello: Hello) -> Result<Hello> {
        Ok(hello)
    }

    async fn hold(&self, _: &Context) -> Result<()> {
        std::future::pending().await
    }

    async fn ticks(&self, _: &Context, hello: Hello) -> Result<Streaming<Hello>> {
        let ticks = Streaming::from_iter(0..hello.count);
        Ok(ticks.map(move |count| match hello.name.as_str() {
            "breaks" if count == 2 => Err(Status::data_loss("gone")),
            _ => Ok(Hello { count, ..hello.clone() }),
        }))
    }

    async fn total(&self, _: &Context, mut parts: Streaming<Hello>) -> Result<u64> {
        let mut total = 0;
        while let Some(part) = parts.next().await {
            total += u64::from(part?.count);
        }
        Ok(total)
    }

    async fn chat(&self, _: &Context, parts: Streaming<Hello>) -> Result<Streaming<Hello>> {
        Ok(parts)
    }
}

/// A server on a port of this machine, and its address.
pub async fn serve(config: GrpcConfig) -> (Server, String) {
    let mut builder = Server::builder().service(GreeterServer::new(Me).into_service().expect("valid"));
    let grpc = GrpcServer::new(config).with_reflection(Arc::new(|_| Ok(())));
    for protocol in HttpServer::new(HttpConfig::default()).protocol(Arc::new(grpc)).server_protocols() {
        builder = builder.protocol(protocol);
    }
    let server = builder.build().expect("valid");
    let endpoint = server.listen("tcp://127.0.0.1:0").await.expect("free");
    (server, endpoint.address)
}

/// A client by gRPC.
pub fn client(address: &str, config: GrpcConfig) -> GreeterClient {
    client_by("grpc", address, config)
}

/// A client by `grpc`, `grpc-web` or `connect`.
pub fn client_by(scheme: &str, address: &str, config: GrpcConfig) -> GreeterClient {
    let mut calls = ClientConfig::default();
    calls.retries = 0;
    let builder = Client::builder().config(calls).transport(Arc::new(TcpTransport::new()));
    let builder = builder.protocol(Arc::new(GrpcClient::new(config.clone())));
    let builder = builder.protocol(Arc::new(GrpcWebClient::new(config.clone())));
    let client = builder.protocol(Arc::new(ConnectClient::new(config))).build();
    GreeterClient::new(client.to(format!("{scheme}://{address}")).expect("an address"))
}

/// HTTP/2 without gRPC.
pub async fn raw(address: &str) -> SendRequest<Bytes> {
    let io = TcpStream::connect(address).await.expect("listening");
    let (send, connection) = h2::client::handshake(io).await.expect("HTTP/2");
    tokio::spawn(async move { connection.await.ok() });
    send
}

/// The head of a request to a method of the greeter, with more headers.
pub fn head(method: &str, more: &[(&'static str, &str)]) -> Request<()> {
    let mut request = Request::post(format!("http://localhost/greeter.Greeter/{method}")).header("te", "trailers");
    if more.iter().all(|(name, _)| *name != "content-type") {
        request = request.header("content-type", "application/grpc");
    }
    for (name, value) in more {
        request = request.header(*name, *value);
    }
    request.body(()).expect("valid")
}

/// A message with its prefix.
pub fn framed(flags: u8, body: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u8(flags);
    out.put_u32(body.len() as u32);
    out.extend_from_slice(body);
    out.freeze()
}

/// What was answered: the head, the body, the trailers.
pub struct Answer {
    pub head: Response<()>,
    pub body: Bytes,
    pub trailers: HeaderMap,
}

impl Answer {
    /// `grpc-status` and `grpc-message`, wherever they are.
    pub fn status(&self) -> (String, String) {
        let all = if self.trailers.is_empty() { self.head.headers() } else { &self.trailers };
        let text = |name| all.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        (text("grpc-status").unwrap_or_default(), text("grpc-message").unwrap_or_default())
    }
}

/// Sends a request whole and reads its answer.
pub async fn ask(send: &SendRequest<Bytes>, request: Request<()>, body: impl Into<Bytes>) -> Answer {
    timeout(Duration::from_secs(20), async {
        let mut send = send.clone().ready().await.expect("open");
        let (response, mut stream) = send.send_request(request, false).expect("sent");
        stream.send_data(body.into(), true).expect("sent");
        let (head, mut body) = response.await.expect("an answer").into_parts();
        let mut all = BytesMut::new();
        while let Some(data) = body.data().await {
            let data = data.expect("data");
            body.flow_control().release_capacity(data.len()).expect("received");
            all.extend_from_slice(&data);
        }
        let trailers = body.trailers().await.expect("an end").unwrap_or_default();
        Answer { head: Response::from_parts(head, ()), body: all.freeze(), trailers }
    })
    .await
    .expect("an end")
}

/// Sends bytes by HTTP/1.1 and reads to the end.
pub async fn http1(address: &str, head: &str, body: &[u8]) -> Vec<u8> {
    timeout(Duration::from_secs(20), async {
        let mut io = TcpStream::connect(address).await.expect("listening");
        let head = format!("{head}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        io.write_all(head.as_bytes()).await.expect("written");
        io.write_all(body).await.expect("written");
        let mut all = Vec::new();
        io.read_to_end(&mut all).await.expect("read");
        all
    })
    .await
    .expect("an end")
}

/// The greeting as protobuf.
pub fn hello(name: &str) -> Vec<u8> {
    let mut out = vec![0x0a, name.len() as u8];
    out.extend_from_slice(name.as_bytes());
    out
}
