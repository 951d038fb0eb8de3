//! What surrounds the attempts of a call: middleware, end hooks, counters, spans.

mod client_fake;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use client_fake::*;
use motet_core::{
    Call, Cancel, Code, Codec, Context, Executed, Kind, MemoryRegistry, Metadata, Middleware, Next, Payload, Reply,
    ReplyMeta, Status, Streaming, TraceParent,
};
use motet_rpc::{Client, ServiceClient};

type Log = Arc<Mutex<Vec<String>>>;

/// Middleware that notes when a call comes, when its head is back and how it ends.
fn noting(name: &'static str, log: &Log) -> Arc<dyn Middleware> {
    let log = log.clone();
    Arc::new(move |mut call: Call, next: Next| {
        let log = log.clone();
        async move {
            let note = {
                let log = log.clone();
                move |what: &str| log.lock().expect("no panic").push(format!("{name} {what}"))
            };
            note("in");
            let at_end = note.clone();
            call.on_end(move |end| at_end(end.status.as_ref().map_or("OK", |status| status.code().name())));
            let reply = next.run(call).await;
            note("head");
            reply
        }
    })
}

async fn client(fakes: &Fakes, middleware: Vec<Arc<dyn Middleware>>) -> (Client, ServiceClient) {
    let registry = MemoryRegistry::new();
    std::mem::forget(register(&registry, "a").await);
    let client = fakes.client(&registry).middlewares(middleware).build();
    let greeter = client.service("greeter");
    (client, greeter)
}

fn two_items() -> Streaming<Payload> {
    Streaming::from_iter([Payload::encoded("1", Codec::RAW), Payload::encoded("2", Codec::RAW)])
}

