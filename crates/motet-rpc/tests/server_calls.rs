//! What every call passes between its protocol and its handler.

mod server_support;

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context as Task, Poll, Waker},
    time::Duration,
};

use motet_core::{
    Body, Call, CallEnd, CallOptions, Code, Codec, Context, Deadline, DrainSignal, Executed, Kind, Limit, Metadata,
    MethodDescriptor, Middleware, Next, Payload, Reply, Result, Route, Streaming, TraceParent,
};
use motet_rpc::{
    Stats,
    server::{PipelineSettings, routes, spawn_one_way},
};
use server_support::{
    greeter,
    greeter::{method, text},
    service,
};

fn route(settings: &PipelineSettings, name: &str) -> Route {
    let all = routes(&greeter(), settings);
    all.into_iter().find(|route| route.method().name == name).expect("a method of the greeter")
}

fn call_of(route: &Route, cx: Context) -> Call {
    let body = Body::One(Payload::encoded("{}", Codec::JSON));
    Call::new(route.method().clone(), cx, body, Codec::JSON, Arc::new(CallOptions::default()))
}

fn incoming(route: &Route, callers: Option<Duration>) -> Call {
    call_of(route, Context::incoming(route.deadline(callers), Metadata::new(), None, None))
}

fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Task::from_waker(Waker::noop()))
}

fn body(reply: Result<Reply>) -> String {
    let bytes = reply.expect("a reply").body.one().expect("one message").bytes().expect("encoded");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test(start_paused = true)]
async fn a_call_is_over_at_its_deadline_which_names_its_limit() {
    let settings = PipelineSettings::default();
    for (name, callers, limit, seconds) in [
        ("slow", None, "server's limit of 10s", 10.0),
        ("slow", Some(3), "caller's limit of 3s", 3.0),
        ("brief", None, "method's limit of 50ms", 0.05),
        ("brief", Some(700), "server's limit of 600s", 600.0),
    ] {
        let route = route(&settings, name);
        let call = incoming(&route, callers.map(Duration::from_secs));
        let cx = call.cx.clone();
        let start = tokio::time::Instant::now();
        let error = route.call(call).await.expect_err("too late");
        assert_eq!(error.code(), Code::DeadlineExceeded);
        assert_eq!(error.executed(), Executed::Yes);
        assert!(error.message().contains(limit), "{error}");
        // tokio's timers count in milliseconds and round up.
        assert!((start.elapsed().as_secs_f64() - seconds).abs() < 0.002, "{:?}", start.elapsed());
        assert!(cx.is_cancelled(), "what the handler started learns that the call is over");
    }
}

#[tokio::test(start_paused = true)]
async fn a_protocol_that_sets_no_deadline_gets_the_default_in_the_handler_s_context() {
    let settings = PipelineSettings::default().timeouts(Duration::from_secs(7), Duration::from_secs(70));
    let route = route(&settings, "remaining");
    assert_eq!(body(route.call(call_of(&route, Context::new())).await), "Some(7s)");
    assert_eq!(body(route.call(incoming(&route, Some(Duration::from_secs(2)))).await), "Some(2s)");
    assert_eq!(body(route.call(incoming(&route, Some(Duration::from_secs(99)))).await), "Some(70s)");
    let mut earlier = call_of(&route, Context::new().with_timeout(Duration::from_secs(60)));
    earlier.deadline = Some(Deadline::after(Duration::from_secs(4), Limit::Client));
    assert_eq!(body(route.call(earlier).await), "Some(4s)", "a call's own deadline counts too");
}

#[tokio::test]
async fn a_call_without_time_left_is_not_run() {
    let settings = PipelineSettings::default();
    let route = route(&settings, "panics");
    let error = route.call(incoming(&route, Some(Duration::ZERO))).await.expect_err("no time");
    assert_eq!((error.code(), error.executed()), (Code::DeadlineExceeded, Executed::No));
}

