//! How streams behave, without and with a network.

use std::time::Duration;

use motet::{Code, Context, RunningApp, Service, Status, Streaming};
use streaming::{MyNumbers, Numbers, NumbersClient, NumbersServer, tour};

const EXPECTED: [&str; 8] = [
    "square: 144",
    "halves of 8: [8, 4, 2, 1]",
    "halves of 12: [12, 6], then OUT_OF_RANGE: 3 is odd",
    "count: [7, 8, 9]",
    "count for 50 ms: DEADLINE_EXCEEDED",
    "sum: 6",
    "sum of all numbers: 105",
    "sums: 16, then true",
];

async fn remote(service: MyNumbers) -> (RunningApp, NumbersClient) {
    let app = Service::new("numbers").serve(NumbersServer::new(service)).start().await.expect("starts");
    let client = app.client().to(&app.endpoints()[0]).expect("an address");
    (app, NumbersClient::new(client))
}

/// Whether the service's endless streams have ended, within a time that no test needs.
async fn all_closed(service: &MyNumbers) -> bool {
    for _ in 0..1000 {
        if service.open() == 0 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    false
}

#[tokio::test]
async fn the_tour_is_the_same_locally_and_remotely() {
    let (app, remote) = remote(MyNumbers::default()).await;
    for numbers in [NumbersClient::local(MyNumbers::default()), remote] {
        assert_eq!(tour(&numbers).await.expect("a tour"), EXPECTED);
    }
    assert!(app.stop().await.is_clean());
}

#[tokio::test]
async fn dropping_a_reply_stream_ends_it_at_the_service() {
    let service = MyNumbers::default();
    let (app, remote) = remote(service.clone()).await;
    for numbers in [NumbersClient::local(service.clone()), remote] {
        let mut count = numbers.count(&Context::new(), 0, 3_600_000).await.expect("a stream");
        assert_eq!(count.next().await, Some(Ok(0)));
        assert_eq!(service.open(), 1);
        drop(count);
        assert!(all_closed(&service).await);
    }
    app.stop().await;
}

#[tokio::test]
async fn a_deadline_ends_a_stream_on_both_sides() {
    let service = MyNumbers::default();
    let (app, remote) = remote(service.clone()).await;
    for numbers in [NumbersClient::local(service.clone()), remote] {
        let cx = Context::new().with_timeout(Duration::from_millis(30));
        let mut count = numbers.count(&cx, 0, 3_600_000).await.expect("a stream");
        assert_eq!(count.next().await, Some(Ok(0)));
        let late = count.next().await.expect("an end").expect_err("of time");
        assert_eq!(late.code(), Code::DeadlineExceeded);
        assert!(late.message().contains("30ms"), "{late}");
        assert!(all_closed(&service).await);
    }
    app.stop().await;
}

#[tokio::test]
async fn cancelling_a_context_ends_its_streams() {
    let service = MyNumbers::default();
    let (app, numbers) = remote(service.clone()).await;
    let (cx, cancel) = Context::new().cancellable();
    let mut count = numbers.count(&cx, 0, 3_600_000).await.expect("a stream");
    assert_eq!(count.next().await, Some(Ok(0)));
    cancel.cancel();
    assert_eq!(count.next().await.expect("an end").expect_err("cancelled").code(), Code::Cancelled);
    assert!(all_closed(&service).await);
    app.stop().await;
}

#[tokio::test]
async fn an_error_before_the_stream_is_the_call_s() {
    let (app, numbers) = remote(MyNumbers::default()).await;
    let error = numbers.halves(&Context::new(), 0).await.expect_err("no stream");
    assert_eq!(error.code(), Code::InvalidArgument);
    app.stop().await;
}

#[tokio::test]
async fn an_early_answer_lets_go_of_the_requests() {
    let (app, numbers) = remote(MyNumbers::default()).await;
    let (ask, questions) = Streaming::channel(1);
    ask.send(Ok(101)).await.expect("room");
    assert_eq!(numbers.sum(&Context::new(), questions).await, Ok(101));
    tokio::time::timeout(Duration::from_secs(5), ask.closed()).await.expect("let go");
    app.stop().await;
}

#[tokio::test]
async fn an_error_in_the_requests_is_the_call_s() {
    let (app, numbers) = remote(MyNumbers::default()).await;
    let (ask, questions) = Streaming::channel(2);
    ask.send(Ok(1)).await.expect("room");
    ask.send(Err(Status::data_loss("the file is cut off"))).await.expect("room");
    let error = numbers.sum(&Context::new(), questions).await.expect_err("failed");
    assert_eq!((error.code(), error.message()), (Code::DataLoss, "the file is cut off"));
    app.stop().await;
}

#[test]
fn the_program_prints_its_tour() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_streaming")).output().expect("runs");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).expect("text").lines().collect::<Vec<_>>(), EXPECTED);
}
