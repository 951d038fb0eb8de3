//! A node that is stopped and does not answer, although its connections stay open.

use std::{sync::Arc, time::Duration};

use motet::App;
use motet_promises::{Measurement, is_long};

use super::{
    alone,
    load::{Load, Outcome, Summary, What, list},
    node::{By, Process, url},
    timeline::Timeline,
};

/// Silence for 500 ms, an unanswered ping for 1 s, and the time until the client has looked.
const NOTICED: Duration = Duration::from_secs(2);
/// No call takes that long on a node that answers, and every call that is caught on a frozen one does.
const STUCK: Duration = Duration::from_secs(1);

fn mix(number: u64) -> What {
    let ms = number % 10;
    if number.is_multiple_of(2) { What::Once(ms) } else { What::Again(ms) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::await_holding_lock, reason = "it keeps the other experiments waiting")]
async fn a_frozen_node_is_avoided_within_two_seconds_and_idempotent_calls_are_answered_by_another() {
    let _alone = alone();
    let measured = Measurement::begin(
        "P3",
        "frozen::a_frozen_node_is_avoided_within_two_seconds_and_idempotent_calls_are_answered_by_another",
    );
    freeze(measured, By::MOTET).await;
}

#[cfg(feature = "full")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::await_holding_lock, reason = "it keeps the other experiments waiting")]
async fn a_frozen_node_is_avoided_within_two_seconds_by_grpc() {
    let _alone = alone();
    let measured = Measurement::begin("P3", "frozen::a_frozen_node_is_avoided_within_two_seconds_by_grpc");
    freeze(measured, By::GRPC).await;
}

#[cfg(feature = "full")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::await_holding_lock, reason = "it keeps the other experiments waiting")]
async fn a_frozen_node_is_avoided_within_two_seconds_by_http() {
    let _alone = alone();
    let measured = Measurement::begin("P3", "frozen::a_frozen_node_is_avoided_within_two_seconds_by_http");
    freeze(measured, By::HTTP).await;
}

/// Stops nodes for a while and lets them go on, while calls are made.
async fn freeze(mut measured: Measurement, by: By) {
    let temp = tempfile::tempdir().expect("a folder");
    let folder = temp.path().join("registry");
    let mut nodes = Vec::new();
    for name in ["a", "b", "c"] {
        nodes.push(Process::start(&folder, name).await);
    }
    let app = App::builder().registry(url(&folder)).build().start().await.expect("starts");
    let timeline = Arc::new(Timeline::new());
    let load = Load::start(by.client(&app), &timeline, by.calls_a_second, mix);

    // A minute in the long form.
    let rounds = if is_long() { 10 } else { 1 };
    let mut freezes = Vec::new();
    for round in 0..rounds {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let node = &nodes[round % nodes.len()];
        node.signal("-STOP");
        let frozen = timeline.note(format!("kill -STOP of {}", node.name));
        tokio::time::sleep(Duration::from_secs(4)).await;
        let thawed = timeline.note(format!("kill -CONT of {}", node.name));
        node.signal("-CONT");
        tokio::time::sleep(Duration::from_secs(1)).await;
        freezes.push((frozen, thawed, node.name));
    }

    let outcomes = load.stop().await;
    println!("kill -STOP of one of three nodes for four seconds, {rounds} times: {}", Summary::of(&outcomes));
    let count = |what: &str, wrong: &dyn Fn(&Outcome) -> bool| {
        let wrong: Vec<_> = outcomes.iter().filter(|outcome| wrong(outcome)).collect();
        println!("{what}: {}{}", wrong.len(), list(wrong.iter().copied(), &timeline));
        wrong.len() as f64
    };
    let waited = |outcome: &Outcome| outcome.took > STUCK;
    let again = |outcome: &Outcome| matches!(outcome.what, What::Again(_));
    let resent = outcomes.iter().filter(|o| waited(o) && again(o));
    let longest = resent.clone().map(|outcome| outcome.took).max().unwrap_or_default();
    // In brief the machine may be busy with other tests.
    let noticed = if is_long() { NOTICED } else { NOTICED + Duration::from_secs(1) };
    let late = |o: &Outcome| again(o) && o.took > noticed + Duration::from_millis(250);
    let unnoticed = |o: &Outcome| {
        freezes.iter().any(|(frozen, thawed, name)| {
            let later = o.began > *frozen + noticed && o.began < *thawed;
            later && (waited(o) || o.ended() < *thawed && o.answered_by(name))
        })
    };
    let by_protocol = |text: &str| format!("{text}{}", by.words);
    measured
        .figure(rounds as f64, &by_protocol("freezes of 4 s"))
        .at_most(count("calls failed", &Outcome::failed), &by_protocol("calls failed while a node was frozen"), 0.0)
        .figure(resent.count() as f64, &by_protocol("idempotent calls caught on a frozen node"))
        .figure(longest.as_secs_f64(), &by_protocol("s until they were answered by another, at most"))
        .at_most(
            count("idempotent calls waited for the frozen node", &late),
            &by_protocol("idempotent calls waited for the node"),
            0.0,
        )
        .at_most(
            count("calls went to the frozen node", &unnoticed),
            &by_protocol("calls sent to a node frozen for 2 s"),
            0.0,
        );
    measured.end();
}
