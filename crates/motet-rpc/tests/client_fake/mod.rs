//! Nodes that answer as scripted, on a protocol without bytes.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used, reason = "each test file uses a part")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use motet_core::{
    Body, BoxFuture, Call, CallOptions, ClientProtocol, Codec, Connecting, Connection, ConnectionState, Context,
    Endpoint, Entropy, Executed, Kind, Map, MemoryRegistry, MethodDescriptor, MethodOptions, Node, Payload,
    Registration, Registry, Reply, Result, Status,
};
use motet_rpc::{Client, ClientBuilder, ServiceClient};
use tokio::time::Instant;

/// What a node does with a call: answer after a time.
pub type Answer = (Duration, Result<Reply>);
type Script = Arc<dyn Fn(usize, &Call) -> Answer + Send + Sync>;

/// A node and what happened to it.
pub struct FakeNode {
    pub address: String,
    pub dials: Mutex<Vec<Instant>>,
    pub calls: Mutex<Vec<Instant>>,
    pub refuses: AtomicBool,
    pub dial_takes: Mutex<Duration>,
    pub running: AtomicUsize,
    pub closed: AtomicUsize,
    state: Mutex<ConnectionState>,
    /// Connections made before this many dials are closed.
    cut: AtomicUsize,
    script: Mutex<Script>,
}

impl FakeNode {
    pub fn answer(&self, script: impl Fn(usize, &Call) -> Answer + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Arc::new(script);
    }

    pub fn dialled(&self) -> usize {
        self.dials.lock().unwrap().len()
    }

    pub fn called(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    pub fn set_state(&self, state: ConnectionState) {
        *self.state.lock().unwrap() = state;
    }

    /// Closes the connections that there are.
    pub fn cut(&self) {
        self.cut.store(self.dialled(), SeqCst);
    }

    pub fn refuse(&self, refuse: bool) {
        self.refuses.store(refuse, SeqCst);
    }
}

pub fn ok() -> Answer {
    after(1, Ok(reply("ok")))
}

pub fn fails(status: Status) -> Answer {
    after(1, Err(status))
}

pub fn after(ms: u64, result: Result<Reply>) -> Answer {
    (Duration::from_millis(ms), result)
}

pub fn reply(text: &'static str) -> Reply {
    Reply::one(Payload::encoded(text, Codec::RAW))
}

pub fn not_executed() -> Status {
    Status::unavailable("stopping").with_executed(Executed::No)
}

pub fn lost() -> Status {
    Status::unavailable("the connection was lost")
}

/// All nodes; also the protocol that reaches them.
#[derive(Clone, Default)]
pub struct Fakes(Arc<Mutex<Map<String, Arc<FakeNode>>>>, Arc<AtomicUsize>);

impl Fakes {
    pub fn new() -> Fakes {
        Fakes(Arc::default(), Arc::new(AtomicUsize::new(1)))
    }

    pub fn node(&self, address: &str) -> Arc<FakeNode> {
        let mut nodes = self.0.lock().unwrap();
        let make = || {
            Arc::new(FakeNode {
                address: address.to_owned(),
                dials: Mutex::default(),
                calls: Mutex::default(),
                refuses: AtomicBool::new(false),
                dial_takes: Mutex::default(),
                running: AtomicUsize::new(0),
                closed: AtomicUsize::new(0),
                state: Mutex::new(ConnectionState::Open),
                cut: AtomicUsize::new(0),
                script: Mutex::new(Arc::new(|_, _| ok())),
            })
        };
        nodes.entry(address.to_owned()).or_insert_with(make).clone()
    }

    pub fn connections_per_node(&self, n: usize) {
        self.1.store(n, SeqCst);
    }

    pub fn client(&self, registry: &MemoryRegistry) -> ClientBuilder {
        Client::builder()
            .registry(Arc::new(registry.clone()))
            .protocol(Arc::new(self.clone()))
            .entropy(Entropy::seeded(42))
    }
}

impl ClientProtocol for Fakes {
    fn name(&self) -> &str {
        "motet"
    }

    fn connections_per_node(&self) -> usize {
        self.1.load(SeqCst)
    }

