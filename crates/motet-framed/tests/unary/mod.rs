//! What every protocol of numbered frames does alike, run by the tests of each of them.

#![allow(dead_code, unreachable_pub, reason = "each protocol's tests use a part")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use motet::{
    Client, ClientConfig, Code, Context, Executed, Result, Server, ServerBuilder, Status, Streaming, TcpTransport,
    core::{ClientProtocol, Endpoint, ServerProtocol},
};
use tokio::time::{sleep, timeout};

/// Longer than anything takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(60);

#[motet::message]
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    #[serde(rename = "A")]
    pub a: i64,
    #[serde(rename = "B")]
    pub b: i64,
}

#[motet::message]
#[derive(Debug)]
pub struct Product {
    #[serde(rename = "C")]
    pub c: i64,
}

#[motet::message]
#[derive(Clone, Debug, PartialEq)]
pub struct Everything {
    pub yes: bool,
    pub small: i8,
    pub least: i64,
    pub most: u64,
    pub half: f64,
    pub text: String,
    pub bytes: Vec<u8>,
    pub list: Vec<i32>,
    pub maybe: Option<String>,
}

#[motet::message]
#[derive(Debug)]
pub struct About {
    pub protocol: String,
    pub trace: String,
    pub remaining_ms: Option<u64>,
}

#[motet::service(name = "arith")]
pub trait Arith {
    async fn mul(&self, cx: &Context, req: Pair) -> Result<Product>;
    async fn div(&self, cx: &Context, req: Pair) -> Result<Product>;
    async fn same(&self, cx: &Context, req: Everything) -> Result<Everything>;
    async fn about(&self, cx: &Context) -> Result<About>;
    async fn wait(&self, cx: &Context, millis: u64) -> Result<u64>;
    async fn note(&self, cx: &Context, text: String) -> Result<()>;
    async fn nothing(&self, cx: &Context) -> Result<()>;
    async fn count(&self, cx: &Context, to: u32) -> Result<Streaming<u32>>;
}

/// The longest text in a message that others count as allowed, whatever they count beside it.
pub const LONGEST: usize = (4 << 20) - 2048;

/// What the service has seen.
#[derive(Clone, Default)]
pub struct Seen {
    pub notes: Arc<Mutex<Vec<String>>>,
    /// How many calls of `wait` have begun, and how many have ended in any way.
    pub begun: Arc<AtomicUsize>,
    pub ended: Arc<AtomicUsize>,
}

pub struct Calculator(pub Seen);

struct Ended(Arc<AtomicUsize>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Arith for Calculator {
    async fn mul(&self, _: &Context, req: Pair) -> Result<Product> {
        Ok(Product { c: req.a * req.b })
    }

    async fn div(&self, _: &Context, req: Pair) -> Result<Product> {
        match req.a.checked_div(req.b) {
            Some(c) => Ok(Product { c }),
            None => Err(Status::invalid_argument("divide by zero")),
        }
    }

    async fn same(&self, _: &Context, req: Everything) -> Result<Everything> {
        Ok(req)
    }

    async fn about(&self, cx: &Context) -> Result<About> {
        cx.reply().add_initial("seen-by", "calculator")?;
        Ok(About {
            protocol: cx.peer().map(|peer| peer.protocol.clone()).unwrap_or_default(),
            trace: cx.metadata().get("trace").unwrap_or_default().to_owned(),
            remaining_ms: cx.remaining().map(|left| left.as_millis() as u64),
        })
    }

    async fn wait(&self, _: &Context, millis: u64) -> Result<u64> {
        self.0.begun.fetch_add(1, SeqCst);
        let _ended = Ended(self.0.ended.clone());
        sleep(Duration::from_millis(millis)).await;
        Ok(millis)
    }

    async fn note(&self, _: &Context, text: String) -> Result<()> {
        self.0.notes.lock().expect("no panic").push(text);
        Ok(())
    }

    async fn nothing(&self, _: &Context) -> Result<()> {
        Ok(())
    }

    async fn count(&self, _: &Context, to: u32) -> Result<Streaming<u32>> {
        Ok(Streaming::from_iter(0..to))
    }
}

/// A server of one protocol, and a client.
pub struct Rig {
    pub server: Server,
    pub endpoint: Endpoint,
    pub client: Client,
    pub arith: ArithClient,
    pub seen: Seen,
}

impl Rig {
    pub async fn new(server: impl ServerProtocol, client: impl ClientProtocol) -> Rig {
        Rig::with(Server::builder(), server, client).await
    }

    pub async fn with(builder: ServerBuilder, server: impl ServerProtocol, client: impl ClientProtocol) -> Rig {
        let seen = Seen::default();
        let service = ArithServer::new(Calculator(seen.clone())).into_service().expect("a good descriptor");
        let server = builder.protocol(Arc::new(server)).service(service).build().expect("valid");
        let endpoint = server.listen("tcp://127.0.0.1:0").await.expect("free");
        let (client, arith) = calls(&endpoint, client);
        Rig { server, endpoint, client, arith, seen }
    }

    /// A connection of bytes.
    pub async fn raw(&self) -> tokio::net::TcpStream {
        tokio::net::TcpStream::connect(&self.endpoint.address).await.expect("it listens")
    }
}

/// A client of an endpoint.
pub fn calls(endpoint: &Endpoint, protocol: impl ClientProtocol) -> (Client, ArithClient) {
    let name = protocol.name().to_owned();
    let mut config = ClientConfig::default();
    config.timeout = LONG;
    let transport = Arc::new(TcpTransport::new());
    let client = Client::builder().config(config).transport(transport).protocol(Arc::new(protocol)).build();
    let to = client.to(format!("{name}://{}", endpoint.address)).expect("an address");
    (client, ArithClient::new(to))
}

pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, waiting).await.unwrap_or_else(|_| panic!("{what}: not yet"));
}

