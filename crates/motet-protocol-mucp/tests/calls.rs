//! mucp between Motet's own server and client.

mod greeter;
#[path = "../../motet-framed/tests/unary/mod.rs"]
mod unary;

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use greeter::{CallRequest, Count, GreetError, Greeter, LONG, Rig, Stroke, client_of, rig, until, with};
use motet::{Code, Context, Executed, Status, Streaming};
use motet_protocol_mucp::{ContentType, MucpClient, MucpServer};
use tokio::time::timeout;

const FORMS: [ContentType; 4] = [ContentType::Json, ContentType::Protobuf, ContentType::JsonRpc, ContentType::ProtoRpc];

async fn numbers() -> unary::Rig {
    unary::Rig::new(MucpServer::default(), MucpClient::default()).await
}

fn strokes(numbers: impl IntoIterator<Item = i64>) -> Streaming<Stroke> {
    let all: Vec<_> = numbers.into_iter().map(|stroke| Stroke { stroke }).collect();
    Streaming::from_iter(all)
}

#[tokio::test]
async fn values_arrive_in_every_form() {
    for form in FORMS {
        let client = MucpClient::new(with(|config| config.content_type = form));
        let rig = unary::Rig::new(MucpServer::default(), client).await;
        unary::values_arrive_as_they_were(&rig, unary::LONGEST).await;
    }
}

#[tokio::test]
async fn errors_bring_their_code_and_reason() {
    let rig = rig().await;
    for code in Code::ALL {
        let status = rig.greeter.fail(&Context::new(), code.number().into()).await.expect_err("as asked");
        let expected = match code {
            Code::OutOfRange => Code::InvalidArgument,
            Code::Aborted => Code::AlreadyExists,
            Code::Unknown | Code::DataLoss => Code::Internal,
            other => other,
        };
        assert_eq!((status.code(), status.message()), (expected, "as asked"));
        assert_eq!(status.executed(), Executed::Yes);
    }
    let error = rig.greeter.find(&Context::new(), "Ada".to_owned()).await.expect_err("nobody");
    let GreetError::Other(status) = error else { panic!("details do not travel") };
    assert_eq!((status.code(), status.message()), (Code::NotFound, "nobody is called Ada"));
    assert_eq!(status.reason(), Some("GreetError.Nobody"));
}

#[tokio::test]
async fn what_is_not_served_did_not_run() {
    let rig = rig().await;
    let to = rig.client.to(format!("mucp://{}", rig.endpoint.address)).expect("an address");
    for (service, method, text) in
        [("nobody", "Hello", "rpc: can't find service nobody"), ("greeter", "Bye", "rpc: can't find method Bye")]
    {
        let status = to.service(service).call_json(&Context::new(), method, "{}").await.expect_err("not served");
        assert_eq!((status.code(), status.executed()), (Code::Unimplemented, Executed::No));
        assert_eq!(status.message(), text);
    }
}

#[tokio::test]
async fn metadata_travels_both_ways_and_so_does_the_deadline() {
    let rig = rig().await;
    let cx = Context::new().with_metadata("trace", "t1").expect("valid");
    let (cx, seen) = cx.capture();
    assert_eq!(rig.greeter.meta(&cx, "trace".to_owned()).await.expect("answered"), "t1");
    assert_eq!(seen.initial().expect("metadata").get("seen-by"), Some("template"));
    let numbers = numbers().await;
    let cx = Context::new().with_timeout(Duration::from_secs(7));
    let about = unary::Arith::about(&numbers.arith, &cx).await.expect("answered");
    assert!((1000..=7000).contains(&about.remaining_ms.expect("a deadline")), "{about:?}");
    assert_eq!(about.protocol, "mucp");
}

#[tokio::test]
async fn a_call_is_stopped_at_its_caller_s_deadline() {
    let rig = numbers().await;
    let short = Context::new().with_timeout(Duration::from_millis(100));
    let status = unary::Arith::wait(&rig.arith, &short, 60_000).await.expect_err("too slow");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    unary::until("the handler is dropped", || rig.seen.ended.load(SeqCst) == 1).await;
}