#[tokio::test]
async fn a_panic_becomes_a_status_that_does_not_quote_it() {
    let settings = PipelineSettings::default();
    for name in ["panics", "crashes"] {
        let route = route(&settings, name);
        let error = route.call(incoming(&route, None)).await.expect_err("panicked");
        assert_eq!((error.code(), error.message()), (Code::Internal, "the handler panicked"));
        assert_eq!(error.executed(), Executed::Yes);
    }
    let breaks = route(&settings, "breaks");
    let mut stream = breaks.call(incoming(&breaks, None)).await.expect("a head").body.stream();
    assert!(stream.next().await.is_some_and(|item| item.is_ok()));
    let error = stream.next().await.expect("an item").expect_err("panicked");
    assert_eq!(error.message(), "the handler panicked");
    assert!(stream.next().await.is_none(), "nothing follows an error");
}

#[tokio::test]
async fn a_handler_s_error_says_that_it_ran() {
    let route = route(&PipelineSettings::default(), "refuses");
    let error = route.call(incoming(&route, None)).await.expect_err("refused");
    assert_eq!((error.code(), error.executed()), (Code::NotFound, Executed::Yes));
}

#[tokio::test(start_paused = true)]
async fn a_reply_stream_obeys_its_deadline_and_has_none_by_default() {
    let settings = PipelineSettings::default();
    let (mut descriptor, handler) = method("waits", |_| async {
        let (sender, stream) = Streaming::channel(1);
        tokio::spawn(async move {
            let _ = sender.send(Ok(Payload::encoded("1", Codec::JSON))).await;
            sender.closed().await;
        });
        Ok(Reply::stream(stream))
    });
    descriptor = descriptor.kind(Kind::ServerStream);
    let route = routes(&service("greeter", vec![(descriptor, handler)]), &settings).remove(0);
    assert_eq!(route.deadline(None), None);
    let call = incoming(&route, Some(Duration::from_secs(30)));
    let cx = call.cx.clone();
    let mut stream = route.call(call).await.expect("a head").body.stream();
    assert!(stream.next().await.is_some_and(|item| item.is_ok()));
    assert!(!cx.is_cancelled());
    let error = stream.next().await.expect("an item").expect_err("too late");
    assert!(error.code() == Code::DeadlineExceeded && cx.is_cancelled());
}

#[tokio::test]
async fn the_context_is_current_in_polls_and_not_after() {
    let settings = PipelineSettings::default();
    let seen = Arc::new(AtomicBool::new(false));
    let before = Arc::new(AtomicBool::new(true));
    let (descriptor, _) = method("look", |_| std::future::pending());
    let (see, first) = (seen.clone(), before.clone());
    let handler = move |_| -> motet_core::BoxFuture<'static, Result<Reply>> {
        let (see, first) = (see.clone(), first.clone());
        Box::pin(poll_fn(move |task| {
            if first.swap(false, Ordering::Relaxed) {
                task.waker().wake_by_ref();
                return Poll::Pending;
            }
            see.store(Context::current().is_some(), Ordering::Relaxed);
            Poll::Ready(Ok(text("")))
        }))
    };
    let route = routes(&service("greeter", vec![(descriptor, Arc::new(handler))]), &settings).remove(0);
    body(route.call(incoming(&route, None)).await);
    assert!(seen.load(Ordering::Relaxed) && !before.load(Ordering::Relaxed));
    assert!(Context::current().is_none());
}

