//! A registry that goes away and comes back.

use std::{sync::Arc, time::Duration};

use motet::App;

use super::{
    alone,
    load::{Load, Summary, What, list},
    node::{Process, WorkClient, url},
    timeline::Timeline,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::await_holding_lock, reason = "it keeps the other experiments waiting")]
async fn calls_go_on_while_the_registry_s_folder_is_removed_and_made_again() {
    let _alone = alone();
    let temp = tempfile::tempdir().expect("a folder");
    let folder = temp.path().join("registry");
    let (a, b) = (Process::start(&folder, "a").await, Process::start(&folder, "b").await);
    let app = App::builder().registry(url(&folder)).build().start().await.expect("starts");
    let timeline = Arc::new(Timeline::new());
    let load = Load::start(WorkClient::new(app.client()), &timeline, 2_000, |_| What::Once(1));

    tokio::time::sleep(Duration::from_secs(1)).await;
    for round in 1..=3 {
        timeline.note(format!("removal {round}"));
        std::fs::remove_dir_all(&folder).expect("removed");
        a.wait_until_active(&folder).await;
        b.wait_until_active(&folder).await;
        timeline.note(format!("both are listed again after removal {round}"));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let _c = Process::start(&folder, "c").await;
    let found = timeline.note("c takes calls");
    tokio::time::sleep(Duration::from_secs(1)).await;

    let outcomes = load.stop().await;
    println!("the registry's folder was removed three times: {}", Summary::of(&outcomes));
    let lost: Vec<_> = outcomes.iter().filter(|outcome| outcome.failed()).collect();
    assert!(lost.is_empty(), "{} calls were lost:{}", lost.len(), list(lost.iter().copied(), &timeline));
    let by_c = outcomes.iter().find(|outcome| outcome.answered_by("c"));
    let by_c = by_c.expect("a node that comes later is found");
    println!("a node that came afterwards was called {:.0?} after it was ready", by_c.began.saturating_sub(found));
}