#[tokio::test]
async fn a_message_over_the_limit_ends_its_call_and_no_other() {
    unary::a_message_over_the_limit_ends_its_call(&numbers().await).await;
    let client = MucpClient::new(with(|config| config.max_message = 8 << 20));
    let rig = unary::Rig::new(MucpServer::default(), client).await;
    for length in [(4 << 20) + 1, 6 << 20] {
        let value = unary::Everything { text: "x".repeat(length), ..unary::zero() };
        let status = unary::Arith::same(&rig.arith, &Context::new(), value).await.expect_err("too long");
        assert_eq!(status.message(), "the message is longer than the limit of 4194304 bytes");
        assert_eq!((status.code(), status.executed()), (Code::ResourceExhausted, Executed::No));
        unary::Arith::nothing(&rig.arith, &Context::new()).await.expect("goes on");
    }
    assert!(rig.server.connections().calls_refused >= 2, "each is tried again, elsewhere if there were another");
}

#[tokio::test]
async fn a_thousand_calls_run_at_once() {
    unary::a_thousand_calls_run_at_once(&numbers().await).await;
}

#[tokio::test]
async fn a_call_that_is_given_up_is_forgotten() {
    unary::a_call_that_is_given_up_is_forgotten(&numbers().await).await;
}

#[tokio::test]
async fn one_way_calls_are_written_and_run() {
    unary::one_way_calls_are_written_and_run(&numbers().await).await;
}

#[tokio::test]
async fn a_stop_lets_calls_finish() {
    unary::a_stop_lets_calls_finish(&numbers().await).await;
}

#[tokio::test]
async fn a_lost_connection_fails_its_calls() {
    unary::a_lost_connection_fails_its_calls(&numbers().await).await;
}

#[tokio::test]
async fn streams_of_every_kind_arrive_whole_in_every_form() {
    for form in FORMS {
        let rig = Rig::new(with(|_| ()), with(|config| config.content_type = form)).await;
        let cx = Context::new();
        for count in [0, 1, 500] {
            let counted = rig.greeter.client_stream(&cx, strokes(0..count)).await.expect("counted");
            assert_eq!(counted, Count { count }, "{form:?}");
            let all = rig.greeter.server_stream(&cx, Count { count }).await.expect("begun").collect().await;
            assert_eq!(all.expect("whole"), (0..count).map(|count| Count { count }).collect::<Vec<_>>());
            let echo = rig.greeter.bidi_stream(&cx, strokes(0..count)).await.expect("begun").collect().await;
            assert_eq!(echo.expect("whole"), (0..count).map(|stroke| Stroke { stroke }).collect::<Vec<_>>());
        }
    }
}

#[tokio::test]
async fn a_bidi_stream_answers_each_message_before_the_next() {
    let rig = rig().await;
    let (sender, strokes) = Streaming::channel(1);
    let mut echo = rig.greeter.bidi_stream(&Context::new(), strokes).await.expect("begun");
    for stroke in 0..20 {
        sender.send(Ok(Stroke { stroke })).await.expect("taken");
        assert_eq!(echo.next().await.expect("an echo").expect("no error"), Stroke { stroke });
    }
    drop(sender);
    assert!(echo.next().await.is_none());
}

/// Replies that wait for their reader do not hold up the requests.
#[tokio::test]
async fn who_writes_all_before_it_reads_gets_all() {
    let rig = rig().await;
    let (sender, strokes) = Streaming::channel(1);
    let mut echo = rig.greeter.bidi_stream(&Context::new(), strokes).await.expect("begun");
    for stroke in 0..200 {
        timeout(LONG, sender.send(Ok(Stroke { stroke }))).await.expect("in time").expect("taken");
    }
    drop(sender);
    let mut all = 0;
    while let Some(stroke) = echo.next().await {
        assert_eq!(stroke.expect("no error").stroke, all);
        all += 1;
    }
    assert_eq!(all, 200);
}

