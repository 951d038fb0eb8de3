//! Requests to everything on the port.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

async fn ask(address: &str, request: &str) -> String {
    let mut socket = TcpStream::connect(address).await.expect("listening");
    let request = format!("{request} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("open");
    let mut answer = String::new();
    timeout(Duration::from_secs(20), socket.read_to_string(&mut answer)).await.expect("in time").expect("text");
    answer
}

#[tokio::test]
async fn service_router_and_handlers_share_the_port() {
    let app = http_example::app().expect("no two alike").start().await.expect("starts");
    let address = app.endpoints()[0].address.clone();
    for (request, status, parts) in [
        ("GET /books/2", "200", &[r#"{"id":2,"title":"The Left Hand of Darkness"}"#][..]),
        ("GET /books/9", "404", &["no book has the number 9"]),
        ("GET /books/nine", "400", &["id: expected an integer"]),
        ("GET /books?text=The", "200", &["{\"id\":2,", "{\"id\":3,"]),
        ("GET /books?text=", "400", &["text: length is below 1"]),
        ("GET /old/hello/Ada", "200", &["hello Ada"]),
        ("GET /admin/ping", "200", &["pong"]),
        ("POST /admin/echo/word", "200", &["word"]),
        ("GET /nowhere", "404", &["nothing is served"]),
        ("GET /-/openapi.json", "200", &["\"/books/{id}\"", "\"minLength\": 1"]),
    ] {
        let answer = ask(&address, request).await;
        let first = answer.lines().next().unwrap_or_default();
        assert!(first.contains(status) && parts.iter().all(|part| answer.contains(part)), "{request}: {answer}");
    }
    assert!(app.stop().await.is_clean());
}
