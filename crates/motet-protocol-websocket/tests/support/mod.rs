//! A service with all kinds of methods, and ways to talk to it message by message.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test uses a part of it")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use motet::{App, Config, RunningApp, prelude::*};
use motet_websocket::{Error, Masks, Message, WebSocket, WebSocketConfig, handshake::Agreed};
use serde_json::Value as Json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

pub const SOON: Duration = Duration::from_secs(30);

/// A point.
#[motet::message]
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// To the right.
    pub x: i32,
    /// Up.
    pub y: i32,
    /// What it is called.
    pub name: Option<String>,
}

/// Does things with numbers.
#[motet::service(name = "numbers", version = "1.0.0")]
pub trait Numbers {
    /// Gives the square of a number.
    async fn square(&self, cx: &Context, n: i64) -> Result<i64>;
    /// Counts from 1.
    async fn count(&self, cx: &Context, to: u32) -> Result<Streaming<u32>>;
    /// Adds numbers up.
    async fn sum(&self, cx: &Context, numbers: Streaming<i64>) -> Result<i64>;
    /// Gives the sum so far after each number.
    async fn sums(&self, cx: &Context, numbers: Streaming<i64>) -> Result<Streaming<i64>>;
    /// Moves points, one after the other.
    async fn moved(&self, cx: &Context, points: Streaming<Point>) -> Result<Streaming<Point>>;
    /// Waits.
    async fn wait(&self, cx: &Context, ms: u64) -> Result<u64>;
    /// Never answers.
    async fn hang(&self, cx: &Context) -> Result<()>;
    /// Sends as long as somebody listens.
    async fn endless(&self, cx: &Context, size: u32) -> Result<Streaming<String>>;
    /// Tells the values of the metadata `color` and the protocol of the caller.
    async fn color(&self, cx: &Context) -> Result<Vec<String>>;
    /// Takes text.
    async fn take(&self, cx: &Context, text: String) -> Result<u64>;
}

#[derive(Clone, Default)]
pub struct Me {
    /// How many calls of `hang`, `endless` and streams that do not end are open.
    pub open: Arc<AtomicUsize>,
    pub taken: Arc<AtomicUsize>,
}

struct Opened(Arc<AtomicUsize>);

