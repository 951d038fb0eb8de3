//! A node that is killed.

use std::{sync::Arc, time::Duration};

use motet::{App, Code, Executed};

use super::{
    alone,
    load::{Load, Summary, What, list},
    node::{Process, WorkClient, url},
    timeline::Timeline,
};

fn mix(number: u64) -> What {
    let ms = number % 20;
    if number.is_multiple_of(2) { What::Once(ms) } else { What::Again(ms) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::await_holding_lock, reason = "it keeps the other experiments waiting")]
async fn when_a_node_is_killed_only_calls_in_flight_on_it_fail_and_idempotent_ones_are_retried() {
    let _alone = alone();
    let temp = tempfile::tempdir().expect("a folder");
    let folder = temp.path().join("registry");
    let (mut a, _b) = (Process::start(&folder, "a").await, Process::start(&folder, "b").await);
    let app = App::builder().registry(url(&folder)).build().start().await.expect("starts");
    let timeline = Arc::new(Timeline::new());
    let load = Load::start(WorkClient::new(app.client()), &timeline, 2_000, mix);

    tokio::time::sleep(Duration::from_secs(1)).await;
    let killed = timeline.note("kill -9 of a");
    a.signal("-KILL");
    assert!(!a.ended().await, "it was killed");
    // Its sockets are closed by now; until the client has read that, calls are still written to them.
    let dead = timeline.note("a has ended") + Duration::from_millis(100);
    tokio::time::sleep(Duration::from_secs(2)).await;

    let outcomes = load.stop().await;
    let of_a = outcomes.iter().filter(|outcome| outcome.answered_by("a"));
    let took_of_a = of_a.clone().map(|outcome| outcome.took).sum::<Duration>().as_secs_f64();
    let in_flight = took_of_a / of_a.clone().next_back().map_or(1.0, |last| last.ended().as_secs_f64());
    let failed: Vec<_> = outcomes.iter().filter(|outcome| outcome.failed()).collect();
    println!("kill -9 of one of two nodes: {}", Summary::of(&outcomes));
    println!("{in_flight:.0} calls were in flight on it on average; {} failed, all not idempotent", failed.len());

    let show = |what: &str, wrong: &[&super::load::Outcome]| {
        assert!(wrong.is_empty(), "{what}: {}{}", wrong.len(), list(wrong.iter().copied(), &timeline));
    };
    let wrong = |keep: &dyn Fn(&super::load::Outcome) -> bool| -> Vec<_> {
        failed.iter().copied().filter(|outcome| keep(outcome)).collect()
    };
    show("idempotent calls failed", &wrong(&|outcome| matches!(outcome.what, What::Again(_))));
    show("calls failed that were not in flight", &wrong(&|outcome| outcome.began > dead || outcome.ended() < killed));
    let expected = |outcome: &super::load::Outcome| {
        outcome.result.as_ref().is_err_and(|s| s.code() == Code::Unavailable && s.executed() == Executed::Unknown)
    };
    show("calls failed otherwise than by a lost connection", &wrong(&|outcome| !expected(outcome)));
    assert!(of_a.clone().count() > 500, "a was in use");
    assert!((failed.len() as f64) < 4.0 * in_flight + 10.0, "{} failed of {in_flight:.0} in flight", failed.len());

    let later = outcomes.iter().filter(|outcome| outcome.began > dead + Duration::from_secs(1));
    let slow: Vec<_> = later.filter(|o| !o.answered_by("b") || o.took > Duration::from_millis(500)).collect();
    show("a second later calls were not all answered by b, and soon", &slow);
}
