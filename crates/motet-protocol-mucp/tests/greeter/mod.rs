//! A service of all four kinds, as go-micro's templates have it, on a server that speaks mucp.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use motet::{
    Client, ClientConfig, Code, Context, Endpoint, Result, RpcError, Server, ServerBuilder, Status, Streaming,
    TcpTransport,
};
use motet_protocol_mucp::{MucpClient, MucpConfig, MucpServer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

/// Longer than anything takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(60);

#[motet::message]
#[derive(Clone, Debug, PartialEq)]
pub struct CallRequest {
    pub name: String,
}

#[motet::message]
#[derive(Clone, Debug, PartialEq)]
pub struct CallResponse {
    pub msg: String,
}

#[motet::message]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stroke {
    pub stroke: i64,
}

#[motet::message]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Count {
    pub count: i64,
}

/// Values of many kinds, as JSON carries them.
#[motet::message]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Everything {
    pub yes: bool,
    pub small: i8,
    pub least: i64,
    pub most: u64,
    pub half: f64,
    pub text: String,
    pub list: Vec<i32>,
    pub maybe: Option<String>,
}

#[motet::message]
#[derive(Clone, Debug, PartialEq)]
pub struct About {
    pub protocol: String,
    pub remaining_ms: Option<u64>,
}

#[derive(Debug, RpcError)]
pub enum GreetError {
    #[rpc(code = NotFound, message = "nobody is called {name}")]
    Nobody { name: String },
    #[rpc(other)]
    Other(Status),
}

#[motet::service(name = "greeter")]
pub trait Greeter {
    async fn call(&self, cx: &Context, req: CallRequest) -> Result<CallResponse>;
    async fn find(&self, cx: &Context, name: String) -> Result<(), GreetError>;
    async fn client_stream(&self, cx: &Context, strokes: Streaming<Stroke>) -> Result<Count>;
    async fn server_stream(&self, cx: &Context, req: Count) -> Result<Streaming<Count>>;
    async fn bidi_stream(&self, cx: &Context, strokes: Streaming<Stroke>) -> Result<Streaming<Stroke>>;
    /// Answers with its metadata.
    async fn meta(&self, cx: &Context, key: String) -> Result<String>;
    async fn fail(&self, cx: &Context, code: u32) -> Result<()>;
    async fn same(&self, cx: &Context, req: Everything) -> Result<Everything>;
    async fn wait(&self, cx: &Context, millis: u64) -> Result<u64>;
    async fn about(&self, cx: &Context) -> Result<About>;
    /// Never ends.
    async fn forever(&self, cx: &Context) -> Result<Streaming<Count>>;
}

/// How many handlers run.
#[derive(Clone, Default)]
pub struct Template {
    pub running: Arc<AtomicUsize>,
    pub begun: Arc<AtomicUsize>,
}

struct Runs(Arc<AtomicUsize>);

