//! The client: against the server, and byte by byte.

mod support;

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use motet::{Code, Context, Executed};
use motet_protocol_jsonrpc::JsonRpcConfig;
use support::{Item, World, client, client_with, dynamic, serve, until};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const VERSIONS: [&str; 2] = ["jsonrpc", "jsonrpc2"];

#[tokio::test]
async fn calls_of_every_shape_come_through_in_both_versions() {
    let (_server, address, _) = serve(JsonRpcConfig::default()).await;
    for version in VERSIONS {
        let (world, cx) = (client(&format!("{version}://{address}")), Context::new());
        assert_eq!(world.hello_world(&cx, "李白".into()).await.expect("a reply"), "李白 你好....");
        assert_eq!(world.subtract(&cx, 333, 666).await.expect("a reply"), -333);
        assert_eq!(world.nothing(&cx).await, Ok(()));
        assert_eq!(world.find(&cx, String::new()).await, Ok(None));
        assert_eq!(world.find(&cx, "a".into()).await, Ok(Some("a".into())));
        let full = Item { first_name: "<&>".into(), count: u32::MAX, note: Some(String::new()) };
        let empty = Item { first_name: String::new(), count: 0, note: None };
        for item in [full, empty] {
            assert_eq!(world.echo(&cx, item.clone()).await, Ok(item));
        }
        let large = Item { first_name: "x".repeat((4 << 20) - 1024), count: 1, note: None };
        assert_eq!(world.echo(&cx, large.clone()).await, Ok(large));
    }
}

#[tokio::test]
async fn errors_say_what_each_version_carries() {
    let (_server, address, _) = serve(JsonRpcConfig::default()).await;
    let cx = Context::new();
    let old = client(&format!("jsonrpc://{address}")).divide(&cx, 1, 0).await.expect_err("no number");
    assert_eq!((old.code(), old.message(), old.executed()), (Code::Unknown, "divide by zero", Executed::Unknown));
    let new = client(&format!("jsonrpc2://{address}")).divide(&cx, 1, 0).await.expect_err("no number");
    assert_eq!((new.code(), new.reason(), new.executed()), (Code::InvalidArgument, Some("Math.Zero"), Executed::Yes));
    for version in VERSIONS {
        let nobody = dynamic(&format!("{version}://{address}"), JsonRpcConfig::default()).service("nobody");
        let missing = nobody.call_json(&cx, "Any", "{}").await.expect_err("not there");
        assert_eq!((missing.code(), missing.executed()), (Code::Unimplemented, Executed::No));
        let streams = client(&format!("{version}://{address}")).ticks(&cx).await.expect_err("no streams");
        assert_eq!((streams.code(), streams.executed()), (Code::Unimplemented, Executed::No));
    }
}

#[tokio::test]
async fn a_thousand_calls_share_one_connection() {
    let (server, address, _) = serve(JsonRpcConfig::default()).await;
    let (world, cx) = (client(&format!("jsonrpc://{address}")), Context::new().with_timeout(Duration::from_secs(60)));
    let calls = (0..1000).map(|n| {
        let (world, cx) = (world.clone(), cx.clone());
        tokio::spawn(async move { world.subtract(&cx, n, 1).await })
    });
    for (n, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(call.await.expect("no panic").expect("a reply"), n as i64 - 1);
    }
    assert_eq!(server.connections().accepted, 1);
}

#[tokio::test]
async fn a_deadline_ends_the_call_here_and_a_late_reply_is_passed_over() {
    let (_server, address, world) = serve(JsonRpcConfig::default()).await;
    let caller = client(&format!("jsonrpc://{address}"));
    let hasty = Context::new().with_timeout(Duration::from_millis(100));
    let late = caller.slow(&hasty, 400).await.expect_err("too slow");
    assert_eq!((late.code(), late.executed()), (Code::DeadlineExceeded, Executed::Unknown));
    until(|| world.slow.1.load(SeqCst) == 1).await;
    assert_eq!(caller.slow(&Context::new(), 1).await, Ok(1), "the connection goes on");
}

#[tokio::test]
async fn go_sees_exactly_the_bytes_of_its_own_client() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let world = dynamic(&format!("jsonrpc://{address}"), JsonRpcConfig::default()).service("world");
    let calling = tokio::spawn(async move { world.call_json(&Context::new(), "HelloWorld", "\"李白\"").await });
    let (mut socket, _) = listener.accept().await.expect("a connection");
    let mut seen = vec![0; 60];
    let expected = "{\"method\":\"world.HelloWorld\",\"params\":[\"李白\"],\"id\":0}\n";
    seen.truncate(expected.len());
    socket.read_exact(&mut seen).await.expect("a request");
    assert_eq!(String::from_utf8_lossy(&seen), expected);
    socket.write_all("{\"id\":0,\"result\":\"李白 你好....\",\"error\":null}".as_bytes()).await.expect("it reads");
    assert_eq!(calling.await.expect("no panic").expect("a reply"), "李白 你好....");
}

#[tokio::test]
async fn a_peer_that_dies_in_mid_call_leaves_it_unknown_and_what_was_not_sent_did_not_run() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let mut config = JsonRpcConfig::default();
    config.max_calls = 1;
    let world = client_with(&format!("jsonrpc://{}", listener.local_addr().expect("bound")), config);
    let call = |world: support::WorldClient| {
        tokio::spawn(async move { world.subtract(&Context::new(), 1, 2).await.expect_err("the peer is gone") })
    };
    let first = call(world.clone());
    let (mut socket, _) = listener.accept().await.expect("a connection");
    socket.read_u8().await.expect("the call");
    drop(listener);
    let second = call(world);
    tokio::time::sleep(Duration::from_millis(50)).await;
    socket.set_zero_linger().expect("an option");
    drop(socket);
    let first = first.await.expect("no panic");
    assert_eq!((first.code(), first.executed()), (Code::Unavailable, Executed::Unknown));
    assert_eq!(second.await.expect("no panic").executed(), Executed::No);
}

#[tokio::test]
async fn nonsense_from_the_server_ends_the_connection_and_its_calls() {
    for nonsense in ["nonsense", "[]", "{\"method\":\"a.B\",\"params\":[]}", "{\"id\":0}"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let world = client(&format!("jsonrpc://{}", listener.local_addr().expect("bound")));
        let calling = tokio::spawn(async move { world.subtract(&Context::new(), 1, 2).await });
        let (mut socket, _) = listener.accept().await.expect("a connection");
        drop(listener);
        socket.read_u8().await.expect("the call");
        socket.write_all(nonsense.as_bytes()).await.expect("it reads");
        let error = calling.await.expect("no panic").expect_err(nonsense);
        assert_eq!((error.code(), error.executed()), (Code::Unavailable, Executed::Unknown), "{nonsense}");
    }
}

#[tokio::test]
async fn a_one_way_call_is_a_notification_in_2_0_and_runs_in_both() {
    let (_server, address, world) = serve(JsonRpcConfig::default()).await;
    for version in VERSIONS {
        let caller = client(&format!("{version}://{address}"));
        caller.one_way().nothing(&Context::new()).await.expect("written");
    }
    until(|| world.nothings.load(SeqCst) == 2).await;
}
