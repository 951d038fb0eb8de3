//! A Motet client calls Go services.

use std::{fmt::Debug, future::Future, time::Duration};

use motet::{Client, Code, Context, Executed, Result, Status, core::ClientProtocol};
use motet_protocol_gorpc::{GoRpcClient, Serialize};
use motet_protocol_rpcx::{RpcxClient, RpcxConfig, Serialize as Serializer};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    config,
    peer::{GoServer, Peers},
    table::Table,
    unary::{Arith, ArithClient, Everything, LONG, LONGEST, Pair, calls, everything, zero},
};

type Outcome = Result<(), String>;

/// How long a call may be held up without a heartbeat that disturbs it.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn rpcx(peers: &Peers, table: &mut Table) {
    let way = "Motet → rpcx 1.9.1";
    let mut server = match peers.server("rpcx", &["server"]).await {
        Ok(server) => server,
        Err(why) => return table.note(way, "start", Err(why)),
    };
    let with = |change: fn(&mut RpcxConfig)| {
        let mut config = RpcxConfig::default();
        change(&mut config);
        RpcxClient::new(config)
    };
    let arith = calls(&server.endpoint, RpcxClient::default()).1;
    let proto = calls(&server.endpoint, with(|config| config.serialize = Serializer::Protobuf)).1;
    let json = calls(&server.endpoint, with(|config| config.serialize = Serializer::Json)).1;
    let gzip = calls(&server.endpoint, with(|config| config.compress_above = Some(0))).1;
    let beating = calls(
        &server.endpoint,
        with(|config| {
            (config.heartbeat_idle, config.heartbeat_timeout) = (Duration::from_millis(50), Duration::from_secs(5));
            config.serialize = Serializer::Protobuf;
        }),
    )
    .1;

    table.note(way, "unary", mul(&arith).await);
    table.note(way, "unary, JSON", mul(&json).await);
    table.note(way, "unary, protobuf", equal(proto.wait(&Context::new(), 7).await, 7));
    table.note(way, "errors", errors(&arith, "rpcx: can't find service Nobody", &server, RpcxClient::default()).await);
    table.note(way, "deadlines", deadlines(&arith, &proto).await);
    table.note(way, "metadata", metadata(&arith).await);
    table.note(way, "one-way", one_way(&arith, &server, RpcxClient::default()).await);
    table.note(way, "nil and zero values", values(&arith).await);
    table.note(way, "4 MiB − 1 KiB, and over the limit", long(&arith).await);
    table.note(way, "gzip", same(&gzip, Everything { bytes: b"la ".repeat(100_000), ..zero() }).await);
    table.note(way, "1,000 concurrent calls", thousand(&arith).await);
    table.note(way, "heartbeats", heartbeats(&beating, Duration::from_secs(1)).await);
    table.note(way, "a silent connection that calls late", late(&arith, peers.silence).await);
    table.note(way, "a token, and a wrong one", token(&arith, "__auth").await);
    table.note(way, "peer killed in mid-call", killed(&proto, &mut server).await);
}

pub(crate) async fn gorpc(peers: &Peers, table: &mut Table, serialize: Serialize, codec: &str) {
    let way = &format!("Motet → go-rpc, {codec}");
    let mut server = match peers.server("gorpc", &[codec, "server"]).await {
        Ok(server) => server,
        Err(why) => return table.note(way, "start", Err(why)),
    };
    let protocol = || GoRpcClient::new(config(serialize));
    let arith = calls(&server.endpoint, protocol()).1;
    let mut beats = config(serialize);
    (beats.heartbeat_idle, beats.heartbeat_timeout) = (Duration::from_millis(50), Duration::from_secs(5));
    let beating = calls(&server.endpoint, GoRpcClient::new(beats)).1;

    table.note(way, "unary", mul(&arith).await);
    let json_server = (serialize == Serialize::Json).then_some(&server);
    let errors = match json_server {
        Some(server) => errors(&arith, "can not find service", server, protocol()).await,
        None => divide(&arith).await,
    };
    table.note(way, "errors", errors);
    table.note(way, "metadata", trace(&arith).await);
    if let Some(server) = json_server {
        table.note(way, "one-way", one_way(&arith, server, protocol()).await);
    } else {
        table.note(way, "nil and zero values", values(&arith).await);
        table.note(way, "4 MiB − 1 KiB, and over the limit", long(&arith).await);
    }
    table.note(way, "1,000 concurrent calls", thousand(&arith).await);
    table.note(way, "heartbeats, and a call of 30 s", heartbeats(&beating, PATIENCE).await);
    table.note(way, "a silent connection that calls late", late(&arith, peers.silence).await);
    table.note(way, "a token, and a wrong one", token(&arith, "rpc_auth").await);
    table.note(way, "peer killed in mid-call", killed(&arith, &mut server).await);
}