#[tokio::test(start_paused = true)]
async fn middleware_runs_once_around_all_attempts_the_first_outermost() {
    let (fakes, log) = (Fakes::new(), Log::default());
    let (_, greeter) = client(&fakes, vec![noting("outer", &log), noting("inner", &log)]).await;
    fakes.node("a").answer(|nth, _| if nth < 2 { fails(not_executed()) } else { ok() });
    hello(&greeter).await.expect("the third attempt");
    assert_eq!(fakes.node("a").called(), 3);
    let expected = ["outer in", "inner in", "inner head", "outer head", "inner OK", "outer OK"];
    assert_eq!(*log.lock().expect("no panic"), expected);
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_last_message() {
    let (fakes, log) = (Fakes::new(), Log::default());
    let (client, greeter) = client(&fakes, vec![noting("m", &log)]).await;
    fakes.node("a").answer(|_, _| after(1, Ok(Reply::stream(two_items()))));
    let many = streaming(Kind::ServerStream);
    let reply = greeter.call(call(&greeter, &many, &Context::new())).await.expect("a stream");
    assert_eq!(*log.lock().expect("no panic"), ["m in", "m head"]);
    assert_eq!(client.stats().method("greeter/many").snapshot().in_flight, 1);
    assert_eq!(reply.body.stream().collect().await.expect("two").len(), 2);
    assert_eq!(*log.lock().expect("no panic"), ["m in", "m head", "m OK"]);
    assert_eq!(client.stats().method("greeter/many").snapshot().count, 1);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_call_or_its_stream_ends_it_as_cancelled() {
    let (fakes, log) = (Fakes::new(), Log::default());
    let (client, greeter) = client(&fakes, vec![noting("m", &log)]).await;
    fakes.node("a").answer(|_, _| after(60_000, Ok(reply("late"))));
    let _ = tokio::time::timeout(Duration::from_millis(5), hello(&greeter)).await;
    assert_eq!(*log.lock().expect("no panic"), ["m in", "m CANCELLED"]);
    assert_eq!(client.stats().method("greeter/hello").snapshot().errors.get("CANCELLED"), Some(&1));
    log.lock().expect("no panic").clear();
    fakes.node("a").answer(|_, _| after(1, Ok(Reply::stream(two_items()))));
    let many = streaming(Kind::ServerStream);
    let mut stream = greeter.call(call(&greeter, &many, &Context::new())).await.expect("a stream").body.stream();
    stream.next().await.expect("one").expect("no error");
    drop(stream);
    assert_eq!(*log.lock().expect("no panic"), ["m in", "m head", "m CANCELLED"]);
}

#[tokio::test(start_paused = true)]
async fn middleware_may_answer_in_place() {
    let fakes = Fakes::new();
    let refuse: Arc<dyn Middleware> =
        Arc::new(|_: Call, _: Next| async { Err::<Reply, _>(Status::permission_denied("not today")) });
    let (_, greeter) = client(&fakes, vec![refuse]).await;
    assert_eq!(hello(&greeter).await.expect_err("refused").code(), Code::PermissionDenied);
    assert_eq!(fakes.node("a").called(), 0);
}

#[tokio::test(start_paused = true)]
async fn calls_are_counted_by_method_and_code() {
    let fakes = Fakes::new();
    let (client, greeter) = client(&fakes, Vec::new()).await;
    fakes.node("a").answer(|nth, _| match nth {
        0..3 => after(10, Ok(reply("ok"))),
        _ => fails(Status::not_found("nobody")),
    });
    for _ in 0..4 {
        let _ = hello(&greeter).await;
    }
    let snapshot = client.stats().method("greeter/hello").snapshot();
    assert_eq!((snapshot.count, snapshot.error_count(), snapshot.in_flight), (4, 1, 0));
    assert_eq!(snapshot.errors.get("NOT_FOUND"), Some(&1));
    assert!((9_000.0..11_000.0).contains(&snapshot.p90_us), "{}", snapshot.p90_us);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_context_ends_a_reply_stream_and_the_call_behind_it() {
    let (fakes, log) = (Fakes::new(), Log::default());
    let (client, greeter) = client(&fakes, vec![noting("m", &log)]).await;
    let source = Arc::new(Mutex::new(None));
    let feed = source.clone();
    fakes.node("a").answer(move |_, _| {
        let (sender, stream) = Streaming::channel(4);
        *feed.lock().expect("no panic") = Some(sender);
        after(1, Ok(Reply::stream(stream)))
    });
    let (cx, cancel) = Context::new().cancellable();
    let reply = greeter.call(call(&greeter, &streaming(Kind::ServerStream), &cx)).await.expect("a stream");
    let mut items = reply.body.stream();
    let sender = source.lock().expect("no panic").take().expect("called");
    sender.send(Ok(Payload::encoded("1", Codec::RAW))).await.expect("read");
    items.next().await.expect("an item").expect("no error");
    let waits = tokio::spawn(async move { (items.next().await, items.next().await.is_none()) });
    sleep_ms(1).await;
    cancel.cancel();
    let (last, over) = waits.await.expect("no panic");
    assert_eq!(last.expect("an item").expect_err("cancelled"), Cancel::status());
    assert!(over && sender.is_closed(), "the connection's stream is dropped");
    assert_eq!(*log.lock().expect("no panic"), ["m in", "m head", "m CANCELLED"]);
    assert_eq!(client.stats().method("greeter/many").snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_in_the_middle_of_a_stream_names_the_caller_s_own_limit() {
    let fakes = Fakes::new();
    let (_, greeter) = client(&fakes, Vec::new()).await;
    fakes.node("a").answer(|_, call| {
        // The peer knows no more than that its caller had a limit.
        let limit = Context::new().with_timeout(Duration::from_secs(4)).deadline().expect("given");
        let status = limit.status(&call.method.path);
        let items = Streaming::from_iter([true, false]).map(move |good| match good {
            true => Ok(Payload::encoded("1", Codec::RAW)),
            false => Err(status.clone()),
        });
        after(1, Ok(Reply::stream(items)))
    });
    let limited = greeter.with_options(options(|o| o.timeout = Some(Duration::from_secs(5))));
    let reply = limited.call(call(&limited, &streaming(Kind::ServerStream), &Context::new())).await.expect("a stream");
    let mut items = reply.body.stream();
    items.next().await.expect("an item").expect("no error");
    let status = items.next().await.expect("an item").expect_err("late");
    assert!(status.message().contains("the client's limit of 5s passed"), "{status}");
}

#[tokio::test(start_paused = true)]
async fn reply_metadata_is_captured_of_successes_and_errors() {
    let fakes = Fakes::new();
    let (_, greeter) = client(&fakes, Vec::new()).await;
    fakes.node("a").answer(|nth, _| {
        if nth > 0 {
            let mut trailing = Metadata::new();
            trailing.append("why", "because").expect("valid");
            return fails(Status::not_found("nobody").with_metadata(trailing));
        }
        let meta = ReplyMeta::new();
        meta.add_initial("head", "1").expect("valid");
        meta.add_trailing("tail", "2").expect("valid");
        after(1, Ok(Reply { meta, ..reply("ok") }))
    });
    let (cx, seen) = Context::new().capture();
    greeter.call(call(&greeter, &method("hello"), &cx)).await.expect("answers");
    assert_eq!(seen.initial().expect("captured").get("head"), Some("1"));
    assert_eq!(seen.trailing().expect("captured").get("tail"), Some("2"));
    greeter.call(call(&greeter, &method("hello"), &cx)).await.expect_err("nobody");
    assert_eq!(seen.trailing().expect("captured").get("why"), Some("because"));
}

#[tokio::test(start_paused = true)]
async fn the_trace_goes_on_with_a_span_of_its_own_and_only_if_there_is_one() {
    let (fakes, sent) = (Fakes::new(), Arc::new(Mutex::new(Vec::new())));
    let (_, greeter) = client(&fakes, Vec::new()).await;
    let log = sent.clone();
    fakes.node("a").answer(move |_, call| {
        log.lock()
            .expect("no panic")
            .push(call.metadata.get_all(TraceParent::KEY).map(TraceParent::parse).collect::<Vec<_>>());
        ok()
    });
    hello(&greeter).await.expect("answers");
    let parent = TraceParent { trace_id: 7, span_id: 8, flags: 1 };
    let cx = Context::new().with_trace(parent);
    greeter.call(call(&greeter, &method("hello"), &cx)).await.expect("answers");
    let sent = sent.lock().expect("no panic");
    assert!(sent[0].is_empty(), "nobody listens");
    let [Some(child)] = sent[1][..] else { panic!("one traceparent: {:?}", sent[1]) };
    assert_eq!((child.trace_id, child.flags), (7, 1));
    assert_ne!(child.span_id, 8);
}

#[tokio::test(start_paused = true)]
async fn a_listener_sees_a_span_per_call_with_node_attempt_and_code() {
    #[derive(Clone, Default)]
    struct Out(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Out {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let out = Out::default();
    let writer = out.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::CLOSE)
        .with_writer(move || writer.clone())
        .finish();
    let _listening = tracing::subscriber::set_default(subscriber);
    let fakes = Fakes::new();
    let (_, greeter) = client(&fakes, Vec::new()).await;
    let traced = Arc::new(Mutex::new(None));
    let log = traced.clone();
    fakes.node("a").answer(move |nth, call| {
        *log.lock().expect("no panic") = call.metadata.get(TraceParent::KEY).and_then(TraceParent::parse);
        if nth == 0 { fails(not_executed()) } else { fails(Status::not_found("x").with_executed(Executed::Yes)) }
    });
    hello(&greeter).await.expect_err("nobody");
    let text = String::from_utf8(out.0.lock().expect("no panic").clone()).expect("text");
    let trace = traced.lock().expect("no panic").expect("a trace was begun").trace_id;
    for part in ["motet.client", "greeter", "hello", "node=\"a\"", "attempt=2", "NOT_FOUND", &format!("{trace:032x}")] {
        assert!(text.contains(part), "{part} in {text}");
    }
}
