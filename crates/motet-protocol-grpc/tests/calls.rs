//! Calls from Motet to Motet by gRPC, and what a client makes of peers that refuse or vanish. That
//! results are those of every other protocol is in the facade's `same_body`.

mod support;

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use h2::{Reason, server};
use motet::{Code, Context, Executed, Status};
use motet_protocol_grpc::{CompressionName, GrpcConfig};
use support::{Greeter, Hello, HelloError, client, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

fn named(name: &str) -> Hello {
    Hello { name: name.to_owned(), ..Hello::default() }
}

fn of_size(size: usize) -> Hello {
    Hello { text: "x".repeat(size), ..Hello::default() }
}

fn status(error: HelloError) -> Status {
    match error {
        HelloError::Other(status) => status,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_thousand_calls_run_at_once() {
    let (server, address) = serve(GrpcConfig::default()).await;
    let client = client(&address, GrpcConfig::default());
    let calls = (0..1000).map(|n| {
        let client = client.clone();
        async move { client.hello(&Context::new(), named(&format!("{n}"))).await }
    });
    let answers = timeout(Duration::from_secs(60), join_all(calls)).await.expect("an end");
    for (n, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.expect("well").name, n.to_string());
    }
    assert!(server.shutdown(Duration::from_secs(5)).await.drained);
}

#[tokio::test]
async fn the_limit_of_a_message_holds_on_both_sides() {
    let small = || {
        let mut config = GrpcConfig::default();
        config.max_message = 1000;
        config
    };
    for (server, own) in [(small(), GrpcConfig::default()), (GrpcConfig::default(), small())] {
        let (_server, address) = serve(server).await;
        let client = client(&address, own);
        client.hello(&Context::new(), of_size(900)).await.expect("within it");
        let error = status(client.hello(&Context::new(), of_size(1001)).await.expect_err("over it"));
        assert_eq!((error.code(), error.executed()), (Code::ResourceExhausted, Executed::No));
        client.hello(&Context::new(), of_size(900)).await.expect("others go on");
    }
    let (_server, address) = serve(GrpcConfig::default()).await;
    let client = client(&address, GrpcConfig::default());
    let large = of_size((4 << 20) - 1024);
    assert_eq!(client.hello(&Context::new(), large.clone()).await.expect("4 MiB - 1 KiB"), large);
}

#[tokio::test]
async fn messages_are_compressed_both_ways() {
    for name in [CompressionName::Gzip, CompressionName::Zstd] {
        let mut config = GrpcConfig::default();
        (config.compression, config.compress_above) = (name, Some(100));
        let (_server, address) = serve(config.clone()).await;
        let client = client(&address, config);
        for size in [0, 99, 100_000, 3 << 20] {
            assert_eq!(client.hello(&Context::new(), of_size(size)).await.expect("well"), of_size(size));
        }
        let mut ticks = client.ticks(&Context::new(), Hello { count: 50, ..of_size(1000) }).await.expect("a stream");
        let mut count = 0;
        while let Some(tick) = ticks.next().await {
            assert_eq!(tick.expect("well").text.len(), 1000);
            count += 1;
        }
        assert_eq!(count, 50);
    }
}

#[tokio::test]
async fn small_messages_that_nobody_reads_cut_nothing_off() {
    let (_server, address) = serve(GrpcConfig::default()).await;
    let client = client(&address, GrpcConfig::default());
    let ask = Hello { count: 100_000, ..named("tick") };
    let mut unread = client.ticks(&Context::new(), ask.clone()).await.expect("a stream");
    let read = client.ticks(&Context::new(), ask).await.expect("a stream").collect().await.expect("whole");
    assert_eq!(read.len(), 100_000);
    client.hello(&Context::new(), named("Ada")).await.expect("others go on");
    let mut count = 0;
    while let Some(item) = unread.next().await {
        item.expect("whole");
        count += 1;
    }
    assert_eq!(count, 100_000);
}

#[tokio::test]
async fn a_server_that_stops_lets_calls_finish_and_takes_no_more() {
    let (server, address) = serve(GrpcConfig::default()).await;
    let client = client(&address, GrpcConfig::default());
    let (sender, parts) = motet::Streaming::channel(1);
    let mut chat = client.chat(&Context::new(), parts).await.expect("a stream");
    sender.send(Ok(named("one"))).await.expect("room");
    assert_eq!(chat.next().await.expect("an item").expect("well").name, "one");
    let stopping = tokio::spawn(async move { server.shutdown(Duration::from_secs(20)).await.drained });
    let refused = loop {
        match client.hello(&Context::new(), named("Ada")).await {
            Ok(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(error) => break status(error),
        }
    };
    assert_eq!((refused.code(), refused.executed()), (Code::Unavailable, Executed::No), "{refused}");
    sender.send(Ok(named("two"))).await.expect("room");
    assert_eq!(chat.next().await.expect("an item").expect("well").name, "two");
    drop(sender);
    assert!(chat.next().await.is_none());
    assert!(stopping.await.expect("no panic"));
}

/// What a peer does with a call.
#[derive(Clone, Copy, Debug)]
enum Peer {
    Refuses,
    Resets(Reason),
    Vanishes,
    SaysNothing,
    AnswersTwice,
}

async fn handle(io: TcpStream, peer: Peer) {
    let mut connection = server::handshake(io).await.expect("HTTP/2");
    let Some(Ok((_, mut respond))) = connection.accept().await else { return };
    let head = || http::Response::builder().header("content-type", "application/grpc").body(()).expect("valid");
    match peer {
        Peer::Refuses => respond.send_reset(Reason::REFUSED_STREAM),
        Peer::Resets(reason) => respond.send_reset(reason),
        Peer::Vanishes => return,
        Peer::SaysNothing => drop(respond.send_response(head(), true)),
        Peer::AnswersTwice => {
            let mut stream = respond.send_response(head(), false).expect("sent");
            stream.send_data(Bytes::from_static(b"\0\0\0\0\0\0\0\0\0\0"), false).expect("sent");
            let mut trailers = http::HeaderMap::new();
            trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
            stream.send_trailers(trailers).expect("sent");
        }
    }
    let _ = timeout(Duration::from_secs(5), poll_fn(|cx| connection.poll_closed(cx))).await;
}

#[tokio::test]
async fn what_a_peer_did_not_run_is_known_not_to_have_run() {
    for (peer, code, executed) in [
        (Peer::Refuses, Code::Unavailable, Executed::No),
        (Peer::Resets(Reason::ENHANCE_YOUR_CALM), Code::ResourceExhausted, Executed::Unknown),
        (Peer::Resets(Reason::INTERNAL_ERROR), Code::Internal, Executed::Unknown),
        (Peer::Resets(Reason::CANCEL), Code::Cancelled, Executed::Unknown),
        (Peer::Vanishes, Code::Unavailable, Executed::Unknown),
        (Peer::SaysNothing, Code::Internal, Executed::Unknown),
        (Peer::AnswersTwice, Code::Internal, Executed::Unknown),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("free");
        let address = listener.local_addr().expect("bound").to_string();
        let serving = tokio::spawn(async move {
            let (io, _) = listener.accept().await.expect("a connection");
            handle(io, peer).await;
        });
        let client = client(&address, GrpcConfig::default());
        let call = timeout(Duration::from_secs(20), client.hold(&Context::new())).await.expect("an end");
        let error = call.expect_err("no such answer");
        assert_eq!((error.code(), error.executed()), (code, executed), "{peer:?}: {error}");
        drop(client);
        serving.await.expect("no panic");
    }
}

/// A peer that never answers a call; it answers pings or not, and counts them.
async fn silent_peer(answers: bool) -> (String, Arc<AtomicUsize>) {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("free");
    let address = listener.local_addr().expect("bound").to_string();
    let pings = Arc::new(AtomicUsize::new(0));
    let counted = pings.clone();
    tokio::spawn(async move {
        let (mut io, _) = listener.accept().await.expect("a connection");
        io.read_exact(&mut [0; 24]).await.expect("a preface");
        io.write_all(&SETTINGS).await.expect("written");
        let mut head = [0; 9];
        while io.read_exact(&mut head).await.is_ok() {
            let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
            io.read_exact(&mut payload).await.expect("a frame");
            if head[3..5] == [6, 0] {
                counted.fetch_add(1, SeqCst);
                if answers {
                    head[4] = 1;
                    io.write_all(&[&head[..], &payload].concat()).await.expect("written");
                }
            }
        }
    });
    (address, pings)
}

fn quick_pings() -> GrpcConfig {
    let mut config = GrpcConfig::default();
    config.connections_per_node = 1;
    config.ping_after = Duration::from_millis(5);
    (config.ping_timeout, config.dead_after) = (Duration::from_millis(20), Duration::from_millis(60));
    config
}

#[tokio::test]
async fn a_silent_peer_that_lives_gets_two_pings_and_no_more() {
    let (address, pings) = silent_peer(true).await;
    let client = client(&address, quick_pings());
    let cx = Context::new();
    let call = client.hold(&cx);
    let watched = async {
        while pings.load(SeqCst) < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(400)).await;
    };
    tokio::select! {
        outcome = call => panic!("{outcome:?}"),
        () = watched => assert_eq!(pings.load(SeqCst), 2),
    }
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_given_up() {
    let (address, pings) = silent_peer(false).await;
    let client = client(&address, quick_pings());
    let call = timeout(Duration::from_secs(20), client.hold(&Context::new())).await.expect("an end");
    let error = call.expect_err("nobody answers");
    assert_eq!((error.code(), error.executed()), (Code::Unavailable, Executed::Unknown), "{error}");
    assert_eq!(pings.load(SeqCst), 1);
}

/// grpcio answers a call to a service that it does not know at the head, and resets the stream.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_refused_at_its_head_ends_with_the_refusal() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("free");
    let address = listener.local_addr().expect("bound").to_string();
    tokio::spawn(async move {
        let (io, _) = listener.accept().await.expect("a connection");
        let mut connection = server::handshake(io).await.expect("HTTP/2");
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            let head = http::Response::builder().header("content-type", "application/grpc").header("grpc-status", "12");
            respond.send_response(head.body(()).expect("valid"), true).expect("sent");
        }
    });
    let mut config = GrpcConfig::default();
    config.connections_per_node = 1;
    let client = client(&address, config);
    for _ in 0..500 {
        let error = client.hold(&Context::new()).await.expect_err("refused");
        assert_eq!(error.code(), Code::Unimplemented, "{error}");
    }
}

#[tokio::test]
async fn a_peer_that_speaks_no_grpc_is_told_from_one_that_does() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("free");
    let address = listener.local_addr().expect("bound").to_string();
    tokio::spawn(async move {
        let (io, _) = listener.accept().await.expect("a connection");
        let mut connection = server::handshake(io).await.expect("HTTP/2");
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            let head = http::Response::builder().status(503).header("content-type", "text/html").body(());
            let mut stream = respond.send_response(head.expect("valid"), false).expect("sent");
            stream.send_data(Bytes::from_static(b"<h1>later</h1>"), true).expect("sent");
        }
    });
    let error = client(&address, GrpcConfig::default()).hold(&Context::new()).await.expect_err("HTML");
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.message().contains("503") && error.message().contains("text/html"), "{error}");
}
