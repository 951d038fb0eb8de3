//! The greeter is found through a registry in files and called over TCP.

use hello::{Greeter, GreeterClient, GreeterServer, HelloRequest, MyGreeter};
use motet::{App, Code, Context};

#[tokio::test]
async fn one_app_finds_and_calls_the_service_of_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = format!("file://{}/registry", folder.path().display());
    let server = App::builder()
        .name("server")
        .registry(registry.as_str())
        .service(GreeterServer::new(MyGreeter))
        .start()
        .await
        .expect("starts");
    let client = App::builder().name("client").registry(registry.as_str()).start().await.expect("starts");
    let greeter = GreeterClient::new(client.client());
    let cx = Context::new();
    let reply = greeter.hello(&cx, HelloRequest { name: "Ada".into() }).await.expect("answered");
    assert_eq!(reply.text, "Hello, Ada!");
    let error = greeter.hello(&cx, HelloRequest { name: String::new() }).await.expect_err("too short");
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(error.message().contains("name"), "{error}");
    let counted = greeter.count(&cx, 100).await.expect("a head").collect().await.expect("to the end");
    assert_eq!(counted, (1..=100).collect::<Vec<_>>());
    assert!(server.stop().await.is_clean());
    client.stop().await;
}
