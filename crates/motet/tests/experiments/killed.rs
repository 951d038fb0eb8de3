//! A node that is killed.

use std::{sync::Arc, time::Duration};

use motet::{App, Code, Executed};
use motet_promises::{Measurement, is_long};

use super::{
    alone,
    load::{Load, Outcome, Summary, What, list},
    node::{By, Process, url},
    timeline::Timeline,
};

const NAMES: [&str; 3] = ["a", "b", "c"];

fn mix(number: u64) -> What {
    let ms = number % 20;
    if number.is_multiple_of(2) { What::Once(ms) } else { What::Again(ms) }
}

/// When a node was killed, when it had ended, and when it was started again.
struct Kill {
    at: Duration,
    dead: Duration,
    over: Duration,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::await_holding_lock, reason = "it keeps the other experiments waiting")]
async fn when_a_node_is_killed_only_calls_in_flight_on_it_fail_and_idempotent_ones_are_retried() {
    let _alone = alone();
    let measured = Measurement::begin(
        "P3",
        "killed::when_a_node_is_killed_only_calls_in_flight_on_it_fail_and_idempotent_ones_are_retried",
    );
    kill(measured, By::MOTET).await;
}

#[cfg(feature = "full")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::await_holding_lock, reason = "it keeps the other experiments waiting")]
async fn a_kill_fails_only_calls_in_flight_by_grpc() {
    let _alone = alone();
    let measured = Measurement::begin("P3", "killed::a_kill_fails_only_calls_in_flight_by_grpc");
    kill(measured, By::GRPC).await;
}

#[cfg(feature = "full")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::await_holding_lock, reason = "it keeps the other experiments waiting")]
async fn a_kill_fails_only_calls_in_flight_by_http() {
    let _alone = alone();
    let measured = Measurement::begin("P3", "killed::a_kill_fails_only_calls_in_flight_by_http");
    kill(measured, By::HTTP).await;
}

/// Kills nodes while calls are made.
async fn kill(mut measured: Measurement, by: By) {
    let temp = tempfile::tempdir().expect("a folder");
    let folder = temp.path().join("registry");
    let mut nodes = Vec::new();
    for name in NAMES {
        nodes.push(Process::start(&folder, name).await);
    }
    let app = App::builder().registry(url(&folder)).build().start().await.expect("starts");
    let timeline = Arc::new(Timeline::new());
    let load = Load::start(by.client(&app), &timeline, by.calls_a_second, mix);

    // A minute in the long form.
    let (rounds, pause) = if is_long() { (10, Duration::from_secs(3)) } else { (1, Duration::from_secs(2)) };
    let mut kills = Vec::new();
    for round in 0..rounds {
        tokio::time::sleep(pause / 2).await;
        let node = &mut nodes[round % NAMES.len()];
        let name = node.name;
        let at = timeline.note(format!("kill -9 of {name}"));
        node.signal("-KILL");
        assert!(!node.ended().await, "it was killed");
        // Its sockets are closed by now; until the client has read that, calls are still written to them.
        let dead = timeline.note(format!("{name} has ended")) + Duration::from_millis(100);
        tokio::time::sleep(pause).await;
        let over = timeline.note(format!("{name} is started again"));
        if is_long() {
            *node = Process::start(&folder, name).await;
            // Its node is found, and is a full one of three again.
            tokio::time::sleep(pause / 2).await;
        }
        kills.push(Kill { at, dead, over });
    }

    let outcomes = load.stop().await;
    println!("kill -9 of one of three nodes, {rounds} times: {}", Summary::of(&outcomes));
    let took = outcomes.iter().filter(|o| !o.failed()).map(|o| o.took).sum::<Duration>().as_secs_f64();
    let in_flight = took / outcomes.last().map_or(1.0, |last| last.ended().as_secs_f64()) / NAMES.len() as f64;
    let failed: Vec<_> = outcomes.iter().filter(|outcome| outcome.failed()).collect();
    println!("{in_flight:.0} calls were in flight on each on average; {} failed", failed.len());
    let count = |what: &str, wrong: &dyn Fn(&Outcome) -> bool| {
        let wrong: Vec<_> = outcomes.iter().filter(|outcome| wrong(outcome)).collect();
        println!("{what}: {}{}", wrong.len(), list(wrong.iter().copied(), &timeline));
        wrong.len() as f64
    };
    let idempotent = |o: &Outcome| o.failed() && matches!(o.what, What::Again(_));
    let not_in_flight = |o: &Outcome| o.failed() && kills.iter().all(|k| o.began > k.dead || o.ended() < k.at);
    let otherwise = |o: &Outcome| {
        o.result.as_ref().is_err_and(|s| (s.code(), s.executed()) != (Code::Unavailable, Executed::Unknown))
    };
    let second = Duration::from_secs(1);
    let avoided_late = |o: &Outcome| {
        let later = kills.iter().any(|k| o.began > k.dead + second && o.began < k.over);
        later && (o.failed() || o.took > second)
    };
    let by_protocol = |text: &str| format!("{text}{}", by.words);
    measured
        .figure(outcomes.len() as f64, &by_protocol("calls"))
        .figure(rounds as f64, &by_protocol("kills"))
        .figure(failed.len() as f64, &by_protocol("calls in flight on a killed node failed"))
        .at_most(failed.len() as f64 / rounds as f64, &by_protocol("of them a kill"), 4.0 * in_flight + 10.0)
        .at_most(count("idempotent calls failed", &idempotent), &by_protocol("idempotent calls failed"), 0.0)
        .at_most(
            count("failed calls not in flight", &not_in_flight),
            &by_protocol("calls failed that were not in flight"),
            0.0,
        )
        .at_most(
            count("failed otherwise", &otherwise),
            &by_protocol("calls failed otherwise than by the lost connection"),
            0.0,
        )
        .at_most(
            count("slow a second later", &avoided_late),
            &by_protocol("calls failed or waited that began 1 s after a kill or later"),
            0.0,
        );
    measured.end();
    let enough = by.calls_a_second as usize / 7;
    assert!(outcomes.iter().filter(|outcome| outcome.answered_by("a")).count() > enough, "a was in use");
}
