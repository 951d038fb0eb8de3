//! Everything on one port: what clients of each protocol send first, as captured in
//! `docs/one-port.md`, is recognised and answered however it arrives and whatever else does.

#[allow(dead_code, unreachable_pub, missing_docs, reason = "other tests use the rest")]
#[path = "../../motet-rpc/tests/server_support/line.rs"]
mod line;
#[path = "../../motet-rpc/tests/page/mod.rs"]
mod page;

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use motet::{App, ClientTls, Config, Context, Result, RunningApp, ServerTls};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

/// What clients of Motet's own call each protocol.
const SCHEMES: [&str; 10] =
    ["motet", "gorpc", "rpcx", "mucp", "netrpc", "netrpc-http", "jsonrpc", "jsonrpc2", "grpc", "http"];
/// Every protocol is recognised within so many bytes; further cuts are the protocol's own business.
const FIRST: usize = 320;
/// Lets the server read what has been sent.
const PAUSE: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(60);

#[motet::service(name = "world", version = "1.0.0")]
trait World {
    async fn hello_world(&self, cx: &Context, name: String) -> Result<String>;
}

#[motet::service(name = "arith", version = "1.0.0")]
trait Arith {
    async fn mul(&self, cx: &Context, req: Pair) -> Result<Product>;
}

#[motet::message]
struct Pair {
    #[serde(rename = "A")]
    a: i64,
    #[serde(rename = "B")]
    b: i64,
}

#[motet::message]
struct Product {
    #[serde(rename = "C")]
    c: i64,
}

struct Mine;

impl World for Mine {
    async fn hello_world(&self, _: &Context, name: String) -> Result<String> {
        Ok(format!("{name} 你好...."))
    }
}

impl Arith for Mine {
    async fn mul(&self, _: &Context, req: Pair) -> Result<Product> {
        Ok(Product { c: req.a * req.b })
    }
}

/// An App with every protocol, one of the user's own, and a certificate beside plaintext.
async fn start() -> (RunningApp, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a key");
    let own = ServerTls::from_pem(cert.pem(), signing_key.serialize_pem()).expect("they belong together");
    let app = App::builder()
        .config(Config::new().with("server.allow_plaintext", true))
        .listen("tcp://127.0.0.1:0")
        .server_tls(own)
        .client_tls(ClientTls::from_pem(cert.pem()).expect("a certificate"))
        .server_protocol(Arc::new(line::Line::default()))
        .service(WorldServer::new(Mine))
        .service(ArithServer::new(Mine));
    let app = app.start().await.expect("starts");
    let address = app.endpoints()[0].address.clone();
    (app, address)
}

/// What a client sends, and how the answer begins.
struct Talk {
    name: String,
    asks: Vec<u8>,
    answer: Vec<u8>,
}

/// All captures, and the protocol that is the tests' own.
fn talks() -> Vec<Talk> {
    let examples = page::examples(&page::read("one-port.md")).into_iter();
    let mut all: Vec<_> = examples
        .map(|(name, turns)| match &turns[..] {
            [(page::Side::Caller, asks), (page::Side::Server, answer)] => {
                Talk { name, asks: asks.clone(), answer: answer.clone() }
            }
            _ => panic!("{name}: one side asks, the other answers"),
        })
        .collect();
    let asks = "world/hello_world {\"name\":\"李白\"}\n".as_bytes().to_vec();
    all.push(Talk {
        name: "lines".to_owned(), asks, answer: "ok {\"value\":\"李白 你好....\"}\n".as_bytes().to_vec()
    });
    all
}

async fn dial(address: &str) -> TcpStream {
    let socket = TcpStream::connect(address).await.expect("the server listens");
    socket.set_nodelay(true).expect("an option");
    socket
}

impl Talk {
    /// Hears the answer.
    async fn hear(&self, mut socket: TcpStream, how: &str) {
        let mut heard = vec![0; self.answer.len()];
        let hearing = timeout(PATIENCE, socket.read_exact(&mut heard)).await;
        hearing.unwrap_or_else(|_| panic!("{}, {how}: no answer", self.name)).unwrap_or_else(|error| {
            panic!("{}, {how}: {error}", self.name);
        });
        let shown = String::from_utf8_lossy(&heard);
        assert_eq!(heard, self.answer, "{}, {how}: {shown}", self.name);
    }

