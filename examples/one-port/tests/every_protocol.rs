//! Every protocol of the page has the same answers, on the same port.

use motet::{Code, Service};
use one_port::{GreeterServer, MyGreeter, PROTOCOLS, tour};

#[tokio::test]
async fn the_service_answers_every_protocol_on_one_port() {
    let app = Service::new("greeter").serve(GreeterServer::new(MyGreeter)).start().await.expect("starts");
    assert_eq!(app.endpoints().len(), 1);
    let all = tour(app.client(), &app.endpoints()[0].address).await.expect("clients");
    assert_eq!(all.len(), PROTOCOLS.len());
    let mut streams = 0;
    for answers in &all {
        assert_eq!(answers.hello, Ok("Hello, Ada!".to_owned()), "{answers:?}");
        match &answers.count {
            Ok(numbers) => {
                assert_eq!(numbers, &[1, 2, 3], "{answers:?}");
                streams += 1;
            }
            Err(error) => assert_eq!(error.code(), Code::Unimplemented, "{answers:?}"),
        }
        assert!(answers.to_string().contains("Hello, Ada!"), "{answers}");
    }
    assert_eq!(streams, 7, "motet/1, HTTP/JSON, WebSocket, mucp, and the three of gRPC have streams");
    assert!(app.stop().await.is_clean());
}
