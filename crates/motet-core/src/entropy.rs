//! Seeded randomness that an App owns.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Seeded randomness, shared by everything of one App: a replay with the same seed draws the same
/// numbers in the same order. SplitMix64 (Steele, Lea, Flood 2014): quick and lock-free, not for
/// secrets.
#[derive(Clone, Debug)]
pub struct Entropy(Arc<AtomicU64>);

impl Entropy {
    /// A generator that always draws the same numbers.
    pub fn seeded(seed: u64) -> Entropy {
        Entropy(Arc::new(AtomicU64::new(seed)))
    }

    /// A generator that differs from run to run.
    pub fn from_system() -> Entropy {
        use std::hash::{BuildHasher, Hasher};
        // The standard library's per-process random keys are the one source of randomness in std.
        Entropy::seeded(std::collections::hash_map::RandomState::new().build_hasher().finish())
    }

    /// The next 64 bits.
    pub fn next_u64(&self) -> u64 {
        const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = self.0.fetch_add(GAMMA, Ordering::Relaxed).wrapping_add(GAMMA);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 when the bound is 0.
    pub fn below(&self, bound: usize) -> usize {
        ((u128::from(self.next_u64()) * bound as u128) >> 64) as usize
    }

    /// A number from 0 to 1, 1 excluded.
    pub fn unit(&self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_numbers() {
        let draw = || {
            let entropy = Entropy::seeded(7);
            (0..100).map(|_| entropy.below(10)).collect::<Vec<_>>()
        };
        assert_eq!(draw(), draw());
    }

    #[test]
    fn numbers_stay_below_their_bound_and_reach_all_of_it() {
        let entropy = Entropy::seeded(1);
        let mut seen = [false; 7];
        (0..1000).for_each(|_| seen[entropy.below(7)] = true);
        assert_eq!(seen, [true; 7]);
        assert_eq!(entropy.below(0), 0);
        assert!((0..1000).all(|_| (0.0..1.0).contains(&entropy.unit())));
    }
}
