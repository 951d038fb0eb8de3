//! A protocol of lines, all JSON. A call is `greeter/hello {json}`, and with `!` before it one that
//! wants no reply; behind the path may follow `?timeout=microseconds&m:key=value&full`. A request
//! stream follows the call as lines `+ {json}` and `.`. The answer is `ok {json}`, or lines
//! `item {json}` and `end`, or at any time `error CODE message`. To calls with `full` errors are
//! `fail {json}`, and lines `head key value` and `tail key value` bring the reply's metadata.

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::future::{Either, select};
use motet_core::{
    Body, BoxFuture, BoxIo, Call, CallOptions, Codec, Context, Drain, Executed, Incoming, Metadata, Payload, Peer,
    Recognition, Reply, ReplyMeta, Result, Route, ServerProtocol, Status, Streaming, TraceParent,
};
use motet_rpc::server::spawn_one_way;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, ReadHalf, WriteHalf},
    sync::mpsc,
    time::timeout_at,
};

#[derive(Default)]
pub struct Line {
    pub alpn: Option<&'static str>,
}

impl ServerProtocol for Line {
    fn name(&self) -> &str {
        "line"
    }

    fn alpn(&self) -> Option<&str> {
        self.alpn
    }

    fn recognise(&self, first: &[u8], _: bool) -> Recognition {
        let name = first.strip_prefix(b"!").unwrap_or(first);
        match name.iter().position(|b| !b.is_ascii_lowercase()) {
            Some(0) => Recognition::No,
            Some(n) if name[n] == b'/' => Recognition::Yes,
            Some(_) => Recognition::No,
            None if first.len() < 64 => Recognition::NeedMore(first.len() + 1),
            None => Recognition::No,
        }
    }

    fn serve(&self, incoming: Incoming) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            // A connection that fails ends; nobody is left to be told.
            let _ = serve(incoming).await;
        })
    }
}

type Lines = BufReader<ReadHalf<BoxIo>>;
type Out = WriteHalf<BoxIo>;

async fn serve(incoming: Incoming) -> std::io::Result<()> {
    let Incoming { io, peer, head_by, dispatcher, drain, .. } = incoming;
    let (input, mut out) = tokio::io::split(io);
    let (peer, mut lines) = (Arc::new(peer), BufReader::new(input));
    let mut head_by = Some(head_by);
    let mut refused = false;
    loop {
        let mut line = String::new();
        let read = match head_by.take() {
            Some(by) => match timeout_at(by, lines.read_line(&mut line)).await {
                Ok(read) => read?,
                Err(_) => return Ok(()),
            },
            None => match select(pin!(lines.read_line(&mut line)), pin!(drain.draining())).await {
                Either::Left((read, _)) => read?,
                Either::Right(_) => return Ok(()),
            },
        };
        if read == 0 {
            return Ok(());
        }
        let request = Request::parse(&line);
        if drain.is_draining() {
            if !std::mem::replace(&mut refused, true) {
                let status = Status::unavailable("stopping").with_executed(Executed::No);
                write_error(&mut out, &status, request.full).await?;
            }
            return out.shutdown().await;
        }
        match dispatcher.resolve(request.path) {
            Err(status) => write_error(&mut out, &status, request.full).await?,
            Ok(route) if run(&route, &request, &peer, &drain, &mut lines, &mut out).await? => {}
            Ok(_) => return Ok(()),
        }
    }
}

/// The first line of a call.
struct Request<'a> {
    path: &'a str,
    json: &'a str,
    one_way: bool,
    full: bool,
    timeout: Option<Duration>,
    metadata: Metadata,
}

impl Request<'_> {
    fn parse(line: &str) -> Request<'_> {
        let (one_way, line) = line.trim_end().strip_prefix('!').map_or((false, line.trim_end()), |rest| (true, rest));
        let (head, json) = line.split_once(' ').unwrap_or((line, "{}"));
        let (path, query) = head.split_once('?').unwrap_or((head, ""));
        let mut request = Request { path, json, one_way, full: false, timeout: None, metadata: Metadata::new() };
        for part in query.split('&') {
            match part.split_once('=') {
                Some(("timeout", micros)) => request.timeout = micros.parse().ok().map(Duration::from_micros),
                Some((key, value)) => {
                    // What is no metadata is left out.
                    let _ = key.strip_prefix("m:").map(|key| request.metadata.append(key, value));
                }
                None => request.full |= part == "full",
            }
        }
        request
    }
}