    /// Sends everything in pieces that end at these places.
    async fn cut(&self, address: &str, places: &[usize]) {
        let mut socket = dial(address).await;
        let mut sent = 0;
        for place in places.iter().copied().chain([self.asks.len()]) {
            socket.write_all(&self.asks[sent..place]).await.expect("it reads");
            sent = place;
            if place < self.asks.len() {
                sleep(PAUSE).await;
            }
        }
        self.hear(socket, &format!("cut at {places:?}")).await;
    }
}

#[test]
fn every_protocol_of_the_page_has_a_capture_that_begins_as_it_says() {
    let page = page::read("one-port.md");
    let (rows, examples) = (page::table(&page, "# One port"), page::examples(&page));
    assert_eq!(rows.len(), examples.len(), "one capture for each row");
    for row in rows {
        let turns = examples.get(&row[0]).unwrap_or_else(|| panic!("{}: there is no capture", row[0]));
        let first = page::bytes(&row[2]).unwrap_or_else(|| panic!("{}: {}", row[0], row[2]));
        assert!(!first.is_empty() && turns[0].1.starts_with(&first), "{}: {}", row[0], row[2]);
    }
}

#[tokio::test]
async fn every_protocol_is_recognised_wherever_its_first_bytes_are_cut() {
    let (app, address) = start().await;
    let talks = talks();
    for talk in &talks {
        let places: Vec<_> = (1..talk.asks.len().min(FIRST)).map(|at| [at]).collect();
        join_all(places.iter().map(|places| talk.cut(&address, places))).await;
    }
    let bytes: Vec<_> = (1..FIRST).collect();
    join_all(talks.iter().map(|talk| talk.cut(&address, &bytes[..bytes.len().min(talk.asks.len() - 1)]))).await;
    assert!(app.stop().await.is_clean());
}

#[tokio::test]
async fn every_protocol_is_recognised_before_within_and_after_every_other() {
    let (app, address) = start().await;
    let talks = talks();
    for outer in &talks {
        for inner in &talks {
            let how = format!("around {}", inner.name);
            let (mut begun, silent) = (dial(&address).await, dial(&address).await);
            let (first, rest) = outer.asks.split_at(outer.asks.len().min(FIRST) / 2);
            begun.write_all(first).await.expect("it reads");
            inner.cut(&address, &[]).await;
            begun.write_all(rest).await.expect("it reads");
            outer.hear(begun, &how).await;
            let mut silent = silent;
            silent.write_all(&inner.asks).await.expect("it reads");
            inner.hear(silent, &format!("behind {}", outer.name)).await;
        }
    }
    assert!(app.stop().await.is_clean());
}

#[tokio::test]
async fn every_client_is_answered_plain_and_encrypted_at_once() {
    let (app, address) = start().await;
    let calls = SCHEMES.into_iter().flat_map(|scheme| [scheme.to_owned(), format!("{scheme}+tls")]).map(|scheme| {
        let (to, address) = (app.client().to(format!("{scheme}://{address}")).expect("an address"), &address);
        async move {
            let cx = Context::new().with_timeout(PATIENCE);
            let reply = WorldClient::new(&to).hello_world(&cx, "李白".to_owned()).await;
            assert_eq!(reply.unwrap_or_else(|error| panic!("{scheme}://{address}: {error}")), "李白 你好....");
            let product = ArithClient::new(&to).mul(&cx, Pair { a: 6, b: 7 }).await;
            assert_eq!(product.unwrap_or_else(|error| panic!("{scheme}://{address}: {error}")).c, 42);
        }
    });
    join_all(calls).await;
    assert!(app.stop().await.is_clean());
}

/// What no protocol claims is closed at once and leaves the others alone.
#[tokio::test]
async fn what_is_nobody_s_is_closed_wherever_it_is_cut() {
    let (app, address) = start().await;
    for nobodys in [&b"\xab\xbbrest"[..], b"\x09rest", b"\x2e\x7e\x03\x01", b"\x16\x02rest", b"PRINT / ", b"\0\0\0\0"] {
        for at in 0..nobodys.len() {
            let mut socket = dial(&address).await;
            let (first, rest) = nobodys.split_at(at);
            socket.write_all(first).await.expect("it reads");
            sleep(PAUSE).await;
            // It may be closed by now.
            let _ = socket.write_all(rest).await;
            let mut answer = Vec::new();
            let ended = timeout(PATIENCE, socket.read_to_end(&mut answer)).await;
            // A reset ends it as well.
            let _ = ended.unwrap_or_else(|_| panic!("{nobodys:?}, cut at {at}: it goes on"));
            assert!(answer.is_empty(), "{nobodys:?}: {answer:?}");
        }
    }
    assert!(app.stop().await.is_clean());
}