#[tokio::test]
async fn an_error_ends_a_stream_with_its_code() {
    let rig = rig().await;
    let mut echo = rig.greeter.bidi_stream(&Context::new(), strokes([1, -1, 2])).await.expect("begun");
    assert_eq!(echo.next().await.expect("one").expect("no error").stroke, 1);
    let status = echo.next().await.expect("two").expect_err("minus one");
    assert_eq!((status.code(), status.message()), (Code::AlreadyExists, "minus one"));
    assert!(echo.next().await.is_none());
}

/// The caller's own error fails the call with it, and the server sees its caller leave.
#[tokio::test]
async fn an_error_of_the_request_stream_is_the_call_s() {
    let rig = rig().await;
    let (sender, strokes) = Streaming::channel(1);
    let greeter = rig.greeter.clone();
    let call = tokio::spawn(async move { greeter.client_stream(&Context::new(), strokes).await });
    sender.send(Ok(Stroke { stroke: 1 })).await.expect("taken");
    until("it runs", || rig.template.running.load(SeqCst) == 1).await;
    sender.send(Err(Status::data_loss("torn"))).await.expect("taken");
    let status = call.await.expect("no panic").expect_err("torn");
    assert_eq!((status.code(), status.message()), (Code::DataLoss, "torn"));
    until("the handler is dropped", || rig.template.running.load(SeqCst) == 0).await;
}

#[tokio::test]
async fn dropping_a_reply_stream_ends_its_handler() {
    let rig = rig().await;
    let mut all = rig.greeter.forever(&Context::new()).await.expect("begun");
    assert_eq!(all.next().await.expect("one").expect("no error").count, 0);
    drop(all);
    until("the handler is dropped", || rig.template.running.load(SeqCst) == 0).await;
    rig.greeter.call(&Context::new(), CallRequest { name: "Ada".to_owned() }).await.expect("goes on");
}

#[tokio::test]
async fn a_stream_ends_at_its_deadline() {
    let rig = rig().await;
    let mut all = rig.greeter.forever(&Context::new().with_timeout(Duration::from_millis(300))).await.expect("begun");
    let status = loop {
        match all.next().await.expect("an end that says why") {
            Ok(_) => {}
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    until("the handler is dropped", || rig.template.running.load(SeqCst) == 0).await;
}

#[tokio::test]
async fn more_calls_than_connections_wait_for_their_turn() {
    let rig = rig().await;
    let (_, greeter) = client_of(&rig.endpoint, with(|config| config.max_connections = 3));
    let calls: Vec<_> = (0..100)
        .map(|n| {
            let greeter = greeter.clone();
            tokio::spawn(async move { greeter.call(&Context::new(), CallRequest { name: n.to_string() }).await })
        })
        .collect();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.expect("no panic").expect("answered").msg, format!("Hello {n}"));
    }
    assert!(rig.server.connections().open <= 4, "{:?}", rig.server.connections());
}

#[tokio::test]
async fn debug_answers_as_go_micro_s_does() {
    let rig = rig().await;
    let debug = rig.client.to(format!("mucp://{}", rig.endpoint.address)).expect("an address").service("Debug");
    let cx = Context::new();
    let health = debug.call_json(&cx, "Health", "{}").await.expect("answered");
    assert_eq!(health.to_string(), r#"{"status":"ok"}"#);
    let traced = cx.with_metadata("micro-trace-id", "t1").expect("valid").with_metadata("micro-span-id", "s1");
    rig.greeter.call(&traced.expect("valid"), CallRequest { name: String::new() }).await.expect("answered");
    rig.greeter.fail(&cx, 5).await.expect_err("as asked");
    let stats = debug.call_json(&cx, "Stats", "{}").await.expect("answered");
    assert!(
        stats["requests"].as_u64() >= Some(3) && stats["errors"] == 1 && stats["memory"].as_u64() > Some(0),
        "{stats}"
    );
    let traces = debug.call_json(&cx, "Trace", r#"{"id":"t1"}"#).await.expect("answered");
    let span = &traces["spans"][0];
    assert!(span["name"] == "Greeter.Call" && span["parent"] == "s1" && span["trace"] == "t1", "{traces}");
}
