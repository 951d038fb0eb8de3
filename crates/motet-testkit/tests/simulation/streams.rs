//! Reply streams under faults.

use std::time::Duration;

use motet::Context;
use motet_testkit::simulation::{Chaos, ClientNode, Simulation};
use tokio::time::sleep;

use crate::service::{Log, Work, WorkClient, app};

const SECOND: Duration = Duration::from_secs(1);
const COUNT: u64 = 20;

/// Reads streams: their items come in order and without gaps, and who sees the end has seen all.
async fn reader(node: ClientNode) {
    let client = WorkClient::new(node.client());
    while node.elapsed() < 10 * SECOND {
        let cx = Context::new().with_timeout(3 * SECOND);
        if let Ok(mut numbers) = client.numbers(&cx, COUNT, 20).await {
            let (mut expected, mut failed) = (0, false);
            while let Some(item) = numbers.next().await {
                assert!(!failed, "nothing follows an error");
                match item {
                    Ok(number) => {
                        assert_eq!(number, expected);
                        expected += 1;
                    }
                    Err(status) => {
                        node.note(format!("after {expected}: {status}"));
                        failed = true;
                    }
                }
            }
            assert!(failed || expected == COUNT, "a stream ended after {expected} of {COUNT}");
        }
        sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn a_stream_ends_whole_or_with_an_error() {
    Simulation::seeds(10, |seed| {
        let history = Log::default();
        let own = history.clone();
        Simulation::new(seed)
            .node("a", move || app("a", &history))
            .node("b", move || app("b", &own))
            .client("reader", reader)
            .chaos(
                Chaos::between(SECOND, 9 * SECOND)
                    .partitions(["a", "b", "reader"])
                    .crashes(["a", "b"])
                    .stalls(["a", "b"])
                    .loss(0.2),
            )
            .run(60 * SECOND);
    });
}
