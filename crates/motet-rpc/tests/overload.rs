//! More calls than can be served: what is refused, what waits, what is served, on paused time.

mod server_support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use motet_core::{
    Body, BoxFuture, Call, CallOptions, Code, Codec, Context, Deadline, Executed, Limit, Metadata, MethodDescriptor,
    Pace, Payload, Peer, Reply, Result, Route, RunningCalls, Status,
};
use motet_rpc::{
    MethodSnapshot, Stats,
    server::{OverloadConfig, PipelineSettings, routes},
};
use server_support::greeter::{service, text};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A method of some workers that each need some time for a call.
struct Worked {
    route: Route,
    stats: Stats,
    most: Arc<AtomicUsize>,
}

fn workers(count: usize, takes: Duration, change: impl FnOnce(&mut MethodDescriptor, &mut OverloadConfig)) -> Worked {
    let (stats, most) = (Stats::new(), Arc::new(AtomicUsize::new(0)));
    let mut method = MethodDescriptor::new("greeter", "work");
    let mut config = OverloadConfig::default();
    change(&mut method, &mut config);
    let settings = PipelineSettings::default().overload(config).stats(stats.clone());
    let (free, running, seen) = (Arc::new(Semaphore::new(count)), Arc::new(AtomicUsize::new(0)), most.clone());
    let handler = move |_: Call| -> BoxFuture<'static, Result<Reply>> {
        let (free, running, seen) = (free.clone(), running.clone(), seen.clone());
        Box::pin(async move {
            let running = Running::new(&running, &seen);
            let worker = free.acquire().await.expect("never closed");
            sleep(takes).await;
            drop((worker, running));
            Ok(text("done"))
        })
    };
    let route = routes(&service("greeter", vec![(method, Arc::new(handler))]), &settings).remove(0);
    Worked { route, stats, most }
}

struct Running(Arc<AtomicUsize>);

