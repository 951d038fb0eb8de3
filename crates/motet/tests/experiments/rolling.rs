//! Nodes that are restarted one after the other.

use std::sync::Arc;

use motet::App;

use super::{
    alone,
    load::{Load, Summary, What, list},
    node::{Process, WorkClient, url},
    timeline::Timeline,
};

/// How many restarts there are unless `MOTET_RESTARTS` says otherwise.
const RESTARTS: usize = 10;
const CALLS_A_SECOND: u64 = 2_000;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::await_holding_lock, reason = "it keeps the other experiments waiting")]
async fn rolling_restarts_lose_no_call() {
    let _alone = alone();
    let restarts = std::env::var("MOTET_RESTARTS").map_or(RESTARTS, |text| text.parse().expect("a number"));
    let temp = tempfile::tempdir().expect("a folder");
    let folder = temp.path().join("registry");
    let mut nodes = [Process::start(&folder, "a").await, Process::start(&folder, "b").await];
    let app = App::builder().registry(url(&folder)).build().start().await.expect("starts");
    let timeline = Arc::new(Timeline::new());
    let load = Load::start(WorkClient::new(app.client()), &timeline, CALLS_A_SECOND, mix);

    for restart in 1..=restarts {
        let node = &mut nodes[restart % 2];
        let name = node.name;
        timeline.note(format!("restart {restart}: SIGTERM to {name}"));
        node.signal("-TERM");
        assert!(node.ended().await, "restart {restart}: {name} did not stop well");
        timeline.note(format!("restart {restart}: {name} has ended"));
        *node = Process::start(&folder, name).await;
        timeline.note(format!("restart {restart}: {name} takes calls"));
    }

    let outcomes = load.stop().await;
    println!("{restarts} rolling restarts: {}", Summary::of(&outcomes));
    let share = |name| outcomes.iter().filter(|outcome| outcome.answered_by(name)).count();
    println!("answered by a: {}, by b: {}", share("a"), share("b"));
    let lost: Vec<_> = outcomes.iter().filter(|outcome| outcome.failed()).collect();
    assert!(lost.is_empty(), "{} calls were lost:{}", lost.len(), list(lost.iter().copied(), &timeline));
    assert!(share("a") > 0 && share("b") > 0, "both nodes were used");
}
