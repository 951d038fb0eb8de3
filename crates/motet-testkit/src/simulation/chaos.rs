//! Faults drawn from the seed.

use std::time::Duration;

use motet_core::Entropy;

use super::{Fault, Quality};

/// Faults drawn from the seed, one after another, each repaired after a while; at the end everything
/// is repaired.
///
/// ```
/// use std::time::Duration;
/// use motet_testkit::simulation::Chaos;
///
/// let chaos = Chaos::between(Duration::from_secs(2), Duration::from_secs(12))
///     .partitions(["shop", "stock-1", "registry"])
///     .crashes(["stock-1"])
///     .stalls(["stock-1"])
///     .loss(0.05);
/// # let _ = chaos;
/// ```
#[derive(Clone, Debug)]
pub struct Chaos {
    from: Duration,
    until: Duration,
    parted: Vec<String>,
    crashed: Vec<String>,
    stalled: Vec<String>,
    loss: f64,
    slowest: Duration,
}

impl Chaos {
    /// From one moment of a run to another, by when all is repaired.
    pub fn between(from: Duration, until: Duration) -> Chaos {
        let (parted, crashed, stalled) = (Vec::new(), Vec::new(), Vec::new());
        Chaos { from, until, parted, crashed, stalled, loss: 0.0, slowest: Duration::ZERO }
    }

    /// Partitions, also one way, between any two of these nodes, and nodes that are isolated.
    #[must_use]
    pub fn partitions<N: Into<String>>(mut self, nodes: impl IntoIterator<Item = N>) -> Chaos {
        self.parted.extend(nodes.into_iter().map(Into::into));
        self
    }

    /// Crashes of these nodes, each followed by a restart.
    #[must_use]
    pub fn crashes<N: Into<String>>(mut self, nodes: impl IntoIterator<Item = N>) -> Chaos {
        self.crashed.extend(nodes.into_iter().map(Into::into));
        self
    }

    /// Stalls of these nodes.
    #[must_use]
    pub fn stalls<N: Into<String>>(mut self, nodes: impl IntoIterator<Item = N>) -> Chaos {
        self.stalled.extend(nodes.into_iter().map(Into::into));
        self
    }

    /// Times in which up to this share of all pieces is lost.
    #[must_use]
    pub fn loss(mut self, loss: f64) -> Chaos {
        self.loss = loss;
        self
    }

    /// Times in which bytes take up to this long.
    #[must_use]
    pub fn delay(mut self, slowest: Duration) -> Chaos {
        self.slowest = slowest;
        self
    }

    /// The faults, by their time.
    pub(super) fn plan(&self, entropy: &Entropy) -> Vec<(Duration, Fault)> {
        let mut plan = Vec::new();
        let mut at = self.from;
        while let Some((fault, repair)) = self.draw(entropy) {
            at += millis(entropy, 50, 1500);
            let end = (at + millis(entropy, 100, 4000)).min(self.until);
            if at >= self.until {
                break;
            }
            plan.push((at, fault));
            plan.push((end, repair));
        }
        plan.push((self.until, Fault::HealAll));
        plan.push((self.until, Fault::Quality(Quality::default())));
        plan.sort_by_key(|(at, _)| *at);
        plan
    }

    /// A fault and what repairs it.
    fn draw(&self, entropy: &Entropy) -> Option<(Fault, Fault)> {
        let pick = |nodes: &[String]| nodes[entropy.below(nodes.len())].clone();
        let mut kinds: Vec<u8> = Vec::new();
        kinds.extend((self.parted.len() > 1).then_some([0, 1, 2]).into_iter().flatten());
        kinds.extend((!self.crashed.is_empty()).then_some(3));
        kinds.extend((!self.stalled.is_empty()).then_some(4));
        kinds.extend((self.loss > 0.0).then_some(5));
        kinds.extend((!self.slowest.is_zero()).then_some(6));
        let kind = *kinds.get(entropy.below(kinds.len()))?;
        Some(match kind {
            0 | 1 => {
                let first = entropy.below(self.parted.len());
                let second = (first + 1 + entropy.below(self.parted.len() - 1)) % self.parted.len();
                let (a, b) = (self.parted[first].clone(), self.parted[second].clone());
                let heal = Fault::heal(&a, &b);
                (if kind == 0 { Fault::Partition(a, b) } else { Fault::OneWay(a, b) }, heal)
            }
            2 => (Fault::Isolate(pick(&self.parted)), Fault::HealAll),
            3 => {
                let node = pick(&self.crashed);
                (Fault::crash(&node), Fault::Restart(node))
            }
            4 => {
                let node = pick(&self.stalled);
                (Fault::stall(&node), Fault::Resume(node))
            }
            5 => (Fault::Quality(Quality::default().loss(self.loss * entropy.unit())), normal()),
            _ => {
                let slowest = self.slowest.mul_f64(entropy.unit());
                (Fault::Quality(Quality::default().delay(Quality::default().fastest, slowest)), normal())
            }
        })
    }
}

fn normal() -> Fault {
    Fault::Quality(Quality::default())
}

/// A whole number of milliseconds from `least` to `most`.
fn millis(entropy: &Entropy, least: usize, most: usize) -> Duration {
    Duration::from_millis((least + entropy.below(most - least + 1)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_repaired_at_the_end() {
        let (from, until) = (Duration::from_secs(1), Duration::from_secs(30));
        let chaos = Chaos::between(from, until).partitions(["a", "b", "c"]).crashes(["a"]).stalls(["b"]).loss(0.2);
        for seed in 0..200 {
            let plan = chaos.plan(&Entropy::seeded(seed));
            assert!(plan.is_sorted_by_key(|(at, _)| *at));
            assert!(plan.len() > 10 && plan.iter().all(|(at, _)| (from..=until).contains(at)), "{plan:?}");
            let last = |wanted: fn(&Fault) -> bool| plan.iter().rposition(|(_, fault)| wanted(fault));
            assert!(last(|f| matches!(f, Fault::Crash(_))) <= last(|f| matches!(f, Fault::Restart(_))));
            assert!(last(|f| matches!(f, Fault::Stall(_))) <= last(|f| matches!(f, Fault::Resume(_))));
            assert!(last(|f| matches!(f, Fault::Partition(..))) < last(|f| matches!(f, Fault::HealAll)));
            assert_eq!(plan, chaos.plan(&Entropy::seeded(seed)), "the same seed draws the same faults");
        }
    }

    #[test]
    fn without_kinds_there_are_no_faults() {
        let plan = Chaos::between(Duration::ZERO, Duration::from_secs(9)).plan(&Entropy::seeded(1));
        assert!(plan.iter().all(|(_, fault)| matches!(fault, Fault::HealAll | Fault::Quality(_))));
    }
}
