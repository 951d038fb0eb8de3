//! A Motet client calls services of go-micro.

use std::{fmt::Debug, sync::Arc, time::Duration};

use motet::{
    CallOptions, Client, ClientConfig, Code, Codec, Context, Executed, Result, Status, Streaming, TcpTransport,
    grpc::GrpcClient,
};
use motet_protocol_mucp::{ContentType, MucpClient, MucpConfig};
use tokio::time::{sleep, timeout};

use crate::{
    greeter::{CallRequest, Count, Everything, GreetError, Greeter, GreeterClient, LONG, Stroke},
    peer::{GoServer, Peers},
    table::Table,
};

type Outcome = Result<(), String>;

/// A client of one flavour, writing JSON or protobuf.
fn client(server: &GoServer, flavour: &str, content_type: ContentType) -> (Client, GreeterClient) {
    let mut config = ClientConfig::default();
    config.timeout = LONG;
    let builder = Client::builder().config(config).transport(Arc::new(TcpTransport::new()));
    let client = match flavour {
        "grpc" => builder.protocol(Arc::new(GrpcClient::default())).build(),
        _ => {
            let mut config = MucpConfig::default();
            config.content_type = content_type;
            builder.protocol(Arc::new(MucpClient::new(config))).build()
        }
    };
    let to = client.to(format!("{flavour}://{}", server.endpoint.address)).expect("an address");
    let mut options = CallOptions::default();
    options.codec = Some(if content_type == ContentType::Json { Codec::JSON } else { Codec::PROTOBUF });
    let greeter = GreeterClient::new(to.clone());
    // Over mucp the client's settings say it.
    (to, if flavour == "grpc" { greeter.with_options(options) } else { greeter })
}

