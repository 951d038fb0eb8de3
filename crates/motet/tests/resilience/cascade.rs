//! What ends a call ends the calls that it made.

use std::time::Duration;

use motet::{Code, Context, Status, Streaming};
use tokio::time::Instant;

use crate::chain::{Chain, Hop};

/// How long the end of a call may take to reach the third hop.
const SOON: Duration = Duration::from_millis(50);
const TRANSPORTS: [&str; 2] = ["memory", "tcp"];

/// A request stream that stays open.
fn open_stream() -> (tokio::sync::mpsc::Sender<motet::Result<u64>>, Streaming<u64>) {
    let (sender, stream) = Streaming::channel(4);
    sender.try_send(Ok(1)).expect("room");
    (sender, stream)
}

/// Begins a call at A, lets it reach C, ends it by cancelling its Context, and measures.
async fn cancel(transport: &str, what: &str, call: impl AsyncFnOnce(&Chain, &Context) -> Status + Send) -> Duration {
    let chain = Chain::start(transport).await;
    let (cx, cancel) = Context::new().cancellable();
    let cancelled = async {
        chain.c.called(1).await;
        // Lets a stream begin to flow.
        tokio::time::sleep(Duration::from_millis(20)).await;
        cancel.cancel();
        Instant::now()
    };
    let (status, cancelled) = tokio::join!(call(&chain, &cx), cancelled);
    assert_eq!(status.code(), Code::Cancelled, "{transport} {what}: {status}");
    let took = chain.c.over().await.saturating_duration_since(cancelled);
    assert!(took <= SOON, "{transport} {what}: C went on for {took:?}");
    let took_b = chain.b.over().await.saturating_duration_since(cancelled);
    assert!(took_b <= SOON, "{transport} {what}: B went on for {took_b:?}");
    chain.stop().await;
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_at_the_first_hop_stops_the_third_within_50_ms_in_every_kind_of_call() {
    for transport in TRANSPORTS {
        let unary =
            cancel(transport, "unary", async |chain, cx| chain.client.hold(cx).await.expect_err("cancelled")).await;
        let server = cancel(transport, "server stream", async |chain, cx| {
            let mut ticks = chain.client.ticks(cx).await.expect("a stream");
            loop {
                match ticks.next().await.expect("no end without an error") {
                    Ok(_) => {}
                    Err(status) => return status,
                }
            }
        })
        .await;
        let client = cancel(transport, "client stream", async |chain, cx| {
            let (_open, parts) = open_stream();
            chain.client.swallow(cx, parts).await.expect_err("cancelled")
        })
        .await;
        let bidi = cancel(transport, "bidi", async |chain, cx| {
            let (_open, parts) = open_stream();
            let mut echoes = chain.client.echo(cx, parts).await.expect("a stream");
            assert_eq!(echoes.next().await.expect("an item").expect("an echo"), 1);
            echoes.next().await.expect("no end without an error").expect_err("cancelled")
        })
        .await;
        println!("{transport}: C stopped {unary:?}, {server:?}, {client:?}, {bidi:?} after the cancel at A");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_drops_its_call_or_its_stream_stops_the_third_hop() {
    for transport in TRANSPORTS {
        let chain = Chain::start(transport).await;
        let call = tokio::spawn({
            let client = chain.client.clone();
            async move { client.hold(&Context::new()).await }
        });
        chain.c.called(1).await;
        call.abort();
        let dropped = Instant::now();
        assert!(chain.c.over().await - dropped <= SOON, "{transport}");

        let mut ticks = chain.client.ticks(&Context::new()).await.expect("a stream");
        ticks.next().await.expect("an item").expect("a tick");
        drop(ticks);
        let dropped = Instant::now();
        assert!(chain.c.over().await - dropped <= SOON, "{transport}");
        chain.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_of_a_deadline_goes_along_and_ends_every_hop() {
    const LIMIT: Duration = Duration::from_millis(300);
    for transport in TRANSPORTS {
        let chain = Chain::start(transport).await;
        let began = Instant::now();
        let cx = Context::new().with_timeout(LIMIT);
        let status = chain.client.hold(&cx).await.expect_err("too late");
        let took = began.elapsed();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert!(status.message().contains("b/hold: the caller's limit of 300ms passed"), "{transport}: {status}");
        assert!((LIMIT..LIMIT + SOON).contains(&took), "{transport}: {took:?}");
        for node in [&chain.b, &chain.c] {
            let left = node.diary.borrow().remaining.expect("a deadline");
            assert!(left < LIMIT && left > LIMIT / 2, "{transport}: {left:?}");
            let over = node.over().await - began;
            assert!(over <= LIMIT + SOON, "{transport}: {over:?}");
        }

        // A stream has no deadline of its own, and takes its caller's along.
        let began = Instant::now();
        let mut ticks = chain.client.ticks(&Context::new().with_timeout(LIMIT)).await.expect("a stream");
        let status = loop {
            if let Err(status) = ticks.next().await.expect("no end without an error") {
                break status;
            }
        };
        assert!(status.message().contains("b/ticks: the caller's limit of 300ms passed"), "{transport}: {status}");
        assert!(began.elapsed() < LIMIT + SOON, "{transport}");
        assert!(chain.c.over().await - began <= LIMIT + SOON, "{transport}");
        drop(chain.client.ticks(&Context::new()).await.expect("a stream"));
        assert_eq!(chain.c.diary.borrow().remaining, None);
        chain.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_of_a_method_ends_the_hops_behind_it() {
    let chain = Chain::start("memory").await;
    let call = tokio::spawn({
        let client = chain.client.clone();
        async move { client.hold(&Context::new()).await }
    });
    chain.c.called(1).await;
    let left = chain.c.diary.borrow().remaining.expect("a deadline");
    assert!(left > Duration::from_secs(19) && left < Duration::from_secs(20), "{left:?}");
    call.abort();
    chain.stop().await;
}