impl Template {
    fn runs(&self) -> Runs {
        self.begun.fetch_add(1, SeqCst);
        self.running.fetch_add(1, SeqCst);
        Runs(self.running.clone())
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Greeter for Template {
    async fn call(&self, _: &Context, req: CallRequest) -> Result<CallResponse> {
        let _runs = self.runs();
        Ok(CallResponse { msg: format!("Hello {}", req.name) })
    }

    async fn find(&self, _: &Context, name: String) -> Result<(), GreetError> {
        Err(GreetError::Nobody { name })
    }

    async fn client_stream(&self, _: &Context, mut strokes: Streaming<Stroke>) -> Result<Count> {
        let _runs = self.runs();
        let mut count = 0;
        while let Some(stroke) = strokes.next().await {
            stroke?;
            count += 1;
        }
        Ok(Count { count })
    }

    async fn server_stream(&self, cx: &Context, req: Count) -> Result<Streaming<Count>> {
        let _runs = self.runs();
        cx.reply().add_initial("seen-by", "template")?;
        Ok(Streaming::from_iter((0..req.count).map(|count| Count { count })))
    }

    async fn bidi_stream(&self, _: &Context, strokes: Streaming<Stroke>) -> Result<Streaming<Stroke>> {
        let runs = self.runs();
        Ok(strokes.map(move |stroke| {
            let _ = &runs;
            match stroke.stroke {
                -1 => Err(Status::aborted("minus one")),
                _ => Ok(stroke),
            }
        }))
    }

    async fn meta(&self, cx: &Context, key: String) -> Result<String> {
        cx.reply().add_initial("seen-by", "template")?;
        Ok(cx.metadata().get(&key).unwrap_or_default().to_owned())
    }

    async fn fail(&self, _: &Context, code: u32) -> Result<()> {
        Err(Status::new(Code::from_number(code.into()), "as asked"))
    }

    async fn same(&self, _: &Context, req: Everything) -> Result<Everything> {
        Ok(req)
    }

    async fn wait(&self, _: &Context, millis: u64) -> Result<u64> {
        let _runs = self.runs();
        sleep(Duration::from_millis(millis)).await;
        Ok(millis)
    }

    async fn about(&self, cx: &Context) -> Result<About> {
        let protocol = cx.peer().map(|peer| peer.protocol.clone()).unwrap_or_default();
        Ok(About { protocol, remaining_ms: cx.remaining().map(|left| left.as_millis() as u64) })
    }

    async fn forever(&self, _: &Context) -> Result<Streaming<Count>> {
        let runs = self.runs();
        let (sender, counts) = Streaming::channel(1);
        tokio::spawn(async move {
            let _runs = runs;
            let mut count = 0;
            while sender.send(Ok(Count { count })).await.is_ok() {
                count += 1;
                sleep(Duration::from_millis(2)).await;
            }
        });
        Ok(counts)
    }
}

/// A server and a client of mucp.
pub struct Rig {
    pub server: Server,
    pub endpoint: Endpoint,
    pub client: Client,
    pub greeter: GreeterClient,
    pub template: Template,
}

pub async fn rig() -> Rig {
    Rig::new(MucpConfig::default(), MucpConfig::default()).await
}

pub fn with(change: impl FnOnce(&mut MucpConfig)) -> MucpConfig {
    let mut config = MucpConfig::default();
    change(&mut config);
    config
}

impl Rig {
    pub async fn new(server: MucpConfig, client: MucpConfig) -> Rig {
        Rig::with(Server::builder(), server, client).await
    }

    pub async fn with(builder: ServerBuilder, server: MucpConfig, client: MucpConfig) -> Rig {
        let template = Template::default();
        let service = GreeterServer::new(template.clone()).into_service().expect("a good descriptor");
        let server = builder.protocol(Arc::new(MucpServer::new(server))).service(service).build().expect("valid");
        let endpoint = server.listen("tcp://127.0.0.1:0").await.expect("free");
        let (client, greeter) = client_of(&endpoint, client);
        Rig { server, endpoint, client, greeter, template }
    }

    /// A connection of bytes.
    pub async fn raw(&self) -> Raw {
        Raw { stream: TcpStream::connect(&self.endpoint.address).await.expect("it listens"), read: Vec::new() }
    }

    /// What a connection that has sent this is answered with, to its end.
    pub async fn answers(&self, request: &str) -> String {
        let mut raw = self.raw().await;
        raw.send(request).await;
        raw.stream.shutdown().await.expect("half closed");
        raw.rest().await
    }
}

/// A client of an endpoint.
pub fn client_of(endpoint: &Endpoint, config: MucpConfig) -> (Client, GreeterClient) {
    let mut all = ClientConfig::default();
    all.timeout = LONG;
    let protocol = Arc::new(MucpClient::new(config));
    let client = Client::builder().config(all).transport(Arc::new(TcpTransport::new())).protocol(protocol).build();
    let to = client.to(format!("mucp://{}", endpoint.address)).expect("an address");
    (client, GreeterClient::new(to))
}

/// A connection of bytes.
pub struct Raw {
    pub stream: TcpStream,
    read: Vec<u8>,
}

impl Raw {
    pub async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.expect("taken");
    }

    /// The next answer: its head, and its body, which a length ends.
    pub async fn answer(&mut self) -> (String, String) {
        let reading = async {
            loop {
                if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                    let head = String::from_utf8_lossy(&self.read[..end + 2]).into_owned();
                    let length = field(&head, "Content-Length").and_then(|text| text.parse().ok()).unwrap_or(0);
                    let all: usize = end + 4 + length;
                    if self.read.len() >= all {
                        let body = String::from_utf8_lossy(&self.read[end + 4..all]).into_owned();
                        self.read.drain(..all);
                        return (head, body);
                    }
                }
                let read = self.stream.read_buf(&mut self.read).await.expect("no reset");
                assert_ne!(read, 0, "the end instead of an answer: {:?}", String::from_utf8_lossy(&self.read));
            }
        };
        timeout(LONG, reading).await.expect("in time")
    }

    /// All that is left, to the end.
    pub async fn rest(&mut self) -> String {
        // A reset ends it as well.
        let _ = timeout(LONG, self.stream.read_to_end(&mut self.read)).await.expect("in time");
        String::from_utf8_lossy(&self.read).into_owned()
    }
}

/// The value of a field in a head.
pub fn field(head: &str, name: &str) -> Option<String> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
}

/// A request as Go writes it. A body of no bytes is chunks, as there.
pub fn post(fields: &[(&str, &str)], body: &str) -> String {
    let mut text = "POST / HTTP/1.1\r\nHost: 127.0.0.1:1\r\nUser-Agent: Go-http-client/1.1\r\n".to_owned();
    match body.len() {
        0 => text.push_str("Transfer-Encoding: chunked\r\n"),
        length => text.push_str(&format!("Content-Length: {length}\r\n")),
    }
    for (name, value) in fields {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(if body.is_empty() { "0\r\n\r\n" } else { body });
    text
}

/// What go-micro's clients send with every call.
pub fn call(endpoint: &str, content_type: &str, more: &[(&str, &str)], body: &str) -> String {
    let mut fields = vec![
        ("Accept", content_type),
        ("Content-Type", content_type),
        ("Micro-Endpoint", endpoint),
        ("Micro-Id", "0"),
        ("Micro-Method", endpoint),
        ("Micro-Service", "greeter"),
    ];
    fields.extend_from_slice(more);
    fields.push(("Timeout", "5000000000"));
    post(&fields, body)
}

pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, waiting).await.unwrap_or_else(|_| panic!("{what}: not yet"));
}