pub(crate) async fn all(peers: &Peers, table: &mut Table, program: &str, flavour: &str, name: &str) {
    let way = &format!("Motet → {name}");
    let mut server = match peers.server(program, &[flavour, "server"]).await {
        Ok(server) => server,
        Err(why) => return table.note(way, "start", Err(why)),
    };
    let (any, json) = client(&server, flavour, ContentType::Json);
    let (_, proto) = client(&server, flavour, ContentType::Protobuf);
    let mucp = flavour == "mucp";

    table.note(way, "unary", hello(&json).await);
    table.note(way, "unary, protobuf", equal(proto.wait(&Context::new(), 7).await, 7));
    if mucp {
        let (_, json_rpc) = client(&server, flavour, ContentType::JsonRpc);
        let (_, proto_rpc) = client(&server, flavour, ContentType::ProtoRpc);
        let both = async {
            hello(&json_rpc).await?;
            equal(proto_rpc.wait(&Context::new(), 7).await, 7)
        };
        table.note(way, "unary, in the envelopes of old versions", both.await);
    }
    table.note(way, "errors", errors(&json, &any, mucp).await);
    table.note(way, "deadlines", deadlines(&json, &proto).await);
    table.note(way, "metadata", metadata(&json).await);
    table.note(way, "one-way", one_way(&json).await);
    table.note(way, "nil and zero values", values(&json).await);
    table.note(way, "empty bodies", equal(proto.wait(&Context::new(), 0).await, 0));
    table.note(way, "4 MiB − 1 KiB, and over the limit", long(&json).await);
    table.note(way, "1,000 concurrent calls", thousand(&json).await);
    table.note(way, "client stream → count", client_stream(&json).await);
    table.note(way, "server stream → 0..n-1", server_stream(&json).await);
    table.note(way, "bidi → echo", bidi(&json).await);
    table.note(way, "an error ends a stream", stream_error(&json).await);
    table.note(way, "a silent connection that calls late", late(&json, peers.silence).await);
    table.note(way, "peer killed in mid-call", killed(&proto, &mut server).await);
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

fn refused<T>(result: Result<T>, code: Code, executed: Option<Executed>, text: &str) -> Outcome {
    let Err(status) = result else { return Err("it was answered".to_owned()) };
    let as_told = executed.is_none_or(|executed| status.executed() == executed);
    match status.code() == code && as_told && status.message().contains(text) {
        true => Ok(()),
        false => Err(format!("{status} {:?} is not {code} {executed:?} {text}", status.executed())),
    }
}

async fn hello(greeter: &GreeterClient) -> Outcome {
    let answer = greeter.call(&Context::new(), CallRequest { name: "李白".to_owned() }).await;
    equal(answer.map(|answer| answer.msg), "Hello 李白".to_owned())
}

async fn errors(greeter: &GreeterClient, any: &Client, mucp: bool) -> Outcome {
    let Err(GreetError::Other(status)) = greeter.find(&Context::new(), "Ada".to_owned()).await else {
        return Err("it was answered, or in a way that go-micro has not".to_owned());
    };
    if status.reason() != Some("GreetError.Nobody") {
        return Err(format!("the reason is {:?}", status.reason()));
    }
    refused(Err::<(), _>(status), Code::NotFound, None, "nobody is called Ada")?;
    for (code, expected) in [(403, Code::PermissionDenied), (409, Code::AlreadyExists), (500, Code::Internal)] {
        refused(greeter.fail(&Context::new(), code).await, expected, None, "as asked")?;
    }
    refused(greeter.fail(&Context::new(), 0).await, Code::Unknown, None, "as asked")?;
    let texts = match mucp {
        true => ["rpc: can't find service nobody", "rpc: can't find method Bye"],
        false => ["unknown service", "unknown service"],
    };
    let answer = any.service("nobody").call_json(&Context::new(), "Call", "{}").await;
    refused(answer, Code::Unimplemented, mucp.then_some(Executed::No), texts[0])?;
    let answer = any.service("Greeter").call_json(&Context::new(), "Bye", "{}").await;
    refused(answer, Code::Unimplemented, mucp.then_some(Executed::No), texts[1])?;
    hello(greeter).await
}

async fn deadlines(json: &GreeterClient, proto: &GreeterClient) -> Outcome {
    let about = told(json.about(&Context::new().with_timeout(Duration::from_secs(5))).await)?;
    match about.remaining_ms {
        Some(1000..=5000) => {}
        other => return Err(format!("the deadline came as {other:?}")),
    }
    let short = Context::new().with_timeout(Duration::from_millis(100));
    refused(proto.wait(&short, 2_000).await, Code::DeadlineExceeded, None, "limit")
}

async fn metadata(greeter: &GreeterClient) -> Outcome {
    let cx = told(Context::new().with_metadata("trace", "t1"))?;
    equal(greeter.meta(&cx, "Trace".to_owned()).await, "t1".to_owned())
}

async fn one_way(greeter: &GreeterClient) -> Outcome {
    for _ in 0..10 {
        told(greeter.one_way().fail(&Context::new(), 404).await)?;
    }
    hello(greeter).await
}

fn everything() -> Everything {
    Everything {
        yes: true,
        small: -1,
        least: i64::MIN,
        most: u64::MAX,
        half: 0.5,
        text: "李白 你好".to_owned(),
        list: vec![1, -2, 3],
        maybe: Some(String::new()),
    }
}

async fn values(greeter: &GreeterClient) -> Outcome {
    for value in [everything(), Everything::default()] {
        equal(greeter.same(&Context::new(), value.clone()).await, value)?;
    }
    Ok(())
}

async fn long(greeter: &GreeterClient) -> Outcome {
    let long = |length| Everything { text: "x".repeat(length), ..Everything::default() };
    let longest = long((4 << 20) - 2048);
    match told(greeter.same(&Context::new(), longest.clone()).await)? == longest {
        true => {}
        false => return Err("another value came back".to_owned()),
    }
    let answer = greeter.same(&Context::new(), long((4 << 20) + 1)).await;
    refused(answer, Code::ResourceExhausted, Some(Executed::No), "")?;
    hello(greeter).await
}

async fn thousand(greeter: &GreeterClient) -> Outcome {
    let call = |number: usize| {
        let greeter = greeter.clone();
        tokio::spawn(async move {
            let cx = Context::new().with_timeout(LONG);
            let answer = greeter.call(&cx, CallRequest { name: number.to_string() }).await;
            equal(answer.map(|answer| answer.msg), format!("Hello {number}"))
        })
    };
    let running: Vec<_> = (0..1000).map(call).collect();
    for call in running {
        call.await.map_err(|error| error.to_string())??;
    }
    Ok(())
}

fn strokes(count: i64) -> Streaming<Stroke> {
    Streaming::from_iter((0..count).map(|stroke| Stroke { stroke }))
}

async fn client_stream(greeter: &GreeterClient) -> Outcome {
    for count in [0, 1, 500] {
        equal(within(greeter.client_stream(&Context::new(), strokes(count))).await, Count { count })?;
    }
    Ok(())
}

async fn server_stream(greeter: &GreeterClient) -> Outcome {
    for count in [0, 1, 15] {
        let all = async { greeter.server_stream(&Context::new(), Count { count }).await?.collect().await };
        equal(within(all).await, (0..count).map(|count| Count { count }).collect::<Vec<_>>())?;
    }
    Ok(())
}

async fn bidi(greeter: &GreeterClient) -> Outcome {
    // One by one; the end of the requests is the end of the replies.
    let (sender, strokes) = Streaming::channel(1);
    let mut echo = told(greeter.bidi_stream(&Context::new(), strokes).await)?;
    for stroke in 0..100 {
        sender.send(Ok(Stroke { stroke })).await.map_err(|_| "nobody reads the requests")?;
        let next = within(async { echo.next().await.transpose() });
        equal(next.await, Some(Stroke { stroke }))?;
    }
    drop(sender);
    equal(within(async { echo.next().await.transpose() }).await, None)
}

async fn stream_error(greeter: &GreeterClient) -> Outcome {
    let minus = Streaming::from_iter([Stroke { stroke: -1 }]);
    let all = async { greeter.bidi_stream(&Context::new(), minus).await?.collect().await };
    refused(within(all).await, Code::AlreadyExists, None, "minus one")?;
    hello(greeter).await
}

async fn late(greeter: &GreeterClient, silence: Duration) -> Outcome {
    hello(greeter).await?;
    sleep(silence).await;
    hello(greeter).await
}

async fn killed(greeter: &GreeterClient, server: &mut GoServer) -> Outcome {
    let cx = Context::new().with_timeout(LONG);
    let call = greeter.wait(&cx, 50_000);
    let kill = async {
        sleep(Duration::from_millis(300)).await;
        server.kill().await;
    };
    let answer = within(async { Ok(tokio::join!(call, kill).0) }).await;
    refused(told(answer).map_err(Status::internal).and_then(|answer| answer), Code::Unavailable, None, "")?;
    let cx = Context::new().with_timeout(Duration::from_secs(2));
    match greeter.wait(&cx, 1).await {
        Err(status) if status.executed() == Executed::No => Ok(()),
        other => Err(format!("after the end: {other:?}")),
    }
}

async fn within<T>(what: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(Duration::from_secs(30), what).await.unwrap_or_else(|_| Err(Status::internal("no end of it")))
}
