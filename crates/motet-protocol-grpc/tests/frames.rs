//! Frames of HTTP/2 against a service that speaks gRPC: what ends is the call or the connection, with
//! HTTP/2's own error; handlers are dropped, and others go on. What is no gRPC of it (floods, bombs, blocks of
//! fields without end) is in the tests of `motet-http`, whose connections these are.

#[path = "../../motet-http/tests/support/frames.rs"]
#[allow(dead_code, reason = "it is shared with the tests of the door")]
mod frames;
mod support;

use std::{sync::Arc, time::Duration};

use frames::*;
use motet::{Context, Server};
use motet_http::{HttpConfig, HttpServer};
use motet_protocol_grpc::{GrpcConfig, GrpcServer};
use support::{Greeter, GreeterServer, Hello, Me, ask, client, framed, head, hello, raw};
use tokio::time::timeout;

/// A server of the greeter with these settings of HTTP.
async fn serve(http: HttpConfig) -> (Server, String) {
    let mut builder = Server::builder().service(GreeterServer::new(Me).into_service().expect("valid"));
    let grpc = Arc::new(GrpcServer::new(GrpcConfig::default()));
    for protocol in HttpServer::new(http).protocol(grpc).server_protocols() {
        builder = builder.protocol(protocol);
    }
    let server = builder.build().expect("valid");
    let endpoint = server.listen("tcp://127.0.0.1:0").await.expect("free");
    (server, endpoint.address)
}

/// The fields of a call, and one more (RFC 7541 §6).
fn call(method: &str, more: &[(&str, &[u8])]) -> Vec<u8> {
    let mut block = vec![0x83, 0x86, 0x04];
    let path = format!("/greeter.Greeter/{method}");
    put(&mut block, path.as_bytes());
    block.extend_from_slice(b"\x01\x09localhost");
    for (name, value) in [("content-type", &b"application/grpc"[..]), ("te", b"trailers")].iter().chain(more) {
        block.push(0);
        put(&mut block, name.as_bytes());
        put(&mut block, value);
    }
    block
}

fn put(block: &mut Vec<u8>, text: &[u8]) {
    block.push(u8::try_from(text.len()).expect("short"));
    block.extend_from_slice(text);
}

async fn others_go_on(address: &str) {
    let hello = Hello { name: "Ada".to_owned(), ..Hello::default() };
    assert_eq!(client(address, GrpcConfig::default()).hello(&Context::new(), hello.clone()).await, Ok(hello));
}

async fn all_are_gone(server: &Server, method: &str) {
    let gone = async {
        while server.stats().method(method).snapshot().in_flight > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(20), gone).await.expect("the handlers are dropped");
}

#[tokio::test]
async fn calls_that_are_reset_as_they_are_made_end_the_connection_and_their_handlers() {
    let mut config = HttpConfig::default();
    config.max_resets = 500;
    let (server, address) = serve(config).await;
    let mut h2 = H2::connect(&address).await;
    let mut all = Vec::new();
    for n in 0..2_000u32 {
        all.extend(frame(HEADERS, END_HEADERS, 2 * n + 1, &call("Hold", &[])));
        all.extend(frame(DATA, END_STREAM, 2 * n + 1, &framed(0, b"")));
        all.extend(frame(RST_STREAM, 0, 2 * n + 1, &[0, 0, 0, 8]));
    }
    h2.send(&all).await;
    assert_eq!(h2.goaway().await, ENHANCE_YOUR_CALM);
    drop(h2);
    all_are_gone(&server, "greeter/hold").await;
    others_go_on(&address).await;
}

#[tokio::test]
async fn fields_that_are_no_text_end_their_call_alone() {
    let (_server, address) = serve(HttpConfig::default()).await;
    // gRPC's own error for what HTTP lets through.
    let send = raw(&address).await;
    for (name, value, code) in [
        ("x-name", &b"\xff\xfe"[..], "3"),
        ("x-name", b"\xc3", "3"),
        ("grpc-timeout", b"\xff", "13"),
        ("x-bytes-bin", b"\xff\xff", "13"),
    ] {
        let mut request = head("Hello", &[]);
        request.headers_mut().insert(name, http::HeaderValue::from_bytes(value).expect("HTTP lets it through"));
        assert_eq!(ask(&send, request, framed(0, &hello("Ada"))).await.status().0, code, "{name} {value:?}");
        let well = ask(&send, head("Hello", &[]), framed(0, &hello("Ada"))).await;
        assert_eq!(well.status().0, "0", "after {name} {value:?}");
    }
    // The stream's or the connection's end for what it does not.
    for (name, value) in [
        ("x-name", &b"a\0b"[..]),
        ("x-name", b"a\r\nb: c"),
        ("X-Name", b"upper case"),
        ("x name", b"a blank"),
        (":status", b"200"),
        ("connection", b"close"),
    ] {
        let mut h2 = H2::connect(&address).await;
        h2.send(&frame(HEADERS, END_HEADERS, 1, &call("Hello", &[(name, value)]))).await;
        h2.send(&frame(DATA, END_STREAM, 1, &framed(0, &hello("Ada")))).await;
        let answer = h2.next_of(&[HEADERS, RST_STREAM, GOAWAY]).await;
        assert!(answer.kind != HEADERS, "{name} {value:?}: {answer:?}");
        others_go_on(&address).await;
    }
}

