//! A whole App, called by gRPC.

use std::sync::Arc;

use motet::{
    Body, Code, Codec, Config, Context, Kind, Metadata, MethodDescriptor, Payload, Result, RunningApp, Service,
    Streaming, core::Family,
};

#[motet::message]
pub(crate) struct Hello {
    name: String,
}

#[motet::service(name = "greeter", version = "1.0.0")]
pub(crate) trait Greeter {
    async fn hello(&self, cx: &Context, hello: Hello) -> Result<Hello>;
}

struct Me;

impl Greeter for Me {
    async fn hello(&self, cx: &Context, hello: Hello) -> Result<Hello> {
        assert_eq!(cx.peer().map(|peer| peer.protocol.as_str()), Some("grpc"));
        Ok(Hello { name: format!("Hello, {}!", hello.name) })
    }
}

async fn start(config: &str) -> RunningApp {
    let service = Service::new("greeter").serve(GreeterServer::new(Me)).listen("tcp://127.0.0.1:0");
    let config = Config::toml(config).expect("TOML");
    service.app(move |app| app.config(config)).start().await.expect("starts")
}

fn address(app: &RunningApp) -> String {
    app.endpoints()[0].to_string().replace("tcp://", "grpc://")
}

/// Asks a service that has no Rust trait here.
async fn ask(app: &RunningApp, service: &str, method: &str, kind: Kind, request: &[u8]) -> Result<Vec<u8>> {
    let client = app.client().to(address(app))?.service(service);
    let method = Arc::new(MethodDescriptor::new(service, method).kind(kind).family(Family::Raw));
    let request = Payload::encoded(request.to_vec(), Codec::PROTOBUF);
    let body = if kind == Kind::Unary { Body::One(request) } else { Body::Stream(Streaming::from_iter([request])) };
    let reply = client.call(client.prepare(&method, &Context::new(), Codec::PROTOBUF, body)?).await?;
    let replies = reply.body.stream().collect().await?;
    Ok(replies.iter().flat_map(|reply| reply.bytes().expect("encoded").to_vec()).collect())
}

#[tokio::test]
async fn an_app_speaks_grpc_on_its_port_and_says_how_it_is() {
    let app = start("").await;
    assert!(app.endpoints()[0].protocols.iter().any(|name| name == "grpc"), "{:?}", app.endpoints());
    let greeter = GreeterClient::new(app.client().to(address(&app)).expect("an address"));
    let reply = greeter.hello(&Context::new(), Hello { name: "Ada".into() }).await.expect("answered");
    assert_eq!(reply.name, "Hello, Ada!");
    let serving = b"\x08\x01";
    for about in [&b""[..], b"\x0a\x0fgreeter.Greeter", b"\x0a\x07greeter"] {
        let answer = ask(&app, "grpc.health.v1.Health", "Check", Kind::Unary, about).await;
        assert_eq!(answer.as_deref(), Ok(&serving[..]), "{about:?}");
    }
    let error = ask(&app, "grpc.health.v1.Health", "Check", Kind::Unary, b"\x0a\x04nope").await.expect_err("unknown");
    assert_eq!(error.code(), Code::NotFound);
    assert!(app.stop().await.is_clean());
}

#[tokio::test]
async fn reflection_describes_a_trait() {
    let app = start("").await;
    for service in ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"] {
        let list = ask(&app, service, "ServerReflectionInfo", Kind::Bidi, b"\x3a\x01*").await.expect("answered");
        let text = String::from_utf8_lossy(&list);
        assert!(text.contains("greeter.Greeter") && text.contains("grpc.health.v1.Health"), "{text}");
        let file = ask(&app, service, "ServerReflectionInfo", Kind::Bidi, b"\x22\x0fgreeter.Greeter").await;
        assert!(String::from_utf8_lossy(&file.expect("answered")).contains("Hello"));
    }
    assert!(app.stop().await.is_clean());
}

/// As the command line does it.
#[tokio::test]
async fn a_method_is_called_by_its_path_with_json() {
    let app = start("").await;
    let client = app.client().to(address(&app)).expect("an address");
    let reply = client.service("greeter").call_json(&Context::new(), "hello", r#"{"name": "Ada"}"#).await;
    assert_eq!(reply.expect("answered")["name"], "Hello, Ada!");
    let described = client.service("motet.meta").call_json(&Context::new(), "describe", "{}").await;
    assert_eq!(described.expect("answered")["services"][0]["name"], "greeter");
    assert!(app.stop().await.is_clean());
}

#[tokio::test]
async fn the_settings_of_grpc_are_read() {
    let app = start("[protocols.grpc]\nmax_message = 100").await;
    let greeter = GreeterClient::new(app.client().to(address(&app)).expect("an address"));
    let error = greeter.hello(&Context::new(), Hello { name: "x".repeat(200) }).await.err().expect("too long");
    assert_eq!((error.code(), error.metadata()), (Code::ResourceExhausted, &Metadata::new()));
    assert!(error.message().contains("protocols.grpc.max_message"), "{error}");
    assert!(app.stop().await.is_clean());
}
