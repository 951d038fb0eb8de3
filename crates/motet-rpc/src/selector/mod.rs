//! Filters and strategies: from all nodes of a service to one.
//!
//! It does not know how nodes become known or how calls reach them; that is [`crate::client`].
//!
//! ```
//! use std::sync::Arc;
//! use motet_core::{Candidate, Entropy, Node};
//! use motet_rpc::Selector;
//!
//! let nodes = ["a", "b"].map(|id| Arc::new(Candidate::new(Arc::new(Node::new("greeter", id)))));
//! nodes[0].set_suspect(true);
//! let picked = Selector::default().pick(&nodes, &Entropy::seeded(1));
//! assert_eq!(nodes[picked].node().id, "b");
//! ```

mod filter;
mod strategies;

use std::{fmt, sync::Arc};

use motet_core::{Candidate, Entropy, Strategy};

pub use filter::Filter;
pub(crate) use filter::{accepts, chooses, wish};
pub use strategies::{P2c, Random, RoundRobin};

/// How often the strategy is asked again when it picks a node that does not answer.
const TRIES: usize = 4;

/// Filters and a strategy. By default no filter and [`P2c`]. Cheap to clone.
#[derive(Clone)]
pub struct Selector {
    filters: Arc<[Arc<dyn Filter>]>,
    strategy: Arc<dyn Strategy>,
}

impl Default for Selector {
    fn default() -> Selector {
        Selector::new(Arc::new(P2c))
    }
}

impl Selector {
    /// A selector without filters.
    pub fn new(strategy: Arc<dyn Strategy>) -> Selector {
        Selector { filters: Arc::new([]), strategy }
    }

    /// Adds a filter behind those that there are.
    #[must_use]
    pub fn filter(mut self, filter: Arc<dyn Filter>) -> Selector {
        self.filters = self.filters.iter().cloned().chain([filter]).collect();
        self
    }

    /// Replaces the strategy.
    #[must_use]
    pub fn strategy(mut self, strategy: Arc<dyn Strategy>) -> Selector {
        self.strategy = strategy;
        self
    }

    /// The filters, in order.
    pub fn filters(&self) -> &[Arc<dyn Filter>] {
        &self.filters
    }

    /// The index of the node to call among `candidates`, which holds at least one; filters do not
    /// take part. A node that does not answer is picked only if none answers. Costs a constant,
    /// takes no lock and allocates nothing unless several picks in a row fall on such a node.
    #[inline]
    pub fn pick(&self, candidates: &[Arc<Candidate>], entropy: &Entropy) -> usize {
        if candidates.len() <= 1 {
            return 0;
        }
        let picked = self.strategy.pick(candidates, entropy);
        match candidates.get(picked) {
            Some(candidate) if !candidate.is_suspect() => picked,
            _ => self.pick_again(candidates, entropy),
        }
    }

    #[cold]
    fn pick_again(&self, candidates: &[Arc<Candidate>], entropy: &Entropy) -> usize {
        let mut picked = 0;
        for _ in 0..TRIES {
            picked = self.strategy.pick(candidates, entropy).min(candidates.len() - 1);
            if !candidates[picked].is_suspect() {
                return picked;
            }
        }
        let good: Vec<_> = (0..candidates.len()).filter(|n| !candidates[*n].is_suspect()).collect();
        if good.is_empty() {
            return picked;
        }
        let among: Vec<_> = good.iter().map(|n| candidates[*n].clone()).collect();
        let picked = self.strategy.pick(&among, entropy).min(good.len() - 1);
        good[picked]
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Selector({} filters, {})", self.filters.len(), self.strategy.name())
    }
}

#[cfg(test)]
mod tests {
    use motet_core::Node;

    use super::*;

    /// Always the same node, as a hash of something would choose it.
    struct Fixed(usize);

    impl Strategy for Fixed {
        fn name(&self) -> &'static str {
            "fixed"
        }

        fn pick(&self, candidates: &[Arc<Candidate>], _: &Entropy) -> usize {
            self.0 % candidates.len()
        }
    }

    fn nodes(n: usize) -> Vec<Arc<Candidate>> {
        (0..n).map(|n| Arc::new(Candidate::new(Arc::new(Node::new("s", n.to_string()))))).collect()
    }

    #[test]
    fn a_node_that_does_not_answer_is_avoided_under_any_strategy() {
        let (nodes, entropy) = (nodes(10), Entropy::seeded(1));
        nodes[1..].iter().for_each(|node| node.set_suspect(true));
        let strategies: [Arc<dyn Strategy>; 4] =
            [Arc::new(P2c), Arc::new(Random), Arc::new(RoundRobin), Arc::new(Fixed(7))];
        for strategy in strategies {
            let selector = Selector::new(strategy);
            assert!((0..100).all(|_| selector.pick(&nodes, &entropy) == 0), "{selector:?}");
        }
    }

    #[test]
    fn when_none_answers_all_are_tried() {
        let (nodes, entropy) = (nodes(3), Entropy::seeded(1));
        nodes.iter().for_each(|node| node.set_suspect(true));
        let mut seen = [false; 3];
        (0..100).for_each(|_| seen[Selector::default().pick(&nodes, &entropy)] = true);
        assert_eq!(seen, [true; 3]);
    }

    #[test]
    fn a_strategy_that_points_outside_the_list_is_corrected() {
        struct Outside;
        impl Strategy for Outside {
            fn name(&self) -> &'static str {
                "outside"
            }
            fn pick(&self, candidates: &[Arc<Candidate>], _: &Entropy) -> usize {
                candidates.len()
            }
        }
        assert_eq!(Selector::new(Arc::new(Outside)).pick(&nodes(3), &Entropy::seeded(1)), 2);
    }
}
