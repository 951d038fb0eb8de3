//! Calls from Motet to Motet by gRPC, gRPC-Web and Connect: the same comes of each. What a client of
//! gRPC-Web or Connect makes of servers that break their rules.

mod support;

use std::time::Duration;

use bytes::Bytes;
use h2::server;
use motet::{Code, Codec, Context, Executed, Status, Streaming};
use motet_protocol_grpc::{CompressionName, GrpcConfig};
use support::{Greeter, Hello, HelloError, client_by, framed, serve};
use tokio::{net::TcpListener, time::timeout};

const ALL: [&str; 3] = ["grpc", "grpc-web", "connect"];

fn named(name: &str) -> Hello {
    Hello { name: name.to_owned(), count: 3, ..Hello::default() }
}

#[tokio::test]
async fn all_kinds_of_calls_cross_in_every_codec() {
    let (_server, address) = serve(GrpcConfig::default()).await;
    for scheme in ALL {
        for codec in [Codec::PROTOBUF, Codec::JSON, Codec::MSGPACK] {
            let client = client_by(scheme, &address, GrpcConfig::default()).with_codec(codec.clone());
            let cx = Context::new();
            assert_eq!(client.hello(&cx, named("Ada")).await, Ok(named("Ada")), "{scheme} {codec:?}");
            let ticks = client.ticks(&cx, named("Ada")).await.expect("a stream").collect().await.expect("whole");
            assert_eq!(ticks.iter().map(|tick| tick.count).collect::<Vec<_>>(), [0, 1, 2], "{scheme} {codec:?}");
            let parts = || Streaming::from_iter([named("a"), named("b")]);
            assert_eq!(client.total(&cx, parts()).await, Ok(6), "{scheme} {codec:?}");
            let (sender, asked) = Streaming::channel(1);
            let mut chat = client.chat(&cx, asked).await.expect("a stream");
            for name in ["one", "two"] {
                sender.send(Ok(named(name))).await.expect("room");
                assert_eq!(chat.next().await.expect("an item"), Ok(named(name)), "{scheme} {codec:?}");
            }
            drop(sender);
            assert!(chat.next().await.is_none());
            client.one_way().hello(&cx, named("Ada")).await.expect("sent");
        }
    }
}

#[tokio::test]
async fn metadata_go_both_ways_with_replies_and_errors() {
    let (_server, address) = serve(GrpcConfig::default()).await;
    for scheme in ALL {
        let client = client_by(scheme, &address, GrpcConfig::default());
        let (cx, seen) = Context::new().capture();
        client.hello(&cx, named("Ada")).await.expect("well");
        let (initial, trailing) = (seen.initial().unwrap_or_default(), seen.trailing().unwrap_or_default());
        assert_eq!((initial.get("head"), trailing.get("tail")), (Some("1"), Some("2")), "{scheme}");
        assert_eq!((initial.get("tail"), trailing.get("head")), (None, None), "{scheme}");
        assert!(initial.iter().chain(trailing.iter()).all(|(key, _)| !key.starts_with("motet-")), "{scheme}");
        let (cx, seen) = Context::new().capture();
        let error = client.hello(&cx, named("nobody")).await.expect_err("nobody");
        assert_eq!(error, HelloError::Unknown("nobody".into()), "{scheme}: its reason and its details came");
        assert_eq!(seen.trailing().unwrap_or_default().get("tail"), Some("2"), "{scheme}");
    }
}

#[tokio::test]
async fn errors_say_what_broke_and_whether_it_ran() {
    let (_server, address) = serve(GrpcConfig::default()).await;
    for scheme in ALL {
        let client = client_by(scheme, &address, GrpcConfig::default());
        let error = client.read(&Context::new(), named("far too long a name")).await.expect_err("13 characters");
        assert_eq!((error.code(), error.executed()), (Code::InvalidArgument, Executed::No), "{scheme}: {error}");
        let report = motet::core::validate::Report::of(&error).expect("broken constraints");
        assert_eq!(report.violations()[0].field, "name", "{scheme}");
        let ask = Hello { count: 9, ..named("breaks") };
        let mut ticks = client.ticks(&Context::new(), ask).await.expect("a stream");
        for count in 0..2 {
            assert_eq!(ticks.next().await.expect("an item").expect("well").count, count);
        }
        let error = ticks.next().await.expect("an end").expect_err("gone");
        assert_eq!((error.code(), error.message()), (Code::DataLoss, "gone"), "{scheme}");
        assert!(ticks.next().await.is_none(), "{scheme}: nothing follows an error");
    }
}

