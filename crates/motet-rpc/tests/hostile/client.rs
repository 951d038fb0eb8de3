//! Servers that attack who calls them.

use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use motet_core::{
    Body, BoxFuture, Call, CallOptions, ClientProtocol, Code, Codec, Codecs, Connecting, Connection, ConnectionState,
    Context, Endpoint, Entropy, Executed, Kind, MethodDescriptor, Payload, Result, Status, Transports,
};
use motet_rpc::{
    ClientTls, NativeClient, NativeConfig, TcpTransport,
    native::wire::{self, ErrorCode, MAX_STREAM, Settings, flag, kind, put_goaway},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::Instant,
};

use crate::{
    hostile::{Heard, credit, data, greeting, message, of, reply},
    target::{connect, timed},
};

/// Settings of a caller that waits for 300 ms at most.
fn hasty() -> NativeConfig {
    let mut config = NativeConfig::default();
    let soon = Duration::from_millis(300);
    (config.message_timeout, config.write_timeout) = (soon, soon);
    config
}

struct Server(TcpListener);

impl Server {
    async fn new() -> Server {
        Server(TcpListener::bind("127.0.0.1:0").await.expect("a port"))
    }

    /// A connection of a caller with these settings, and the attacker's end of it.
    async fn connected(&self, config: NativeConfig) -> (Arc<dyn Connection>, TcpStream) {
        let address = self.0.local_addr().expect("bound").to_string();
        let (connection, accepted) = tokio::join!(connect(&address, config), self.0.accept());
        (connection, accepted.expect("accepted").0)
    }
}

fn call(kind: Kind, body: Vec<u8>, cx: Context) -> Call {
    let method = Arc::new(MethodDescriptor::new("test", "echo").kind(kind));
    Call::new(method, cx, Body::One(Payload::encoded(body, Codec::RAW)), Codec::RAW, Arc::new(CallOptions::default()))
}

fn made(connection: &Arc<dyn Connection>, call: Call) -> JoinHandle<Status> {
    let outcome: BoxFuture<'static, Result<motet_core::Reply>> = connection.call(call);
    tokio::spawn(async move { outcome.await.expect_err("it is not answered") })
}

/// A call to a server that sends this fails with this.
async fn fails(name: &str, sent: &[u8], code: Code, text: &str) {
    let server = Server::new().await;
    let (connection, io) = server.connected(hasty()).await;
    let outcome = made(&connection, call(Kind::Unary, b"hi".to_vec(), Context::new()));
    let mut heard = Heard::new(io);
    timed(name, heard.until(kind::CALL)).await.expect("a call");
    let _ = heard.io().write_all(&[&greeting()[..], sent].concat()).await;
    let status = timed(name, outcome).await.expect("no panic");
    assert_eq!(status.code(), code, "{name}: {status}");
    assert!(status.message().contains(text), "{name}: {status}");
}

#[tokio::test]
async fn a_caller_is_told_what_its_server_did_and_goes() {
    let mut goodbye = BytesMut::new();
    put_goaway(&mut goodbye, MAX_STREAM, ErrorCode::None, "");
    let pings = of(kind::PING, &[7; 8]).repeat(100_000);
    let settings = of(kind::SETTINGS, &[]).repeat(1000);
    let bomb = message(1004, &[&u32::MAX.to_le_bytes()[..], &[0; 1000]].concat());
    let bomb = reply(1, flag::MESSAGE | flag::END | flag::COMPRESSED, &bomb);
    for (name, sent, code, text) in [
        ("pings", pings, Code::Internal, "there were too many pings in a second"),
        ("settings", settings, Code::Internal, "SETTINGS come once"),
        ("goodbyes", goodbye.repeat(1000), Code::Internal, "there were more than 16 GOAWAYs"),
        ("credit", credit(0, 1 << 62), Code::Internal, "a credit must be 1 to 2^40"),
        ("bomb", bomb, Code::ResourceExhausted, "over the limit of 4194304"),
    ] {
        fails(name, &sent, code, text).await;
    }
}

#[tokio::test]
async fn half_a_reply_has_until_the_message_limit() {
    let half = reply(1, flag::MESSAGE | flag::END, &message(1 << 20, &[7; 16]));
    fails("half a reply", &half, Code::DeadlineExceeded, "a message was not complete within 300ms").await;
}

#[tokio::test]
async fn half_a_frame_has_until_the_message_limit() {
    let whole = reply(1, flag::MESSAGE | flag::END, &message(100, &[7; 100]));
    fails("half a frame", &whole[..50], Code::Unavailable, "a frame was not complete in time").await;
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left_when_it_answers_no_pings() {
    let server = Server::new().await;
    let mut config = hasty();
    (config.ping_after, config.ping_timeout) = (Duration::from_millis(20), Duration::from_millis(20));
    config.max_missed_pings = 5;
    let (connection, _io) = server.connected(config).await;
    let status = timed("silence", made(&connection, call(Kind::Unary, Vec::new(), Context::new()))).await;
    let status = status.expect("no panic");
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "pings were not answered"));
}

