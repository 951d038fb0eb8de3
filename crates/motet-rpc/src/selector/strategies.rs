//! The strategies that every client has.

use std::sync::Arc;

use motet_core::{Candidate, Entropy, Strategy};

/// Power of two choices: of two nodes drawn at random the one with the lower
/// [`Candidate::load`](motet_core::Candidate::load), which is expected latency × calls in flight,
/// by weight; failures count as slow answers. The default: it finds quick nodes, leaves overloaded
/// and failing ones, and does not herd (Mitzenmacher 2001).
#[derive(Clone, Copy, Debug, Default)]
pub struct P2c;

/// Any node, all alike.
#[derive(Clone, Copy, Debug, Default)]
pub struct Random;

/// One node after the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundRobin;

impl Strategy for P2c {
    fn name(&self) -> &'static str {
        "p2c"
    }

    #[inline]
    fn pick(&self, candidates: &[Arc<Candidate>], entropy: &Entropy) -> usize {
        let n = candidates.len();
        if n < 2 {
            return 0;
        }
        // One draw gives both: its upper half the first, its lower half one of the others.
        let draw = entropy.next_u64();
        let scale = |half: u64, bound: usize| ((half * bound as u64) >> 32) as usize;
        let first = scale(draw >> 32, n);
        let second = scale(draw & 0xffff_ffff, n - 1);
        let second = second + usize::from(second >= first);
        let (a, b) = (&candidates[first], &candidates[second]);
        match (a.is_suspect(), b.is_suspect()) {
            (false, true) => first,
            (true, false) => second,
            _ if b.load() < a.load() => second,
            _ => first,
        }
    }
}

impl Strategy for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn pick(&self, candidates: &[Arc<Candidate>], entropy: &Entropy) -> usize {
        entropy.below(candidates.len())
    }
}

impl Strategy for RoundRobin {
    fn name(&self) -> &'static str {
        "round_robin"
    }

    fn pick(&self, candidates: &[Arc<Candidate>], _: &Entropy) -> usize {
        match candidates.first() {
            Some(first) => first.next_turn() as usize % candidates.len(),
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use motet_core::Node;

    use super::*;

    fn nodes(n: usize) -> Vec<Arc<Candidate>> {
        (0..n).map(|n| Arc::new(Candidate::new(Arc::new(Node::new("s", n.to_string()))))).collect()
    }

    /// How often each node is picked when calls overlap by `overlap` and node `n` answers after
    /// `answer(n)`: its latency, or its failure.
    fn play(strategy: &dyn Strategy, nodes: &[Arc<Candidate>], answer: fn(usize) -> (u64, bool)) -> Vec<usize> {
        let entropy = Entropy::seeded(3);
        let mut picked = vec![0; nodes.len()];
        let (mut now, mut running) = (0, std::collections::VecDeque::new());
        for _ in 0..10_000 {
            let n = strategy.pick(nodes, &entropy);
            picked[n] += 1;
            nodes[n].begin();
            running.push_back(n);
            if running.len() == 8 {
                let n = running.pop_front().expect("eight are running");
                let (took, failed) = answer(n);
                now += Duration::from_micros(100).as_nanos() as u64;
                nodes[n].end(now, took, failed);
            }
        }
        picked
    }

    #[test]
    fn p2c_prefers_the_faster_nodes() {
        let picked = play(&P2c, &nodes(4), |n| (if n < 2 { 1_000_000 } else { 10_000_000 }, false));
        assert!(picked[0] + picked[1] > 8_000, "{picked:?}");
        assert!(picked.iter().all(|n| *n > 0), "{picked:?}");
    }

    #[test]
    fn p2c_spreads_equal_nodes_evenly() {
        let picked = play(&P2c, &nodes(4), |_| (1_000_000, false));
        assert!(picked.iter().all(|n| (2_000..3_000).contains(n)), "{picked:?}");
    }

    #[test]
    fn a_node_that_fails_fast_does_not_attract_calls() {
        let picked = play(&P2c, &nodes(3), |n| if n == 0 { (1_000, true) } else { (5_000_000, false) });
        assert!(picked[0] < 500, "{picked:?}");
    }

    /// Calls one after the other for so many seconds, a hundred a second; the client looks at its nodes
    /// four times a second. Gives how often each node was picked, and when `n` was picked last.
    fn live(nodes: &[Arc<Candidate>], from_s: u64, seconds: u64, answer: fn(usize) -> (u64, bool)) -> Vec<usize> {
        let entropy = Entropy::seeded(from_s);
        let mut picked = vec![0; nodes.len()];
        for step in 0..seconds * 100 {
            let now = (from_s * 100 + step) * 10_000_000;
            if step % 25 == 0 {
                nodes.iter().for_each(|node| node.fade(now));
            }
            let n = P2c.pick(nodes, &entropy);
            picked[n] += 1;
            nodes[n].begin();
            let (took, failed) = answer(n);
            nodes[n].end(now, took, failed);
        }
        picked
    }

    #[test]
    fn a_node_that_failed_is_tried_again_and_used_once_it_answers() {
        let nodes = nodes(2);
        let picked = live(&nodes, 0, 60, |n| if n == 0 { (1_000, true) } else { (2_000_000, false) });
        assert!((2..=12).contains(&picked[0]), "now and then while it fails: {picked:?}");
        let picked = live(&nodes, 60, 30, |_| (2_000_000, false));
        assert!(picked[0] > 200, "within half a minute once it answers: {picked:?}");
    }

    #[test]
    fn a_node_that_was_slow_is_used_again_once_it_is_quick() {
        let nodes = nodes(3);
        let picked = live(&nodes, 0, 30, |n| (if n == 0 { 500_000_000 } else { 2_000_000 }, false));
        assert!(picked[0] < 20, "{picked:?}");
        let picked = live(&nodes, 30, 40, |_| (2_000_000, false));
        assert!(picked[0] > 300, "{picked:?}");
    }

    #[test]
    fn p2c_respects_weights() {
        let weighted = [300, 100].map(|weight| {
            let mut node = Node::new("s", weight.to_string());
            node.weight = weight;
            Arc::new(Candidate::new(Arc::new(node)))
        });
        let picked = play(&P2c, &weighted, |_| (1_000_000, false));
        assert!(picked[0] > picked[1] * 2 && picked[1] > 0, "{picked:?}");
    }

    #[test]
    fn round_robin_takes_turns_in_each_service() {
        let (a, b, entropy) = (nodes(2), nodes(2), Entropy::seeded(1));
        let turns: Vec<_> = (0..4).map(|_| (RoundRobin.pick(&a, &entropy), RoundRobin.pick(&b, &entropy))).collect();
        assert_eq!(turns, [(0, 0), (1, 1), (0, 0), (1, 1)]);
    }

    #[test]
    fn random_reaches_all_alike() {
        let picked = play(&Random, &nodes(4), |_| (1_000_000, false));
        assert!(picked.iter().all(|n| (2_200..2_800).contains(n)), "{picked:?}");
    }
}
