//! motet/1 between a client and a server, over a transport in memory: every kind of call, and what
//! happens when one side leaves, stalls or lies.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use motet_core::{
    Body, BoxFuture, BoxIo, Call, CallOptions, ClientProtocol, Code, Codec, Codecs, Connecting, Connection,
    ConnectionState, Context, Deadline, Dispatcher, DrainSignal, Endpoint, Entropy, Executed, Incoming, Kind, Limit,
    MemoryTransport, MethodDescriptor, Payload, Reply, Result, ServerProtocol, Service, ServiceDescriptor, Status,
    Streaming, Transport, Transports,
};
use motet_rpc::{NativeClient, NativeConfig, NativeServer, server};
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, time::Instant};

type Answer = BoxFuture<'static, Result<Reply>>;

/// A server on a memory transport, and the means to connect to it.
struct World {
    transport: MemoryTransport,
    signal: Arc<DrainSignal>,
    methods: Vec<Arc<MethodDescriptor>>,
    connections: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Setup {
    server: NativeConfig,
    methods: Vec<MethodDescriptor>,
    handlers: Vec<Arc<dyn motet_core::Handler>>,
}

impl Setup {
    fn method(mut self, kind: Kind, name: &str, f: impl Fn(Call) -> Answer + Send + Sync + 'static) -> Setup {
        self.methods.push(MethodDescriptor::new("test", name).kind(kind));
        self.handlers.push(Arc::new(f));
        self
    }

