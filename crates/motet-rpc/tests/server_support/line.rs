//! A protocol of lines: `greeter/hello {json}` gets `ok {json}` or `error CODE message`; a reply
//! stream is `item {json}` lines and `end`; a line that begins with `!` gets no reply.

use std::pin::pin;

use futures_util::future::{Either, select};
use motet_core::{
    Body, BoxFuture, Call, CallOptions, Codec, Context, Incoming, Metadata, Payload, Recognition, Result,
    ServerProtocol, Status, TraceParent,
};
use motet_rpc::server::spawn_one_way;
use std::sync::Arc;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
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

async fn serve(incoming: Incoming) -> std::io::Result<()> {
    let Incoming { io, peer, head_by, dispatcher, drain, .. } = incoming;
    let (peer, mut io) = (Arc::new(peer), BufReader::new(io));
    let mut head_by = Some(head_by);
    let mut refused = false;
    loop {
        let mut line = String::new();
        let read = match head_by.take() {
            Some(by) => match timeout_at(by, io.read_line(&mut line)).await {
                Ok(read) => read?,
                Err(_) => return Ok(()),
            },
            None => match select(pin!(io.read_line(&mut line)), pin!(drain.draining())).await {
                Either::Left((read, _)) => read?,
                Either::Right(_) => return Ok(()),
            },
        };
        if read == 0 {
            return Ok(());
        }
        if drain.is_draining() {
            if !std::mem::replace(&mut refused, true) {
                io.get_mut().write_all(b"error UNAVAILABLE stopping\n").await?;
            }
            return io.get_mut().shutdown().await;
        }
        let (one_way, line) = line.trim_end().strip_prefix('!').map_or((false, line.trim_end()), |rest| (true, rest));
        let (path, json) = line.split_once(' ').unwrap_or((line, "{}"));
        let call = dispatcher.resolve(path).map(|route| {
            let trace = TraceParent::parse(json.trim_matches('"'));
            let cx = Context::incoming(route.deadline(None), Metadata::new(), Some(peer.clone()), trace);
            let body = Body::One(Payload::encoded(json.as_bytes().to_vec(), Codec::JSON));
            let call = Call::new(route.method().clone(), cx, body, Codec::JSON, Arc::new(CallOptions::default()));
            (route, call)
        });
        match call {
            Ok((route, call)) if one_way => spawn_one_way(&route, call, &drain),
            Ok((route, call)) => match route.call(call).await {
                Ok(reply) => write_reply(&mut io, reply.body).await?,
                Err(status) => write_error(&mut io, &status).await?,
            },
            Err(status) => write_error(&mut io, &status).await?,
        }
    }
}

async fn write_reply(io: &mut BufReader<motet_core::BoxIo>, body: Body) -> std::io::Result<()> {
    let io = io.get_mut();
    match body {
        Body::One(payload) => io.write_all(format!("ok {}\n", text(payload.bytes())).as_bytes()).await?,
        Body::Stream(mut stream) => {
            while let Some(item) = stream.next().await {
                match item {
                    Ok(payload) => io.write_all(format!("item {}\n", text(payload.bytes())).as_bytes()).await?,
                    Err(status) => {
                        let line = format!("error {} {}\n", status.code(), status.message());
                        io.write_all(line.as_bytes()).await?;
                        return io.flush().await;
                    }
                }
            }
            io.write_all(b"end\n").await?;
        }
    }
    io.flush().await
}

async fn write_error(io: &mut BufReader<motet_core::BoxIo>, status: &Status) -> std::io::Result<()> {
    let line = format!("error {} {}\n", status.code(), status.message());
    io.get_mut().write_all(line.as_bytes()).await?;
    io.get_mut().flush().await
}

fn text(bytes: Result<bytes::Bytes>) -> String {
    String::from_utf8_lossy(&bytes.expect("encoded")).into_owned()
}
