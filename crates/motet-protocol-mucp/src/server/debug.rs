//! The service `Debug` that go-micro's tools ask: `Health`, `Stats`, `Log`, `Trace`.
//!
//! Messages are those of `debug/proto/debug.proto` in `go-micro.dev/v4`, in JSON or protobuf. What is
//! told is this server's: calls that came over mucp, failed ones in the log (their method and code, no
//! text), those whose callers sent `Micro-Trace-Id` in the trace. All but `Health` is for callers of
//! this machine unless settings allow others.

use std::{
    collections::{BTreeMap, VecDeque},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_core::Stream;
use motet_core::{
    BoxFuture, Call, Codec, Codecs, Dispatcher, Handler, Kind, Metadata, MethodDescriptor, Payload, Reply, Result,
    Route, Service, ServiceDescriptor, Status, Streaming,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{sync::broadcast, time::Instant};

/// How many spans and how many log records are kept, as in go-micro.
const SPANS: usize = 256;
const RECORDS: usize = 1024;
/// How many records are read at once unless more are asked for.
const READ: usize = 100;
/// How many new records wait for a reader that follows; it misses those beyond.
const FOLLOWED: usize = 64;

const NAME: &str = "Debug";

#[derive(Clone, Deserialize, PartialEq, prost::Message)]
#[serde(default)]
struct LogRequest {
    #[prost(string, tag = "1")]
    service: String,
    #[prost(bool, tag = "2")]
    stream: bool,
    #[prost(int64, tag = "3")]
    count: i64,
    #[prost(int64, tag = "4")]
    since: i64,
}

#[derive(Clone, PartialEq, prost::Message, Serialize)]
struct Record {
    #[prost(int64, tag = "1")]
    timestamp: i64,
    #[prost(btree_map = "string, string", tag = "2")]
    metadata: BTreeMap<String, String>,
    #[prost(string, tag = "3")]
    message: String,
}

#[derive(Clone, PartialEq, prost::Message, Serialize)]
struct HealthResponse {
    #[prost(string, tag = "1")]
    status: String,
}

#[derive(Clone, Copy, PartialEq, prost::Message, Serialize)]
struct StatsResponse {
    #[prost(uint64, tag = "1")]
    timestamp: u64,
    #[prost(uint64, tag = "2")]
    started: u64,
    #[prost(uint64, tag = "3")]
    uptime: u64,
    #[prost(uint64, tag = "4")]
    memory: u64,
    #[prost(uint64, tag = "5")]
    threads: u64,
    #[prost(uint64, tag = "6")]
    gc: u64,
    #[prost(uint64, tag = "7")]
    requests: u64,
    #[prost(uint64, tag = "8")]
    errors: u64,
}

#[derive(Clone, Deserialize, PartialEq, prost::Message)]
#[serde(default)]
struct TraceRequest {
    #[prost(string, tag = "1")]
    id: String,
}

#[derive(Clone, PartialEq, prost::Message, Serialize)]
struct TraceResponse {
    #[prost(message, repeated, tag = "1")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize)]
struct Span {
    #[prost(string, tag = "1")]
    trace: String,
    #[prost(string, tag = "2")]
    id: String,
    #[prost(string, tag = "3")]
    parent: String,
    #[prost(string, tag = "4")]
    name: String,
    #[prost(uint64, tag = "5")]
    started: u64,
    #[prost(uint64, tag = "6")]
    duration: u64,
}

/// What is known of the calls of a server, and the service that tells it.
pub(super) struct Debug {
    seen: Arc<Seen>,
    own: Dispatcher,
}

/// What is known of the calls of a server.
struct Seen {
    /// Whether callers of other machines are told.
    open: bool,
    started: SystemTime,
    began: Instant,
    requests: AtomicU64,
    errors: AtomicU64,
    spans: Mutex<VecDeque<Span>>,
    records: Mutex<VecDeque<Record>>,
    news: broadcast::Sender<Record>,
}

/// A call that runs.
pub(super) struct Began {
    at: Instant,
    /// The ids of its trace and of its caller's span, where it is traced.
    traced: Option<(String, String)>,
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn keep<T>(ring: &Mutex<VecDeque<T>>, most: usize, item: T) {
    let mut ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
    if ring.len() == most {
        ring.pop_front();
    }
    ring.push_back(item);
}

impl Debug {
    pub(super) fn new(open: bool) -> Debug {
        let seen = Arc::new(Seen {
            open,
            started: SystemTime::now(),
            began: Instant::now(),
            requests: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            spans: Mutex::default(),
            records: Mutex::default(),
            news: broadcast::channel(FOLLOWED).0,
        });
        Debug { own: dispatcher(&seen), seen }
    }

    /// Whether this is the service's name.
    pub(super) fn is_name(&self, name: &str) -> bool {
        name == NAME
    }

    pub(super) fn find(&self, endpoint: &str) -> Option<Route> {
        self.own.find_dotted(endpoint)
    }

    pub(super) fn began(&self, metadata: &Metadata) -> Began {
        self.seen.requests.fetch_add(1, Relaxed);
        let text = |key| metadata.get(key).unwrap_or_default().to_owned();
        let traced = metadata.get("micro-trace-id").is_some().then(|| (text("micro-trace-id"), text("micro-span-id")));
        Began { at: Instant::now(), traced }
    }

    pub(super) fn ended(&self, began: Began, method: &MethodDescriptor, failed: Option<&Status>) {
        if let Some(status) = failed {
            self.seen.errors.fetch_add(1, Relaxed);
            let timestamp = i64::try_from(since_epoch(SystemTime::now()).as_secs()).unwrap_or_default();
            let message = format!("{}: {}", method.path, status.code());
            let record = Record { timestamp, metadata: BTreeMap::new(), message };
            keep(&self.seen.records, RECORDS, record.clone());
            // Nobody may follow.
            let _ = self.seen.news.send(record);
        }
        if let Some((trace, parent)) = began.traced {
            let took = began.at.elapsed();
            let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            let id = format!("{:016x}", self.seen.requests.load(Relaxed));
            let started = nanos(since_epoch(SystemTime::now()).saturating_sub(took));
            let span = Span { trace, id, parent, name: method.dotted(), started, duration: nanos(took) };
            keep(&self.seen.spans, SPANS, span);
        }
    }
}

/// Answers one method.
type Tell = fn(&Seen, Call) -> Result<Reply>;

fn dispatcher(seen: &Arc<Seen>) -> Dispatcher {
    let mut descriptor = ServiceDescriptor::new(NAME, env!("CARGO_PKG_VERSION"));
    let mut handlers = Vec::new();
    let all: [(&str, Kind, Tell); 4] = [
        ("Health", Kind::Unary, health),
        ("Stats", Kind::Unary, stats),
        ("Trace", Kind::Unary, trace),
        ("Log", Kind::ServerStream, log),
    ];
    for (name, kind, answer) in all {
        descriptor.add(MethodDescriptor::new(NAME, name).kind(kind));
        let seen = seen.clone();
        let handler = move |call: Call| -> BoxFuture<'static, Result<Reply>> {
            let answered = answer(&seen, call);
            Box::pin(async move { answered })
        };
        handlers.push(Arc::new(handler) as Arc<dyn Handler>);
    }
    let service = Service::new(descriptor, handlers).expect("a descriptor of our own is valid");
    let dispatcher = Dispatcher::new(Codecs::default());
    let routes = service.methods().map(|(method, handler)| Route::new(method.clone(), handler.clone())).collect();
    dispatcher.add(service.descriptor(), routes).expect("nothing else is there");
    dispatcher
}

/// Refuses callers of other machines.
fn admit(seen: &Seen, call: &Call) -> Result<()> {
    match seen.open || call.cx.peer().is_some_and(|peer| peer.local) {
        true => Ok(()),
        false => Err(Status::permission_denied(
            "this is told to callers of the same machine only, unless protocols.mucp.debug is on",
        )),
    }
}

fn read<T: prost::Message + DeserializeOwned + Default>(call: Call) -> Result<T> {
    let payload = call.body.one()?;
    let bytes = payload.bytes()?;
    let bad = || Status::invalid_argument(format!("the body is no {}", payload.codec().content_type()));
    match () {
        () if *payload.codec() == Codec::JSON => serde_json::from_slice(&bytes).map_err(|_| bad()),
        () => T::decode(bytes).map_err(|_| bad()),
    }
}

fn written<T: prost::Message + Serialize>(value: &T, codec: &Codec) -> Result<Payload> {
    match () {
        () if *codec == Codec::JSON => {
            let json = serde_json::to_vec(value).map_err(Status::internal_from)?;
            Ok(Payload::encoded(json, Codec::JSON))
        }
        () if *codec == Codec::PROTOBUF => Ok(Payload::encoded(value.encode_to_vec(), Codec::PROTOBUF)),
        () => Err(Status::unimplemented("Debug answers in application/json and application/protobuf")),
    }
}

fn health(_: &Seen, call: Call) -> Result<Reply> {
    Ok(Reply::one(written(&HealthResponse { status: "ok".to_owned() }, &call.codec)?))
}

fn stats(seen: &Seen, call: Call) -> Result<Reply> {
    admit(seen, &call)?;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let stats = StatsResponse {
        timestamp: since_epoch(SystemTime::now()).as_secs(),
        started: since_epoch(seen.started).as_secs(),
        uptime: seen.began.elapsed().as_secs(),
        memory: number("VmRSS:").unwrap_or_default() << 10,
        threads: number("Threads:").unwrap_or_default(),
        gc: 0,
        requests: seen.requests.load(Relaxed),
        errors: seen.errors.load(Relaxed),
    };
    Ok(Reply::one(written(&stats, &call.codec)?))
}

fn trace(seen: &Seen, call: Call) -> Result<Reply> {
    admit(seen, &call)?;
    let codec = call.codec.clone();
    let request: TraceRequest = read(call)?;
    let spans = seen.spans.lock().unwrap_or_else(PoisonError::into_inner);
    let asked = spans.iter().filter(|span| request.id.is_empty() || span.trace == request.id);
    let response = TraceResponse { spans: asked.cloned().collect() };
    drop(spans);
    Ok(Reply::one(written(&response, &codec)?))
}

fn log(seen: &Seen, call: Call) -> Result<Reply> {
    admit(seen, &call)?;
    let codec = call.codec.clone();
    let request: LogRequest = read(call)?;
    let news = request.stream.then(|| seen.news.subscribe());
    let records = seen.records.lock().unwrap_or_else(PoisonError::into_inner);
    let asked: Vec<_> = records.iter().filter(|record| record.timestamp >= request.since).cloned().collect();
    drop(records);
    let most = usize::try_from(request.count).ok().filter(|count| *count > 0).unwrap_or(READ);
    let kept = asked[asked.len().saturating_sub(most)..].to_vec().into();
    let records = Records { kept, news: news.map(next), codec };
    Ok(Reply::stream(Streaming::new(records)))
}

type News = BoxFuture<'static, Option<(Record, broadcast::Receiver<Record>)>>;

/// Waits for the next record; none when there are no more. Those that were missed are passed over.
fn next(mut receiver: broadcast::Receiver<Record>) -> News {
    Box::pin(async move {
        loop {
            match receiver.recv().await {
                Ok(record) => return Some((record, receiver)),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    })
}

/// Records that there are, then those that come, where they are wanted.
struct Records {
    kept: VecDeque<Record>,
    news: Option<News>,
    codec: Codec,
}

impl Stream for Records {
    type Item = Result<Payload>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Payload>>> {
        let this = &mut *self;
        if let Some(record) = this.kept.pop_front() {
            return Poll::Ready(Some(written(&record, &this.codec)));
        }
        let Some(news) = &mut this.news else { return Poll::Ready(None) };
        let came = ready!(news.as_mut().poll(cx));
        let (record, receiver) = came.map_or((None, None), |(record, receiver)| (Some(record), Some(receiver)));
        this.news = receiver.map(next);
        Poll::Ready(record.map(|record| written(&record, &this.codec)))
    }
}