fn told<T>(result: Result<T>) -> Result<T, String> {
    result.map_err(|status| status.to_string())
}

fn equal<T: PartialEq + Debug>(result: Result<T>, expected: T) -> Outcome {
    match told(result)? {
        value if value == expected => Ok(()),
        value => Err(format!("{value:?} is not {expected:?}")),
    }
}

fn refused<T>(result: Result<T>, what: (Code, Executed), text: &str) -> Outcome {
    let Err(status) = result else { return Err("it was answered".to_owned()) };
    match (status.code(), status.executed()) == what && status.message().contains(text) {
        true => Ok(()),
        false => Err(format!("{status} {:?} is not {what:?} {text}", status.executed())),
    }
}

async fn mul(arith: &ArithClient) -> Outcome {
    equal(arith.mul(&Context::new(), Pair { a: 10, b: 20 }).await.map(|product| product.c), 200)
}

async fn same(arith: &ArithClient, value: Everything) -> Outcome {
    match told(arith.same(&Context::new(), value.clone()).await)? == value {
        true => Ok(()),
        false => Err("another value came back".to_owned()),
    }
}

async fn divide(arith: &ArithClient) -> Outcome {
    let answer = arith.div(&Context::new(), Pair { a: 1, b: 0 }).await;
    refused(answer, (Code::Unknown, Executed::Unknown), "divide by zero")?;
    mul(arith).await
}

