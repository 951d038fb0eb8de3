//! Clients of everything, on Motet's port and in the axum application.

use std::time::Duration;

use motet::Context;
use mounting::{
    helloworld::{HelloRequest, greeter_client::GreeterClient},
    on_motet,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tonic::{Code, transport::Channel};

async fn ask(address: &str, request: &str) -> String {
    let mut socket = TcpStream::connect(address).await.expect("listening");
    let request = format!("{request} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("open");
    let mut answer = String::new();
    timeout(Duration::from_secs(20), socket.read_to_string(&mut answer)).await.expect("in time").expect("text");
    answer
}

async fn tonic_client(address: &str) -> GreeterClient<Channel> {
    GreeterClient::connect(format!("http://{address}")).await.expect("listening")
}

fn ada() -> HelloRequest {
    HelloRequest { name: "Ada".to_owned() }
}

#[tokio::test]
async fn a_moved_method_is_motet_s_and_the_others_are_tonic_s() {
    let app = mounting::app().listen("tcp://127.0.0.1:0").start().await.expect("starts");
    let address = app.endpoints()[0].address.clone();
    let mut client = tonic_client(&address).await;
    let hello = client.say_hello(ada()).await.expect("answered").into_inner();
    assert_eq!(hello.message, "Hello, Ada, from Motet");
    let bye = client.say_bye(ada()).await.expect("answered").into_inner();
    assert_eq!(bye.message, "Bye, Ada, from tonic");
    let status = client.say_bye(HelloRequest::default()).await.expect_err("nobody");
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "who leaves?"));

    let mut often = client.say_often(ada()).await.expect("begins").into_inner();
    let next = async |often: &mut tonic::Streaming<_>| often.message().await;
    for n in 1..=2 {
        let greeting: Option<mounting::helloworld::HelloReply> = next(&mut often).await.expect("one");
        assert_eq!(greeting.expect("one").message, format!("{n}: hello, Ada"));
    }
    assert_eq!(next(&mut often).await.expect_err("enough").code(), Code::ResourceExhausted);

    let over_motet = on_motet::GreeterClient::new(app.client().to(&address).expect("an address"));
    let hello = on_motet::Greeter::say_hello(&over_motet, &Context::new(), ada()).await.expect("answered");
    assert_eq!(hello.message, "Hello, Ada, from Motet");
    assert!(ask(&address, "GET /pages/one").await.ends_with("the page one"));
    assert!(app.stop().await.is_clean());
}

#[tokio::test]
async fn what_nobody_serves_is_unimplemented_in_grpc_s_words() {
    let app = mounting::app().listen("tcp://127.0.0.1:0").start().await.expect("starts");
    let client = app.client().to(format!("grpc://{}", app.endpoints()[0].address)).expect("an address");
    for path in ["helloworld.Nobody", "helloworld.Greeter"] {
        let service = client.service(path);
        let status = service.call_json(&Context::new(), "Missing", "{}").await.expect_err("missing");
        assert_eq!(status.code(), motet::Code::Unimplemented, "{path}: {status}");
    }
    assert!(app.stop().await.is_clean());
}

#[tokio::test]
async fn motet_s_services_are_called_in_an_axum_application() {
    let app = mounting::axum_app().expect("valid");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let serving = tokio::spawn(axum::serve(listener, app.router.clone()).into_future());
    assert!(ask(&address, "GET /pages/one").await.ends_with("the page one"));
    let hello = tonic_client(&address).await.say_hello(ada()).await.expect("answered").into_inner();
    assert_eq!(hello.message, "Hello, Ada, from Motet");
    let missing = ask(&address, "POST /greeter/missing").await;
    assert!(missing.starts_with("HTTP/1.0 404") && missing.contains("no such method"), "{missing}");
    app.stop.start();
    serving.abort();
}
