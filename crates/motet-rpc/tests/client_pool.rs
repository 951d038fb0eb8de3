//! Connections to a node: made once for all, lost and made again, several, and none.

mod client_fake;

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use client_fake::*;
use motet_core::{Code, ConnectionState, Context, Executed, FailMode, MemoryRegistry};
use motet_rpc::{ClientConfig, ServiceClient};
use tokio::time::Instant;

async fn client(fakes: &Fakes, ids: &[&str], config: ClientConfig) -> ServiceClient {
    let registry = MemoryRegistry::new();
    for id in ids {
        std::mem::forget(register(&registry, id).await);
    }
    fakes.client(&registry).config(config).build().service("greeter")
}

fn spawn(client: &ServiceClient) -> tokio::task::JoinHandle<motet_core::Result<motet_core::Reply>> {
    let client = client.clone();
    tokio::spawn(async move { hello(&client).await })
}

#[tokio::test(start_paused = true)]
async fn a_hundred_callers_wait_for_one_dial() {
    let fakes = Fakes::new();
    let client = client(&fakes, &["a"], ClientConfig::default()).await;
    assert_eq!(fakes.node("a").dialled(), 0, "nothing is dialled before it is needed");
    *fakes.node("a").dial_takes.lock().expect("no panic") = Duration::from_millis(100);
    let calls: Vec<_> = (0..100).map(|_| spawn(&client)).collect();
    for call in calls {
        call.await.expect("no panic").expect("answers");
    }
    assert_eq!((fakes.node("a").dialled(), fakes.node("a").called()), (1, 100));
}