async fn errors(arith: &ArithClient, nobody: &str, server: &GoServer, protocol: impl ClientProtocol) -> Outcome {
    divide(arith).await?;
    let to = to(server, protocol);
    let answer = to.service("Nobody").call_json(&Context::new(), "Mul", r#"{"A":1,"B":2}"#).await;
    refused(answer, (Code::Unimplemented, Executed::No), nobody)?;
    let answer = to.service("Arith").call_json(&Context::new(), "Mod", r#"{"A":1,"B":2}"#).await;
    refused(answer, (Code::Unimplemented, Executed::No), "find method")?;
    mul(arith).await
}

fn to(server: &GoServer, protocol: impl ClientProtocol) -> Client {
    let name = protocol.name().to_owned();
    let (client, _) = calls(&server.endpoint, protocol);
    client.to(format!("{name}://{}", server.endpoint.address)).expect("an address")
}

async fn deadlines(arith: &ArithClient, proto: &ArithClient) -> Outcome {
    let about = told(arith.about(&Context::new().with_timeout(Duration::from_secs(5))).await)?;
    match about.remaining_ms {
        Some(1000..=5000) => {}
        other => return Err(format!("the deadline came as {other:?}")),
    }
    let short = Context::new().with_timeout(Duration::from_millis(100));
    refused(proto.wait(&short, 2_000).await, (Code::DeadlineExceeded, Executed::Unknown), "limit")
}

async fn trace(arith: &ArithClient) -> Outcome {
    let cx = told(Context::new().with_metadata("trace", "t1"))?;
    equal(arith.about(&cx).await.map(|about| about.trace), "t1".to_owned())
}

async fn metadata(arith: &ArithClient) -> Outcome {
    let (cx, seen) = told(Context::new().with_metadata("trace", "t1"))?.capture();
    equal(arith.about(&cx).await.map(|about| about.trace), "t1".to_owned())?;
    let answered = seen.initial().and_then(|metadata| metadata.get("seen-by").map(str::to_owned));
    equal(Ok(answered), Some("calculator".to_owned()))
}

async fn one_way(arith: &ArithClient, server: &GoServer, protocol: impl ClientProtocol) -> Outcome {
    told(arith.one_way().note(&Context::new(), "from-motet".to_owned()).await)?;
    let to = to(server, protocol);
    let begun = Instant::now();
    loop {
        let notes = told(to.service("Arith").call_json(&Context::new(), "Notes", "{}").await)?;
        let text = notes["text"].as_str().or(notes["Text"].as_str()).unwrap_or_default();
        if text.contains("from-motet") {
            return Ok(());
        }
        if begun.elapsed() > LONG {
            return Err(format!("it did not run: {notes}"));
        }
        sleep(Duration::from_millis(20)).await;
    }
}

async fn values(arith: &ArithClient) -> Outcome {
    same(arith, everything()).await?;
    same(arith, zero()).await?;
    told(arith.nothing(&Context::new()).await)
}

async fn long(arith: &ArithClient) -> Outcome {
    same(arith, Everything { text: "x".repeat(LONGEST), ..zero() }).await?;
    let over = Everything { text: "x".repeat((4 << 20) + 1), ..zero() };
    let answer = arith.same(&Context::new(), over).await;
    refused(answer, (Code::ResourceExhausted, Executed::No), "longer than the limit")?;
    mul(arith).await
}

async fn thousand(arith: &ArithClient) -> Outcome {
    let call = |number: i64| {
        let arith = arith.clone();
        tokio::spawn(async move {
            let reply = arith.mul(&Context::new().with_timeout(LONG), Pair { a: number, b: 3 }).await;
            equal(reply.map(|product| product.c), number * 3)
        })
    };
    let running: Vec<_> = (0..1000).map(call).collect();
    for call in running {
        call.await.map_err(|error| error.to_string())??;
    }
    Ok(())
}

/// With a heartbeat every 50 ms: while a call runs, and while none does.
async fn heartbeats(arith: &ArithClient, patience: Duration) -> Outcome {
    for millis in [patience.as_millis() as u64, 0] {
        equal(arith.wait(&Context::new().with_timeout(LONG), millis).await, millis)?;
        sleep(Duration::from_millis(300)).await;
    }
    Ok(())
}

async fn late(arith: &ArithClient, silence: Duration) -> Outcome {
    sleep(silence).await;
    mul(arith).await
}

async fn token(arith: &ArithClient, key: &str) -> Outcome {
    let good = told(Context::new().with_metadata(key, "hello01"))?;
    equal(arith.mul(&good, Pair { a: 2, b: 3 }).await.map(|product| product.c), 6)?;
    let wrong = told(Context::new().with_metadata(key, "wrong"))?;
    let answer = arith.mul(&wrong, Pair { a: 2, b: 3 }).await;
    refused(answer, (Code::Unauthenticated, Executed::No), "auth failed")?;
    mul(arith).await
}

async fn killed(arith: &ArithClient, server: &mut GoServer) -> Outcome {
    let cx = Context::new().with_timeout(LONG);
    let call = arith.wait(&cx, 50_000);
    let kill = async {
        sleep(Duration::from_millis(300)).await;
        server.kill().await;
    };
    let (answer, ()) = within(PATIENCE, async { tokio::join!(call, kill) }).await?;
    refused(answer, (Code::Unavailable, Executed::Unknown), "")?;
    let answer = arith.mul(&Context::new().with_timeout(Duration::from_secs(2)), Pair { a: 2, b: 3 }).await;
    match answer {
        Err(status) if status.executed() == Executed::No => Ok(()),
        other => Err(format!("after the end: {other:?}")),
    }
}

async fn within<T>(time: Duration, what: impl Future<Output = T>) -> Result<T, String> {
    timeout(time, what).await.map_err(|_| Status::deadline_exceeded("no end of it").to_string())
}
