//! Calls by name, with JSON, and clients that are told how to call.

use std::time::Duration;

use motet::{App, Code, Context, FailMode, Result};
use serde_json::json;

use crate::support::remote;

#[motet::service(name = "tools", version = "1.0.0")]
trait Tools {
    async fn join(&self, cx: &Context, words: Vec<String>, by: String) -> Result<String>;
    async fn nothing(&self, cx: &Context) -> Result<()>;
    async fn wait(&self, cx: &Context) -> Result<()>;
}

struct MyTools;

impl Tools for MyTools {
    async fn join(&self, _: &Context, words: Vec<String>, by: String) -> Result<String> {
        Ok(words.join(&by))
    }

    async fn nothing(&self, _: &Context) -> Result<()> {
        Ok(())
    }

    async fn wait(&self, _: &Context) -> Result<()> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_method_is_called_by_name_with_json_as_value_or_text() {
    let (app, over_tcp) = remote("tools", ToolsServer::new(MyTools)).await;
    let cx = &Context::new();
    for client in [app.client(), &over_tcp] {
        let tools = client.service("tools");
        let joined = tools.call_json(cx, "join", json!({ "words": ["a", "b"], "by": "-" })).await;
        assert_eq!(joined, Ok(json!({ "value": "a-b" })));
        let joined = tools.call_json(cx, "join", r#"{ "words": ["a"], "by": "" }"#).await;
        assert_eq!(joined, Ok(json!({ "value": "a" })));
        assert_eq!(tools.call_json(cx, "nothing", "{}").await, Ok(json!({})));
        for (method, request, code) in [
            ("join", r#"{ "words": 1 }"#, Code::InvalidArgument),
            ("join", "no JSON", Code::InvalidArgument),
            ("gone", "{}", Code::Unimplemented),
        ] {
            let error = tools.call_json(cx, method, request).await.expect_err(method);
            assert_eq!(error.code(), code, "{error}");
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn configuring_a_client_changes_what_is_named_and_keeps_the_rest() {
    let (app, over_tcp) = remote("tools", ToolsServer::new(MyTools)).await;
    let service = over_tcp.service("tools").configure(|options| options.retries = Some(1));
    let service = service.configure(|options| options.fail_mode = Some(FailMode::Fast));
    assert_eq!((service.options().retries, service.options().fail_mode), (Some(1), Some(FailMode::Fast)));

    let hurried = ToolsClient::new(over_tcp).with_timeout(Duration::from_millis(20));
    let error = hurried.configure(|options| options.retries = Some(0)).wait(&Context::new()).await.expect_err("late");
    assert!(error.message().contains("20ms"), "{error}");
    let error = hurried.configure(|options| options.version = Some("2".into())).wait(&Context::new()).await;
    assert!(error.expect_err("no such node").message().contains("version \"2\""));
    app.stop().await;
}

#[tokio::test]
async fn an_address_is_text_or_an_endpoint() {
    let (app, _) = remote("tools", ToolsServer::new(MyTools)).await;
    let endpoint = app.endpoints()[0].clone();
    for client in
        [app.client().to(&endpoint), app.client().to(endpoint.to_string()), app.client().to(&*endpoint.address)]
    {
        assert_eq!(ToolsClient::new(client.expect("an address")).nothing(&Context::new()).await, Ok(()));
    }
    assert_eq!(app.client().to("nowhere").expect_err("no port").code(), Code::InvalidArgument);
    app.stop().await;
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_named_once() {
    let app = App::builder().start().await.expect("starts");
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|bound| bound.local_addr()).expect("a port").port();
    let tools = app.client().to(format!("127.0.0.1:{port}")).expect("an address").service("tools");
    let error = tools.call_json(&Context::new(), "nothing", "{}").await.expect_err("nobody listens");
    let said = error.message().strip_prefix(&format!("cannot connect to tcp://127.0.0.1:{port}: "));
    assert!(said.is_some_and(|why| !why.contains("cannot connect") && why.contains("refused")), "{error}");
    app.stop().await;
}
