//! Calls inside one process: nothing is encoded, and all rules of remote calls hold.

mod client_fake;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use client_fake::*;
use motet_core::{
    Body, BoxFuture, Call, Cancel, Code, Codec, Codecs, Context, Dispatcher, DrainSignal, Executed, Family, Handler,
    Kind, MemoryRegistry, MessageType, Middleware, Next, Payload, Reply, Result, Service, ServiceDescriptor, Status,
    Streaming,
};
use motet_rpc::{
    Client, ServiceClient,
    server::{PipelineSettings, routes},
};

/// A value that cannot be encoded.
#[derive(Debug, PartialEq)]
struct Opaque(u32);

const OPAQUE: MessageType<Opaque> = MessageType::new(
    Family::Raw,
    |_, _, _| Err(Status::internal("nobody should encode this")),
    |_, _, _| Err(Status::internal("nobody should decode this")),
    |_| Ok(()),
    || serde_json::Value::Null,
);

fn handler<F, Fut>(f: F) -> Arc<dyn Handler>
where
    F: Fn(Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Reply>> + Send + 'static,
{
    Arc::new(move |call: Call| -> BoxFuture<'static, Result<Reply>> { Box::pin(f(call)) })
}

/// `greeter` with one method of this kind.
fn service(kind: Kind, f: Arc<dyn Handler>) -> Service {
    let mut descriptor = ServiceDescriptor::new("greeter", "1.0.0");
    descriptor.methods = vec![if kind == Kind::Unary { method("hello") } else { streaming(kind) }];
    Service::new(descriptor, vec![f]).expect("a valid descriptor")
}

fn local(kind: Kind, f: Arc<dyn Handler>) -> ServiceClient {
    Client::local(service(kind, f)).service("greeter")
}

#[tokio::test]
async fn typed_values_pass_through_unencoded() {
    let client = local(
        Kind::Unary,
        handler(|call: Call| async move {
            let Body::One(payload) = call.body else { return Err(Status::internal("a stream")) };
            assert_eq!(payload.peek::<Opaque>(), Some(&Opaque(7)));
            let Opaque(n) = payload.take(&OPAQUE)?;
            Ok(Reply::one(Payload::typed(Opaque(n + 1), &OPAQUE, Codec::RAW)))
        }),
    );
    let body = Body::One(Payload::typed(Opaque(7), &OPAQUE, Codec::RAW));
    let call = client.prepare(&method("hello"), &Context::new(), Codec::RAW, body).expect("no metadata");
    let reply = client.call(call).await.expect("answers").body.one().expect("one");
    assert_eq!(reply.take(&OPAQUE).expect("moved"), Opaque(8));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_holds_and_drops_the_handler() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let client = local(Kind::Unary, {
        let dropped = dropped.clone();
        handler(move |call| {
            let guard = OnDrop(dropped.clone());
            async move {
                let _guard = guard;
                assert!(call.cx.remaining().is_some());
                std::future::pending().await
            }
        })
    });
    let status = hello(&client).await.expect_err("late");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(status.message().contains("the client's limit of 10s"), "{status}");
    assert_eq!(dropped.load(SeqCst), 1);
}

struct OnDrop(Arc<AtomicUsize>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_context_and_a_dropped_call_drop_the_handler() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let client = local(Kind::Unary, {
        let dropped = dropped.clone();
        handler(move |_| {
            let guard = OnDrop(dropped.clone());
            async move {
                let _guard = guard;
                std::future::pending().await
            }
        })
    });
    let (cx, cancel) = Context::new().cancellable();
    let waits = tokio::spawn({
        let client = client.clone();
        async move { client.call(call(&client, &method("hello"), &cx)).await }
    });
    sleep_ms(1).await;
    cancel.cancel();
    assert_eq!(waits.await.expect("no panic").expect_err("cancelled"), Cancel::status());
    assert_eq!(dropped.load(SeqCst), 1);
    let _ = tokio::time::timeout(Duration::from_millis(5), hello(&client)).await;
    assert_eq!(dropped.load(SeqCst), 2);
}

#[tokio::test]
async fn a_panic_is_an_internal_error() {
    let client = local(Kind::Unary, handler(|_| async { panic!("a bug") }));
    let status = hello(&client).await.expect_err("a panic");
    assert_eq!(status.code(), Code::Internal);
    assert!(!status.message().contains("a bug"), "{status}");
}

#[tokio::test]
async fn an_unknown_method_is_unimplemented() {
    let client = local(Kind::Unary, handler(|_| async { Ok(reply("ok")) }));
    let error = client.call(call(&client, &method("bye"), &Context::new())).await.expect_err("no such method");
    assert_eq!((error.code(), error.executed()), (Code::Unimplemented, Executed::No));
}

#[tokio::test]
async fn both_sides_middleware_runs_and_metadata_arrives() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let note = |name: &'static str| {
        let seen = seen.clone();
        let middleware = move |call: Call, next: Next| {
            let seen = seen.clone();
            async move {
                let token = call.metadata.get("token").unwrap_or("none").to_owned();
                seen.lock().expect("no panic").push(format!("{name} {token}"));
                next.run(call).await
            }
        };
        Arc::new(middleware) as Arc<dyn Middleware>
    };
    let dispatcher = Dispatcher::new(Codecs::default());
    let settings = PipelineSettings::default().middleware(vec![note("server")]);
    let echo = handler(|call: Call| async move {
        assert_eq!(call.cx.metadata().get("token"), Some("7"));
        call.cx.reply().add_initial("head", "1")?;
        call.cx.reply().add_trailing("tail", "2")?;
        Ok(Reply::new(call.body))
    });
    let service = service(Kind::Unary, echo);
    dispatcher.add(service.descriptor(), routes(&service, &settings)).expect("free");
    let client = Client::builder().local(dispatcher, None).middlewares([note("client")]).build().service("greeter");
    let (cx, meta) = Context::new().with_metadata("token", "7").expect("valid").capture();
    client.call(call(&client, &method("hello"), &cx)).await.expect("answers");
    assert_eq!(*seen.lock().expect("no panic"), ["client 7", "server 7"]);
    assert_eq!(meta.initial().expect("captured").get("head"), Some("1"));
    assert_eq!(meta.trailing().expect("captured").get("tail"), Some("2"));
    assert!(meta.initial().expect("captured").get("token").is_none(), "request metadata is not echoed");
}

