//! The HTTP door over real sockets: both versions, half close, panics, mounting, the drain.

mod support;

use std::time::Duration;

use axum::{Router, routing::get};
use bytes::Bytes;
use http::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use motet_core::{Codecs, Dispatcher, DrainSignal};
use motet_http::{Body, HttpConfig, HttpServer};
use support::{Raw, ask, start, start_with};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

type Sender = hyper::client::conn::http2::SendRequest<Body>;

async fn h2(address: &str) -> Sender {
    let io = TokioIo::new(TcpStream::connect(address).await.expect("listening"));
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("HTTP/2 by prior knowledge");
    tokio::spawn(connection);
    sender
}

fn to(address: &str, path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(format!("http://{address}{path}")).body(body.into()).expect("a request")
}

async fn text(answer: hyper::Response<hyper::body::Incoming>) -> (StatusCode, String) {
    let (head, body) = answer.into_parts();
    let body = Body::new(body).read_all(1 << 20, Duration::from_secs(10)).await.expect("a body");
    (head.status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn http_1_1_is_served_with_keep_alive() {
    let setup = start(HttpConfig::default()).await;
    let mut raw = Raw::connect(&setup.address).await;
    for _ in 0..3 {
        raw.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        let answer = raw.until("by paths").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("GET /a by paths"), "{answer}");
    }
    let answer = ask(&setup.address, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc").await;
    assert!(answer.ends_with("\r\n\r\nabc"), "{answer}");
}

#[tokio::test]
async fn a_half_close_gets_its_answer() {
    let setup = start(HttpConfig::default()).await;
    let answer = ask(&setup.address, "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(answer.ends_with("slow"), "{answer}");
}

#[tokio::test]
async fn http_2_is_served_by_prior_knowledge_many_at_once() {
    let setup = start(HttpConfig::default()).await;
    let sender = h2(&setup.address).await;
    let calls = (0..50).map(|n| {
        let (mut sender, request) = (sender.clone(), to(&setup.address, "/echo", format!("body {n}")));
        tokio::spawn(async move { (n, text(sender.send_request(request).await.expect("an answer")).await) })
    });
    for call in calls.collect::<Vec<_>>() {
        let (n, (status, body)) = call.await.expect("no panic");
        assert_eq!((status, body), (StatusCode::OK, format!("body {n}")));
    }
}

#[tokio::test]
async fn a_panic_is_an_answer_and_others_go_on() {
    let setup = start(HttpConfig::default()).await;
    let mut sender = h2(&setup.address).await;
    let slow = sender.send_request(to(&setup.address, "/slow", ""));
    let (status, body) =
        text(sender.clone().send_request(to(&setup.address, "/panic", "")).await.expect("an answer")).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(body.contains("\"INTERNAL\"") && !body.contains("as asked"), "{body}");
    assert_eq!(text(slow.await.expect("goes on")).await.1, "slow");
}

#[tokio::test]
async fn who_resets_a_request_or_leaves_ends_its_handler() {
    let mut setup = start(HttpConfig::default()).await;
    let mut sender = h2(&setup.address).await;
    let hanging = sender.send_request(to(&setup.address, "/hang", ""));
    let hanging = tokio::time::timeout(Duration::from_millis(200), hanging).await;
    assert!(hanging.is_err(), "no answer; dropped, so reset");
    assert_eq!(setup.gone.recv().await.as_deref(), Some("/hang"));
    let mut other = h2(&setup.address).await;
    let hanging = tokio::spawn({
        let request = to(&setup.address, "/hang", "");
        async move { other.send_request(request).await.map(drop) }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    hanging.abort();
    assert_eq!(setup.gone.recv().await.as_deref(), Some("/hang"));
}

#[tokio::test]
async fn a_request_that_nobody_claims_is_told_what_is_spoken() {
    let setup = start(HttpConfig::default()).await;
    let answer = ask(&setup.address, "GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    assert!(answer.contains("speaks over HTTP: paths") && answer.contains("\"code\":\"NOT_FOUND\""), "{answer}");
}

#[tokio::test]
async fn an_answer_that_comes_before_the_request_is_sent_arrives() {
    let setup = start(HttpConfig::default()).await;
    let mut io = TcpStream::connect(&setup.address).await.expect("it listens");
    let length = 4 << 20;
    let head = format!("POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
    io.write_all(head.as_bytes()).await.expect("taken");
    // Answered and done, as far as the server is concerned.
    tokio::time::sleep(Duration::from_millis(50)).await;
    io.write_all(&vec![b'x'; length]).await.expect("all of it is heard");
    let mut answer = String::new();
    io.read_to_string(&mut answer).await.expect("the connection ends in order");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("POST /nowhere by paths"), "{answer}");
    assert!(answer.contains("connection: close"), "its peer must not use the connection again: {answer}");
    let mut again = Raw::connect(&setup.address).await;
    for _ in 0..2 {
        again.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000\r\n\r\n").await;
        let mut answer = again.send("x".repeat(70_000)).await.until("\r\n\r\n").await;
        assert!(!answer.contains("connection: close"), "what was read to its end leaves room for another: {answer}");
        while !answer.ends_with(&"x".repeat(70_000)) {
            answer.push_str(&again.until("x").await);
        }
    }
}

#[tokio::test]
async fn names_and_pages_of_others_are_refused() {
    let setup = start(HttpConfig::default()).await;
    let evil = ask(&setup.address, "GET /a HTTP/1.1\r\nHost: evil.example\r\n\r\n").await;
    assert!(evil.starts_with("HTTP/1.1 403") && evil.contains("protocols.http.hosts"), "{evil}");
    assert!(evil.contains(r#""executed":"no""#), "{evil}");
    let evil = "GET /a HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n";
    let evil = ask(&setup.address, evil).await;
    assert!(evil.starts_with("HTTP/1.1 403") && evil.contains("protocols.http.origins"), "{evil}");
    assert!(evil.contains(r#""executed":"no""#), "{evil}");
    let own = "GET /a HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n";
    assert!(ask(&setup.address, &format!("{own}\r\n")).await.starts_with("HTTP/1.1 200"));
    let evil = ask(&setup.address, &format!("{own}Origin: http://evil.example\r\n\r\n")).await;
    assert!(evil.starts_with("HTTP/1.1 403") && evil.contains("one Origin"), "{evil}");
}

#[tokio::test]
async fn pages_on_the_list_may_read_where_cors_is_on() {
    let mut config = HttpConfig::default();
    (config.origins, config.cors) = (vec!["https://app.example".to_owned()], true);
    let setup = start(config).await;
    let ask_from = |method: &str| {
        format!(
            "{method} /a HTTP/1.1\r\nHost: localhost\r\nOrigin: https://app.example\r\n\
             Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x-a\r\n\r\n"
        )
    };
    let preflight = ask(&setup.address, &ask_from("OPTIONS")).await;
    assert!(preflight.starts_with("HTTP/1.1 204"), "{preflight}");
    for field in ["access-control-allow-origin: https://app.example", "allow-methods: POST", "allow-headers: x-a"] {
        assert!(preflight.contains(field), "{preflight}");
    }
    let answer = ask(&setup.address, &ask_from("POST")).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("access-control-allow-origin"), "{answer}");
}

#[tokio::test]
async fn services_of_one_s_own_are_mounted_by_prefix_and_as_fallback() {
    let under = Router::new().route("/other/axum", get(|| async { "axum" }));
    let rest = Router::new().fallback(|| async { (StatusCode::IM_A_TEAPOT, "fallback") });
    let setup = start_with(HttpConfig::default(), |door| door.mount("/other/axum", under).fallback(rest)).await;
    for (path, expected) in [("/other/axum", "axum"), ("/otherwise", "fallback"), ("/a", "GET /a by paths")] {
        let answer = ask(&setup.address, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        assert!(answer.ends_with(expected), "{path}: {answer}");
    }
}

#[tokio::test]
async fn the_door_is_mounted_in_an_axum_application() {
    let (gone, _kept) = tokio::sync::mpsc::unbounded_channel();
    let door = HttpServer::new(HttpConfig::default()).protocol(std::sync::Arc::new(support::Paths { gone }));
    let signal = DrainSignal::new();
    let door = door.into_service(Dispatcher::new(Codecs::default()), signal.drain());
    let app = Router::new().route("/own", get(|| async { "own" })).fallback_service(door);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });
    for (path, expected) in [("/own", "own"), ("/a", "GET /a by paths")] {
        let answer = ask(&address, &format!("GET {path} HTTP/1.1\r\nHost: any.example\r\n\r\n")).await;
        assert!(answer.ends_with(expected), "{path}: {answer}");
    }
    serving.abort();
}

#[tokio::test]
async fn a_stop_lets_requests_finish_and_tells_both_versions() {
    let setup = start(HttpConfig::default()).await;
    let mut idle = Raw::connect(&setup.address).await;
    idle.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n").await.until("by paths").await;
    let mut busy = Raw::connect(&setup.address).await;
    busy.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut sender = h2(&setup.address).await;
    let slow = sender.send_request(to(&setup.address, "/slow", Bytes::new()));
    let (slow, report) = tokio::join!(slow, async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        setup.server.shutdown(Duration::from_secs(10)).await
    });
    assert_eq!(text(slow.expect("finished")).await.1, "slow");
    assert!(report.drained, "{report:?}");
    assert!(idle.rest().await.is_empty());
    let answer = String::from_utf8_lossy(&busy.rest().await).into_owned();
    assert!(answer.ends_with("slow") && answer.contains("connection: close"), "{answer}");
}
