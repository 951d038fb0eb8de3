//! The calling side of the protocol of lines: a connection is a socket per call, and a task per call
//! that moves lines between the two.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use motet_core::{
    Body, BoxFuture, BoxIo, Call, ClientProtocol, Codec, Connecting, Connection, ConnectionState, Deadline, Endpoint,
    Executed, Kind, Metadata, Payload, Reply, ReplyMeta, Result, Status, Streaming, Transport,
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, ReadHalf, WriteHalf},
    sync::{mpsc, oneshot},
    task::AbortHandle,
    time::Instant,
};

use super::line::payload;

/// The calling side.
#[derive(Clone, Default)]
pub struct LineClient {
    /// How many calls were made.
    pub calls: Arc<AtomicUsize>,
}

impl ClientProtocol for LineClient {
    fn name(&self) -> &str {
        "line"
    }

    fn connect<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        connecting: &'a Connecting,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>>> {
        Box::pin(async move {
            let transport = connecting.transports.find(&endpoint.transport)?.clone();
            // Somebody must listen.
            drop(transport.dial(endpoint).await?);
            let (in_flight, closed, calls) = (Arc::default(), AtomicBool::new(false), self.calls.clone());
            let connection = LineConnection { transport, endpoint: endpoint.clone(), in_flight, closed, calls };
            Ok(Arc::new(connection) as Arc<dyn Connection>)
        })
    }
}

struct LineConnection {
    transport: Arc<dyn Transport>,
    endpoint: Endpoint,
    in_flight: Arc<AtomicUsize>,
    closed: AtomicBool,
    calls: Arc<AtomicUsize>,
}

impl Connection for LineConnection {
    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply>> {
        self.calls.fetch_add(1, SeqCst);
        self.in_flight.fetch_add(1, SeqCst);
        let running = Running(self.in_flight.clone());
        let (transport, endpoint) = (self.transport.clone(), self.endpoint.clone());
        Box::pin(async move {
            let (head, answer) = oneshot::channel();
            let task = tokio::spawn(async move {
                let _running = running;
                converse(transport, endpoint, call, head).await;
            });
            // The call ends with this future, or with the stream that it leaves.
            let owned = Owned(task.abort_handle());
            let reply = answer.await.unwrap_or_else(|_| Err(Status::internal("the call's task was stopped")))?;
            let Reply { meta, body } = reply;
            let body = match body {
                Body::Stream(stream) => Body::Stream(stream.map(move |payload| {
                    let _kept = &owned;
                    Ok(payload)
                })),
                one => one,
            };
            Ok(Reply { meta, body })
        })
    }

    fn state(&self) -> ConnectionState {
        if self.closed.load(SeqCst) { ConnectionState::Closed } else { ConnectionState::Open }
    }

    fn in_flight(&self) -> usize {
        self.in_flight.load(SeqCst)
    }

    fn close(&self) {
        self.closed.store(true, SeqCst);
    }
}

struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

struct Owned(AbortHandle);

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Where the answer goes: the head of the reply, then its items.
struct Answer {
    head: Option<oneshot::Sender<Result<Reply>>>,
    items: Option<mpsc::Sender<Result<Payload>>>,
    meta: ReplyMeta,
    streams: bool,
}

impl Answer {
    fn open(&mut self) {
        if let Some(head) = self.head.take() {
            let (items, stream) = Streaming::channel(1);
            self.items = Some(items);
            let _ = head.send(Ok(Reply { meta: self.meta.clone(), body: Body::Stream(stream) }));
        }
    }

    async fn end(&mut self, result: Result<Option<Payload>>) {
        match (self.head.take(), result) {
            (Some(head), Ok(Some(payload))) => {
                let _ = head.send(Ok(Reply { meta: self.meta.clone(), body: Body::One(payload) }));
            }
            (Some(head), Err(status)) => drop(head.send(Err(status))),
            (None, Err(status)) => {
                if let Some(items) = &self.items {
                    let _ = items.send(Err(status)).await;
                }
            }
            (Some(_), Ok(None)) | (None, Ok(_)) => {}
        }
    }
}

/// A call from its first line to its last.
async fn converse(
    transport: Arc<dyn Transport>,
    endpoint: Endpoint,
    mut call: Call,
    head: oneshot::Sender<Result<Reply>>,
) {
    let streams = call.method.kind.server_streams();
    let mut answer = Answer { head: Some(head), items: None, meta: ReplyMeta::new(), streams };
    let (path, deadline) = (call.method.path.clone(), call.deadline);
    let body = std::mem::replace(&mut call.body, Body::Stream(Streaming::from_iter([])));
    let talking = async {
        let io = transport.dial(&endpoint).await.map_err(|status| status.with_executed(Executed::No))?;
        talk(io, &call, body, &mut answer).await
    };
    let result = match deadline {
        None => talking.await,
        Some(Deadline { at, .. }) => tokio::time::timeout_at(at, talking)
            .await
            .unwrap_or_else(|_| Err(deadline.map(|deadline| deadline.status(&path)).expect("there is one"))),
    };
    answer.end(result).await;
}