#[tokio::test]
async fn streams_pass_both_ways_and_trailing_metadata_comes_at_the_end() {
    let client = local(
        Kind::Bidi,
        handler(|call: Call| async move {
            let cx = call.cx.clone();
            let echo = call.body.stream().map(move |payload| {
                cx.reply().add_trailing("seen", "one")?;
                Ok(payload)
            });
            Ok(Reply::stream(echo))
        }),
    );
    let (cx, meta) = Context::new().capture();
    let lines = Streaming::from_iter((0..3).map(|n| Payload::typed(Opaque(n), &OPAQUE, Codec::RAW)));
    let call = client.prepare(&streaming(Kind::Bidi), &cx, Codec::RAW, Body::Stream(lines)).expect("no metadata");
    let mut replies = client.call(call).await.expect("a stream").body.stream();
    for n in 0..3 {
        let item = replies.next().await.expect("an item").expect("no error");
        assert_eq!(item.take(&OPAQUE).expect("moved"), Opaque(n));
    }
    assert!(meta.trailing().is_none(), "the stream has not ended");
    assert!(replies.next().await.is_none());
    assert_eq!(meta.trailing().expect("at the end").get_all("seen").count(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_error_in_the_request_stream_fails_the_call_with_it_and_the_handler_sees_a_cancel() {
    let seen: Arc<Mutex<Option<Code>>> = Arc::default();
    let client = local(Kind::ClientStream, {
        let seen = seen.clone();
        handler(move |call: Call| {
            let seen = seen.clone();
            async move {
                let error = call.body.stream().collect().await.expect_err("the caller failed");
                *seen.lock().expect("no panic") = Some(error.code());
                std::future::pending().await
            }
        })
    });
    let (parts, stream) = Streaming::channel(4);
    let call = client.prepare(&streaming(Kind::ClientStream), &Context::new(), Codec::RAW, Body::Stream(stream));
    parts.send(Ok(Payload::encoded("1", Codec::RAW))).await.expect("open");
    parts.send(Err(Status::data_loss("the disk is gone"))).await.expect("open");
    let error = client.call(call.expect("no metadata")).await.expect_err("the caller's own");
    assert_eq!(error.message(), "the disk is gone");
    assert_eq!(*seen.lock().expect("no panic"), Some(Code::Cancelled));
}

#[tokio::test(start_paused = true)]
async fn a_one_way_call_outlives_its_caller_and_the_drain_waits_for_it() {
    let done = Arc::new(AtomicUsize::new(0));
    let slow = {
        let done = done.clone();
        handler(move |_| {
            let done = done.clone();
            async move {
                sleep_ms(1000).await;
                done.fetch_add(1, SeqCst);
                Ok(reply("ok"))
            }
        })
    };
    let dispatcher = Dispatcher::new(Codecs::default());
    let service = service(Kind::Unary, slow);
    dispatcher.add(service.descriptor(), routes(&service, &PipelineSettings::default())).expect("free");
    let signal = DrainSignal::new();
    let client = Client::builder().local(dispatcher, Some(signal.drain())).build().service("greeter");
    let mut one = call(&client, &method("hello"), &Context::new());
    one.one_way = true;
    client.call(one).await.expect("taken");
    drop(client);
    assert_eq!(done.load(SeqCst), 0);
    signal.start();
    signal.idle().await;
    assert_eq!(done.load(SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_of_the_same_app_is_called_without_the_network_unless_a_node_is_asked_for() {
    let (fakes, registry) = (Fakes::new(), MemoryRegistry::new());
    let _remote = register(&registry, "remote").await;
    let here = Arc::new(AtomicUsize::new(0));
    let counted = {
        let here = here.clone();
        handler(move |_| {
            here.fetch_add(1, SeqCst);
            async { Ok(reply("here")) }
        })
    };
    let dispatcher = Dispatcher::new(Codecs::default());
    let service = service(Kind::Unary, counted);
    dispatcher.add(service.descriptor(), routes(&service, &PipelineSettings::default())).expect("free");
    let client = fakes.client(&registry).local(dispatcher.clone(), None).build();
    let greeter = client.service("greeter");
    hello(&greeter).await.expect("here");
    assert_eq!((here.load(SeqCst), fakes.node("remote").called()), (1, 0));
    hello(&greeter.with_options(options(|o| o.node = Some("remote".into())))).await.expect("there");
    hello(&client.to("remote:1").expect("an address").service("greeter")).await.expect("there");
    assert_eq!((here.load(SeqCst), fakes.node("remote").called(), fakes.node("remote:1").called()), (1, 1, 1));
    dispatcher.remove("greeter");
    hello(&greeter).await.expect("there");
    assert_eq!((here.load(SeqCst), fakes.node("remote").called()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_bidi_call_gives_its_stream_before_the_handler_answers_and_its_early_error_as_first_item() {
    let client = local(
        Kind::Bidi,
        handler(|call: Call| async move {
            let mut parts = call.body.stream();
            match parts.next().await {
                Some(Ok(part)) if part.bytes()? == "wrong" => Err(Status::not_found("nobody")),
                Some(part) => Ok(Reply::stream(Streaming::from_iter([part?]))),
                None => Ok(Reply::stream(parts)),
            }
        }),
    );
    for (sent, expected) in [("fine", Ok("fine")), ("wrong", Err(Code::NotFound))] {
        let (parts, stream) = Streaming::channel(1);
        let call = client.prepare(&streaming(Kind::Bidi), &Context::new(), Codec::RAW, Body::Stream(stream));
        let mut replies = client.call(call.expect("no metadata")).await.expect("at once").body.stream();
        parts.send(Ok(Payload::encoded(sent, Codec::RAW))).await.expect("open");
        let item = replies.next().await.expect("an item").map(|payload| payload.bytes().expect("encoded"));
        assert_eq!(item.as_deref().map_err(Status::code), expected.map(str::as_bytes));
        assert!(replies.next().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_in_the_request_stream_ends_a_reply_stream_that_has_begun_and_a_handler_that_answers_with_it() {
    let echo = local(Kind::Bidi, handler(|call: Call| async move { Ok(Reply::stream(call.body.stream())) }));
    let (parts, stream) = Streaming::channel(1);
    let call = echo.prepare(&streaming(Kind::Bidi), &Context::new(), Codec::RAW, Body::Stream(stream));
    let mut replies = echo.call(call.expect("no metadata")).await.expect("a stream").body.stream();
    parts.send(Ok(Payload::encoded("1", Codec::RAW))).await.expect("open");
    assert!(replies.next().await.is_some_and(|item| item.is_ok()));
    parts.send(Err(Status::data_loss("the disk is gone"))).await.expect("open");
    assert_eq!(replies.next().await.expect("an item").expect_err("the caller's own").message(), "the disk is gone");
    assert!(replies.next().await.is_none());

    let collects = handler(|call: Call| async move {
        call.body.stream().collect().await?;
        Ok(reply("all"))
    });
    let upload = local(Kind::ClientStream, collects);
    let (parts, stream) = Streaming::channel(1);
    parts.send(Err(Status::data_loss("the disk is gone"))).await.expect("open");
    let call = upload.prepare(&streaming(Kind::ClientStream), &Context::new(), Codec::RAW, Body::Stream(stream));
    let error = upload.call(call.expect("no metadata")).await.expect_err("the caller's own");
    assert_eq!(error.message(), "the disk is gone");
}