    async fn start(self) -> World {
        let mut descriptor = ServiceDescriptor::new("test", "1");
        descriptor.methods = self.methods.into_iter().map(Arc::new).collect();
        let methods = descriptor.methods.clone();
        let service = Service::new(descriptor, self.handlers).expect("valid");
        let dispatcher = Dispatcher::new(Codecs::default());
        dispatcher
            .add(service.descriptor(), server::routes(&service, &server::PipelineSettings::default()))
            .expect("free");
        let transport = MemoryTransport::new();
        let listener = transport.listen("server").await.expect("free");
        let (signal, connections) = (Arc::new(DrainSignal::new()), Arc::new(AtomicUsize::new(0)));
        let (serve, drain, count) = (NativeServer::new(self.server), signal.drain(), connections.clone());
        tokio::spawn(async move {
            while let Ok(accepted) = listener.accept().await {
                let by = Instant::now() + Duration::from_secs(10);
                let incoming = Incoming::new(accepted.io, accepted.peer, by, dispatcher.clone(), drain.clone());
                let (serving, count) = (serve.serve(incoming), count.clone());
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    serving.await;
                    count.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        World { transport, signal, methods, connections }
    }
}

impl World {
    async fn connect(&self) -> Arc<dyn Connection> {
        self.connect_with(NativeConfig::default()).await
    }

    async fn connect_with(&self, config: NativeConfig) -> Arc<dyn Connection> {
        let transports = Transports::new().with(Arc::new(self.transport.clone()));
        let deadline = Instant::now() + Duration::from_secs(2);
        let connecting = Connecting::new(transports, Codecs::default(), deadline, Entropy::seeded(1));
        NativeClient::new(config).connect(&Endpoint::new("memory", "server"), &connecting).await.expect("connects")
    }

    async fn raw(&self) -> BoxIo {
        self.transport.dial(&Endpoint::new("memory", "server")).await.expect("listening")
    }

    fn call(&self, name: &str, body: Body) -> Call {
        let method = self.methods.iter().find(|m| m.name == name).expect("declared").clone();
        Call::new(method, Context::new(), body, Codec::RAW, Arc::new(CallOptions::default()))
    }

    fn one(&self, name: &str, body: &str) -> Call {
        self.call(name, Body::One(raw(body.to_owned())))
    }
}

fn raw(bytes: impl Into<Bytes>) -> Payload {
    Payload::encoded(bytes, Codec::RAW)
}

fn text(payload: &Payload) -> String {
    String::from_utf8(payload.bytes().expect("encoded").to_vec()).expect("text")
}

async fn texts(stream: Streaming<Payload>) -> Result<Vec<String>> {
    Ok(stream.collect().await?.iter().map(text).collect())
}

fn echo(call: Call) -> Answer {
    Box::pin(async move { Ok(Reply::new(Body::One(call.body.one()?))) })
}

fn shout(call: Call) -> Answer {
    Box::pin(async move { Ok(Reply::stream(call.body.stream().map(|message| Ok(raw(text(&message).to_uppercase()))))) })
}

fn hang(_: Call) -> Answer {
    Box::pin(std::future::pending())
}

fn deadline(after: Duration) -> Option<Deadline> {
    Some(Deadline::after(after, Limit::Caller))
}

async fn until(what: &str, check: impl Fn() -> bool) {
    for _ in 0..2000 {
        if check() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came to this: {what}");
}

/// Counts what is alive of it.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Alive {
        count.fetch_add(1, Ordering::SeqCst);
        Alive(count.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_unary_call_is_answered() {
    let world = Setup::default().method(Kind::Unary, "echo", echo).start().await;
    let connection = world.connect().await;
    let reply = connection.call(world.one("echo", "hi")).await.expect("answered");
    assert_eq!(text(&reply.body.one().expect("one")), "hi");
    assert_eq!((connection.state(), connection.in_flight()), (ConnectionState::Open, 0));
}

#[tokio::test]
async fn a_thousand_calls_share_a_connection() {
    let world = Setup::default()
        .method(Kind::Unary, "echo", |call| {
            Box::pin(async move {
                tokio::task::yield_now().await;
                echo(call).await
            })
        })
        .start()
        .await;
    let connection = world.connect().await;
    let calls: Vec<_> = (0..1000)
        .map(|n| tokio::spawn(connection.call(world.one("echo", &format!("{n}").repeat(n % 50 + 1)))))
        .collect();
    for (n, call) in calls.into_iter().enumerate() {
        let reply = call.await.expect("no panic").expect("answered");
        assert_eq!(text(&reply.body.one().expect("one")), format!("{n}").repeat(n % 50 + 1));
    }
    assert_eq!(world.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn messages_of_any_size_cross_both_ways() {
    let world = Setup::default().method(Kind::Unary, "echo", echo).start().await;
    for compress_above in [None, Some(100)] {
        let mut config = NativeConfig::default();
        config.compress_above = compress_above;
        let connection = world.connect_with(config).await;
        for size in [0, 1, 127, 128, 65_535, 65_536, 65_537, 300_000, 4 << 20] {
            let body: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
            let reply = connection.call(world.call("echo", Body::One(raw(body.clone())))).await.expect("answered");
            assert!(reply.body.one().expect("one").bytes().expect("encoded") == body, "{size}");
        }
    }
}

#[tokio::test]
async fn a_message_over_the_limit_fails_alone() {
    let world = Setup::default().method(Kind::Unary, "echo", echo).start().await;
    let connection = world.connect().await;
    let error =
        connection.call(world.call("echo", Body::One(raw(vec![0; (4 << 20) + 1])))).await.expect_err("too long");
    assert_eq!((error.code(), error.executed()), (Code::ResourceExhausted, Executed::No));
    assert!(connection.call(world.one("echo", "fine")).await.is_ok());
}

#[tokio::test]
async fn streams_of_all_kinds_cross() {
    let world = Setup::default()
        .method(Kind::ServerStream, "count", |_| {
            Box::pin(async { Ok(Reply::stream(Streaming::from_iter((0..500).map(|n| raw(n.to_string()))))) })
        })
        .method(Kind::ClientStream, "join", |call| {
            Box::pin(async move { Ok(Reply::one(raw(texts(call.body.stream()).await?.join(",")))) })
        })
        .method(Kind::Bidi, "shout", shout)
        .start()
        .await;
    let connection = world.connect().await;
    let reply = connection.call(world.one("count", "")).await.expect("answered");
    let all = texts(reply.body.stream()).await.expect("to the end");
    assert_eq!((all.len(), all[499].as_str()), (500, "499"));
    let parts = Streaming::from_iter((0..300).map(|n| raw(n.to_string())));
    let reply = connection.call(world.call("join", Body::Stream(parts))).await.expect("answered");
    assert!(text(&reply.body.one().expect("one")).ends_with(",298,299"));
    let (sender, lines) = Streaming::channel(1);
    let mut replies = connection.call(world.call("shout", Body::Stream(lines))).await.expect("open").body.stream();
    for line in ["a", "b"] {
        sender.send(Ok(raw(line))).await.expect("read");
        assert_eq!(text(&replies.next().await.expect("one").expect("ok")), line.to_uppercase());
    }
    drop(sender);
    assert!(replies.next().await.is_none());
    until("all calls are over", || connection.in_flight() == 0).await;
}

#[tokio::test]
async fn a_reply_stream_s_head_does_not_wait_for_its_first_message() {
    let world = Setup::default()
        .method(Kind::ServerStream, "later", |_| {
            Box::pin(async {
                let (sender, stream) = Streaming::channel(1);
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    sender.send(Ok(raw("late"))).await
                });
                Ok(Reply::stream(stream))
            })
        })
        .start()
        .await;
    let connection = world.connect().await;
    let started = Instant::now();
    let reply = connection.call(world.one("later", "")).await.expect("a head");
    assert!(started.elapsed() < Duration::from_millis(150), "{:?}", started.elapsed());
    assert_eq!(texts(reply.body.stream()).await.expect("to the end"), ["late"]);
}

#[tokio::test]
async fn an_error_at_the_head_an_error_midway_and_trailing_metadata() {
    let world = Setup::default()
        .method(Kind::ServerStream, "head", |_| Box::pin(async { Err(Status::not_found("nothing here")) }))
        .method(Kind::ServerStream, "midway", |call| {
            Box::pin(async move {
                call.cx.reply().add_initial("first", "1")?;
                call.cx.reply().add_trailing("last", "2")?;
                let items = [Ok(raw("one")), Err(Status::data_loss("torn"))];
                let (sender, stream) = Streaming::channel(2);
                for item in items {
                    let _ = sender.send(item).await;
                }
                Ok(Reply { meta: call.cx.reply(), ..Reply::stream(stream) })
            })
        })
        .start()
        .await;
    let connection = world.connect().await;
    let error = connection.call(world.one("head", "")).await.expect_err("at the head");
    assert_eq!(error.code(), Code::NotFound);
    let reply = connection.call(world.one("midway", "")).await.expect("a head");
    assert_eq!(reply.meta.initial().and_then(|m| m.get("first").map(str::to_owned)).as_deref(), Some("1"));
    let mut stream = reply.body.stream();
    assert_eq!(text(&stream.next().await.expect("one").expect("ok")), "one");
    assert_eq!(stream.next().await.expect("an end").expect_err("torn").code(), Code::DataLoss);
    assert!(stream.next().await.is_none());
    let trailing = reply.meta.trailing().expect("trailing");
    assert_eq!(trailing.get("last"), Some("2"));
}

#[tokio::test]
async fn the_server_drops_the_handler_when_the_deadline_passes() {
    let alive = Arc::new(AtomicUsize::new(0));
    let inside = alive.clone();
    let world = Setup::default()
        .method(Kind::Unary, "hang", move |call| {
            let here = Alive::new(&inside);
            Box::pin(async move {
                let _here = here;
                hang(call).await
            })
        })
        .start()
        .await;
    let connection = world.connect().await;
    let mut call = world.one("hang", "");
    call.deadline = deadline(Duration::from_millis(50));
    let error = connection.call(call).await.expect_err("late");
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert!(error.message().contains("test/hang"), "{error}");
    until("the handler is gone", || alive.load(Ordering::SeqCst) == 0).await;
}

#[tokio::test]
async fn a_deadline_that_has_passed_sends_nothing() {
    let world = Setup::default().method(Kind::Unary, "echo", echo).start().await;
    let connection = world.connect().await;
    let mut call = world.one("echo", "");
    call.deadline = deadline(Duration::ZERO);
    let error = connection.call(call).await.expect_err("late");
    assert_eq!((error.code(), error.executed()), (Code::DeadlineExceeded, Executed::No));
}

#[tokio::test]
async fn dropping_a_call_or_its_stream_or_the_connection_drops_the_handler() {
    let alive = Arc::new(AtomicUsize::new(0));
    let (inside, streaming) = (alive.clone(), alive.clone());
    let world = Setup::default()
        .method(Kind::Unary, "hang", move |call| {
            let here = Alive::new(&inside);
            Box::pin(async move {
                let _here = here;
                hang(call).await
            })
        })
        .method(Kind::ServerStream, "ticks", move |_| {
            let here = Alive::new(&streaming);
            Box::pin(async move {
                Ok(Reply::stream(Streaming::from_iter(std::iter::repeat_with(|| raw("tick"))).map(move |item| {
                    let _here = &here;
                    Ok(item)
                })))
            })
        })
        .start()
        .await;
    let connection = world.connect().await;
    let call = tokio::spawn(connection.call(world.one("hang", "")));
    until("it runs", || alive.load(Ordering::SeqCst) == 1).await;
    call.abort();
    until("the call's handler is gone", || alive.load(Ordering::SeqCst) == 0).await;
    let mut ticks = connection.call(world.one("ticks", "")).await.expect("a head").body.stream();
    assert!(ticks.next().await.is_some());
    assert_eq!(alive.load(Ordering::SeqCst), 1);
    drop(ticks);
    until("the stream's handler is gone", || alive.load(Ordering::SeqCst) == 0).await;
    let call = tokio::spawn(connection.call(world.one("hang", "")));
    until("it runs", || alive.load(Ordering::SeqCst) == 1).await;
    let mut other = world.raw().await;
    other.write_all(&[0xAB, 0xBA, 1]).await.expect("open");
    drop((call.abort(), connection));
    until("the connection's handlers are gone", || alive.load(Ordering::SeqCst) == 0).await;
}

/// A stream that always has a message never waits: nothing but its end can stop it while it runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_streams_end_with_their_call_while_they_run() {
    let alive = Arc::new(AtomicUsize::new(0));
    let endless = |alive: &Arc<AtomicUsize>| {
        let here = Alive::new(alive);
        Streaming::from_iter(std::iter::repeat_with(|| raw("tick"))).map(move |item| {
            let _here = &here;
            Ok(item)
        })
    };
    let streaming = alive.clone();
    let world = Setup::default()
        .method(Kind::ServerStream, "ticks", move |_| {
            let stream = endless(&streaming);
            Box::pin(async move { Ok(Reply::stream(stream)) })
        })
        .method(Kind::ClientStream, "some", |call| {
            Box::pin(async move {
                let mut requests = call.body.stream();
                for _ in 0..100 {
                    requests.next().await;
                }
                Ok(Reply::one(raw("enough")))
            })
        })
        .start()
        .await;
    for round in 0..50 {
        let connection = world.connect().await;
        let mut ticks = connection.call(world.one("ticks", "")).await.expect("a head").body.stream();
        for _ in 0..round * 20 {
            assert!(ticks.next().await.is_some());
        }
        let requests = Body::Stream(endless(&alive));
        assert!(connection.call(world.call("some", requests)).await.is_ok());
        if round % 2 == 0 {
            drop(ticks);
        } else {
            drop(connection);
        }
    }
    until("all streams are gone", || alive.load(Ordering::SeqCst) == 0).await;
}

#[tokio::test]
async fn a_slow_reader_of_one_stream_holds_up_nobody_else() {
    let world = Setup::default()
        .method(Kind::ServerStream, "flood", |_| {
            Box::pin(async { Ok(Reply::stream(Streaming::from_iter((0..100_000).map(|_| raw(vec![b'x'; 1000]))))) })
        })
        .method(Kind::Unary, "echo", echo)
        .start()
        .await;
    let connection = world.connect().await;
    let _unread: Vec<Reply> = {
        let mut all = Vec::new();
        for _ in 0..8 {
            all.push(connection.call(world.one("flood", "")).await.expect("a head"));
        }
        all
    };
    for _ in 0..100 {
        connection.call(world.one("echo", "x")).await.expect("answered");
    }
}

#[tokio::test]
async fn an_error_in_the_request_stream_fails_the_call_and_cancels_the_handler() {
    let world = Setup::default()
        .method(Kind::ClientStream, "join", |call| {
            Box::pin(async move { Ok(Reply::one(raw(texts(call.body.stream()).await?.join(",")))) })
        })
        .start()
        .await;
    let connection = world.connect().await;
    let (sender, parts) = Streaming::channel(2);
    sender.send(Ok(raw("a"))).await.expect("room");
    sender.send(Err(Status::aborted("disk full"))).await.expect("room");
    let error = connection.call(world.call("join", Body::Stream(parts))).await.expect_err("failed");
    assert_eq!((error.code(), error.message()), (Code::Aborted, "disk full"));
}

#[tokio::test]
async fn a_client_stream_may_be_answered_early() {
    let world = Setup::default()
        .method(Kind::ClientStream, "first", |call| {
            Box::pin(async move {
                let mut parts = call.body.stream();
                let first = parts.next().await.ok_or_else(|| Status::invalid_argument("empty"))??;
                Ok(Reply::one(first))
            })
        })
        .start()
        .await;
    let connection = world.connect().await;
    let endless = Streaming::from_iter(std::iter::repeat_with(|| raw("again")));
    let reply = connection.call(world.call("first", Body::Stream(endless))).await.expect("answered");
    assert_eq!(text(&reply.body.one().expect("one")), "again");
    until("the call is over", || connection.in_flight() == 0).await;
}

#[tokio::test]
async fn a_one_way_call_returns_once_it_is_written_and_runs_on_without_its_caller() {
    let ran = Arc::new(AtomicUsize::new(0));
    let count = ran.clone();
    let world = Setup::default()
        .method(Kind::Unary, "note", move |_| {
            let count = count.clone();
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                count.fetch_add(1, Ordering::SeqCst);
                Ok(Reply::one(raw("")))
            })
        })
        .start()
        .await;
    let connection = world.connect().await;
    let mut call = world.one("note", "x");
    call.one_way = true;
    connection.call(call).await.expect("written");
    assert_eq!(ran.load(Ordering::SeqCst), 0);
    drop(connection);
    until("it ran", || ran.load(Ordering::SeqCst) == 1).await;
    world.signal.start();
    world.signal.idle().await;
}

#[tokio::test]
async fn what_is_not_served_is_refused_as_not_executed() {
    let world = Setup::default().method(Kind::Unary, "echo", echo).start().await;
    let connection = world.connect().await;
    let unknown = Arc::new(MethodDescriptor::new("test", "missing"));
    for _ in 0..2 {
        let body = Body::One(raw(""));
        let call = Call::new(unknown.clone(), Context::new(), body, Codec::RAW, Arc::default());
        let error = connection.call(call).await.expect_err("unknown");
        assert_eq!((error.code(), error.executed()), (Code::Unimplemented, Executed::No));
    }
    let xml = Payload::encoded("<x/>", Codec::custom(Xml));
    let error = connection.call(world.call("echo", Body::One(xml))).await.expect_err("unknown codec");
    assert!(error.message().contains("application/json"), "{error}");
}

struct Xml;

impl motet_core::Encoding for Xml {
    fn content_type(&self) -> &str {
        "text/xml"
    }

    fn encode(&self, _: motet_core::Encode<'_>, _: &mut bytes::BytesMut) -> Result<()> {
        Err(Status::internal("not needed"))
    }

    fn decode(&self, _: &[u8], _: motet_core::Decode<'_>) -> Result<()> {
        Err(Status::internal("not needed"))
    }
}

#[tokio::test]
async fn a_drain_finishes_what_runs_and_refuses_the_rest() {
    let world = Setup::default()
        .method(Kind::Unary, "slow", |call| {
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                echo(call).await
            })
        })
        .start()
        .await;
    let connection = world.connect().await;
    let running = tokio::spawn(connection.call(world.one("slow", "in time")));
    until("it runs", || connection.in_flight() == 1).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    world.signal.start();
    until("the client knows", || connection.state() == ConnectionState::Draining).await;
    let error = connection.call(world.one("slow", "too late")).await.expect_err("refused");
    assert_eq!((error.code(), error.executed()), (Code::Unavailable, Executed::No));
    let reply = running.await.expect("no panic").expect("finished");
    assert_eq!(text(&reply.body.one().expect("one")), "in time");
    until("the connection is closed", || connection.state() == ConnectionState::Closed).await;
}

#[tokio::test]
async fn a_closed_connection_finishes_its_calls_and_takes_no_more() {
    let world = Setup::default()
        .method(Kind::Unary, "slow", |call| {
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                echo(call).await
            })
        })
        .start()
        .await;
    let connection = world.connect().await;
    let running = tokio::spawn(connection.call(world.one("slow", "x")));
    until("it runs", || connection.in_flight() == 1).await;
    connection.close();
    assert!(connection.call(world.one("slow", "y")).await.is_err());
    running.await.expect("no panic").expect("finished");
    until("the server let go", || world.connections.load(Ordering::SeqCst) == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_suspect_within_two_seconds_and_given_up_later() {
    let world = Setup::default().method(Kind::Unary, "echo", echo).start().await;
    let silent = MemoryTransport::new();
    let listener = silent.listen("server").await.expect("free");
    let world = World { transport: silent, ..world };
    let connection = world.connect().await;
    let io = listener.accept().await.expect("dialled");
    let call = tokio::spawn(connection.call(world.one("echo", "anyone?")));
    tokio::time::sleep(Duration::from_millis(1400)).await;
    assert_eq!(connection.state(), ConnectionState::Open);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(connection.state(), ConnectionState::Suspect);
    let error = call.await.expect("no panic").expect_err("given up");
    assert_eq!((error.code(), error.executed()), (Code::Unavailable, Executed::Unknown));
    drop(io);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_never_greets_is_closed_at_the_head_limit() {
    let world = Setup::default().method(Kind::Unary, "echo", echo).start().await;
    let mut io = world.raw().await;
    io.write_all(&[0xAB, 0xBA]).await.expect("open");
    let started = Instant::now();
    let mut rest = Vec::new();
    io.read_to_end(&mut rest).await.expect("closed in order");
    assert!(started.elapsed() <= Duration::from_secs(11), "{:?}", started.elapsed());
    assert!(String::from_utf8_lossy(&rest).contains("did not come in time"));
}

#[tokio::test]
async fn a_protocol_error_closes_with_a_reason_and_others_go_on() {
    let world = Setup::default().method(Kind::Unary, "echo", echo).start().await;
    let connection = world.connect().await;
    let mut hostile = world.raw().await;
    hostile.write_all(&[0xAB, 0xBA, 1, 0xff, 0xff, 0xff, 0x01]).await.expect("open");
    let mut rest = Vec::new();
    hostile.read_to_end(&mut rest).await.expect("closed in order");
    assert!(String::from_utf8_lossy(&rest).contains("longer than 98304 bytes"));
    assert!(connection.call(world.one("echo", "x")).await.is_ok());
}

#[tokio::test]
async fn an_unknown_version_is_told_which_one_is_spoken() {
    let world = Setup::default().method(Kind::Unary, "echo", echo).start().await;
    let mut newer = world.raw().await;
    newer.write_all(&[0xAB, 0xBA, 2]).await.expect("open");
    let mut rest = Vec::new();
    newer.read_to_end(&mut rest).await.expect("closed in order");
    assert!(String::from_utf8_lossy(&rest).contains("version 1 is spoken here"));
}

#[tokio::test]
async fn a_panic_in_a_handler_is_its_call_s_alone() {
    let world = Setup::default()
        .method(Kind::Unary, "panic", |_| Box::pin(async { panic!("secret of the house") }))
        .method(Kind::Unary, "echo", echo)
        .start()
        .await;
    let connection = world.connect().await;
    let error = connection.call(world.one("panic", "")).await.expect_err("panicked");
    assert_eq!(error.code(), Code::Internal);
    assert!(!error.to_string().contains("secret"), "{error}");
    assert!(connection.call(world.one("echo", "x")).await.is_ok());
}

#[test]
fn the_recogniser_needs_three_bytes_and_leaves_version_0_to_others() {
    use motet_core::Recognition::{NeedMore, No, Yes};
    let server = NativeServer::default();
    let cases: [(&[u8], _); 8] = [
        (&[], NeedMore(3)),
        (&[0xAB], NeedMore(3)),
        (&[0xAB, 0xBA], NeedMore(3)),
        (&[0xAB, 0xBA, 0], No),
        (&[0xAB, 0xBA, 1], Yes),
        (&[0xAB, 0xBA, 9, 9], Yes),
        (&[0xAB, 0xBB], No),
        (b"G", No),
    ];
    for (bytes, expected) in cases {
        assert_eq!(server.recognise(bytes, false), expected, "{bytes:?}");
    }
}
