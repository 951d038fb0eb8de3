//! The server that is attacked: a process of its own.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use motet_core::{
    Body, BoxFuture, Call, CallOptions, ClientProtocol, Codec, Codecs, Connecting, Connection, Context, Endpoint,
    Entropy, Handler, Kind, MethodDescriptor, Payload, Reply, Result, Service, ServiceDescriptor, Status, Transports,
};
use motet_rpc::{
    NativeClient, NativeConfig, NativeServer, Server, ServerConfig, ServerTls, TcpTransport, native::MemoryBudget,
    server::ConnectionCounts,
};
use serde::{Deserialize, Serialize};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use crate::{
    hostile::Heard,
    others::{Others, Waits},
};

const VARIABLE: &str = "MOTET_TEST_TARGET";
/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How much memory an attack may cost.
const MEMORY: u64 = 64 << 20;
/// How much of the log is kept.
const LOG: usize = 4 << 20;

/// What the process is to be.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) server: ServerConfig,
    pub(crate) native: NativeConfig,
    /// Whether it speaks TLS as well.
    pub(crate) tls: bool,
}

/// What the process tells of itself.
#[derive(Deserialize, Serialize)]
struct Report {
    counts: ConnectionCounts,
    log: String,
}

/// Serves until killed, if this process was started by [`Target::start`].
pub(crate) fn serve_if_asked() {
    let Ok(plan) = std::env::var(VARIABLE) else { return };
    let plan: Plan = serde_json::from_str(&plan).expect("a plan");
    let log = Arc::new(Mutex::new(Vec::new()));
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || Log(writer.clone())).finish();
    tracing::subscriber::set_global_default(subscriber).expect("the first");
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime").block_on(
        async {
            let native = NativeServer::new(plan.native).with_budget(MemoryBudget::new(plan.server.memory_limit));
            let mut builder = Server::builder().config(plan.server).protocol(Arc::new(native));
            if plan.tls {
                builder = builder.tls(certificate());
            }
            let server = builder.build().expect("valid");
            server.add(service(server.clone(), log)).expect("new");
            let endpoint = server.listen("tcp://127.0.0.1:0").await.expect("a port");
            println!("\naddress {}", endpoint.address);
            std::future::pending::<()>().await;
        },
    );
}

fn certificate() -> ServerTls {
    let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    ServerTls::from_pem(key.cert.pem(), key.signing_key.serialize_pem()).expect("they belong together")
}

struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() < LOG {
            log.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn service(server: Server, log: Arc<Mutex<Vec<u8>>>) -> Service {
    type Function = Box<dyn Fn(Call) -> BoxFuture<'static, Result<Reply>> + Send + Sync>;
    let mut descriptor = ServiceDescriptor::new("test", "1");
    let mut handlers: Vec<Arc<dyn Handler>> = Vec::new();
    let methods: Vec<(&str, Kind, Function)> = vec![
        ("echo", Kind::Unary, Box::new(|call| Box::pin(async move { Ok(Reply::new(call.body)) }))),
        ("wait", Kind::Unary, Box::new(|call| Box::pin(wait(call)))),
        // It reads nothing.
        ("hold", Kind::ClientStream, Box::new(|call| Box::pin(wait(call)))),
        (
            "large",
            Kind::Unary,
            Box::new(|_| Box::pin(async { Ok(Reply::one(Payload::encoded(vec![7; 60_000], Codec::RAW))) })),
        ),
        (
            "report",
            Kind::Unary,
            Box::new(move |_| {
                let log = String::from_utf8_lossy(&log.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
                let report = serde_json::to_vec(&Report { counts: server.connections(), log });
                let report = report.map_err(|error| Status::internal(error.to_string()));
                Box::pin(async move { Ok(Reply::one(Payload::encoded(report?, Codec::RAW))) })
            }),
        ),
    ];
    for (name, kind, handler) in methods {
        descriptor.methods.push(Arc::new(MethodDescriptor::new("test", name).kind(kind)));
        handlers.push(Arc::new(handler));
    }
    Service::new(descriptor, handlers).expect("valid")
}

async fn wait(call: Call) -> Result<Reply> {
    let _held = call;
    std::future::pending().await
}

/// A server in a process of its own, and a connection on which it is used in earnest. Dropping it kills
/// the process.
pub(crate) struct Target {
    child: Child,
    _output: BufReader<ChildStdout>,
    pub(crate) address: String,
    control: Arc<dyn Connection>,
    others: Others,
    /// Where times are compared, one after the other: two at once would measure each other.
    _alone: Option<tokio::sync::MutexGuard<'static, ()>>,
}

/// What there is to tell of an attack.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// What stops it.
    pub(crate) limit: &'static str,
    /// What the attacker saw.
    pub(crate) saw: String,
    /// How much memory it may cost.
    pub(crate) memory: u64,
}

impl Attack {
    pub(crate) fn new(name: &'static str, limit: &'static str) -> Attack {
        Attack { name, limit, saw: String::new(), memory: MEMORY }
    }
}

impl Target {
    pub(crate) async fn start(plan: &Plan) -> Target {
        static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let alone = if thorough() { Some(ALONE.lock().await) } else { None };
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command.args(["another_process", "--exact", "--nocapture"]).stdout(Stdio::piped());
        let plan = serde_json::to_string(plan).expect("plain data");
        let mut child = command.env(VARIABLE, plan).spawn().expect("starts");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        while !line.starts_with("address ") {
            line.clear();
            assert!(output.read_line(&mut line).expect("text") > 0, "it ended");
        }
        let address = line.trim_start_matches("address ").trim().to_owned();
        let control = connect(&address, NativeConfig::default()).await;
        let others = Others::new(&address);
        // The attacker's processor is another machine's: what it does costs the server and the others
        // nothing but what they do about it.
        if thorough() {
            rustix::process::nice(19).expect("less is always allowed");
        }
        let target = Target { child, _output: output, address, control, others, _alone: alone };
        target.report().await;
        target
    }

    /// A connection for bytes of any kind.
    pub(crate) async fn dial(&self) -> Heard {
        Heard::new(TcpStream::connect(&self.address).await.expect("it listens"))
    }

    async fn report(&self) -> Report {
        let reply = timed("the report", self.control.call(call("report"))).await.expect("answered");
        serde_json::from_slice(&reply.body.one().expect("one").bytes().expect("encoded")).expect("a report")
    }

    /// What it has counted, once that is so.
    pub(crate) async fn counts(&self, so: impl Fn(&ConnectionCounts) -> bool) -> ConnectionCounts {
        let started = Instant::now();
        loop {
            let counts = self.report().await.counts;
            if so(&counts) {
                return counts;
            }
            assert!(started.elapsed() < PATIENCE, "{counts:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// How many lines of its log say this.
    pub(crate) async fn logged(&self, what: &str) -> usize {
        self.report().await.log.lines().filter(|line| line.contains(what)).count()
    }

    /// Uses the server as much as it allows by making calls as one should: the least that an attacker
    /// can do to the others, who have to share its processors.
    async fn polite(&self) {
        let connection = connect(&self.address, NativeConfig::default()).await;
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..64 {
            let connection = connection.clone();
            calls.spawn(async move {
                loop {
                    timed("a polite call", connection.call(call("echo"))).await.expect("answered");
                }
            });
        }
        calls.join_next().await.expect("they go on").expect("all are answered")
    }

    /// What it has in memory now.
    pub(crate) fn resident(&self) -> u64 {
        self.memory("VmRSS:")
    }

    fn memory(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }

    /// Attacks, while others call; tells how it went.
    pub(crate) async fn attacked(&self, mut attack: Attack, work: impl Future<Output = String>) {
        self.others.start();
        match thorough() {
            true => drop(timeout(Duration::from_secs(3), self.polite()).await),
            false => sleep(Duration::from_millis(100)).await,
        }
        let calm = self.others.stop();
        let idle = self.memory("VmRSS:");
        fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").expect("the peak begins anew");
        self.others.start();
        attack.saw = work.await;
        let waits = self.others.stop();
        let took = self.memory("VmHWM:").saturating_sub(idle);
        report(&attack, took, &calm, &waits);
        assert!(took <= attack.memory, "{}: {} KiB over idle", attack.name, took >> 10);
    }
}

fn report(attack: &Attack, took: u64, calm: &Waits, waits: &Waits) {
    println!(
        "| {} | {} | {} | {:.1} MiB | {:.1?} → {:.1?} of {} calls |",
        attack.name,
        attack.limit,
        attack.saw,
        took as f64 / (1 << 20) as f64,
        calm.p99(),
        waits.p99(),
        waits.count()
    );
    // Of a few calls there is no hundredth, and code that is not optimized says little.
    if thorough() && waits.count() >= 300 && !cfg!(debug_assertions) {
        let most = calm.p99().mul_f64(1.5).max(Duration::from_millis(1));
        assert!(waits.p99() <= most, "{}: others waited {:?}, not {:?}", attack.name, waits.p99(), calm.p99());
    }
}

/// Whether the long form was asked for.
pub(crate) fn thorough() -> bool {
    std::env::var_os("MOTET_HOSTILE").is_some()
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) async fn timed<F: Future>(name: &str, future: F) -> F::Output {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{name}: nothing comes"))
}

pub(crate) async fn connect(address: &str, config: NativeConfig) -> Arc<dyn Connection> {
    let transports = Transports::new().with(Arc::new(TcpTransport::new()));
    let connecting = Connecting::new(transports, Codecs::default(), Instant::now() + PATIENCE, Entropy::seeded(1));
    NativeClient::new(config).connect(&Endpoint::new("tcp", address), &connecting).await.expect("connects")
}

/// A call without a deadline.
pub(crate) fn call(name: &str) -> Call {
    let method = Arc::new(MethodDescriptor::new("test", name));
    let body = Body::One(Payload::encoded("hi", Codec::RAW));
    Call::new(method, Context::new(), body, Codec::RAW, Arc::new(CallOptions::default()))
}
