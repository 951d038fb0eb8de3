//! The page is there, and what it calls answers. A real browser opens it in `interop/browser`.

use std::time::Duration;

use browser::{GreetError, Line, Parlour, ParlourClient};
use motet::{Context, Streaming};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

async fn get(address: &str, path: &str) -> String {
    let mut socket = TcpStream::connect(address).await.expect("listening");
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("open");
    let mut answer = String::new();
    timeout(Duration::from_secs(20), socket.read_to_string(&mut answer)).await.expect("in time").expect("text");
    answer
}

#[tokio::test]
async fn the_page_and_what_it_calls_are_on_one_port() {
    let app = browser::app().expect("no two alike").start().await.expect("starts");
    let address = app.endpoints()[0].address.clone();
    for (path, part) in [("/", "<title>Parlour"), ("/page.js", "from \"/-/motet.js\""), ("/-/motet.js", "class Motet")]
    {
        assert!(get(&address, path).await.contains(part), "{path}");
    }
    let parlour = ParlourClient::new(app.client().to(format!("ws://{address}")).expect("an address"));
    let cx = Context::new();
    assert_eq!(parlour.greet(&cx, "Ada".to_owned()).await.expect("greeted"), "Good evening, Ada.");
    let stranger = parlour.greet(&cx, "Moriarty".to_owned()).await;
    assert!(matches!(stranger, Err(GreetError::Stranger { name }) if name == "Moriarty"));
    assert_eq!(parlour.count(&cx, 3, 1).await.expect("begun").collect().await, Ok(vec![1, 2, 3]));
    let lines = Streaming::from_iter([Line { text: "Rain".to_owned() }]);
    let answers = parlour.talk(&cx, lines).await.expect("begun").collect().await.expect("to its end");
    assert_eq!(answers, [Line { text: "“Rain”, you say?".to_owned() }]);
    assert!(app.stop().await.is_clean());
}