    fn connect<'a>(&'a self, endpoint: &'a Endpoint, _: &'a Connecting) -> BoxFuture<'a, Result<Arc<dyn Connection>>> {
        let node = self.node(&endpoint.address);
        Box::pin(async move {
            node.dials.lock().unwrap().push(Instant::now());
            let number = node.dialled();
            let takes = *node.dial_takes.lock().unwrap();
            tokio::time::sleep(takes).await;
            if node.refuses.load(SeqCst) {
                return Err(Status::unavailable("connection refused"));
            }
            let connection = FakeConnection { node, number, in_flight: Arc::default(), closed: AtomicBool::new(false) };
            Ok(Arc::new(connection) as Arc<dyn Connection>)
        })
    }
}

struct FakeConnection {
    node: Arc<FakeNode>,
    number: usize,
    in_flight: Arc<AtomicUsize>,
    closed: AtomicBool,
}

struct Runs(Arc<FakeNode>, Arc<AtomicUsize>);

impl Drop for Runs {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
        self.1.fetch_sub(1, SeqCst);
    }
}

impl Connection for FakeConnection {
    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply>> {
        let node = self.node.clone();
        let nth = {
            let mut calls = node.calls.lock().unwrap();
            calls.push(Instant::now());
            calls.len() - 1
        };
        let script = node.script.lock().unwrap().clone();
        let (takes, result) = script(nth, &call);
        node.running.fetch_add(1, SeqCst);
        self.in_flight.fetch_add(1, SeqCst);
        let runs = Runs(node, self.in_flight.clone());
        Box::pin(async move {
            let _runs = runs;
            match call.deadline {
                Some(deadline) => match tokio::time::timeout_at(deadline.at, tokio::time::sleep(takes)).await {
                    Ok(()) => result,
                    Err(_) => Err(deadline.status(&call.method.path)),
                },
                None => {
                    tokio::time::sleep(takes).await;
                    result
                }
            }
        })
    }

    fn state(&self) -> ConnectionState {
        match self.number <= self.node.cut.load(SeqCst) || self.closed.load(SeqCst) {
            true => ConnectionState::Closed,
            false => *self.node.state.lock().unwrap(),
        }
    }

    fn in_flight(&self) -> usize {
        self.in_flight.load(SeqCst)
    }

    fn close(&self) {
        self.closed.store(true, SeqCst);
        self.node.closed.fetch_add(1, SeqCst);
    }
}

/// Registers a node of `greeter` at the address of its id.
pub async fn register(registry: &MemoryRegistry, id: &str) -> Box<dyn Registration> {
    register_node(registry, Node::new("greeter", id)).await
}

pub async fn register_node(registry: &MemoryRegistry, node: Node) -> Box<dyn Registration> {
    let address = node.id.clone();
    let node = node.endpoint(Endpoint::new("fake", address));
    registry.register(node, Duration::from_secs(10)).await.expect("a valid node")
}

pub fn method(name: &str) -> Arc<MethodDescriptor> {
    Arc::new(MethodDescriptor::new("greeter", name))
}

pub fn idempotent(name: &str) -> Arc<MethodDescriptor> {
    let mut options = MethodOptions::default();
    options.idempotent = true;
    Arc::new(MethodDescriptor::new("greeter", name).options(options))
}

pub fn streaming(kind: Kind) -> Arc<MethodDescriptor> {
    Arc::new(MethodDescriptor::new("greeter", "many").kind(kind))
}

pub fn request() -> Body {
    Body::One(Payload::encoded("hello", Codec::RAW))
}

pub fn call(client: &ServiceClient, method: &Arc<MethodDescriptor>, cx: &Context) -> Call {
    client.prepare(method, cx, Codec::RAW, request()).expect("little metadata")
}

/// Calls `hello` of a service with one message each way.
pub async fn hello(client: &ServiceClient) -> Result<Reply> {
    client.call(call(client, &method("hello"), &Context::new())).await
}

pub async fn hello_idempotent(client: &ServiceClient) -> Result<Reply> {
    client.call(call(client, &idempotent("hello"), &Context::new())).await
}

pub fn options(change: impl FnOnce(&mut CallOptions)) -> CallOptions {
    let mut options = CallOptions::default();
    change(&mut options);
    options
}

pub async fn sleep_ms(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}
