//! A node that is stopped and does not answer, although its connections stay open.

use std::{sync::Arc, time::Duration};

use motet::App;

use super::{
    alone,
    load::{Load, Outcome, Summary, What, list},
    node::{Process, WorkClient, url},
    timeline::Timeline,
};

/// Silence for 500 ms, an unanswered ping for 1 s, and the time until the client has looked.
const NOTICED: Duration = Duration::from_secs(2);

fn mix(number: u64) -> What {
    let ms = number % 10;
    if number.is_multiple_of(2) { What::Once(ms) } else { What::Again(ms) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::await_holding_lock, reason = "it keeps the other experiments waiting")]
async fn a_frozen_node_is_avoided_within_two_seconds_and_idempotent_calls_are_answered_by_another() {
    let _alone = alone();
    let temp = tempfile::tempdir().expect("a folder");
    let folder = temp.path().join("registry");
    let (a, _b) = (Process::start(&folder, "a").await, Process::start(&folder, "b").await);
    let app = App::builder().registry(url(&folder)).build().start().await.expect("starts");
    let timeline = Arc::new(Timeline::new());
    let load = Load::start(WorkClient::new(app.client()), &timeline, 2_000, mix);

    tokio::time::sleep(Duration::from_secs(1)).await;
    a.signal("-STOP");
    let frozen = timeline.note("kill -STOP of a");
    tokio::time::sleep(Duration::from_secs(4)).await;
    let thawed = timeline.note("kill -CONT of a");
    a.signal("-CONT");
    tokio::time::sleep(Duration::from_secs(1)).await;

    let outcomes = load.stop().await;
    println!("kill -STOP of one of two nodes for four seconds: {}", Summary::of(&outcomes));
    let waited = |outcome: &&Outcome| outcome.took > Duration::from_millis(500);
    let again = |outcome: &&Outcome| matches!(outcome.what, What::Again(_));
    let slow = outcomes.iter().filter(waited);
    let resent = slow.clone().filter(again);
    let longest = resent.clone().map(|outcome| outcome.took).max().unwrap_or_default();
    println!(
        "caught on it: {} idempotent calls, answered by the other after at most {longest:.2?}; {} others, answered by \
         it once it went on",
        resent.clone().count(),
        slow.clone().filter(|outcome| !again(outcome)).count(),
    );

    let show = |what: &str, wrong: Vec<&Outcome>| {
        assert!(wrong.is_empty(), "{what}: {}{}", wrong.len(), list(wrong.iter().copied(), &timeline));
    };
    show("calls failed", outcomes.iter().filter(|outcome| outcome.failed()).collect());
    let late = |outcome: &&Outcome| outcome.took > NOTICED + Duration::from_millis(250);
    show("idempotent calls waited for the frozen node", resent.filter(late).collect());
    let unnoticed =
        |o: &&Outcome| o.began > frozen + NOTICED && o.ended() < thawed && (waited(o) || !o.answered_by("b"));
    show("calls went to the frozen node", outcomes.iter().filter(unnoticed).collect());
    let stuck = |o: &&Outcome| o.began > frozen + NOTICED && o.began < thawed && waited(o);
    show("calls were stuck at the frozen node", outcomes.iter().filter(stuck).collect());
}
