//! What go-micro's gRPC plugins send beyond gRPC, and what they must not get.

mod support;

use std::time::Duration;

use base64::Engine;
use motet_protocol_grpc::GrpcConfig;
use support::{ask, framed, head, hello, raw, serve};
use tokio::time::timeout;

/// The fields of its client.
const MICRO: [(&str, &str); 3] = [
    ("content-type", "application/grpc+proto"),
    ("x-content-type", "application/grpc+proto"),
    ("timeout", "30000000000"),
];

/// Its client ends its process when the first detail is no error of its own.
#[tokio::test]
async fn its_callers_get_its_errors_and_others_get_grpc_s() {
    let (_server, address) = serve(GrpcConfig::default()).await;
    let send = raw(&address).await;
    for (fields, own, other) in
        [(&MICRO[..], "errors.Error", "google.rpc"), (&MICRO[..1], "google.rpc.ErrorInfo", "errors.Error")]
    {
        let answer = ask(&send, head("Hello", fields), framed(0, &hello("nobody"))).await;
        let headers = if answer.trailers.is_empty() { answer.head.headers() } else { &answer.trailers };
        let details = headers["grpc-status-details-bin"].as_bytes();
        let details = base64::engine::general_purpose::STANDARD_NO_PAD.decode(details).expect("base64");
        let text = String::from_utf8_lossy(&details);
        assert!(text.contains(own) && !text.contains(other), "{text}");
        assert_eq!(answer.status(), ("5".to_owned(), "nobody is called nobody".to_owned()));
    }
}

/// Its client opens every stream as if both sides sent many, and leaves its own open.
#[tokio::test]
async fn a_request_that_is_left_open_behind_its_message_is_answered() {
    let (_server, address) = serve(GrpcConfig::default()).await;
    let mut send = raw(&address).await.ready().await.expect("open");
    let (response, mut stream) = send.send_request(head("Ticks", &MICRO), false).expect("sent");
    // Hello { count: 3 }
    stream.send_data(framed(0, &[0x10, 3]), false).expect("sent");
    let reading = async {
        let mut body = response.await.expect("an answer").into_body();
        let mut all = Vec::new();
        while let Some(data) = body.data().await {
            all.extend_from_slice(&data.expect("data"));
        }
        let trailers = body.trailers().await.expect("an end").expect("trailers");
        (all, trailers["grpc-status"].clone())
    };
    let (all, status) = timeout(Duration::from_secs(20), reading).await.expect("an end");
    // The messages count 0, which is not written, 1 and 2.
    let expected = [framed(0, &[]), framed(0, &[0x10, 1]), framed(0, &[0x10, 2])].concat();
    assert_eq!((&all[..], status.as_bytes()), (&expected[..], &b"0"[..]));
    drop(stream);
}