/// A block of fields without those that begin a request is what trailers are.
#[tokio::test]
async fn trailers_before_the_head_end_their_stream_or_connection() {
    let (_server, address) = serve(HttpConfig::default()).await;
    let trailers = b"\x00\x0bgrpc-status\x010";
    for flags in [END_HEADERS, END_HEADERS | END_STREAM] {
        let mut h2 = H2::connect(&address).await;
        h2.send(&frame(HEADERS, flags, 1, trailers)).await;
        let answer = h2.next_of(&[HEADERS, RST_STREAM, GOAWAY]).await;
        assert!(answer.kind != HEADERS, "{answer:?}");
    }
    // Trailers that do not end the stream, and a second head.
    let mut h2 = H2::connect(&address).await;
    h2.send(&frame(HEADERS, END_HEADERS, 1, &call("Total", &[]))).await;
    h2.send(&frame(HEADERS, END_HEADERS, 1, trailers)).await;
    let answer = h2.next_of(&[RST_STREAM, GOAWAY]).await;
    assert!(answer.kind != HEADERS, "{answer:?}");
    others_go_on(&address).await;
}

/// `SETTINGS_INITIAL_WINDOW_SIZE` 0: the peer asks for much and takes nothing.
#[tokio::test]
async fn a_peer_that_opens_no_window_holds_little_and_is_left() {
    let mut config = HttpConfig::default();
    config.write_timeout = Duration::from_millis(300);
    let (server, address) = serve(config).await;
    let mut h2 = H2::connect(&address).await;
    h2.send(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])).await;
    // A count of 2^31 ticks: what the handler makes of them has to wait.
    let ask = [&hello("Ada")[..], b"\x10\x80\x80\x80\x80\x08"].concat();
    h2.send(&frame(HEADERS, END_HEADERS, 1, &call("Ticks", &[]))).await;
    h2.send(&frame(DATA, END_STREAM, 1, &framed(0, &ask))).await;
    h2.until(HEADERS).await;
    let stalled = async {
        while server.connections().stalled == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), stalled).await.expect("it is left");
    all_are_gone(&server, "greeter/ticks").await;
    others_go_on(&address).await;
}

/// A window may be opened byte by byte, for as long as it is: it costs its own connection alone.
#[tokio::test]
async fn a_window_of_a_byte_at_a_time_keeps_nobody_else_waiting() {
    let (server, address) = serve(HttpConfig::default()).await;
    let mut h2 = H2::connect(&address).await;
    h2.send(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])).await;
    h2.send(&frame(HEADERS, END_HEADERS, 1, &call("Ticks", &[]))).await;
    h2.send(&frame(DATA, END_STREAM, 1, &framed(0, &[&hello("Ada")[..], b"\x10\x64"].concat()))).await;
    h2.until(HEADERS).await;
    for _ in 0..50 {
        h2.send(&frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])).await;
        assert_eq!(h2.until(DATA).await.payload.len(), 1);
    }
    others_go_on(&address).await;
    drop(h2);
    all_are_gone(&server, "greeter/ticks").await;
}

/// A call whose message never comes, on a connection that stays: its deadline ends it.
#[tokio::test]
async fn a_call_whose_message_never_comes_ends_at_its_deadline() {
    let (server, address) = serve(HttpConfig::default()).await;
    let mut h2 = H2::connect(&address).await;
    for (stream, body) in [(1, &b""[..]), (3, b"\0"), (5, b"\0\0\0\0\x05"), (7, b"\0\0\0\0\x05\x0a\x03A")] {
        h2.send(&frame(HEADERS, END_HEADERS, stream, &call("Hello", &[("grpc-timeout", b"100m")]))).await;
        h2.send(&frame(DATA, 0, stream, body)).await;
        assert_eq!(h2.until(HEADERS).await.stream, stream);
    }
    all_are_gone(&server, "greeter/hello").await;
    others_go_on(&address).await;
}
