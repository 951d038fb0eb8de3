//! What ends a call ends it at the last hop, soon, whatever the hops speak.

use std::time::Duration;

use motet::Context;
use motet_promises::{Measurement, is_long};

use crate::{
    chain::{Chain, Hop},
    every_transport::{ENDS, End, SOON_MS, end, tasks, tasks_beyond, until_over},
};

/// The protocols of the calls along a chain, and what can end a call there.
const CHAINS: [(&[&str], &[End]); 8] = [
    (&["grpc", "grpc"], &ENDS),
    (&["motet", "grpc", "http"], &ENDS),
    (&["http", "grpc", "motet"], &ENDS),
    (&["ws", "ws"], &ENDS),
    // mucp carries the time that is left and streams; a caller who leaves a call closes its connection,
    // which may as well be half a close: an answer is waited for.
    (&["mucp", "mucp"], &[End::CancelOfStream, End::DropOfStream, End::Deadline, End::DeadlineOfStream]),
    (&["motet", "mucp", "grpc"], &[End::CancelOfStream, End::DropOfStream, End::Deadline, End::DeadlineOfStream]),
    // rpcx carries the time that is left, but no stream and no word of a caller who has left.
    (&["rpcx", "rpcx"], &[End::Deadline]),
    (&["motet", "rpcx", "grpc"], &[End::Deadline]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_a_call_ends_the_last_hop_by_every_protocol_that_says_so() {
    let mut measured =
        Measurement::begin("P9", "every_protocol::what_ends_a_call_ends_the_last_hop_by_every_protocol_that_says_so");
    let rounds = if is_long() { 50 } else { 2 };
    let calls: usize = CHAINS.iter().map(|(_, ends)| ends.len() * rounds).sum();
    measured.figure(calls as f64, "calls ended at A of chains of several protocols");
    let mut left = 0;
    for (protocols, ends) in CHAINS {
        let chain = Chain::over("tcp", protocols).await;
        let name = protocols.join(" → ");
        // Connections are made.
        chain.client.answer(&Context::new(), "hello".into()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let idle = tasks();
        let mut longest = Duration::ZERO;
        for &how in ends.iter().cycle().take(rounds * ends.len()) {
            let ended = end(&chain, how).await;
            longest = longest.max(until_over(&chain, ended).await);
        }
        let text = format!("ms until all hops had stopped, at most ({name})");
        measured.median_at_most(longest.as_secs_f64() * 1e3, &text, SOON_MS);
        left += tasks_beyond(idle).await;
        chain.stop().await;
    }
    measured.at_most(left as f64, "tasks left in chains of several protocols", 0.0);
    measured.end();
}