#[tokio::test]
async fn middleware_runs_in_order_and_end_hooks_at_the_true_end() {
    let log: Arc<Mutex<Vec<String>>> = Arc::default();
    let middleware = |name: &'static str| {
        let log = log.clone();
        move |mut call: Call, next: Next| {
            let log = log.clone();
            async move {
                let ended = log.clone();
                call.on_end(move |end: &CallEnd| {
                    let code = end.status.as_ref().map_or("OK", |status| status.code().name());
                    ended.lock().expect("no panic").push(format!("{name} end {code}"));
                });
                log.lock().expect("no panic").push(format!("{name} in"));
                let reply = next.run(call).await;
                log.lock().expect("no panic").push(format!("{name} out"));
                reply
            }
        }
    };
    let settings = PipelineSettings::default()
        .middleware([middleware("a"), middleware("b")].map(|m| Arc::new(m) as Arc<dyn Middleware>));
    let take = || std::mem::take(&mut *log.lock().expect("no panic"));

    let hello = route(&settings, "hello");
    body(hello.call(incoming(&hello, None)).await);
    assert_eq!(take(), ["a in", "b in", "b out", "a out", "b end OK", "a end OK"]);

    let ticks = route(&settings, "ticks");
    let stream = ticks.call(incoming(&ticks, None)).await.expect("a head").body.stream();
    assert_eq!(take(), ["a in", "b in", "b out", "a out"], "a stream's call goes on");
    assert_eq!(stream.collect().await.expect("three items").len(), 3);
    assert_eq!(take(), ["b end OK", "a end OK"]);

    drop(ticks.call(incoming(&ticks, None)).await.expect("a head"));
    assert_eq!(take()[4..], ["b end CANCELLED", "a end CANCELLED"]);

    let panics = route(&settings, "panics");
    assert!(panics.call(incoming(&panics, None)).await.is_err());
    assert_eq!(take()[2..], ["b end INTERNAL", "a end INTERNAL"]);
}

/// A stop waits for the calls that count, and so for their hooks.
#[tokio::test]
async fn a_call_counts_until_its_end_hooks_have_run() {
    let stats = Stats::new();
    let seen: Arc<Mutex<Vec<u64>>> = Arc::default();
    let (counts, at_end) = (stats.clone(), seen.clone());
    let middleware = move |mut call: Call, next: Next| {
        let (counts, at_end) = (counts.clone(), at_end.clone());
        call.on_end(move |_| {
            let in_flight = counts.method("greeter/ticks").snapshot().in_flight;
            at_end.lock().expect("no panic").push(in_flight);
        });
        async move { next.run(call).await }
    };
    let settings =
        PipelineSettings::default().stats(stats.clone()).middleware([Arc::new(middleware) as Arc<dyn Middleware>]);
    let ticks = route(&settings, "ticks");
    drop(ticks.call(incoming(&ticks, None)).await.expect("a head"));
    assert_eq!(*seen.lock().expect("no panic"), [1]);
    assert_eq!(stats.method("greeter/ticks").snapshot().in_flight, 0);
}

#[tokio::test]
async fn dropping_a_call_cancels_its_context_and_counts_it() {
    let settings = PipelineSettings::default();
    let stats = Stats::new();
    let settings = settings.stats(stats.clone());
    let slow = route(&settings, "slow");
    let call = incoming(&slow, None);
    let cx = call.cx.clone();
    let mut running = slow.call(call);
    assert!(poll_once(&mut running).is_pending());
    let counts = || stats.method("greeter/slow").snapshot();
    assert_eq!((counts().in_flight, counts().count), (1, 0));
    drop(running);
    assert!(cx.is_cancelled());
    assert_eq!((counts().in_flight, counts().count, counts().errors["CANCELLED"]), (0, 1, 1));
}

#[tokio::test]
async fn a_panic_while_a_handler_is_dropped_ends_nothing_else() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("the secret is 42");
        }
    }
    let (descriptor, handler) = method("bomb", |_| async {
        let _bomb = Bomb;
        std::future::pending().await
    });
    let route = routes(&service("greeter", vec![(descriptor, handler)]), &PipelineSettings::default()).remove(0);
    let mut running = route.call(incoming(&route, None));
    assert!(poll_once(&mut running).is_pending());
    drop(running);
}

