//! Calls by URL, over every protocol, to Motet's port and to peers that are none of Motet's.

use std::sync::Arc;

use motet::{
    App, RunningApp, Server, ServerTls,
    grpc::{GrpcConfig, GrpcServer},
    http::{HttpConfig, HttpServer},
};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

use crate::{
    cart::{CartServer, FILES, Mine},
    fixture::{GreeterServer, MyGreeter, tools},
    lab::Lab,
};

const ITEM: &str = r#"{"displayName": "tea", "amount": "3", "color": "RED", "labels": {"a": "b"},
    "bought": "2026-11-22T00:00:00Z", "picture": "AQI="}"#;
const TOTAL: &str = r#"{"amount":"3","items":[{"displayName":"tea","amount":"3","color":"RED","labels":{"a":"b"},"bought":"2026-11-22T00:00:00Z","picture":"AQI="}]}"#;
const CART_PROTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proto/cart.proto");

/// An App with both services, in no registry that the command knows; its address.
async fn app() -> (Lab, RunningApp, String) {
    let (greeter, _) = MyGreeter::new();
    let app = App::builder().name("fixture").service(GreeterServer::new(greeter)).service(tools());
    let app = app.service(CartServer::new(Mine)).listen("tcp://127.0.0.1:0").start().await.expect("starts");
    let address = app.endpoints()[0].address.clone();
    (Lab::new(), app, address)
}

/// A server of gRPC and nothing else, with reflection or without.
async fn foreign(reflection: bool) -> (Lab, Server, String) {
    let mut grpc = GrpcServer::new(GrpcConfig::default());
    if reflection {
        grpc = grpc.with_reflection(Arc::new(|_| Ok(())));
    }
    let door = HttpServer::new(HttpConfig::default()).protocol(Arc::new(grpc));
    let mut server = Server::builder().service(CartServer::new(Mine).into_service().expect("valid"));
    for protocol in door.server_protocols() {
        server = server.protocol(protocol);
    }
    let server = server.build().expect("valid");
    let address = server.listen("tcp://127.0.0.1:0").await.expect("free").address;
    (Lab::new(), server, address)
}

#[test]
fn the_compiled_file_is_that_of_the_source() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proto");
    let compiled = motet_build::descriptor_set(&[CART_PROTO], &[folder]).expect("compiles");
    if compiled != FILES {
        let fresh = concat!(env!("CARGO_TARGET_TMPDIR"), "/cart.binpb");
        std::fs::write(fresh, compiled).expect("written");
        panic!("tests/proto/cart.binpb is another: take {fresh}");
    }
}