#[tokio::test(start_paused = true)]
async fn a_dial_outlives_the_caller_that_asked_for_it() {
    let fakes = Fakes::new();
    let client = client(&fakes, &["a"], ClientConfig::default()).await;
    *fakes.node("a").dial_takes.lock().expect("no panic") = Duration::from_millis(100);
    let (first, second) = (spawn(&client), spawn(&client));
    sleep_ms(50).await;
    first.abort();
    second.await.expect("no panic").expect("answers");
    assert_eq!(fakes.node("a").dialled(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_refuses_is_dialled_again_with_growing_jittered_pauses() {
    let fakes = Fakes::new();
    let client = client(&fakes, &["a"], ClientConfig::default()).await;
    fakes.node("a").refuse(true);
    let error = hello(&client).await.expect_err("refused");
    assert_eq!((error.code(), error.executed()), (Code::Unavailable, Executed::No));
    assert_eq!(error.message(), "cannot connect to fake://a: connection refused");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let dials = fakes.node("a").dials.lock().expect("no panic").clone();
    for (n, pair) in dials.windows(2).enumerate() {
        let pause = (pair[1] - pair[0]).as_millis() as u64;
        let longest = (10u64 << n.min(20)).min(5000);
        assert!((longest / 2..=longest + 2).contains(&pause), "dial {n}: {pause} ms of {longest}");
    }
    assert!((18..40).contains(&dials.len()), "{}", dials.len());
    fakes.node("a").refuse(false);
    hello(&client).await.expect("the next dial is waited for");
}

#[tokio::test(start_paused = true)]
async fn while_a_node_cannot_be_reached_others_are_used_and_it_returns() {
    let fakes = Fakes::new();
    let client = client(&fakes, &["a", "b"], ClientConfig::default()).await;
    fakes.node("a").refuse(true);
    for _ in 0..50 {
        hello(&client).await.expect("b answers");
    }
    assert_eq!((fakes.node("a").called(), fakes.node("b").called()), (0, 50));
    fakes.node("a").refuse(false);
    sleep_ms(6_000).await;
    for _ in 0..50 {
        hello(&client).await.expect("both answer");
    }
    assert!(fakes.node("a").called() > 10);
}

#[tokio::test(start_paused = true)]
async fn passing_over_nodes_that_cannot_be_reached_costs_no_retry() {
    let fakes = Fakes::new();
    let mut config = ClientConfig::default();
    (config.retries, config.retry_ratio, config.retries_per_second) = (0, 0.0, 0.0);
    let client = client(&fakes, &["a", "b", "c"], config).await;
    fakes.node("a").refuse(true);
    fakes.node("b").refuse(true);
    for _ in 0..20 {
        hello(&client).await.expect("c answers");
    }
    let fast = client.with_options(options(|o| o.fail_mode = Some(FailMode::Fast)));
    for _ in 0..10 {
        hello(&fast).await.expect("the others are known not to answer");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_not_made_in_time_is_given_up() {
    let fakes = Fakes::new();
    let mut config = ClientConfig::default();
    config.retries = 0;
    let client = client(&fakes, &["a"], config).await;
    *fakes.node("a").dial_takes.lock().expect("no panic") = Duration::from_secs(60);
    let began = Instant::now();
    let error = hello(&client).await.expect_err("too slow");
    assert_eq!((error.code(), error.executed()), (Code::Unavailable, Executed::No));
    assert!(error.message().contains("the connect limit of 2s passed"), "{error}");
    assert_eq!(began.elapsed(), Duration::from_secs(2));
    // A caller in a hurry learns that it was its own limit.
    let cx = Context::new().with_timeout(Duration::from_millis(300));
    let error = client.call(call(&client, &method("hello"), &cx)).await.expect_err("too slow");
    assert_eq!((error.code(), error.executed()), (Code::DeadlineExceeded, Executed::No));
    assert!(error.message().contains("the caller's limit of 300ms"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_made_again_by_the_next_call() {
    let fakes = Fakes::new();
    let client = client(&fakes, &["a"], ClientConfig::default()).await;
    hello(&client).await.expect("answers");
    fakes.node("a").cut();
    hello(&client).await.expect("over a new connection");
    assert_eq!(fakes.node("a").dialled(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_finds_its_connection_gone_is_sent_over_a_new_one_at_once() {
    let fakes = Fakes::new();
    let client = client(&fakes, &["a"], ClientConfig::default()).await;
    let node = fakes.node("a");
    let closing = fakes.node("a");
    node.answer(move |nth, _| {
        if nth == 0 {
            closing.cut();
            return (Duration::ZERO, Err(not_executed()));
        }
        ok()
    });
    let began = Instant::now();
    hello(&client).await.expect("the second connection");
    assert!(began.elapsed() <= Duration::from_millis(2), "{:?}", began.elapsed());
    assert_eq!(node.dialled(), 2);
}

#[tokio::test(start_paused = true)]
async fn several_connections_are_made_as_calls_need_them_and_share_the_load() {
    let fakes = Fakes::new();
    fakes.connections_per_node(3);
    let client = client(&fakes, &["a"], ClientConfig::default()).await;
    for _ in 0..10 {
        hello(&client).await.expect("answers");
    }
    assert_eq!(fakes.node("a").dialled(), 1, "one call at a time needs one");
    fakes.node("a").answer(|_, _| after(100, Ok(reply("slow"))));
    let mut calls = Vec::new();
    for _ in 0..30 {
        calls.push(spawn(&client));
        sleep_ms(1).await;
    }
    assert_eq!(fakes.node("a").dialled(), 3);
    for call in calls {
        call.await.expect("no panic").expect("answers");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_stopping_is_left_for_others() {
    let fakes = Fakes::new();
    let client = client(&fakes, &["a", "b"], ClientConfig::default()).await;
    for _ in 0..20 {
        hello(&client).await.expect("both are connected now");
    }
    let before = fakes.node("a").called();
    assert!(before > 0);
    fakes.node("a").set_state(ConnectionState::Draining);
    for _ in 0..20 {
        hello(&client).await.expect("b answers");
    }
    assert_eq!(fakes.node("a").called(), before);
}

#[tokio::test(start_paused = true)]
async fn a_silent_node_is_avoided_until_it_answers_again() {
    let fakes = Fakes::new();
    let client = client(&fakes, &["a", "b"], ClientConfig::default()).await;
    for _ in 0..20 {
        hello(&client).await.expect("both are connected now");
    }
    fakes.node("a").set_state(ConnectionState::Suspect);
    let before = fakes.node("a").called();
    for _ in 0..20 {
        hello(&client).await.expect("b answers");
    }
    assert_eq!(fakes.node("a").called(), before);
    fakes.node("a").set_state(ConnectionState::Open);
    sleep_ms(300).await;
    for _ in 0..40 {
        hello(&client).await.expect("both answer");
    }
    assert!(fakes.node("a").called() > before);
}

#[tokio::test(start_paused = true)]
async fn a_silent_node_is_used_where_there_is_no_other() {
    let fakes = Fakes::new();
    let client = client(&fakes, &["a"], ClientConfig::default()).await;
    hello(&client).await.expect("connected now");
    fakes.node("a").set_state(ConnectionState::Suspect);
    hello(&client).await.expect("it answers after all");
    assert_eq!(fakes.node("a").dialled(), 1);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_client_closes_its_connections_and_ends_its_tasks() {
    let fakes = Fakes::new();
    let client = client(&fakes, &["a", "b"], ClientConfig::default()).await;
    fakes.node("b").refuse(true);
    for _ in 0..5 {
        hello(&client).await.expect("a answers");
    }
    drop(client);
    sleep_ms(1).await;
    assert_eq!(fakes.node("a").closed.load(SeqCst), 1);
    let dials = fakes.node("b").dialled();
    sleep_ms(60_000).await;
    assert_eq!(fakes.node("b").dialled(), dials);
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_for_one_node_fails_soon_although_others_answer() {
    let fakes = Fakes::new();
    let client = client(&fakes, &["a", "b"], ClientConfig::default()).await;
    fakes.node("a").refuse(true);
    let only_a = client.with_options(options(|o| o.node = Some("a".into())));
    let began = Instant::now();
    hello(&only_a).await.expect_err("a refuses");
    assert!(began.elapsed() < Duration::from_millis(200), "{:?}", began.elapsed());
    assert!((3..6).contains(&fakes.node("a").dialled()));
    assert_eq!(fakes.node("b").called(), 0);
}