#[tokio::test]
async fn calls_errors_and_refusals_are_counted_by_method() {
    let stats = Stats::new();
    let settings = PipelineSettings::default().stats(stats.clone());
    for _ in 0..3 {
        let hello = route(&settings, "hello");
        body(hello.call(incoming(&hello, None)).await);
    }
    let refuses = route(&settings, "refuses");
    assert!(refuses.call(incoming(&refuses, None)).await.is_err());
    assert!(refuses.call(incoming(&refuses, Some(Duration::ZERO))).await.is_err());
    let hello = stats.method("greeter/hello").snapshot();
    assert_eq!((hello.count, hello.error_count(), hello.in_flight), (3, 0, 0));
    let refuses = stats.method("greeter/refuses").snapshot();
    assert_eq!((refuses.errors["NOT_FOUND"], refuses.errors["DEADLINE_EXCEEDED"]), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_one_way_call_outlives_its_caller_and_the_drain_waits_for_it() {
    let done = Arc::new(AtomicBool::new(false));
    let (descriptor, _) = method("later", |_| std::future::pending());
    let finish = done.clone();
    let handler = move |_| -> motet_core::BoxFuture<'static, Result<Reply>> {
        let finish = finish.clone();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            finish.store(true, Ordering::Relaxed);
            Ok(text(""))
        })
    };
    let settings = PipelineSettings::default().max_one_way(1);
    let route = routes(&service("greeter", vec![(descriptor, Arc::new(handler))]), &settings).remove(0);
    let signal = DrainSignal::new();
    spawn_one_way(&route, incoming(&route, None), &signal.drain());
    let mut second = incoming(&route, None);
    second.one_way = true;
    let refused = route.call(second).await.expect_err("one runs already");
    assert_eq!((refused.code(), refused.executed()), (Code::ResourceExhausted, Executed::No));
    signal.start();
    signal.idle().await;
    assert!(done.load(Ordering::Relaxed));
    let mut third = incoming(&route, None);
    third.one_way = true;
    assert!(route.call(third).await.is_ok(), "the place is free again");
}

#[tokio::test(start_paused = true)]
async fn a_one_way_call_is_bounded_by_the_server_s_timeout() {
    let settings = PipelineSettings::default();
    let slow = route(&settings, "slow");
    let signal = DrainSignal::new();
    let start = tokio::time::Instant::now();
    spawn_one_way(&slow, incoming(&slow, None), &signal.drain());
    signal.idle().await;
    assert_eq!(start.elapsed().as_secs(), 10);
}

/// Keeps the names, fields and nesting of spans as text.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Spans {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_span_per_call_continues_the_caller_s_trace() {
    let spans = Spans::default();
    let writer = spans.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::CLOSE)
        .with_writer(move || writer.clone())
        .finish();
    let traced: Arc<Mutex<Option<TraceParent>>> = Arc::default();
    let (descriptor, _) = method("traced", |_| std::future::pending());
    let seen = traced.clone();
    let handler = move |call: Call| -> motet_core::BoxFuture<'static, Result<Reply>> {
        *seen.lock().expect("no panic") = call.cx.trace();
        Box::pin(async { Err(motet_core::Status::not_found("")) })
    };
    let route =
        routes(&service("greeter", vec![(descriptor, Arc::new(handler))]), &PipelineSettings::default()).remove(0);
    let parent = TraceParent { trace_id: 7, span_id: 9, flags: 1 };
    let call = || call_of(&route, Context::incoming(None, Metadata::new(), None, Some(parent)));

    assert!(route.call(call()).await.is_err());
    assert_eq!(*traced.lock().expect("no panic"), Some(parent), "without a subscriber the caller's span stays");

    let guard = tracing::subscriber::set_default(subscriber);
    assert!(route.call(call()).await.is_err());
    drop(guard);
    let child = traced.lock().expect("no panic").expect("traced");
    assert!(child.trace_id == 7 && child.span_id != 9);
    let text = String::from_utf8_lossy(&spans.0.lock().expect("no panic")).into_owned();
    for part in ["motet.server", "service=\"greeter\"", "method=\"traced\"", "code=\"NOT_FOUND\"", "0007"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn routes_have_the_server_s_timeouts() {
    let settings = PipelineSettings::default().timeouts(Duration::from_secs(1), Duration::from_secs(2));
    let (descriptor, handler) = method("a", |_| std::future::pending());
    let route = routes(&service("greeter", vec![(descriptor, handler)]), &settings).remove(0);
    let timeout = |callers: Option<u64>| route.deadline(callers.map(Duration::from_secs)).map(|d| d.timeout.as_secs());
    assert_eq!((timeout(None), timeout(Some(5))), (Some(1), Some(2)));
    assert_eq!(MethodDescriptor::new("greeter", "a").path, route.method().path);
}
