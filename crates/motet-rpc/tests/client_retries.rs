//! What is sent again, where, when and how often.

mod client_fake;

use std::{sync::Arc, time::Duration};

use client_fake::*;
use motet_core::{
    Body, Cancel, Code, Codec, Context, Executed, FailMode, Kind, MemoryRegistry, Payload, Status, Streaming,
};
use motet_rpc::{ClientConfig, ServiceClient};
use tokio::time::Instant;

/// A client of `greeter` with these nodes, and a registry that keeps them.
async fn client(fakes: &Fakes, ids: &[&str], config: ClientConfig) -> ServiceClient {
    let registry = MemoryRegistry::new();
    for id in ids {
        std::mem::forget(register(&registry, id).await);
    }
    fakes.client(&registry).config(config).build().service("greeter")
}

#[tokio::test(start_paused = true)]
async fn what_was_not_executed_goes_to_another_node_at_once() {
    let fakes = Fakes::new();
    let client = client(&fakes, &["a", "b"], ClientConfig::default()).await;
    fakes.node("a").answer(|_, _| fails(not_executed()));
    for _ in 0..20 {
        let began = Instant::now();
        hello(&client).await.expect("b answers");
        assert!(began.elapsed() <= Duration::from_millis(2), "{:?}", began.elapsed());
    }
    assert!(fakes.node("a").called() > 0 && fakes.node("b").called() == 20);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_may_have_run_is_not_sent_again_unless_idempotent() {
    let fakes = Fakes::new();
    let client = client(&fakes, &["a"], ClientConfig::default()).await;
    fakes.node("a").answer(|_, _| fails(lost()));
    assert_eq!(hello(&client).await.expect_err("lost").code(), Code::Unavailable);
    assert_eq!(fakes.node("a").called(), 1);
    hello_idempotent(&client).await.expect_err("lost");
    assert_eq!(fakes.node("a").called(), 4, "two retries");
    let idempotent = client.with_options(options(|o| o.idempotent = Some(true)));
    hello(&idempotent).await.expect_err("lost");
    assert_eq!(fakes.node("a").called(), 7, "the option says so");
    let not = client.with_options(options(|o| o.idempotent = Some(false)));
    hello_idempotent(&not).await.expect_err("lost");
    assert_eq!(fakes.node("a").called(), 8, "the option is stronger than the method");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_may_have_run_before_is_not_said_not_to_have_run() {
    let fakes = Fakes::new();
    let client = client(&fakes, &["a"], ClientConfig::default()).await;
    let ran = |first: Status| {
        let first = Arc::new(first);
        fakes.node("a").answer(move |nth, _| fails(if nth % 3 == 0 { (*first).clone() } else { not_executed() }));
        let client = client.clone();
        async move { hello_idempotent(&client).await.expect_err("fails").executed() }
    };
    assert_eq!(ran(lost()).await, Executed::Unknown);
    assert_eq!(ran(lost().with_executed(Executed::Yes)).await, Executed::Yes);
    assert_eq!(ran(not_executed()).await, Executed::No);
    assert_eq!(fakes.node("a").called(), 9, "three attempts each");
}

#[tokio::test(start_paused = true)]
async fn errors_that_another_try_cannot_help_are_given_back() {
    let fakes = Fakes::new();
    let client = client(&fakes, &["a", "b"], ClientConfig::default()).await;
    for code in [Code::InvalidArgument, Code::NotFound, Code::Internal, Code::Unimplemented] {
        for id in ["a", "b"] {
            fakes.node(id).answer(move |_, _| fails(Status::new(code, "no").with_executed(Executed::No)));
        }
        let before = fakes.node("a").called() + fakes.node("b").called();
        assert_eq!(hello_idempotent(&client).await.expect_err("no").code(), code);
        assert_eq!(fakes.node("a").called() + fakes.node("b").called(), before + 1, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn fail_mode_fast_gives_the_first_error_back() {
    let fakes = Fakes::new();
    let client = client(&fakes, &["a", "b"], ClientConfig::default()).await;
    for id in ["a", "b"] {
        fakes.node(id).answer(|_, _| fails(not_executed()));
    }
    let fast = client.with_options(options(|o| o.fail_mode = Some(FailMode::Fast)));
    hello(&fast).await.expect_err("the first error");
    assert_eq!(fakes.node("a").called() + fakes.node("b").called(), 1);
}

#[tokio::test(start_paused = true)]
async fn fail_mode_try_stays_on_the_node() {
    let fakes = Fakes::new();
    let client = client(&fakes, &["a", "b", "c"], ClientConfig::default()).await;
    for id in ["a", "b", "c"] {
        fakes.node(id).answer(|nth, _| if nth < 2 { fails(not_executed()) } else { ok() });
    }
    let same = client.with_options(options(|o| o.fail_mode = Some(FailMode::Try)));
    hello(&same).await.expect("the third try");
    let mut called = ["a", "b", "c"].map(|id| fakes.node(id).called());
    called.sort();
    assert_eq!(called, [0, 0, 3]);
}

#[tokio::test(start_paused = true)]
async fn pauses_between_tries_on_one_node_grow_and_are_jittered() {
    let fakes = Fakes::new();
    let mut config = ClientConfig::default();
    config.retries = 8;
    let client = client(&fakes, &["a"], config).await;
    fakes.node("a").answer(|_, _| fails(not_executed()));
    hello(&client).await.expect_err("never");
    let calls = fakes.node("a").calls.lock().expect("no panic").clone();
    assert_eq!(calls.len(), 9);
    for (n, pair) in calls.windows(2).enumerate() {
        let pause = (pair[1] - pair[0]).as_millis() as u64 - 1;
        let longest = (25 << n).min(1000);
        assert!((longest / 2..=longest + 2).contains(&pause), "try {n}: {pause} ms of {longest}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_s_wish_to_wait_is_honoured_unless_it_ends_after_the_deadline() {
    let fakes = Fakes::new();
    let client = client(&fakes, &["a"], ClientConfig::default()).await;
    let busy = |seconds| {
        let status = Status::resource_exhausted("busy").with_executed(Executed::No);
        fails(status.with_retry_after(Duration::from_secs(seconds)))
    };
    fakes.node("a").answer(move |nth, _| if nth == 0 { busy(3) } else { ok() });
    let began = Instant::now();
    hello(&client).await.expect("after the wait");
    assert!(began.elapsed() >= Duration::from_secs(3));
    fakes.node("a").answer(move |_, _| busy(30));
    let began = Instant::now();
    assert_eq!(hello(&client).await.expect_err("too long").code(), Code::ResourceExhausted);
    assert!(began.elapsed() < Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_kept_waiting_for_more_than_a_minute_by_a_peer_s_wish() {
    let fakes = Fakes::new();
    let client = client(&fakes, &["a"], ClientConfig::default()).await;
    let busy = |seconds| {
        let status = Status::resource_exhausted("busy").with_executed(Executed::No);
        fails(status.with_retry_after(Duration::from_secs(seconds)))
    };
    // A stream has no deadline unless its caller gives one.
    let method = streaming(Kind::ServerStream);
    let stream = || client.prepare(&method, &Context::new(), Codec::RAW, request()).expect("little metadata");
    fakes.node("a").answer(move |_, _| busy(u64::MAX / 2_000_000_000));
    let began = Instant::now();
    assert_eq!(client.call(stream()).await.expect_err("an age").code(), Code::ResourceExhausted);
    assert!(began.elapsed() < Duration::from_millis(10));
    fakes.node("a").answer(move |nth, _| if nth == 1 { busy(60) } else { ok() });
    client.call(stream()).await.expect("after a minute");
    assert!(began.elapsed() >= Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn retries_stop_when_the_budget_is_spent() {
    let fakes = Fakes::new();
    let client = client(&fakes, &["a", "b"], ClientConfig::default()).await;
    for id in ["a", "b"] {
        fakes.node(id).answer(|_, _| (Duration::ZERO, Err(not_executed())));
    }
    let mut options = options(|o| o.retries = Some(1));
    options.timeout = Some(Duration::from_secs(1));
    let client = client.with_options(options);
    let mut calls = Vec::new();
    for _ in 0..1000 {
        let client = client.clone();
        calls.push(tokio::spawn(async move { hello(&client).await.expect_err("stopping") }));
    }
    for call in calls {
        call.await.expect("no panic");
    }
    let retries = fakes.node("a").called() + fakes.node("b").called() - 1000;
    // 10 to begin with and 20 % of 1000 calls, in almost no time, of which at most 100 are saved.
    assert!((100..=215).contains(&retries), "{retries}");
}

#[tokio::test(start_paused = true)]
async fn all_services_and_addresses_of_a_client_spend_one_budget() {
    let fakes = Fakes::new();
    let registry = MemoryRegistry::new();
    let _a = register(&registry, "a").await;
    let mut config = ClientConfig::default();
    config.retry_ratio = 0.0;
    let client = fakes.client(&registry).config(config).build();
    let address = client.to("b:1").expect("an address");
    for node in ["a", "b:1"] {
        fakes.node(node).answer(|_, _| (Duration::ZERO, Err(not_executed())));
    }
    let calls = (0..40).map(|n| {
        let service = if n % 2 == 0 { client.service("greeter") } else { address.service("greeter") };
        let once = service.with_options(options(|o| o.retries = Some(1)));
        tokio::spawn(async move { hello(&once).await.expect_err("stopping") })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.expect("no panic");
    }
    assert_eq!(fakes.node("a").called() + fakes.node("b:1").called(), 40 + 10, "what one second gives");
}

#[tokio::test(start_paused = true)]
async fn all_idempotent_calls_on_a_node_that_is_lost_are_answered_by_another() {
    let fakes = Fakes::new();
    let client = client(&fakes, &["a", "b"], ClientConfig::default()).await;
    // Five seconds of a thousand calls each.
    for _ in 0..500 {
        for _ in 0..10 {
            hello(&client).await.expect("answers");
        }
    }
    for id in ["a", "b"] {
        fakes.node(id).answer(|_, _| after(100, Ok(reply("ok"))));
    }
    let at_a = fakes.node("a").called();
    fakes.node("a").answer(|_, _| after(50, Err(lost())));
    let calls: Vec<_> = (0..1_000)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { hello_idempotent(&client).await })
        })
        .collect();
    for call in calls {
        call.await.expect("no panic").expect("answered by b");
    }
    let failed = fakes.node("a").called() - at_a;
    assert!(failed > 200, "{failed} calls were on it");
}

#[tokio::test(start_paused = true)]
async fn one_way_calls_are_sent_again_only_if_they_were_not_written() {
    let fakes = Fakes::new();
    let client = client(&fakes, &["a"], ClientConfig::default()).await;
    let one_way = || {
        let mut one = call(&client, &idempotent("hello"), &Context::new());
        one.one_way = true;
        one
    };
    fakes.node("a").answer(|_, _| fails(lost()));
    client.call(one_way()).await.expect_err("perhaps written");
    assert_eq!(fakes.node("a").called(), 1);
    fakes.node("a").answer(|nth, _| if nth == 1 { fails(not_executed()) } else { ok() });
    client.call(one_way()).await.expect("not written the first time");
    assert_eq!(fakes.node("a").called(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_request_stream_is_sent_again_only_if_nobody_read_from_it() {
    let fakes = Fakes::new();
    let client = client(&fakes, &["a"], ClientConfig::default()).await;
    fakes.node("a").answer(|nth, _| if nth == 0 { fails(not_executed()) } else { ok() });
    let upload = || {
        let parts = Streaming::from_iter([Payload::encoded("1", Codec::RAW)]);
        let method = streaming(Kind::ClientStream);
        client.prepare(&method, &Context::new(), Codec::RAW, Body::Stream(parts)).expect("little metadata")
    };
    client.call(upload()).await.expect("the stream came back untouched");
    assert_eq!(fakes.node("a").called(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_ends_at_once_and_does_not_count_against_its_node() {
    let fakes = Fakes::new();
    let client = client(&fakes, &["a", "b"], ClientConfig::default()).await;
    for id in ["a", "b"] {
        fakes.node(id).answer(|_, _| after(5000, Ok(reply("late"))));
    }
    for _ in 0..50 {
        let (cx, cancel) = Context::new().cancellable();
        let running = tokio::spawn({
            let client = client.clone();
            async move { client.call(call(&client, &method("hello"), &cx)).await }
        });
        sleep_ms(1).await;
        cancel.cancel();
        let status = running.await.expect("no panic").expect_err("cancelled");
        assert_eq!(status, Cancel::status());
    }
    assert_eq!(fakes.node("a").running.load(std::sync::atomic::Ordering::SeqCst), 0, "dropped on the node");
    // Had they counted, all calls would have gone to the other node as soon as one was picked.
    assert!(fakes.node("a").called() >= 10 && fakes.node("b").called() >= 10);
    let (cx, cancel) = Context::new().cancellable();
    cancel.cancel();
    let before = fakes.node("a").called() + fakes.node("b").called();
    let status = client.call(call(&client, &method("hello"), &cx)).await.expect_err("cancelled before");
    assert_eq!((status.code(), status.executed()), (Code::Cancelled, Executed::No));
    assert_eq!(fakes.node("a").called() + fakes.node("b").called(), before);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_the_call_and_the_status_names_the_client_s_limit() {
    let fakes = Fakes::new();
    let client = client(&fakes, &["a"], ClientConfig::default()).await;
    fakes.node("a").answer(|_, _| after(60_000, Ok(reply("late"))));
    let began = Instant::now();
    let status = hello(&client).await.expect_err("late");
    assert_eq!((status.code(), began.elapsed().as_secs()), (Code::DeadlineExceeded, 10));
    assert!(status.message().contains("the client's limit of 10s"), "{status}");
    // A peer knows only of its caller's limit.
    fakes.node("a").answer(|_, call| {
        let cx = Context::new().with_timeout(Duration::from_secs(4));
        fails(cx.deadline().expect("given").status(&call.method.path))
    });
    let status = hello(&client).await.expect_err("late");
    assert!(status.message().contains("the client's limit of 10s"), "{status}");
    let cx = Context::new().with_timeout(Duration::ZERO);
    let status = client.call(call(&client, &method("hello"), &cx)).await.expect_err("too late to begin");
    assert!(status.message().contains("the caller's limit of 0ns"), "{status}");
    assert_eq!(status.executed(), Executed::No);
}

#[tokio::test(start_paused = true)]
async fn the_idempotent_calls_of_a_node_that_fell_silent_are_answered_by_another() {
    let fakes = Fakes::new();
    let client = client(&fakes, &["a", "b"], ClientConfig::default()).await;
    for id in ["a", "b"] {
        fakes.node(id).answer(|_, _| ok());
    }
    for _ in 0..20 {
        hello(&client).await.expect("both are connected now");
    }
    assert!(fakes.node("a").called() > 0 && fakes.node("b").called() > 0);
    fakes.node("a").answer(|_, _| after(60_000, Ok(reply("late"))));
    let mut running = Vec::new();
    let at_a = fakes.node("a").called();
    while fakes.node("a").called() == at_a {
        let client = client.clone();
        running.push(tokio::spawn(async move { hello_idempotent(&client).await }));
        tokio::task::yield_now().await;
    }
    let plain = client.with_options(options(|o| o.node = Some("a".into())));
    let waits = tokio::spawn(async move { hello(&plain).await });
    tokio::task::yield_now().await;
    let began = Instant::now();
    fakes.node("a").set_state(motet_core::ConnectionState::Suspect);
    for call in running {
        call.await.expect("no panic").expect("answered by b");
    }
    assert!(began.elapsed() <= Duration::from_millis(300), "{:?}", began.elapsed());
    assert_eq!(waits.await.expect("no panic").expect_err("waits").code(), Code::DeadlineExceeded);
}

#[tokio::test(start_paused = true)]
async fn clients_can_be_used_from_spawned_tasks() {
    let fakes = Fakes::new();
    let client = Arc::new(client(&fakes, &["a"], ClientConfig::default()).await);
    tokio::spawn(async move { hello(&client).await }).await.expect("no panic").expect("answers");
}
