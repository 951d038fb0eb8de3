//! What ends a call ends it at the third hop, soon, whatever the bytes travel on.

use std::time::Duration;

use motet::{Code, Context};
use motet_promises::{Measurement, is_long};
use tokio::time::{Instant, sleep};

use crate::chain::{Chain, Hop};

const TRANSPORTS: [&str; 5] = ["memory", "tcp", "tls", "unix", "http"];
/// What a call may take at A.
const LIMIT: Duration = Duration::from_millis(100);
/// How long the end of a call may take to reach C, in milliseconds.
pub(crate) const SOON_MS: f64 = 50.0;
/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// What ends a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Cancel,
    CancelOfStream,
    Drop,
    DropOfStream,
    Deadline,
    DeadlineOfStream,
}

pub(crate) const ENDS: [End; 6] =
    [End::Cancel, End::CancelOfStream, End::Drop, End::DropOfStream, End::Deadline, End::DeadlineOfStream];

/// Makes a call at A, ends it once it has reached C, and gives the time when that was to end.
pub(crate) async fn end(chain: &Chain, how: End) -> Instant {
    let calls = chain.c.diary.borrow().calls;
    let reached = chain.c.called(calls + 1);
    let client = &chain.client;
    match how {
        End::Cancel | End::CancelOfStream => {
            let (cx, cancel) = Context::new().cancellable();
            let cancelled = async {
                reached.await;
                cancel.cancel();
                Instant::now()
            };
            let call = async {
                match how {
                    End::Cancel => client.hold(&cx).await,
                    _ => drain(client.ticks(&cx).await).await,
                }
            };
            let (result, cancelled) = tokio::join!(call, cancelled);
            assert_eq!(result.expect_err("cancelled").code(), Code::Cancelled, "{how:?}");
            cancelled
        }
        End::Drop => {
            let cx = Context::new();
            tokio::select! {
                result = client.hold(&cx) => panic!("{result:?}"),
                () = reached => {}
            }
            Instant::now()
        }
        End::DropOfStream => {
            let mut ticks = client.ticks(&Context::new()).await.expect("a stream");
            ticks.next().await.expect("an item").expect("a tick");
            reached.await;
            drop(ticks);
            Instant::now()
        }
        End::Deadline | End::DeadlineOfStream => {
            let due = Instant::now() + LIMIT;
            let cx = Context::new().with_timeout(LIMIT);
            let result = match how {
                End::Deadline => client.hold(&cx).await,
                _ => match client.ticks(&cx).await {
                    Ok(ticks) => drain(Ok(ticks)).await,
                    Err(status) => Err(status),
                },
            };
            let status = result.expect_err("too late");
            assert_eq!(status.code(), Code::DeadlineExceeded, "{how:?}");
            assert!(status.message().contains("the caller's limit of 100ms passed"), "{how:?}: {status}");
            due
        }
    }
}

async fn drain(stream: motet::Result<motet::Streaming<u64>>) -> motet::Result<()> {
    let mut stream = stream?;
    while let Some(item) = stream.next().await {
        item?;
    }
    Ok(())
}

/// How long it took since then until all hops had stopped.
pub(crate) async fn until_over(chain: &Chain, ended: Instant) -> Duration {
    let mut longest = Duration::ZERO;
    for node in chain.nodes() {
        longest = longest.max(node.over().await.saturating_duration_since(ended));
    }
    longest
}

pub(crate) fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// The tasks beyond these, once there are none or after a while.
pub(crate) async fn tasks_beyond(idle: usize) -> usize {
    let started = Instant::now();
    while tasks() > idle && started.elapsed() < PATIENCE {
        sleep(Duration::from_millis(10)).await;
    }
    tasks().saturating_sub(idle)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_a_call_ends_the_third_hop_on_every_transport() {
    let mut measured =
        Measurement::begin("P9", "every_transport::what_ends_a_call_ends_the_third_hop_on_every_transport");
    let rounds = if is_long() { 50 } else { 2 };
    measured.figure((rounds * ENDS.len() * TRANSPORTS.len()) as f64, "calls cancelled, dropped or out of time at A");
    let mut left = 0;
    for transport in TRANSPORTS {
        let chain = Chain::start(transport).await;
        // Connections are made.
        chain.client.answer(&Context::new(), "hello".into()).await.expect("answered");
        let idle = tasks();
        let mut longest = Duration::ZERO;
        for how in ENDS.into_iter().cycle().take(rounds * ENDS.len()) {
            let ended = end(&chain, how).await;
            longest = longest.max(until_over(&chain, ended).await);
        }
        let text = format!("ms until B and C had stopped, at most ({transport})");
        measured.median_at_most(longest.as_secs_f64() * 1e3, &text, SOON_MS);
        left += tasks_beyond(idle).await;
        chain.stop().await;
    }
    measured.at_most(left as f64, "tasks left", 0.0);
    measured.end();
}