pub fn everything() -> Everything {
    Everything {
        yes: true,
        small: -1,
        least: i64::MIN,
        most: u64::MAX,
        half: 0.5,
        text: "李白 你好".to_owned(),
        bytes: vec![0, 255],
        list: vec![1, -2, 3],
        maybe: Some(String::new()),
    }
}

pub fn zero() -> Everything {
    let (text, bytes, list) = (String::new(), Vec::new(), Vec::new());
    Everything { yes: false, small: 0, least: 0, most: 0, half: 0.0, text, bytes, list, maybe: None }
}

/// Values of every kind, zero values, no value, long ones and empty ones arrive as they were.
pub async fn values_arrive_as_they_were(rig: &Rig, longest: usize) {
    let cx = Context::new();
    assert_eq!(rig.arith.mul(&cx, Pair { a: 10, b: 20 }).await.expect("answered").c, 200);
    for value in [everything(), zero()] {
        assert_eq!(rig.arith.same(&cx, value.clone()).await.expect("answered"), value);
    }
    rig.arith.nothing(&cx).await.expect("nothing is an answer");
    let long = Everything { text: "x".repeat(longest), ..zero() };
    assert!(rig.arith.same(&cx, long.clone()).await.expect("answered") == long);
}

/// The text of an error arrives; code and the rest of a status do not travel, so that nobody can tell whether
/// the handler said it.
pub async fn errors_bring_their_text(rig: &Rig) {
    let status = rig.arith.div(&Context::new(), Pair { a: 1, b: 0 }).await.expect_err("no such number");
    assert_eq!((status.code(), status.message()), (Code::Unknown, "divide by zero"));
    assert_eq!(status.executed(), Executed::Unknown);
    assert_eq!(rig.arith.div(&Context::new(), Pair { a: 6, b: 3 }).await.expect("goes on").c, 2);
}

/// A method that streams is refused without being called.
pub async fn streams_are_not_carried(rig: &Rig) {
    let status = rig.arith.count(&Context::new(), 3).await.map(drop).expect_err("no streams");
    assert_eq!((status.code(), status.executed()), (Code::Unimplemented, Executed::No));
}

/// A message over the limit ends its call on either side, and no other.
pub async fn a_message_over_the_limit_ends_its_call(rig: &Rig) {
    let long = Everything { text: "x".repeat((4 << 20) + 1), ..zero() };
    let status = rig.arith.same(&Context::new(), long).await.expect_err("too long");
    assert_eq!((status.code(), status.executed()), (Code::ResourceExhausted, Executed::No));
    rig.arith.nothing(&Context::new()).await.expect("goes on");
}

pub async fn a_thousand_calls_run_at_once(rig: &Rig) {
    let calls: Vec<_> = (0..1000)
        .map(|number| {
            let arith = rig.arith.clone();
            tokio::spawn(async move {
                let cx = Context::new().with_timeout(LONG);
                let reply = arith.mul(&cx, Pair { a: number, b: 3 }).await;
                assert_eq!(reply.expect("answered").c, number * 3);
                assert_eq!(arith.wait(&cx, 20).await.expect("answered"), 20);
            })
        })
        .collect();
    for call in calls {
        call.await.expect("no panic");
    }
    assert_eq!(rig.seen.ended.load(SeqCst), 1000);
}

/// There is no cancel: what is given up is forgotten, and a late answer goes nowhere.
pub async fn a_call_that_is_given_up_is_forgotten(rig: &Rig) {
    let short = Context::new().with_timeout(Duration::from_millis(40));
    let status = rig.arith.wait(&short, 400).await.expect_err("too slow");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let arith = rig.arith.clone();
    let call = tokio::spawn(async move { arith.wait(&Context::new(), 400).await });
    until("the second call runs", || rig.seen.begun.load(SeqCst) == 2).await;
    call.abort();
    until("both calls end", || rig.seen.ended.load(SeqCst) == 2).await;
    for _ in 0..10 {
        rig.arith.nothing(&Context::new()).await.expect("goes on");
    }
}

pub async fn one_way_calls_are_written_and_run(rig: &Rig) {
    rig.arith.one_way().note(&Context::new(), "first".to_owned()).await.expect("written");
    until("it has run", || *rig.seen.notes.lock().expect("no panic") == ["first"]).await;
}

/// A stop lets a call finish and answer.
pub async fn a_stop_lets_calls_finish(rig: &Rig) {
    let arith = rig.arith.clone();
    let call = tokio::spawn(async move { arith.wait(&Context::new(), 300).await });
    until("it runs", || rig.seen.begun.load(SeqCst) == 1).await;
    assert!(rig.server.shutdown(LONG).await.drained);
    assert_eq!(call.await.expect("no panic").expect("answered"), 300);
}

/// A connection that breaks fails its calls at once, and whether they ran is unknown.
pub async fn a_lost_connection_fails_its_calls(rig: &Rig) {
    let (arith, begun) = (rig.arith.clone(), rig.seen.begun.clone());
    let call = tokio::spawn(async move { arith.wait(&Context::new().with_timeout(LONG), 60_000).await });
    until("it runs", || begun.load(SeqCst) == 1).await;
    rig.server.shutdown(Duration::ZERO).await;
    let status = timeout(LONG, call).await.expect("at once").expect("no panic").expect_err("lost");
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert_ne!(status.executed(), Executed::No);
    until("the handler is dropped", || rig.seen.ended.load(SeqCst) == 1).await;
}
