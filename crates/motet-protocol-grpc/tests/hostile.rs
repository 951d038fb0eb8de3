//! Requests that break gRPC's rules: each ends with gRPC's own error, and others go on.

mod support;

use std::time::Duration;

use bytes::{BufMut, Bytes};
use futures_util::{StreamExt, stream::FuturesUnordered};
use h2::Reason;
use motet_promises::Measurement;
use motet_protocol_grpc::{GrpcConfig, wire::Compression};
use support::{ask, framed, head, hello, raw, serve};
use tokio::time::timeout;

/// The codes that are answered here, by number.
const OK: &str = "0";
const INVALID_ARGUMENT: &str = "3";
const RESOURCE_EXHAUSTED: &str = "8";
const UNIMPLEMENTED: &str = "12";
const INTERNAL: &str = "13";

/// What is wrong, the headers and the body that are sent, the code that answers and what its message says.
type Flaw = (&'static str, Vec<(&'static str, &'static str)>, Bytes, &'static str, &'static str);

#[tokio::test]
async fn each_flaw_ends_its_call_with_its_own_error_and_others_go_on() {
    let mut measured = Measurement::begin("P14", "each_flaw_ends_its_call_with_its_own_error_and_others_go_on");
    let (_server, address) = serve(GrpcConfig::default()).await;
    let send = raw(&address).await;
    let good = framed(0, &hello("Ada"));
    let mut half = good.to_vec();
    half.truncate(6);
    let mut two = good.to_vec();
    two.extend_from_slice(&good);
    let bomb = |compression: Compression| framed(1, &compression.compress(&vec![0; 6 << 20]).expect("shorter"));
    let table: Vec<Flaw> = vec![
        ("flags nobody defined", vec![], framed(2, &hello("Ada")), INTERNAL, "flags"),
        ("all flags", vec![], framed(0xff, &hello("Ada")), INTERNAL, "flags"),
        ("compressed without a name", vec![], framed(1, &hello("Ada")), INTERNAL, "grpc-encoding"),
        ("unknown compression", vec![("grpc-encoding", "snappy")], good.clone(), UNIMPLEMENTED, "gzip"),
        ("damaged gzip", vec![("grpc-encoding", "gzip")], framed(1, b"no gzip"), INTERNAL, "gzip"),
        ("gzip bomb", vec![("grpc-encoding", "gzip")], bomb(Compression::Gzip), RESOURCE_EXHAUSTED, "limit"),
        ("zstd bomb", vec![("grpc-encoding", "zstd")], bomb(Compression::Zstd), RESOURCE_EXHAUSTED, "limit"),
        ("no message", vec![], Bytes::new(), INTERNAL, "no message"),
        ("half a prefix", vec![], Bytes::from_static(b"\0\0"), INTERNAL, "within a message"),
        ("half a message", vec![], half.into(), INTERNAL, "within a message"),
        ("two messages", vec![], two.into(), INTERNAL, "second message"),
        ("a length over the limit", vec![], Bytes::from_static(b"\0\xff\xff\xff\xff"), RESOURCE_EXHAUSTED, "limit"),
        ("no protobuf", vec![], framed(0, b"\xff\xff\xff"), INVALID_ARGUMENT, "protobuf"),
        ("a long name", vec![], framed(0, &hello("far too long a name")), INVALID_ARGUMENT, "name"),
        ("a timeout without a unit", vec![("grpc-timeout", "10")], good.clone(), INTERNAL, "grpc-timeout"),
        ("a timeout of nine digits", vec![("grpc-timeout", "123456789S")], good.clone(), INTERNAL, "grpc-timeout"),
        ("a negative timeout", vec![("grpc-timeout", "-1S")], good.clone(), INTERNAL, "grpc-timeout"),
        ("bad base64", vec![("x-bin", "!!!")], good.clone(), INTERNAL, "base64"),
        ("an unknown codec", vec![("content-type", "application/grpc+thrift")], good.clone(), UNIMPLEMENTED, "json"),
    ];
    measured.figure(table.len() as f64, "kinds answered by gRPC");
    for (what, headers, body, code, text) in table {
        let answer = ask(&send, head("Hello", &headers), body).await;
        let (found, message) = answer.status();
        assert_eq!(answer.head.status(), 200, "{what}");
        assert!(found == code && message.contains(text), "{what}: {found} {message}");
        assert_eq!(
            answer.head.headers()["content-type"].as_bytes().get(..16),
            Some(&b"application/grpc"[..]),
            "{what}"
        );
        let well = ask(&send, head("Hello", &[]), good.clone()).await;
        assert_eq!((well.status().0.as_str(), &well.body[..8]), (OK, &b"\0\0\0\0\x05\x0a\x03A"[..]), "after {what}");
    }
    measured.end();
}

#[tokio::test]
async fn an_answer_to_an_unknown_codec_or_compression_names_what_is_read() {
    let (_server, address) = serve(GrpcConfig::default()).await;
    let send = raw(&address).await;
    let answer = ask(&send, head("Hello", &[("grpc-encoding", "br")]), framed(0, b"")).await;
    assert_eq!(answer.head.headers()["grpc-accept-encoding"], "gzip,zstd,identity");
}

#[tokio::test]
async fn trailers_before_any_message_are_no_message() {
    let (_server, address) = serve(GrpcConfig::default()).await;
    let mut send = raw(&address).await.ready().await.expect("open");
    let (response, mut stream) = send.send_request(head("Hello", &[]), false).expect("sent");
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    stream.send_trailers(trailers).expect("sent");
    let answer = timeout(Duration::from_secs(20), response).await.expect("an end").expect("an answer");
    assert_eq!(answer.headers()["grpc-status"], INTERNAL);
}

#[tokio::test]
async fn a_message_that_stays_half_ends_with_the_deadline_and_one_that_is_reset_at_once() {
    let (server, address) = serve(GrpcConfig::default()).await;
    let send = raw(&address).await;
    let mut own = send.clone().ready().await.expect("open");
    let (response, mut stream) = own.send_request(head("Hello", &[("grpc-timeout", "100m")]), false).expect("sent");
    stream.send_data(Bytes::from_static(b"\0\0\0\0\x05ab"), false).expect("sent");
    let answer = timeout(Duration::from_secs(20), response).await.expect("an end").expect("an answer");
    assert_eq!(answer.headers()["grpc-status"], "4");

    let mut own = own.ready().await.expect("open");
    let (_response, mut stream) = own.send_request(head("Total", &[]), false).expect("sent");
    let mut body = framed(0, &hello("Ada")).to_vec();
    body.put_slice(b"\0\0\0\0\x05ab");
    stream.send_data(body.into(), false).expect("sent");
    let running = || server.stats().method("greeter/total").snapshot().in_flight;
    while running() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stream.send_reset(Reason::CANCEL);
    while running() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let well = ask(&send, head("Hello", &[]), framed(0, &hello("Ada"))).await;
    assert_eq!(well.status().0, OK);
}

/// A stream has no deadline unless its caller gives one: a message of it that never ends has its own.
#[tokio::test]
async fn a_message_that_trickles_in_has_a_time_to_come() {
    let mut config = GrpcConfig::default();
    config.message_timeout = Duration::from_millis(100);
    let (server, address) = serve(config).await;
    let send = raw(&address).await;
    let mut own = send.clone().ready().await.expect("open");
    let (response, mut stream) = own.send_request(head("Total", &[]), false).expect("sent");
    stream.send_data(framed(0, &hello("Ada")), false).expect("sent");
    stream.send_data(Bytes::from_static(b"\0\0\0\x10\0"), false).expect("sent");
    let trickling = tokio::spawn(async move {
        while stream.send_data(Bytes::from_static(b"x"), false).is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let answer = timeout(Duration::from_secs(20), response).await.expect("an end").expect("an answer");
    assert_eq!(answer.headers()["grpc-status"], "4");
    assert!(answer.headers()["grpc-message"].to_str().expect("text").contains("protocols.grpc.message_timeout"));
    while server.stats().method("greeter/total").snapshot().in_flight > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    trickling.abort();
    let well = ask(&send, head("Hello", &[]), framed(0, &hello("Ada"))).await;
    assert_eq!(well.status().0, OK);
}

/// What has come whole may be read as slowly as its handler likes, and nothing may come for long.
#[tokio::test]
async fn silence_between_messages_is_no_slow_message() {
    let mut config = GrpcConfig::default();
    config.message_timeout = Duration::from_millis(30);
    let (_server, address) = serve(config).await;
    let send = raw(&address).await;
    let mut own = send.clone().ready().await.expect("open");
    let (response, mut stream) = own.send_request(head("Total", &[]), false).expect("sent");
    for _ in 0..3 {
        stream.send_data(framed(0, &hello("Ada")), false).expect("sent");
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    stream.send_data(Bytes::new(), true).expect("sent");
    let answer = timeout(Duration::from_secs(20), response).await.expect("an end").expect("an answer");
    let mut body = answer.into_body();
    while let Some(data) = body.data().await {
        data.expect("data");
    }
    assert_eq!(body.trailers().await.expect("an end").expect("trailers")["grpc-status"], OK);
}

#[tokio::test]
async fn half_messages_take_no_more_memory_than_they_may() {
    let mut config = GrpcConfig::default();
    config.max_unfinished = 200_000;
    let (_server, address) = serve(config).await;
    let send = raw(&address).await;
    let mut half = b"\0\0\x01\x86\xa0".to_vec();
    half.resize(60_000, b'x');
    let (mut answers, mut streams) = (FuturesUnordered::new(), Vec::new());
    for _ in 0..8 {
        let mut own = send.clone().ready().await.expect("open");
        let (response, mut stream) = own.send_request(head("Total", &[]), false).expect("sent");
        stream.send_data(half.clone().into(), false).expect("sent");
        answers.push(response);
        streams.push(stream);
    }
    for _ in 0..5 {
        let answer = timeout(Duration::from_secs(20), answers.next()).await.expect("three have room").expect("one");
        assert_eq!(answer.expect("an answer").headers()["grpc-status"], RESOURCE_EXHAUSTED);
    }
    assert!(timeout(Duration::from_millis(50), answers.next()).await.is_err(), "three wait for their rest");
    let well = ask(&send, head("Hello", &[]), framed(0, &hello("Ada"))).await;
    assert_eq!(well.status().0, OK, "small ones pass");
    drop((answers, streams));
    let mut large = vec![0x1a, 0xa0, 0x8d, 0x06];
    large.resize(4 + 100_000, b'x');
    loop {
        let answer = ask(&send, head("Hello", &[]), framed(0, &large)).await;
        if answer.status().0 == OK {
            break;
        }
        assert_eq!(answer.status().0, RESOURCE_EXHAUSTED, "until the others are gone");
    }
}

#[tokio::test]
async fn an_unknown_method_is_told_from_an_unknown_service() {
    let (_server, address) = serve(GrpcConfig::default()).await;
    let send = raw(&address).await;
    let answer = ask(&send, head("Nothing", &[]), framed(0, b"")).await;
    assert_eq!(
        answer.status(),
        (UNIMPLEMENTED.into(), "greeter.Greeter/Nothing: this service has no such method".into())
    );
    let mut other = head("Hello", &[]);
    *other.uri_mut() = "http://localhost/a.Other/Hello".parse().expect("valid");
    let answer = ask(&send, other, framed(0, b"")).await;
    assert_eq!(answer.status(), (UNIMPLEMENTED.into(), "a.Other/Hello: no such service here".into()));
    assert_eq!(answer.head.headers()["motet-executed"], "no");
}

#[tokio::test]
async fn another_package_is_passed_over_where_the_names_are_unique() {
    let (_server, address) = serve(GrpcConfig::default()).await;
    let send = raw(&address).await;
    let mut request = head("Hello", &[]);
    *request.uri_mut() = "http://localhost/go.micro.Greeter/Hello".parse().expect("valid");
    assert_eq!(ask(&send, request, framed(0, &hello("Ada"))).await.status().0, OK);
}
