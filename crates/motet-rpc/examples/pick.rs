//! Run with: `cargo run --release -p motet-rpc --example pick`
//!
//! What does the choice of a node cost on the way of every call? One pick among 10, 100 and 10,000
//! nodes, in nanoseconds, the median of seven rounds; the goals for p2c are 150, 200 and 300 ns.
//! `count` is what a call adds around it: one more in flight, and its latency at the end.

use std::{hint::black_box, sync::Arc, time::Duration};

use motet_core::{Candidate, Entropy, Node, Strategy};
use motet_rpc::{P2c, Random, RoundRobin, Selector};
use tokio::time::Instant;

const PICKS: u32 = 1_000_000;
const ROUNDS: usize = 7;

fn median_ns(mut one: impl FnMut()) -> f64 {
    let mut rounds = [0.0; ROUNDS];
    for round in &mut rounds {
        let began = Instant::now();
        (0..PICKS).for_each(|_| one());
        *round = began.elapsed().as_secs_f64() * 1e9 / f64::from(PICKS);
    }
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

fn main() {
    let entropy = Entropy::seeded(1);
    let strategies: [Arc<dyn Strategy>; 3] = [Arc::new(P2c), Arc::new(Random), Arc::new(RoundRobin)];
    println!("{:<12}{:>8}{:>10}{:>16}", "strategy", "nodes", "pick ns", "pick + count ns");
    for strategy in strategies {
        let selector = Selector::new(strategy.clone());
        for n in [1, 10, 100, 10_000] {
            let nodes: Vec<_> =
                (0..n).map(|n| Arc::new(Candidate::new(Arc::new(Node::new("greeter", n.to_string()))))).collect();
            for (n, node) in nodes.iter().enumerate() {
                node.begin();
                node.end(n as u64, 100_000 + entropy.below(900_000) as u64, false);
            }
            let pick = median_ns(|| {
                black_box(selector.pick(black_box(&nodes), &entropy));
            });
            let mut now = Duration::from_secs(1).as_nanos() as u64;
            let counted = median_ns(|| {
                let node = &nodes[selector.pick(black_box(&nodes), &entropy)];
                node.begin();
                now += 1000;
                node.end(now, 100_000 + (now & 0xffff), false);
            });
            println!("{:<12}{n:>8}{pick:>10.1}{counted:>16.1}", strategy.name());
        }
    }
}