async fn talk(io: BoxIo, call: &Call, body: Body, answer: &mut Answer) -> Result<Option<Payload>> {
    let (input, mut out) = tokio::io::split(io);
    let (json, parts) = match body {
        Body::One(payload) => (text(payload)?, None),
        Body::Stream(parts) => ("{}".to_owned(), Some(parts)),
    };
    write(&mut out, &format!("{} {json}\n", first(call))).await?;
    if call.one_way {
        return Ok(Some(Payload::encoded("", Codec::RAW)));
    }
    if call.method.kind == Kind::Bidi {
        answer.open();
    }
    let mut lines = BufReader::new(input);
    let Some(mut parts) = parts else { return read(&mut lines, answer).await };
    let sending = async {
        while let Some(part) = parts.next().await {
            write(&mut out, &format!("+ {}\n", text(part?)?)).await?;
        }
        write(&mut out, ".\n").await
    };
    let mut sending = std::pin::pin!(sending);
    let mut reading = std::pin::pin!(read(&mut lines, answer));
    let mut sent = false;
    std::future::poll_fn(|task| {
        use std::task::Poll::{Pending, Ready};
        if !sent && let Ready(result) = sending.as_mut().poll(task) {
            sent = true;
            match result {
                // The answer says why nobody reads any more.
                Ok(()) => {}
                Err(status) if status.message() == GONE => {}
                Err(status) => return Ready(Err(status)),
            }
        }
        match reading.as_mut().poll(task) {
            Ready(result) => Ready(result),
            Pending => Pending,
        }
    })
    .await
}

/// The first line of a call without its JSON.
fn first(call: &Call) -> String {
    let left = call.deadline.map(|deadline| deadline.at.saturating_duration_since(Instant::now()));
    let left = left.map(|left: Duration| format!("&timeout={}", left.as_micros())).unwrap_or_default();
    let metadata = call.metadata.iter().map(|(key, _)| (key, call.metadata.get(key).unwrap_or_default()));
    let metadata: String = metadata.map(|(key, value)| format!("&m:{key}={value}")).collect();
    let one_way = if call.one_way { "!" } else { "" };
    format!("{one_way}{}?full{left}{metadata}", call.method.path)
}

async fn read(lines: &mut BufReader<ReadHalf<BoxIo>>, answer: &mut Answer) -> Result<Option<Payload>> {
    let (mut initial, mut trailing) = (Metadata::new(), Metadata::new());
    loop {
        let mut line = String::new();
        match lines.read_line(&mut line).await {
            Ok(1..) => {}
            _ => return Err(Status::unavailable("the connection was lost")),
        }
        let (word, rest) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
        let (key, value) = rest.split_once(' ').unwrap_or((rest, ""));
        match word {
            "head" => initial.append(key, value)?,
            "tail" => trailing.append(key, value)?,
            _ => {
                answer.meta.set_initial(initial.clone());
                answer.meta.set_trailing(trailing.clone());
            }
        }
        match word {
            "ok" => return Ok(Some(payload(rest))),
            "item" => {
                answer.open();
                if let Some(items) = &answer.items {
                    // Dropping the stream stops this task.
                    let _ = items.send(Ok(payload(rest))).await;
                }
            }
            "end" if answer.streams => {
                answer.open();
                return Ok(None);
            }
            "fail" => return Err(status(rest)),
            "head" | "tail" => {}
            _ => return Err(Status::internal(format!("unexpected line {line:?}"))),
        }
    }
}

fn status(text: &str) -> Status {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let code = serde_json::from_value(value["code"].clone());
    let executed = serde_json::from_value(value["executed"].clone());
    let mut status = Status::new(
        code.unwrap_or(motet_core::Code::Unknown),
        value["message"].as_str().unwrap_or_default().to_owned(),
    )
    .with_executed(executed.unwrap_or_default());
    if let Some(reason) = value["reason"].as_str() {
        status = status.with_reason(reason.to_owned());
    }
    if let Some(details) = value["details"].as_str() {
        status = status.with_details(payload(details));
    }
    let pairs: Vec<(String, String)> = serde_json::from_value(value["metadata"].clone()).unwrap_or_default();
    let mut metadata = Metadata::new();
    for (key, value) in pairs {
        let _ = metadata.append(&key, &value);
    }
    status.with_metadata(metadata)
}

const GONE: &str = "nobody reads";

async fn write(out: &mut WriteHalf<BoxIo>, line: &str) -> Result<()> {
    let gone = |_| Status::unavailable(GONE);
    out.write_all(line.as_bytes()).await.map_err(gone)?;
    out.flush().await.map_err(gone)
}

fn text(payload: Payload) -> Result<String> {
    let bytes = payload.with_codec(Codec::JSON).bytes()?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