impl Running {
    fn new(running: &Arc<AtomicUsize>, most: &AtomicUsize) -> Running {
        most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
        Running(running.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Worked {
    fn call(&self, peer: Option<&Arc<Peer>>, within: Duration) -> BoxFuture<'static, Result<Reply>> {
        let deadline = Some(Deadline::after(within, Limit::Caller));
        let cx = Context::incoming(deadline, Metadata::new(), peer.cloned(), None);
        let body = Body::One(Payload::encoded("{}", Codec::JSON));
        let options = Arc::new(CallOptions::default());
        self.route.call(Call::new(self.route.method().clone(), cx, body, Codec::JSON, options))
    }

    fn snapshot(&self) -> MethodSnapshot {
        self.stats.method("greeter/work").snapshot()
    }

    /// Offers so many calls a second in an open loop for some time, and tells how each went that began
    /// in the last part of it.
    async fn offer(&self, a_second: usize, time: Duration, last: Duration) -> Vec<(Duration, Result<()>)> {
        let outcomes = Arc::new(Mutex::new(Vec::new()));
        let mut calls = tokio::task::JoinSet::new();
        let (began, mut made) = (Instant::now(), 0);
        while began.elapsed() < time {
            while made < (began.elapsed().as_secs_f64() * a_second as f64) as usize {
                made += 1;
                let (call, outcomes) = (self.call(None, ms(1000)), outcomes.clone());
                let counts = began.elapsed() >= time - last;
                calls.spawn(async move {
                    let began = Instant::now();
                    let result = call.await.map(drop);
                    if counts {
                        outcomes.lock().expect("no panic").push((began.elapsed(), result));
                    }
                });
            }
            sleep(ms(1)).await;
            while calls.try_join_next().is_some() {}
        }
        while calls.join_next().await.is_some() {}
        let mut outcomes = outcomes.lock().expect("no panic");
        std::mem::take(&mut *outcomes)
    }
}

fn good(outcomes: &[(Duration, Result<()>)]) -> usize {
    outcomes.iter().filter(|(_, result)| result.is_ok()).count()
}

fn refused_well(status: &Status) -> bool {
    let hint = status.retry_after().is_some_and(|hint| hint >= ms(100) && hint <= ms(10_000));
    status.code() == Code::ResourceExhausted && status.executed() == Executed::No && hint
}

#[tokio::test(start_paused = true)]
async fn at_ten_times_its_load_a_server_does_what_it_can_and_refuses_the_rest_at_once() {
    let worked = workers(8, ms(20), |_, _| {});
    let capacity = 400;
    let before = worked.offer(capacity * 7 / 10, ms(3_000), ms(3_000)).await;
    assert_eq!(good(&before), before.len(), "nothing is refused below the capacity");
    let during = worked.offer(capacity * 10, ms(7_000), ms(4_000)).await;
    let share = good(&during) as f64 / (4.0 * capacity as f64);
    assert!(share > 0.9, "{share} of what it can do");
    let mut refused: Vec<_> = during.iter().filter(|(_, result)| result.is_err()).collect();
    let told_well = refused.iter().all(|(_, result)| result.as_ref().is_err_and(refused_well));
    assert!(told_well, "{:?}", refused.iter().find(|(_, result)| !result.as_ref().is_err_and(refused_well)));
    refused.sort_by_key(|(took, _)| *took);
    let p99 = refused[refused.len() * 99 / 100].0;
    assert!(p99 <= ms(50), "{p99:?} until the answer that it is refused");
    let most = worked.most.load(SeqCst);
    assert!(most <= 2_000, "{most} calls at once until the limit was found");
    let snapshot = worked.snapshot();
    assert!(snapshot.refused > 10_000 && snapshot.limit.is_some_and(|limit| limit <= 40), "{snapshot:?}");

    let after = worked.offer(capacity * 7 / 10, ms(4_000), ms(2_000)).await;
    assert_eq!(good(&after), after.len(), "it has recovered");
    assert_eq!((worked.snapshot().limit, worked.snapshot().queued, worked.snapshot().in_flight), (None, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn calls_that_only_wait_are_all_served_however_many() {
    let worked = workers(100_000, ms(1_000), |_, _| {});
    for round in 0..4 {
        let calls: Vec<_> = (0..1_000).map(|_| tokio::spawn(worked.call(None, ms(5_000)))).collect();
        for call in calls {
            call.await.expect("no panic").unwrap_or_else(|status| panic!("round {round}: {status}"));
        }
    }
    assert_eq!(worked.snapshot().limit, None);
}

#[tokio::test(start_paused = true)]
async fn a_method_s_own_limit_lets_calls_wait_for_a_moment() {
    let worked = workers(100, ms(60), |method, _| method.options.max_in_flight = Some(2));
    let began = Instant::now();
    let calls: Vec<_> = (0..7).map(|_| tokio::spawn(worked.call(None, ms(5_000)))).collect();
    sleep(ms(1)).await;
    let snapshot = worked.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.queued, snapshot.limit), (2, 5, Some(2)));
    let mut results = Vec::new();
    for call in calls {
        results.push(call.await.expect("no panic"));
    }
    // Two at 0 and two at 60 ms; at 100 ms the others have waited long enough.
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 4);
    assert!(results.iter().flat_map(|result| result.as_ref().err()).all(refused_well));
    assert!(began.elapsed() >= ms(120) && began.elapsed() < ms(130), "{:?}", began.elapsed());
    assert_eq!((worked.most.load(SeqCst), worked.snapshot().refused, worked.snapshot().queued), (2, 3, 0));
    worked.call(None, ms(5_000)).await.expect("both places are free");
}

#[tokio::test(start_paused = true)]
async fn a_limit_in_the_configuration_counts_above_the_method_s_own() {
    let worked = workers(100, ms(60), |method, config| {
        method.options.max_in_flight = Some(50);
        config.methods.insert("greeter/work".to_owned(), 1);
        config.queue = 0;
    });
    let first = tokio::spawn(worked.call(None, ms(5_000)));
    sleep(ms(1)).await;
    let status = worked.call(None, ms(5_000)).await.expect_err("one runs, none may wait");
    assert!(refused_well(&status) && status.message().contains("too many wait already"), "{status}");
    first.await.expect("no panic").expect("served");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_leaves_the_queue_leaves_its_turn_to_others() {
    let worked = workers(100, ms(60), |method, _| method.options.max_in_flight = Some(1));
    let first = tokio::spawn(worked.call(None, ms(5_000)));
    sleep(ms(1)).await;
    let leaves = tokio::spawn(worked.call(None, ms(5_000)));
    sleep(ms(1)).await;
    let stays = tokio::spawn(worked.call(None, ms(5_000)));
    sleep(ms(1)).await;
    leaves.abort();
    assert!(leaves.await.is_err_and(|error| error.is_cancelled()));
    assert_eq!(worked.snapshot().queued, 1);
    first.await.expect("no panic").expect("served");
    stays.await.expect("no panic").expect("its turn came next");
}

#[tokio::test(start_paused = true)]
async fn a_greedy_connection_does_not_starve_another() {
    let worked = workers(100, ms(10), |method, _| method.options.max_in_flight = Some(1));
    let peer = |name: &str| Arc::new(Peer::new("tcp", name, false));
    let (greedy, modest) = (peer("greedy"), peer("modest"));
    let flood: Vec<_> = (0..5_000).map(|_| tokio::spawn(worked.call(Some(&greedy), ms(5_000)))).collect();
    sleep(ms(1)).await;
    let mut longest = Duration::ZERO;
    for _ in 0..5 {
        let began = Instant::now();
        worked.call(Some(&modest), ms(5_000)).await.expect("its turn comes");
        longest = longest.max(began.elapsed());
    }
    assert!(longest <= ms(40), "one call of the other before each of its own, not {longest:?}");
    flood.into_iter().for_each(|call| call.abort());
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_a_limit_of_its_own() {
    let worked = workers(100, ms(60), |_, config| config.max_per_connection = 3);
    let peer = || {
        let mut peer = Peer::new("tcp", "peer", false);
        peer.running = RunningCalls::counted();
        Arc::new(peer)
    };
    let (one, other) = (peer(), peer());
    let calls: Vec<_> = (0..3).map(|_| tokio::spawn(worked.call(Some(&one), ms(5_000)))).collect();
    sleep(ms(1)).await;
    let status = worked.call(Some(&one), ms(5_000)).await.expect_err("three run");
    assert!(refused_well(&status) && status.message().contains("max_per_connection"), "{status}");
    worked.call(Some(&other), ms(5_000)).await.expect("another connection");
    for call in calls {
        call.await.expect("no panic").expect("served");
    }
    assert_eq!(one.running.count(), 0);
    worked.call(Some(&one), ms(5_000)).await.expect("its calls are over");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_cannot_be_answered_in_time_does_not_even_wait() {
    let worked = workers(100, ms(60), |method, _| method.options.max_in_flight = Some(10));
    for _ in 0..12 {
        let calls: Vec<_> = (0..10).map(|_| tokio::spawn(worked.call(None, ms(5_000)))).collect();
        for call in calls {
            call.await.expect("no panic").expect("served");
        }
    }
    let running: Vec<_> = (0..10).map(|_| tokio::spawn(worked.call(None, ms(5_000)))).collect();
    sleep(ms(1)).await;
    let began = Instant::now();
    let status = worked.call(None, ms(50)).await.expect_err("60 ms are needed");
    assert!(refused_well(&status) && status.message().contains("before its deadline"), "{status}");
    assert_eq!(began.elapsed(), Duration::ZERO);
    let status = worked.call(None, ms(80)).await.expect_err("no place is free in 20 ms");
    assert!(refused_well(&status) && began.elapsed() <= ms(22), "{status} after {:?}", began.elapsed());
    for call in running {
        call.await.expect("no panic").expect("served");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_time_is_up_before_it_begins_does_not_run() {
    let worked = workers(100, ms(60), |_, _| {});
    // Its task is not polled for a while, as where others hold the threads.
    let late = worked.call(None, ms(50));
    let in_time = worked.call(None, ms(5_000));
    sleep(ms(50)).await;
    let status = late.await.expect_err("nobody waits for it any more");
    assert_eq!((status.code(), status.executed()), (Code::DeadlineExceeded, Executed::No));
    assert_eq!((worked.most.load(SeqCst), worked.snapshot().errors["DEADLINE_EXCEEDED"]), (0, 1));
    in_time.await.expect("this one begins late and is served");
    assert_eq!((worked.most.load(SeqCst), worked.snapshot().in_flight), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn without_protection_only_the_method_s_own_limit_counts() {
    let method = MethodDescriptor::new("greeter", "work");
    let handler = |_: Call| -> BoxFuture<'static, Result<Reply>> {
        Box::pin(async {
            sleep(ms(1_000)).await;
            Ok(text("done"))
        })
    };
    let settings = PipelineSettings::default().overload(None);
    let route = routes(&service("greeter", vec![(method, Arc::new(handler))]), &settings).remove(0);
    let worked = Worked { route, stats: Stats::new(), most: Arc::default() };
    let calls: Vec<_> = (0..25_000).map(|_| tokio::spawn(worked.call(None, ms(5_000)))).collect();
    for call in calls {
        call.await.expect("no panic").expect("served");
    }
}

/// Keeps log lines as text.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_holds_its_thread_is_named_once() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let named = |path: &str| {
        let text = String::from_utf8_lossy(&lines.0.lock().expect("no panic")).into_owned();
        let all: Vec<_> = text.lines().filter(|line| line.contains(&format!("method=\"{path}\""))).collect();
        assert!(all.iter().all(|line| line.contains("#[method(blocking)]") && line.contains("WARN")), "{text}");
        all.len()
    };

    let stats = Stats::new();
    let handler = |call: Call| -> BoxFuture<'static, Result<Reply>> {
        Box::pin(async move {
            if call.method.name == "later" {
                tokio::task::yield_now().await;
            }
            // It holds the thread: no other clock than the real one shows it.
            std::thread::sleep(Pace::SLOW * 4);
            Ok(text("done"))
        })
    };
    let method = |name: &str| -> (MethodDescriptor, Arc<dyn motet_core::Handler>) {
        (MethodDescriptor::new("greeter", name), Arc::new(handler))
    };
    let settings = PipelineSettings::default().stats(stats.clone());
    let all = routes(&service("greeter", vec![method("first"), method("later"), method("other")]), &settings);

    let first = &all[0];
    first.pace().record(Pace::SLOW * 2);
    assert_eq!(named("greeter/first"), 0, "once says nothing");
    (0..10).for_each(|_| first.pace().record(Pace::SLOW * 2));
    assert_eq!(named("greeter/first"), 1);
    let other = &all[2];
    (0..10).for_each(|_| other.pace().record(Pace::SLOW * 2));
    assert_eq!(named("greeter/other"), 0, "one in a second");
    tokio::time::advance(ms(1_000)).await;
    (0..10).for_each(|_| other.pace().record(Pace::SLOW * 2));
    assert_eq!((named("greeter/first"), named("greeter/other")), (1, 1));
    assert_eq!(stats.method("greeter/other").snapshot().slow_polls, 20);
}