#[tokio::test]
async fn a_deadline_reaches_the_server_and_dropping_a_call_cancels_it() {
    let (server, address) = serve(GrpcConfig::default()).await;
    let running = || server.stats().method("greeter/hold").snapshot().in_flight;
    for scheme in ALL {
        let client = client_by(scheme, &address, GrpcConfig::default());
        let cx = Context::new().with_timeout(Duration::from_millis(60));
        let error = timeout(Duration::from_secs(20), client.hold(&cx)).await.expect("an end").expect_err("held");
        assert_eq!(error.code(), Code::DeadlineExceeded, "{scheme}: {error}");
        let cx = Context::new();
        let call = client.hold(&cx);
        tokio::select! {
            outcome = call => panic!("{outcome:?}"),
            () = async { while running() == 0 { tokio::time::sleep(Duration::from_millis(1)).await } } => {}
        }
        while running() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn messages_are_compressed_both_ways_and_their_limit_holds() {
    for name in [CompressionName::Gzip, CompressionName::Zstd] {
        let mut config = GrpcConfig::default();
        (config.compression, config.compress_above) = (name, Some(100));
        (config.max_message, config.connections_per_node) = (1 << 20, 1);
        let (_server, address) = serve(config.clone()).await;
        for scheme in ALL {
            let client = client_by(scheme, &address, config.clone());
            for size in [0, 99, 100, 1 << 19] {
                let hello = Hello { text: "x".repeat(size), ..named("Ada") };
                assert_eq!(client.read(&Context::new(), hello.clone()).await.as_ref(), Ok(&hello), "{scheme} {size}");
                let mut ticks = client.ticks(&Context::new(), hello).await.expect("a stream");
                assert_eq!(ticks.next().await.expect("an item").expect("well").text.len(), size, "{scheme}");
            }
            let large = Hello { text: "x".repeat(1 << 20), ..named("Ada") };
            let error = client.read(&Context::new(), large).await.expect_err("over the limit");
            assert_eq!((error.code(), error.executed()), (Code::ResourceExhausted, Executed::No), "{scheme}");
            client.read(&Context::new(), named("Ada")).await.expect("others go on");
        }
    }
}

/// Answers every request with this; the body ends its stream, if it is to end.
async fn peer(http: u16, headers: &'static [(&'static str, &'static str)], body: Bytes) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("free");
    let address = listener.local_addr().expect("bound").to_string();
    tokio::spawn(async move {
        let (io, _) = listener.accept().await.expect("a connection");
        let mut connection = server::handshake(io).await.expect("HTTP/2");
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            let head = headers
                .iter()
                .fold(http::Response::builder().status(http), |head, (name, value)| head.header(*name, *value));
            let mut stream = respond.send_response(head.body(()).expect("valid"), false).expect("sent");
            stream.send_data(body.clone(), true).expect("sent");
        }
    });
    address
}

#[tokio::test]
async fn answers_that_break_the_rules_end_the_call_with_an_error_that_says_how() {
    const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
    const GZIP: &[(&str, &str)] = &[("content-type", "application/proto"), ("content-encoding", "gzip")];
    const BROTLI: &[(&str, &str)] = &[("content-type", "application/proto"), ("content-encoding", "br")];
    const HTML: &[(&str, &str)] = &[("content-type", "text/html")];
    const STREAM: &[(&str, &str)] = &[("content-type", "application/connect+proto")];
    const ENDED: &[(&str, &str)] = &[("content-type", "application/grpc-web+proto"), ("grpc-status", "7")];
    const WEB: &[(&str, &str)] = &[("content-type", "application/grpc-web+proto")];
    let bytes = Bytes::from_static;
    let joined = |frames: &[(u8, &[u8])]| {
        Bytes::from(frames.iter().flat_map(|(flags, body)| framed(*flags, body)).collect::<Vec<_>>())
    };
    let table = [
        ("connect", 200, HTML, bytes(b"<h1>"), Code::Unknown, "text/html"),
        ("connect", 503, HTML, bytes(b"<h1>"), Code::Unavailable, "503"),
        ("connect", 404, JSON, bytes(b"{}"), Code::Unimplemented, "404"),
        ("connect", 404, JSON, bytes(br#"{"code":"not_found","message":"no Ada"}"#), Code::NotFound, "no Ada"),
        ("connect", 409, JSON, bytes(br#"{"code":"made_up"}"#), Code::Unknown, ""),
        ("connect", 500, GZIP, bytes(b"no gzip"), Code::Unknown, "500"),
        ("connect", 200, GZIP, bytes(b"no gzip"), Code::Internal, "gzip"),
        ("connect", 200, BROTLI, bytes(b""), Code::Internal, "br"),
        ("grpc-web", 200, WEB, bytes(b""), Code::Internal, "grpc-status"),
        // As connect-go ends a call without any message: in the head, with an empty body behind it.
        ("grpc-web", 200, ENDED, bytes(b""), Code::PermissionDenied, ""),
        ("grpc-web", 200, WEB, joined(&[(0, b"")]), Code::Internal, "grpc-status"),
        ("grpc-web", 200, WEB, joined(&[(0x80, b"grpc-status: 0\r\n")]), Code::Internal, "without a message"),
        ("grpc-web", 200, WEB, joined(&[(0x80, b"grpc-status: 5\r\n"), (0, b"")]), Code::Internal, "follows the end"),
        ("grpc-web", 200, WEB, joined(&[(0x80, b"grpc-status")]), Code::Internal, "no headers"),
        ("grpc-web", 200, WEB, joined(&[(0x80, b"grpc-status: 5\r\ngrpc-message: no\r\n")]), Code::NotFound, "no"),
        ("grpc-web", 200, WEB, joined(&[(2, b"{}")]), Code::Internal, "flags"),
    ];
    for (scheme, http, headers, body, code, text) in table {
        let address = peer(http, headers, body.clone()).await;
        let client = client_by(scheme, &address, GrpcConfig::default());
        let call = timeout(Duration::from_secs(20), client.hold(&Context::new())).await.expect("an end");
        let error = call.expect_err("no success");
        assert!(error.code() == code && error.message().contains(text), "{scheme} {http} {body:?}: {error}");
    }
    let streams = [
        (joined(&[(0, b"")]), Code::Internal, "without saying how"),
        (joined(&[(2, b"[]")]), Code::Internal, "JSON"),
        (joined(&[(2, b"{}"), (0, b"")]), Code::Internal, "follows the end"),
        (joined(&[(0x80, b"grpc-status: 0\r\n")]), Code::Internal, "flags"),
        (joined(&[(2, br#"{"error":{"code":"aborted","message":"no"}}"#)]), Code::Aborted, "no"),
        (bytes(b"\x02\0\0\0\x05{}"), Code::Internal, "within a message"),
    ];
    for (body, code, text) in streams {
        let address = peer(200, STREAM, body.clone()).await;
        let client = client_by("connect", &address, GrpcConfig::default());
        let error = stream_error(client.ticks(&Context::new(), named("Ada")).await).await;
        assert!(error.code() == code && error.message().contains(text), "{body:?}: {error}");
    }
}

async fn stream_error(opened: Result<Streaming<Hello>, Status>) -> Status {
    match opened {
        Err(status) => status,
        Ok(stream) => timeout(Duration::from_secs(20), stream.collect()).await.expect("an end").expect_err("an error"),
    }
}

/// Some servers reset what is left of a request once they have said how the call ends.
#[tokio::test]
async fn a_reset_behind_the_end_of_a_stream_changes_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("free");
    let address = listener.local_addr().expect("bound").to_string();
    tokio::spawn(async move {
        let (io, _) = listener.accept().await.expect("a connection");
        let mut connection = server::handshake(io).await.expect("HTTP/2");
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            let head = http::Response::builder().header("content-type", "application/connect+proto");
            let mut stream = respond.send_response(head.body(()).expect("valid"), false).expect("sent");
            stream.send_data(framed(2, b"{}"), false).expect("sent");
            // Not before the data has gone: a reset drops what waits.
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                stream.send_reset(h2::Reason::NO_ERROR);
            });
        }
    });
    let client = client_by("connect", &address, GrpcConfig::default());
    let (_sender, parts) = Streaming::channel(1);
    let chat = client.chat(&Context::new(), parts).await.expect("a stream");
    let all = timeout(Duration::from_secs(20), chat.collect()).await.expect("an end");
    assert_eq!(all, Ok(Vec::new()));
}