#[tokio::test]
async fn a_server_that_answers_pings_only_costs_a_call_its_deadline() {
    let server = Server::new().await;
    let (connection, mut io) = server.connected(NativeConfig::default()).await;
    io.write_all(&greeting()).await.expect("open");
    let cx = Context::new().with_timeout(Duration::from_millis(100));
    let status = timed("no answer", made(&connection, call(Kind::Unary, Vec::new(), cx))).await.expect("no panic");
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
}

#[tokio::test]
async fn a_server_that_reads_nothing_is_left_after_the_write_limit() {
    let server = Server::new().await;
    let (connection, mut io) = server.connected(hasty()).await;
    // Room for all of it.
    io.write_all(&[greeting(), credit(0, 1 << 39)].concat()).await.expect("open");
    let outcomes: Vec<_> =
        (0..8).map(|_| made(&connection, call(Kind::Unary, vec![7; 4 << 20], Context::new()))).collect();
    for outcome in outcomes {
        let status = timed("reads nothing", outcome).await.expect("no panic");
        assert_eq!((status.code(), status.message()), (Code::Unavailable, "what is sent is not taken"));
    }
}

#[tokio::test]
async fn a_server_that_gives_no_credit_is_left_after_the_write_limit() {
    let server = Server::new().await;
    let (connection, mut io) = server.connected(hasty()).await;
    let mut hello = BytesMut::from(&wire::PREFACE[..]);
    Settings { connection_window: 1, ..Settings::V1 }.write(&mut hello);
    io.write_all(&hello).await.expect("open");
    let outcome = made(&connection, call(Kind::Unary, vec![7; 2 << 20], Context::new()));
    let reading = tokio::spawn(async move { io.read_to_end(&mut Vec::new()).await });
    let status = timed("no credit", outcome).await.expect("no panic");
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "no credit came for what waits to be sent"));
    reading.abort();
}

#[tokio::test]
async fn a_flood_of_replies_that_nobody_reads_ends_at_the_stream_s_window() {
    let server = Server::new().await;
    let (connection, io) = server.connected(hasty()).await;
    let replies = tokio::spawn(connection.call(call(Kind::ServerStream, Vec::new(), Context::new())));
    let mut heard = Heard::new(io);
    timed("flood", heard.until(kind::CALL)).await.expect("a call");
    let one = data(1, flag::MESSAGE, &message(1, b"x"));
    heard.io().write_all(&[greeting(), reply(1, flag::STREAM, b"")].concat()).await.expect("open");
    let mut replies = timed("flood", replies).await.expect("no panic").expect("a head").body.stream();
    let _ = heard.io().write_all(&one.repeat(10_000)).await;
    let payload = timed("flood", heard.until(kind::GOAWAY)).await.expect("told why");
    let goaway = wire::read_goaway(&payload).expect("well-formed");
    assert_eq!((goaway.code, &*goaway.reason), (3, "a message overran its stream's window"));
    let status = timed("flood", replies.next()).await.expect("an error").expect_err("nothing of it counts");
    assert_eq!(status.code(), Code::Internal, "{status}");
}

#[tokio::test]
async fn what_arrived_of_a_stream_is_read_although_its_connection_is_gone() {
    let server = Server::new().await;
    let (connection, io) = server.connected(hasty()).await;
    let replies = tokio::spawn(connection.call(call(Kind::ServerStream, Vec::new(), Context::new())));
    let mut heard = Heard::new(io);
    timed("gone", heard.until(kind::CALL)).await.expect("a call");
    let one = data(1, flag::MESSAGE, &message(1, b"x"));
    let sent = [greeting(), reply(1, flag::STREAM, b""), one.repeat(3)].concat();
    heard.io().write_all(&sent).await.expect("open");
    drop(heard);
    let mut replies = timed("gone", replies).await.expect("no panic").expect("a head").body.stream();
    while connection.state() != ConnectionState::Closed {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for _ in 0..3 {
        timed("gone", replies.next()).await.expect("a message").expect("it arrived");
    }
    let status = timed("gone", replies.next()).await.expect("an error").expect_err("no end");
    assert_eq!(status.code(), Code::Unavailable, "{status}");
}

#[tokio::test]
async fn a_server_that_answers_tls_with_garbage_or_not_at_all_is_no_connection() {
    let server = Server::new().await;
    let address = server.0.local_addr().expect("bound").to_string();
    let mut endpoint = Endpoint::new("tcp", address.replace("127.0.0.1", "localhost"));
    endpoint.tls = true;
    let issued = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let tls = ClientTls::from_pem(issued.cert.pem()).expect("an authority");
    let transports = Transports::new().with(Arc::new(TcpTransport::new().with_tls(tls)));
    for (garbage, patience) in [(&[0x16, 3, 3, 0, 4, 7, 7, 7, 7][..], 20_000), (b"", 200)] {
        let by = Instant::now() + Duration::from_millis(patience);
        let connecting = Connecting::new(transports.clone(), Codecs::default(), by, Entropy::seeded(1));
        let client = NativeClient::default();
        let (connected, _io) = tokio::join!(timed("TLS", client.connect(&endpoint, &connecting)), async {
            let mut io = timed("TLS", server.0.accept()).await.expect("accepted").0;
            let _ = io.write_all(garbage).await;
            io
        });
        let status = connected.err().expect("no connection");
        assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::No), "{status}");
    }
}
