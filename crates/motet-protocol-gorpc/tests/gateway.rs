//! go-rpc's calls and pages in HTTP.
#![cfg(feature = "http")]

#[path = "../../motet-framed/tests/unary/mod.rs"]
mod unary;

use std::sync::Arc;

use motet::{Server, core::ServerProtocol};
use motet_http::{HttpConfig, HttpServer};
use motet_protocol_gorpc::{GoRpcClient, GoRpcConfig, GoRpcServer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use unary::{LONG, Rig};

async fn rig(config: GoRpcConfig) -> Rig {
    let server = GoRpcServer::new(config);
    let door = HttpServer::new(HttpConfig::default()).protocol(Arc::new(server.gateway()));
    let protocols: Vec<Arc<dyn ServerProtocol>> = door.server_protocols();
    let builder = protocols.into_iter().fold(Server::builder(), |builder, protocol| builder.protocol(protocol));
    Rig::with(builder, server, GoRpcClient::default()).await
}

/// Sends a request and gives the lines of the answer's head, and its body.
async fn ask(rig: &Rig, request: &str, fields: &str, body: &[u8]) -> (String, Vec<u8>) {
    let mut stream = rig.raw().await;
    let head = format!(
        "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n{fields}\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).await.expect("taken");
    let mut all = Vec::new();
    timeout(LONG, stream.read_to_end(&mut all)).await.expect("in time").expect("an answer");
    let at = all.windows(4).position(|four| four == b"\r\n\r\n").expect("the end of the head");
    (String::from_utf8_lossy(&all[..at]).into_owned(), all[at + 4..].to_vec())
}

fn fields(serialize: u8, method: &str, more: &str) -> String {
    format!(
        "rpc-header-seq: 7\r\nRpc-Header-Message_type: 0\r\nrpc-header-compress_type: 0\r\n\
         rpc-header-serialize_type: {serialize}\r\nrpc-header-status_code: 0\r\nrpc-header-service_name: Arith\r\n\
         rpc-header-method_name: {method}\r\nrpc-header-error: \r\n{more}"
    )
}

#[tokio::test]
async fn a_call_by_http_is_answered_in_kind() {
    let rig = rig(GoRpcConfig::default()).await;
    let wide = b"\x81\xa1C\xd3\0\0\0\0\0\0\0\x06";
    for (serialize, body, expected) in
        [(0, &br#"{"A":2,"B":3}"#[..], &br#"{"C":6}"#[..]), (1, b"\x82\xa1A\x02\xa1B\x03", wide)]
    {
        let more = "rpc-header-meta_data: {\"trace\":\"t1\"}\r\n";
        let (head, answer) = ask(&rig, "POST /invoke", &fields(serialize, "Mul", more), body).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        for line in ["rpc-header-seq: 7", "rpc-header-message_type: 1", "rpc-header-status_code: 0"] {
            assert!(head.contains(line), "{head}");
        }
        assert_eq!(answer, expected);
    }
}

#[tokio::test]
async fn a_refused_call_has_its_text_in_a_field_and_no_body() {
    let mut config = GoRpcConfig::default();
    config.accept_tokens = vec!["hello01".to_owned()];
    let rig = rig(config).await;
    let token = "rpc-header-meta_data: {\"rpc_auth\":\"hello01\"}\r\n";
    for (method, more, body, text) in [
        ("Mul", "", "{}", "auth failed"),
        ("Mod", token, "{}", "can not find method"),
        ("Div", token, r#"{"A":1,"B":0}"#, "divide by zero"),
        ("Count", token, "{}", "arith/count takes or gives a stream"),
    ] {
        let (head, answer) = ask(&rig, "POST /invoke", &fields(0, method, more), body.as_bytes()).await;
        assert!(head.contains("rpc-header-status_code: 1"), "{head}");
        assert!(head.contains(&format!("rpc-header-error: {text}")), "{head}");
        assert!(answer.is_empty());
    }
}

#[tokio::test]
async fn what_is_no_call_is_told_so() {
    let rig = rig(GoRpcConfig::default()).await;
    let good = fields(0, "Mul", "");
    for (request, fields, expected) in [
        ("GET /invoke", good.clone(), "HTTP/1.1 405"),
        ("POST /view/cpu", String::new(), "HTTP/1.1 405"),
        ("POST /elsewhere", good.clone(), "HTTP/1.1 404"),
        ("POST /invoke", good.replace("seq: 7", "seq: x"), "HTTP/1.1 400"),
        ("POST /invoke", good.replace("rpc-header-seq: 7\r\n", ""), "HTTP/1.1 400"),
        ("POST /invoke", good.replace("serialize_type: 0", "serialize_type: 9"), "HTTP/1.1 400"),
        ("POST /invoke", good.replace("Message_type: 0", "message_type: 2"), "HTTP/1.1 400"),
        ("POST /invoke", format!("{good}rpc-header-meta_data: {{\r\n"), "HTTP/1.1 400"),
    ] {
        let (head, _) = ask(&rig, request, &fields, b"{}").await;
        assert!(head.starts_with(expected), "{request}: {head}");
    }
}

#[tokio::test]
async fn the_pages_tell_how_the_machine_does() {
    let rig = rig(GoRpcConfig::default()).await;
    for (path, message, names) in [
        ("health", "OK", &["status"][..]),
        ("disk", "ok", &["disk_status", "Free_space(MB)", "total_space(MB)", "usedPercent"]),
        ("cpu", "ok", &["cpu_status", "Load_average_l1", "Load_average_l5", "Load_average_l15", "cores"]),
        ("ram", "ok", &["ram_status", "Free_space(MB)", "total_space(MB)", "usedPercent"]),
    ] {
        let (head, body) = ask(&rig, &format!("GET /view/{path}"), "", b"").await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let view: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!((view["Statuscode"].as_u64(), view["Message"].as_str()), (Some(0), Some(message)));
        for name in names.iter().filter(|_| cfg!(target_os = "linux")) {
            assert!(view["Data"][name].is_string(), "{path} without {name}: {view}");
        }
    }
}
