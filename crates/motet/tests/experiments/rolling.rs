//! Nodes that are restarted one after the other.

use std::{sync::Arc, time::Duration};

use motet::App;
use motet_promises::{Measurement, is_long};
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    alone,
    load::{Load, Outcome, Summary, What, list},
    node::{By, Process, url},
    timeline::Timeline,
};

/// `app.stop_timeout`: a process that needs longer drops what runs and ends with an error.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// How long and how often.
struct Plan {
    /// The time before the first restart.
    steady: Duration,
    restarts: usize,
    /// From the beginning of one restart to that of the next, at least.
    every: Duration,
}

impl Plan {
    /// In the long form each of three nodes is restarted twice within a minute, in brief as often as
    /// this. `MOTET_RESTARTS` asks for so many, one right after the other.
    fn new(briefly: usize) -> Plan {
        let wanted = std::env::var("MOTET_RESTARTS").ok().map(|text| text.parse().expect("a number"));
        match (wanted, is_long()) {
            (Some(restarts), _) => Plan { steady: Duration::from_secs(1), restarts, every: Duration::ZERO },
            (None, false) => Plan { steady: Duration::from_secs(1), restarts: briefly, every: Duration::ZERO },
            (None, true) => Plan { steady: Duration::from_secs(18), restarts: 6, every: Duration::from_secs(7) },
        }
    }
}

/// Mostly short calls; some that are under way when a node stops; some streams.
fn mix(number: u64) -> What {
    match number % 40 {
        0 => What::Many(3, 15),
        10 | 30 => What::Once(40),
        20 => What::Again(5),
        n if n % 4 == 1 => What::Once(2),
        _ => What::Once(0),
    }
}

/// The 99th percentile of the calls that ask for no time, in milliseconds.
fn p99_ms<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> f64 {
    let mut took: Vec<_> = outcomes.filter(|o| o.what == What::Once(0)).map(|o| o.took).collect();
    took.sort();
    took.get(took.len() * 99 / 100).map_or(0.0, |took| took.as_secs_f64() * 1e3)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::await_holding_lock, reason = "it keeps the other experiments waiting")]
async fn rolling_restarts_lose_no_call() {
    let _alone = alone();
    let measured = Measurement::begin("P2", "rolling::rolling_restarts_lose_no_call");
    restart_all(measured, By::MOTET, &Plan::new(6)).await;
}

#[cfg(feature = "full")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::await_holding_lock, reason = "it keeps the other experiments waiting")]
async fn rolling_restarts_lose_no_call_by_grpc() {
    let _alone = alone();
    let measured = Measurement::begin("P2", "rolling::rolling_restarts_lose_no_call_by_grpc");
    restart_all(measured, By::GRPC, &Plan::new(3)).await;
}

#[cfg(feature = "full")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::await_holding_lock, reason = "it keeps the other experiments waiting")]
async fn rolling_restarts_lose_no_call_by_http() {
    let _alone = alone();
    let measured = Measurement::begin("P2", "rolling::rolling_restarts_lose_no_call_by_http");
    restart_all(measured, By::HTTP, &Plan::new(3)).await;
}

/// Restarts nodes one after the other while calls are made.
async fn restart_all(mut measured: Measurement, by: By, plan: &Plan) {
    let temp = tempfile::tempdir().expect("a folder");
    let folder = temp.path().join("registry");
    let mut nodes =
        [Process::start(&folder, "a").await, Process::start(&folder, "b").await, Process::start(&folder, "c").await];
    let app = App::builder().registry(url(&folder)).build().start().await.expect("starts");
    let timeline = Arc::new(Timeline::new());
    let load = Load::start(by.client(&app), &timeline, by.calls_a_second, mix);

    sleep(plan.steady).await;
    let (mut windows, mut stops) = (Vec::new(), Vec::new());
    for restart in 1..=plan.restarts {
        let next = Instant::now() + plan.every;
        let node = &mut nodes[restart % 3];
        let name = node.name;
        let began = timeline.note(format!("restart {restart}: SIGTERM to {name}"));
        node.signal("-TERM");
        assert!(node.ended().await, "restart {restart}: {name} did not stop well");
        stops.push(timeline.note(format!("restart {restart}: {name} has ended")) - began);
        *node = Process::start(&folder, name).await;
        windows.push((began, timeline.note(format!("restart {restart}: {name} takes calls"))));
        sleep_until(next).await;
    }

    let outcomes = load.stop().await;
    println!("{} rolling restarts{}: {}", plan.restarts, by.words, Summary::of(&outcomes));
    let share = |name| outcomes.iter().filter(|outcome| outcome.answered_by(name)).count();
    println!("answered by a: {}, by b: {}, by c: {}", share("a"), share("b"), share("c"));
    let lost: Vec<_> = outcomes.iter().filter(|outcome| outcome.failed()).collect();
    println!("{} calls were lost:{}", lost.len(), list(lost.iter().copied(), &timeline));
    // The first calls make connections.
    let warm = plan.steady / 4;
    let steady = p99_ms(outcomes.iter().filter(|o| o.began > warm && o.began < windows[0].0));
    let restarting = |o: &&Outcome| windows.iter().any(|(from, to)| (*from..*to).contains(&o.began));
    let during = p99_ms(outcomes.iter().filter(restarting));
    let by = |text: &str| format!("{text}{}", by.words);
    measured
        .figure(outcomes.len() as f64, &by("calls"))
        .figure(plan.restarts as f64, &by("restarts"))
        .at_most(lost.len() as f64, &by("calls failed"), 0.0)
        .figure(steady, &by("ms p99 before"))
        .figure(during, &by("ms p99 during restarts"))
        .median_at_most(during / steady.max(0.001), &by("times the p99 before"), 3.0)
        .at_most(
            stops.iter().max().map_or(0.0, Duration::as_secs_f64),
            &by("s from SIGTERM to exit, the longest"),
            STOP_TIMEOUT.as_secs_f64(),
        );
    measured.end();
    assert!(["a", "b", "c"].into_iter().all(|name| share(name) > 0), "all nodes were used");
}
