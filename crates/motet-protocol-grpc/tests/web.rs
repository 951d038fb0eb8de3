//! gRPC-Web and Connect, as browsers and curl send them.

mod support;

use base64::{Engine, engine::general_purpose::STANDARD};
use motet_protocol_grpc::{
    GrpcConfig,
    wire::{CONNECT_END, FrameDecoder, WEB_TRAILERS, web},
};
use support::{ask, framed, head, hello, http1, raw, serve};

fn split(answer: &[u8]) -> (String, Vec<u8>) {
    let at = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    (String::from_utf8_lossy(&answer[..at]).to_lowercase(), answer[at + 4..].to_vec())
}

fn frames(body: &[u8], flags: u8) -> Vec<(u8, Vec<u8>)> {
    let mut decoder = FrameDecoder::new(1 << 20, flags);
    decoder.push(body.to_vec().into());
    let mut all = Vec::new();
    while let Some(frame) = decoder.next_frame().expect("frames") {
        all.push((frame.flags, frame.body.to_vec()));
    }
    decoder.finish().expect("whole ones");
    all
}

#[tokio::test]
async fn grpc_web_has_its_trailers_in_the_body() {
    let (_server, address) = serve(GrpcConfig::default()).await;
    let send = raw(&address).await;
    for (name, code) in [("Ada", "0"), ("nobody", "5")] {
        let request = head("Hello", &[("content-type", "application/grpc-web+proto")]);
        let answer = ask(&send, request, framed(0, &hello(name))).await;
        assert!(answer.trailers.is_empty());
        assert_eq!(answer.head.headers()["content-type"], "application/grpc-web+proto");
        let mut frames = frames(&answer.body, WEB_TRAILERS);
        let (flags, block) = frames.pop().expect("an end");
        let trailers = web::read_trailers(&block).expect("trailers");
        assert_eq!((flags, trailers["grpc-status"].as_bytes()), (WEB_TRAILERS, code.as_bytes()));
        assert_eq!(trailers["tail"], "2");
        assert_eq!(frames.len(), usize::from(code == "0"));
    }
}

#[tokio::test]
async fn grpc_web_text_is_base64_both_ways_over_http_1_1() {
    let (_server, address) = serve(GrpcConfig::default()).await;
    let start = "POST /greeter.Greeter/Hello HTTP/1.1\r\nContent-Type: application/grpc-web-text";
    let body = STANDARD.encode(framed(0, &hello("Ada")));
    let (head, body) = split(&http1(&address, start, body.as_bytes()).await);
    assert!(head.contains("200 ok") && head.contains("application/grpc-web-text+proto"), "{head}");
    let frames = frames(&STANDARD.decode(body).expect("base64"), WEB_TRAILERS);
    assert!(frames[0].1.starts_with(&hello("Ada")));
    assert_eq!(web::read_trailers(&frames[1].1).expect("trailers")["grpc-status"], "0");

    let (_, body) = split(&http1(&address, start, b"!!!!").await);
    let frames = self::frames(&STANDARD.decode(body).expect("base64"), WEB_TRAILERS);
    assert_eq!(web::read_trailers(&frames[0].1).expect("trailers")["grpc-status"], "13");
}

#[tokio::test]
async fn connect_unary_is_the_message_itself() {
    let (_server, address) = serve(GrpcConfig::default()).await;
    let start = "POST /greeter.Greeter/Hello HTTP/1.1\r\nConnect-Protocol-Version: 1\r\nContent-Type: application/";
    let (head, body) = split(&http1(&address, &format!("{start}json"), br#"{"name":"Ada","count":1,"text":""}"#).await);
    assert!(head.contains("200 ok") && head.contains("\r\nhead: 1") && head.contains("\r\ntrailer-tail: 2"), "{head}");
    assert!(String::from_utf8_lossy(&body).contains(r#""name":"Ada","count":1"#), "{}", String::from_utf8_lossy(&body));
    let (head, body) = split(&http1(&address, &format!("{start}proto"), &hello("Ada")).await);
    assert!(head.contains("content-type: application/proto") && body.starts_with(&hello("Ada")), "{head}");

    let (head, body) =
        split(&http1(&address, &format!("{start}json"), br#"{"name":"nobody","count":1,"text":""}"#).await);
    let body = String::from_utf8_lossy(&body);
    assert!(head.contains("404 not found") && head.contains("application/json"), "{head}");
    assert!(
        body.starts_with(
            r#"{"code":"not_found","message":"nobody is called nobody","details":[{"type":"google.rpc.ErrorInfo""#
        ),
        "{body}"
    );

    for (header, status, code) in
        [("Connect-Timeout-Ms: soon", "400", "invalid_argument"), ("Content-Encoding: snappy", "501", "unimplemented")]
    {
        let (head, body) = split(&http1(&address, &format!("{start}json\r\n{header}"), b"{}").await);
        assert!(head.contains(status) && String::from_utf8_lossy(&body).contains(code), "{head}");
    }
}

#[tokio::test]
async fn connect_gets_only_what_is_safe() {
    let (_server, address) = serve(GrpcConfig::default()).await;
    let get = |method: &str| {
        format!(
            "GET /greeter.Greeter/{method}?connect=v1&encoding=json&message=%7B%22name%22%3A%22Ada%22%2C%22count%22%3A1%2C%22text%22%3A%22%22%7D HTTP/1.1"
        )
    };
    let (head, body) = split(&http1(&address, &get("Read"), b"").await);
    assert!(head.contains("200 ok") && String::from_utf8_lossy(&body).contains("Ada"), "{head}");
    let (head, body) = split(&http1(&address, &get("Hello"), b"").await);
    assert!(head.contains("501") && String::from_utf8_lossy(&body).contains("POST"), "{head}");
}

#[tokio::test]
async fn connect_streams_end_with_json() {
    let (_server, address) = serve(GrpcConfig::default()).await;
    let send = raw(&address).await;
    let request = |name: &str| framed(0, format!(r#"{{"name":"{name}","count":3,"text":""}}"#).as_bytes());
    // Whether it ran travels as a key that others pass over.
    let gone = r#"{"error":{"code":"data_loss","message":"gone"},"metadata":{"motet-executed":["yes"]}}"#;
    for (name, items, end) in [("Ada", 3, "{}"), ("breaks", 2, gone)] {
        let asked = head("Ticks", &[("content-type", "application/connect+json")]);
        let answer = ask(&send, asked, request(name)).await;
        assert_eq!((answer.head.status().as_u16(), answer.trailers.len()), (200, 0));
        let mut frames = frames(&answer.body, CONNECT_END);
        let (flags, last) = frames.pop().expect("an end");
        assert_eq!((flags, String::from_utf8_lossy(&last).as_ref(), frames.len()), (CONNECT_END, end, items));
    }
}