impl Opened {
    fn new(count: &Arc<AtomicUsize>) -> Opened {
        count.fetch_add(1, SeqCst);
        Opened(count.clone())
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Numbers for Me {
    async fn square(&self, cx: &Context, n: i64) -> Result<i64> {
        cx.reply().add_initial("head", "1")?;
        cx.reply().add_trailing("end", "2")?;
        n.checked_mul(n)
            .ok_or_else(|| Status::out_of_range("the square has more than 64 bits").with_reason("Numbers.TooBig"))
    }

    async fn count(&self, cx: &Context, to: u32) -> Result<Streaming<u32>> {
        if to == 0 {
            return Err(Status::invalid_argument("to: at least 1"));
        }
        cx.reply().add_initial("head", "1")?;
        cx.reply().add_trailing("end", "2")?;
        Ok(Streaming::from_iter(1..=to).map(|n| match n {
            1000 => Err(Status::out_of_range("not so far").with_reason("Numbers.TooFar")),
            n => Ok(n),
        }))
    }

    async fn sum(&self, _: &Context, mut numbers: Streaming<i64>) -> Result<i64> {
        let _open = Opened::new(&self.open);
        let mut sum = 0;
        while let Some(n) = numbers.next().await {
            sum += n?;
            if sum > 10_000_000 {
                break;
            }
        }
        Ok(sum)
    }

    async fn sums(&self, _: &Context, numbers: Streaming<i64>) -> Result<Streaming<i64>> {
        let (mut sum, open) = (0, Opened::new(&self.open));
        Ok(numbers.map(move |n| {
            let _open = &open;
            sum += n;
            if n < 0 { Err(Status::invalid_argument("only up")) } else { Ok(sum) }
        }))
    }

    async fn moved(&self, _: &Context, points: Streaming<Point>) -> Result<Streaming<Point>> {
        Ok(points.map(|point| Ok(Point { x: point.x + 1, ..point })))
    }

    async fn wait(&self, _: &Context, ms: u64) -> Result<u64> {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        Ok(ms)
    }

    async fn hang(&self, _: &Context) -> Result<()> {
        let _open = Opened::new(&self.open);
        std::future::pending().await
    }

    async fn endless(&self, _: &Context, size: u32) -> Result<Streaming<String>> {
        let open = Opened::new(&self.open);
        let text = "x".repeat(size as usize);
        Ok(Streaming::from_iter(std::iter::repeat_with(move || {
            let _open = &open;
            text.clone()
        })))
    }

    async fn color(&self, cx: &Context) -> Result<Vec<String>> {
        let protocol = cx.peer().map(|peer| peer.protocol.clone()).unwrap_or_default();
        Ok(cx.metadata().get_all("color").map(str::to_owned).chain([protocol]).collect())
    }

    async fn take(&self, _: &Context, text: String) -> Result<u64> {
        self.taken.fetch_add(1, SeqCst);
        Ok(text.len() as u64)
    }
}

pub async fn start(config: &str) -> (RunningApp, Me) {
    let me = Me::default();
    let config = Config::toml(config).expect("TOML");
    let app = App::builder().name("numbers").config(config).service(NumbersServer::new(me.clone()));
    (app.listen("tcp://127.0.0.1:0").start().await.expect("starts"), me)
}

pub fn address(app: &RunningApp) -> String {
    app.endpoints()[0].address.clone()
}

/// A client over the network.
pub fn client(app: &RunningApp) -> NumbersClient {
    NumbersClient::new(app.client().to(format!("ws://{}", address(app))).expect("an address"))
}

/// Waits until something is so.
pub async fn until(what: impl Fn() -> bool) {
    let waiting = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, waiting).await.expect("it becomes so");
}

/// The request that asks for a WebSocket connection.
pub fn ask(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// Sends a request and reads the head of its answer.
pub async fn request(app: &RunningApp, text: &str) -> (TcpStream, String) {
    request_at(&address(app), text).await
}

pub async fn request_at(address: &str, request: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).await.expect("listening");
    stream.write_all(request.as_bytes()).await.expect("open");
    let mut head = Vec::new();
    let reading = async {
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("an answer"));
        }
    };
    timeout(SOON, reading).await.expect("in time");
    (stream, String::from_utf8(head).expect("text"))
}

/// A peer that speaks message by message.
pub struct Talk(pub WebSocket<TcpStream>);

impl Talk {
    pub async fn to(app: &RunningApp, path: &str) -> Talk {
        Talk::with(app, path, "").await
    }

    pub async fn with(app: &RunningApp, path: &str, fields: &str) -> Talk {
        Talk::open(&address(app), path, fields).await
    }

    pub async fn at(address: &str, path: &str) -> Talk {
        Talk::open(address, path, "").await
    }

    async fn open(address: &str, path: &str, fields: &str) -> Talk {
        let (stream, head) = request_at(address, &ask(path, fields)).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let mut config = WebSocketConfig::default();
        config.max_message = 64 << 20;
        config.max_frame = 64 << 20;
        let agreed = Agreed::default();
        Talk(WebSocket::client(stream, Default::default(), &agreed, Arc::new(config), Masks::seeded(1)))
    }

    pub async fn say(&mut self, text: impl Into<Message>) {
        timeout(SOON, self.0.send(text)).await.expect("in time").expect("open");
    }

    /// The next message.
    pub async fn hear(&mut self) -> Json {
        let text = self.next().await.expect("open").expect("a message");
        serde_json::from_slice(text.as_bytes()).expect("JSON")
    }

    pub async fn next(&mut self) -> Result<Option<Message>, Error> {
        timeout(SOON, self.0.next()).await.expect("in time")
    }

    /// Reads to the end, and gives the close code.
    pub async fn closed(&mut self) -> Option<u16> {
        while let Ok(Some(_)) = self.next().await {}
        self.0.close_reason().map(|reason| reason.code.get())
    }

    /// A call and its answer.
    pub async fn call(&mut self, text: &str) -> Json {
        self.say(text).await;
        self.hear().await
    }
}

/// The answer to a request over a connection of its own: status and body.
pub async fn get(app: &RunningApp, path: &str, fields: &str) -> (u16, String) {
    let text = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n");
    let (mut stream, head) = request(app, &text).await;
    let mut body = String::new();
    timeout(SOON, stream.read_to_string(&mut body)).await.expect("in time").expect("text");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, body)
}
