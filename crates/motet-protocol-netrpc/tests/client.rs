//! The client against the server, and what it does when the peer fails.

mod support;

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use motet::{Code, Context, Executed};
use motet_protocol_netrpc::NetRpcConfig;
use support::{Item, World, client, dynamic, serve, until};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const WAYS: [&str; 2] = ["netrpc", "netrpc-http"];

#[tokio::test]
async fn calls_of_every_shape_come_through_on_tcp_and_behind_connect() {
    let (_server, address, _) = serve(NetRpcConfig::default()).await;
    for way in WAYS {
        let (world, cx) = (client(&format!("{way}://{address}")), Context::new());
        assert_eq!(world.hello_world(&cx, "李白".into()).await.expect("a reply"), "李白 你好....");
        assert_eq!(world.hello_world(&cx, String::new()).await.expect("a reply"), " 你好....");
        assert_eq!(world.subtract(&cx, 333, 666).await.expect("a reply"), -333);
        assert_eq!(world.subtract(&cx, 0, 0).await.expect("a reply"), 0);
        assert_eq!(world.nothing(&cx).await, Ok(()));
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
async fn calls_by_name_take_and_give_json() {
    let (_server, address, _) = serve(NetRpcConfig::default()).await;
    let world = dynamic(&format!("netrpc://{address}"), NetRpcConfig::default()).service("world");
    let cx = Context::new();
    assert_eq!(world.call_json(&cx, "HelloWorld", "\"李白\"").await.expect("a reply"), "李白 你好....");
    let item = world.call_json(&cx, "Echo", r#"{"first_name":"a","count":2}"#).await.expect("a reply");
    assert_eq!((&item["first_name"], &item["count"]), (&"a".into(), &2.into()));
}

#[tokio::test]
async fn errors_say_what_a_text_can_say() {
    let (_server, address, _) = serve(NetRpcConfig::default()).await;
    let cx = Context::new();
    let world = client(&format!("netrpc://{address}"));
    let failed = world.divide(&cx, 1, 0).await.expect_err("no number");
    assert_eq!(
        (failed.code(), failed.message(), failed.executed()),
        (Code::Unknown, "divide by zero", Executed::Unknown)
    );
    let nobody = dynamic(&format!("netrpc://{address}"), NetRpcConfig::default()).service("nobody");
    let missing = nobody.call_json(&cx, "Any", "{}").await.expect_err("not there");
    assert_eq!((missing.code(), missing.executed()), (Code::Unimplemented, Executed::No));
    assert_eq!(world.divide(&cx, 7, 2).await, Ok(3), "the connection goes on");
}

#[tokio::test]
async fn a_thousand_calls_share_one_connection() {
    let (server, address, _) = serve(NetRpcConfig::default()).await;
    let (world, cx) = (client(&format!("netrpc://{address}")), Context::new().with_timeout(Duration::from_secs(60)));
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
    let (_server, address, world) = serve(NetRpcConfig::default()).await;
    let caller = client(&format!("netrpc://{address}"));
    let hasty = Context::new().with_timeout(Duration::from_millis(100));
    let late = caller.slow(&hasty, 400).await.expect_err("too slow");
    assert_eq!((late.code(), late.executed()), (Code::DeadlineExceeded, Executed::Unknown));
    until(|| world.slow.1.load(SeqCst) == 1).await;
    assert_eq!(caller.slow(&Context::new(), 1).await, Ok(1), "the connection goes on");
}

#[tokio::test]
async fn a_server_that_is_no_net_rpc_is_told_apart() {
    for answer in ["HTTP/1.1 405 Method Not Allowed\r\n\r\n", "nonsense\n\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let world = client(&format!("netrpc-http://{}", listener.local_addr().expect("bound")));
        let calling = tokio::spawn(async move { world.nothing(&Context::new()).await });
        let (mut socket, _) = listener.accept().await.expect("a connection");
        drop(listener);
        let mut request = [0; 27];
        socket.read_exact(&mut request).await.expect("a request");
        assert_eq!(&request, b"CONNECT /_goRPC_ HTTP/1.0\n\n");
        socket.write_all(answer.as_bytes()).await.expect("it reads");
        let error = calling.await.expect("no panic").expect_err(answer);
        assert_eq!((error.code(), error.executed()), (Code::Unavailable, Executed::No));
    }
}

#[tokio::test]
async fn nonsense_or_a_reset_in_mid_call_leaves_it_unknown() {
    for nonsense in [&b""[..], b"\x00", b"nonsense of a kind", b"\x05\x0c\x00\x02hi"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let world = client(&format!("netrpc://{}", listener.local_addr().expect("bound")));
        let calling = tokio::spawn(async move { world.nothing(&Context::new()).await });
        let (mut socket, _) = listener.accept().await.expect("a connection");
        drop(listener);
        socket.read_u8().await.expect("the call");
        socket.write_all(nonsense).await.expect("it reads");
        socket.shutdown().await.expect("closed");
        let error = calling.await.expect("no panic").expect_err("no answer");
        assert_eq!((error.code(), error.executed()), (Code::Unavailable, Executed::Unknown), "{nonsense:?}");
    }
}