#[tokio::test]
async fn every_protocol_of_the_port_is_called_by_url() {
    let (lab, _app, address) = app().await;
    for scheme in ["tcp", "motet", "grpc", "http", "jsonrpc", "jsonrpc2", "netrpc", "netrpc-http", "rpcx", "gorpc"] {
        let url = format!("{scheme}://{address}");
        let out = lab.run(&["call", &url, "Greeter", "Add", r#"{"a": 1, "b": 2}"#]).await;
        // net/rpc has scalars bare, and no way to say what stands for what.
        let expected = if scheme.starts_with("netrpc") { "3\n" } else { "{\"value\": 3}\n" };
        assert!(out.code == 0 && out.out == expected, "{scheme}: {out:?}");
    }
    for words in [
        &["call", &format!("http://{address}/greeter"), "add", r#"{"a": 1, "b": 2}"#][..],
        &["call", &format!("http://{address}/greeter/add"), r#"{"a": 1, "b": 2}"#],
        &["call", &format!("grpc://{address}/greeter.Greeter/Add"), r#"{"a": 1, "b": 2}"#],
        &["call", "--address", &format!("http://{address}"), "Greeter.Add", r#"{"a": 1, "b": 2}"#],
    ] {
        assert_eq!(lab.run(words).await.done(), "{\"value\": 3}\n", "{words:?}");
    }
    for scheme in ["grpc", "http"] {
        let url = format!("{scheme}://{address}");
        let request = r#"{"to": 2, "pause_ms": 0, "fail_at": 0}"#;
        assert_eq!(lab.run(&["stream", &url, "greeter", "count", request]).await.done(), "{\"n\": 1}\n{\"n\": 2}\n");
        let out = lab.feed(&["stream", &url, "greeter", "double"], "{\"n\":2}\n{\"n\":4}\n").await.done();
        assert_eq!(out, "{\"n\": 4}\n{\"n\": 8}\n", "{scheme}");
        let text = lab.run(&["call", &url, "greeter", "find", r#"{"name": "Bob"}"#]).await.failed(1);
        assert!(text.contains("Bob is not known here\n  reason: GreetError.Unknown"), "{text}");
    }
    let text = lab.run(&["call", &format!("http://{address}/greter"), "add"]).await.failed(3);
    assert!(text.contains("did you mean `greeter`?"), "{text}");
}

#[tokio::test]
async fn prost_messages_without_serde_are_written_as_json() {
    let (lab, _app, address) = app().await;
    for at in [format!("tcp://{address}"), format!("grpc://{address}")] {
        let out = lab.run(&["call", &at, "cart", "add_item", ITEM, "--json"]).await.done();
        assert_eq!(out, format!("{TOTAL}\n"));
        let out = lab.run(&["stream", &at, "cart", "watch", r#"{"amount": 4}"#]).await.done();
        assert_eq!(out, "{\"amount\": \"4\"}\n{\"amount\": \"8\"}\n");
        let out = lab.feed(&["stream", &at, "cart", "add_all"], "{\"amount\":2}\n{\"amount\":\"5\"}\n").await.done();
        assert_eq!(out, "{\"amount\": \"7\"}\n");
        let text = lab.feed(&["stream", &at, "cart", "add_all"], "{\"amount\":2}\n{\"amout\":5}\n").await.failed(2);
        assert!(text.contains("line 2 of standard input") && text.contains("amout"), "{text}");
        let text = lab.run(&["call", &at, "cart", "add_item", r#"{"displayname": "tea"}"#]).await.failed(2);
        assert!(text.contains("acme.shop.v1.Item") && text.contains("displayname"), "{text}");
    }
}

#[tokio::test]
async fn a_grpc_server_is_called_and_described_by_its_reflection() {
    let (lab, _server, address) = foreign(true).await;
    let url = format!("grpc://{address}");
    for spelled in [&["Cart", "AddItem"][..], &["acme.shop.v1.Cart/AddItem"], &["cart", "add_item"]] {
        let words = [&["call", url.as_str()], spelled, &[ITEM, "--json"]].concat();
        assert_eq!(lab.run(&words).await.done(), format!("{TOTAL}\n"), "{spelled:?}");
    }
    let text = lab.run(&["call", &url, "Cart", "AddItem", r#"{"amount": -1}"#]).await.failed(1);
    assert!(text.contains("INVALID_ARGUMENT: less than nothing"), "{text}");
    let text = lab.run(&["call", &url, "Cart", "AddItem", r#"{"amuont": 1}"#]).await.failed(2);
    assert!(text.contains("did you mean `amount`?"), "{text}");
    let out = lab.run(&["stream", &url, "Cart", "Watch", r#"{"amount": 4}"#]).await.done();
    assert_eq!(out, "{\"amount\": \"4\"}\n{\"amount\": \"8\"}\n");
    let text = lab.run(&["call", &url, "Basket", "AddItem"]).await.failed(3);
    assert!(text.contains("acme.shop.v1.Cart"), "{text}");

    let services = lab.run(&["services", "--address", &url, "--json"]).await.json();
    assert_eq!(services["services"][0]["name"], "acme.shop.v1.Cart");
    assert_eq!(services["services"][0]["methods"], json!(["AddItem", "Watch", "AddAll"]));
    let page = lab.run(&["describe", &url, "Cart"]).await.done();
    for part in ["Keeps what somebody wants to buy.", "AddItem", "displayName", "map of"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let proto = lab.run(&["describe", &url, "Cart", "--proto"]).await.done();
    assert!(proto.contains("rpc AddItem(Item) returns (Total)"), "{proto}");
}

#[tokio::test]
async fn a_grpc_server_without_reflection_needs_its_file() {
    let (lab, _server, address) = foreign(false).await;
    let url = format!("grpc://{address}");
    let text = lab.run(&["call", &url, "Cart", "AddItem", ITEM]).await.failed(3);
    assert!(text.contains("it has no reflection service") && text.contains("--proto FILE"), "{text}");
    let out = lab.run(&["call", &url, "Cart", "AddItem", ITEM, "--proto", CART_PROTO, "--json"]).await.done();
    assert_eq!(out, format!("{TOTAL}\n"));
    let text = lab.run(&["call", &url, "Basket", "AddItem", "--proto", CART_PROTO]).await.failed(2);
    assert!(text.contains("declare no service `Basket`; there are: acme.shop.v1.Cart"), "{text}");
    let text = lab.run(&["call", &url, "Cart", "AddItem", "--proto", "nowhere.proto"]).await.failed(2);
    assert!(text.contains("nowhere.proto"), "{text}");
    let text = lab.run(&["describe", &url]).await.failed(1);
    assert!(text.contains("it has no reflection service"), "{text}");
}

/// Answers requests of HTTP/1.1 by their first line; what it does not know is not found.
async fn plain(answers: &'static [(&'static str, &'static str)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut socket = BufReader::new(socket);
                let (mut head, mut line) = (String::new(), String::new());
                while socket.read_line(&mut line).await.is_ok_and(|n| n > 2) {
                    head.push_str(&line.to_ascii_lowercase());
                    line.clear();
                }
                let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next());
                let mut body = vec![0; length.and_then(|length| length.parse().ok()).unwrap_or(0)];
                socket.read_exact(&mut body).await.expect("a body");
                let known = answers.iter().find(|(start, _)| head.starts_with(&start.to_ascii_lowercase()));
                let (status, answer) =
                    known.map_or(("404 Not Found", "no such page"), |(_, answer)| ("200 OK", *answer));
                let answer = answer.replace("BODY", &String::from_utf8_lossy(&body));
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
                    answer.len()
                );
                socket.get_mut().write_all(answer.as_bytes()).await.expect("open");
            });
        }
    });
    address
}

#[tokio::test]
async fn an_http_server_that_says_nothing_of_itself_is_called_by_its_path() {
    let lab = Lab::new();
    let address = plain(&[("POST /api/greeter/hello ", "{\"you sent\": BODY}"), ("POST /echo ", "BODY")]).await;
    let out =
        lab.run(&["call", &format!("http://{address}/api/greeter"), "hello", r#"{"name":"Ada"}"#, "--json"]).await;
    assert_eq!(out.done(), "{\"you sent\":{\"name\":\"Ada\"}}\n");
    let out = lab.run(&["call", &format!("http://{address}/echo"), r#"{"n":1}"#, "--json"]).await;
    assert_eq!(out.done(), "{\"n\":1}\n");
    let text = lab.run(&["call", &format!("http://{address}/greeter/hello")]).await.failed(1);
    assert!(text.contains("NOT_FOUND"), "{text}");
}

#[tokio::test]
async fn an_http_server_that_lists_its_services_is_described() {
    let lab = Lab::new();
    let list = r#"{"app": "x", "services": [{"name": "greeter", "version": "1.0.0", "methods": [
        {"name": "hello", "path": "greeter/hello", "kind": "unary"}]}]}"#;
    let address = plain(Box::leak(Box::new([("GET /-/services ", list), ("POST /greeter/hello ", "BODY")]))).await;
    let url = format!("http://{address}");
    let services = lab.run(&["services", "--address", &url, "--json"]).await.json();
    assert_eq!(services["services"][0]["methods"], json!(["hello"]));
    let out = lab.run(&["call", &url, "Greeter.Hello", r#"{"name":"Ada"}"#, "--json"]).await.done();
    assert_eq!(out, "{\"name\":\"Ada\"}\n");
}

#[tokio::test]
async fn encrypted_urls_are_checked_against_the_authority_that_is_named() {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let tls = ServerTls::from_pem(certified.cert.pem(), certified.signing_key.serialize_pem()).expect("a pair");
    let lab = Lab::new();
    let app =
        App::builder().service(tools()).server_tls(tls).listen("tls://127.0.0.1:0").start().await.expect("starts");
    let address = &app.endpoints()[0].address;
    let ca = lab.path().join("ca.pem");
    std::fs::write(&ca, certified.cert.pem()).expect("written");
    let ca = ca.display().to_string();
    for scheme in ["grpcs", "https", "tls"] {
        let words = ["call", &format!("{scheme}://{address}"), "tools", "/say/hi", r#"{"name":"Ada"}"#, "--ca", &ca];
        assert_eq!(lab.run(&words).await.done(), "{\"value\": \"hi Ada\"}\n", "{scheme}");
    }
    let text = lab.run(&["call", &format!("https://{address}"), "tools", "/say/hi"]).await.failed(3);
    assert!(text.contains("no authority") || text.contains("certificate"), "{text}");
}

#[tokio::test]
async fn the_openapi_document_is_that_of_the_port() {
    let (lab, app, address) = app().await;
    let printed = lab.run(&["describe", &format!("http://{address}"), "--openapi"]).await.json();
    let mut socket = tokio::net::TcpStream::connect(&address).await.expect("listening");
    socket.write_all(b"GET /openapi.json HTTP/1.0\r\nHost: localhost\r\n\r\n").await.expect("open");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("text");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    let mut served: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(served["info"]["title"], app.name());
    // The name of the process is its own.
    served["info"]["title"] = printed["info"]["title"].clone();
    assert_eq!(printed, served);
    let one = lab.run(&["describe", &format!("http://{address}"), "greeter", "--openapi"]).await.json();
    assert!(one["paths"]["/greeter/hello"].is_object() && one["paths"].get("/tools//say/hi").is_none(), "{one}");
}
