//! Nodes that stop in order, one after another, while calls go on.

use std::time::Duration;

use motet::Context;
use motet_testkit::simulation::{ClientNode, Fault, Quality, Simulation};
use tokio::{task::JoinSet, time::sleep};

use crate::service::{Log, Work, WorkClient, app};

const SECOND: Duration = Duration::from_secs(1);
const NODES: [&str; 3] = ["a", "b", "c"];

/// Calls of both kinds, some of which take a while. All are answered.
async fn caller(node: ClientNode) {
    sleep(SECOND).await;
    let mut running = JoinSet::new();
    for call in 0.. {
        if node.elapsed() > 22 * SECOND {
            break;
        }
        let (client, seat) = (WorkClient::new(node.client()), node.clone());
        let (idempotent, ms) = (node.entropy().below(2) == 0, [0, 20, 700][node.entropy().below(3)]);
        running.spawn(async move {
            let (cx, began) = (Context::new().with_timeout(5 * SECOND), seat.elapsed());
            let result = match idempotent {
                true => client.again(&cx, call, ms).await,
                false => client.once(&cx, call, ms).await,
            };
            assert_eq!(result, Ok(call), "begun at {began:?}");
        });
        sleep(Duration::from_millis(20 + node.entropy().below(100) as u64)).await;
    }
    while let Some(ended) = running.join_next().await {
        ended.expect("the call was answered");
    }
}

fn rolling(seed: u64, history: &Log) -> Simulation {
    let mut simulation = Simulation::new(seed).quality(Quality::default().delay(SECOND / 1000, SECOND / 50));
    for (node, at) in NODES.into_iter().zip([2, 8, 14]) {
        let own = history.clone();
        simulation = simulation
            .node(node, move || app(node, &own))
            .at(at * SECOND, Fault::stop(node))
            .at((at + 5) * SECOND, Fault::restart(node));
    }
    simulation.client("caller", caller)
}

#[test]
fn rolling_restarts_lose_no_call() {
    Simulation::seeds(10, |seed| {
        let history = Log::default();
        let executions = history.clone();
        rolling(seed, &history)
            .at_end("each call has run once", move |_| executions.lock().check_once())
            .at_end("all nodes are up", |world| assert!(NODES.iter().all(|node| world.is_up(node))))
            .run(60 * SECOND);
    });
}

#[test]
fn rolling_restarts_can_be_replayed() {
    Simulation::seeds(2, |seed| {
        let trace = Simulation::replayed(seed, |seed| rolling(seed, &Log::default()).try_run(60 * SECOND));
        assert!(trace.as_str().contains("stop c"), "{trace}");
    });
}