/// Runs a call, and says whether others may follow on this connection.
async fn run(
    route: &Route,
    request: &Request<'_>,
    peer: &Arc<Peer>,
    drain: &Drain,
    lines: &mut Lines,
    out: &mut Out,
) -> std::io::Result<bool> {
    let trace = request.metadata.get(TraceParent::KEY).unwrap_or(request.json.trim_matches('"'));
    let cx = Context::incoming(
        route.deadline(request.timeout),
        request.metadata.clone(),
        Some(peer.clone()),
        TraceParent::parse(trace),
    );
    let streams = route.method().kind.client_streams();
    let (parts, body) = match streams {
        true => {
            let (parts, stream) = Streaming::channel(1);
            (Some(parts), Body::Stream(stream))
        }
        false => (None, Body::One(payload(request.json))),
    };
    let mut call = Call::new(route.method().clone(), cx, body, Codec::JSON, Arc::new(CallOptions::default()));
    call.metadata = request.metadata.clone();
    if request.one_way {
        spawn_one_way(route, call, drain);
        return Ok(true);
    }
    let answering = pin!(async {
        match route.call(call).await {
            Ok(reply) => write_reply(out, reply, request.full).await,
            Err(status) => write_error(out, &status, request.full).await,
        }
    });
    match select(answering, pin!(read_parts(lines, parts))).await {
        Either::Left((result, _)) => result.map(|()| !streams),
        // The caller has left: the call ends with it.
        Either::Right(_) => Ok(false),
    }
}

/// Reads the parts of a request stream; returns once the caller has left.
async fn read_parts(lines: &mut Lines, mut parts: Option<mpsc::Sender<Result<Payload>>>) {
    while let Some(open) = &parts {
        let mut line = String::new();
        match lines.read_line(&mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => match line.trim_end().strip_prefix("+ ") {
                // A handler that has heard enough does not end its call with it.
                Some(json) => drop(open.send(Ok(payload(json))).await),
                None => parts = None,
            },
        }
    }
    match lines.fill_buf().await {
        Ok([]) | Err(_) => {}
        // The next call is there: the caller is as well.
        Ok(_) => std::future::pending().await,
    }
}

async fn write_reply(out: &mut Out, reply: Reply, full: bool) -> std::io::Result<()> {
    let Reply { meta, body } = reply;
    match body {
        Body::One(payload) => {
            write_metadata(out, "head", meta.initial().filter(|_| full)).await?;
            write_metadata(out, "tail", meta.trailing().filter(|_| full)).await?;
            write_payload(out, "ok", payload, full).await?;
        }
        Body::Stream(mut stream) => {
            let mut head = Some(&meta).filter(|_| full);
            while let Some(item) = stream.next().await {
                if let Some(meta) = head.take() {
                    write_metadata(out, "head", meta.initial()).await?;
                }
                match item {
                    Ok(payload) => write_payload(out, "item", payload, full).await?,
                    Err(status) => return write_error(out, &with_trailing(status, &meta), full).await,
                }
                out.flush().await?;
            }
            write_metadata(out, "tail", meta.trailing().filter(|_| full)).await?;
            out.write_all(b"end\n").await?;
        }
    }
    out.flush().await
}

fn with_trailing(status: Status, meta: &ReplyMeta) -> Status {
    match meta.trailing() {
        Some(trailing) => status.with_metadata(trailing),
        None => status,
    }
}

async fn write_payload(out: &mut Out, word: &str, payload: Payload, full: bool) -> std::io::Result<()> {
    match payload.with_codec(Codec::JSON).bytes() {
        Ok(bytes) => out.write_all(format!("{word} {}\n", String::from_utf8_lossy(&bytes)).as_bytes()).await,
        Err(status) => write_error(out, &status, full).await,
    }
}

async fn write_metadata(out: &mut Out, word: &str, metadata: Option<Metadata>) -> std::io::Result<()> {
    let metadata = metadata.unwrap_or_default();
    for (key, _) in metadata.iter() {
        let line = format!("{word} {key} {}\n", metadata.get(key).unwrap_or_default());
        out.write_all(line.as_bytes()).await?;
    }
    Ok(())
}

async fn write_error(out: &mut Out, status: &Status, full: bool) -> std::io::Result<()> {
    let line = match full {
        true => format!("fail {}\n", describe(status)),
        false => format!("error {} {}\n", status.code(), status.message()),
    };
    out.write_all(line.as_bytes()).await?;
    out.flush().await
}

fn describe(status: &Status) -> Value {
    let details = status.details().and_then(|details| details.clone().with_codec(Codec::JSON).bytes().ok());
    let metadata: Vec<_> = status.metadata().iter().map(|(key, _)| (key, status.metadata().get(key))).collect();
    json!({
        "code": status.code(),
        "message": status.message(),
        "reason": status.reason(),
        "executed": status.executed(),
        "details": details.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        "metadata": metadata,
    })
}

pub(super) fn payload(json: &str) -> Payload {
    Payload::encoded(json.as_bytes().to_vec(), Codec::JSON)
}
