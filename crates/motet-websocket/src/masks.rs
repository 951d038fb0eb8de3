//! The randomness of a client.

use std::hash::{BuildHasher, DefaultHasher, Hasher, RandomState};

/// Where a client's masking keys and its opening key come from.
///
/// Keys are SipHash of a counter under secret random keys, so that who has seen some of them cannot
/// tell the next (RFC 6455, section 10.3).
#[derive(Clone, Debug)]
pub struct Masks {
    hasher: DefaultHasher,
    drawn: u64,
}

impl Masks {
    /// Keys that nobody can foresee.
    pub fn from_system() -> Masks {
        Masks { hasher: RandomState::new().build_hasher(), drawn: 0 }
    }

    /// Keys that are the same in each run, for tests and simulations.
    pub fn seeded(seed: u64) -> Masks {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(seed);
        Masks { hasher, drawn: 0 }
    }

    /// The next 64 bits.
    pub(crate) fn next_u64(&mut self) -> u64 {
        self.drawn += 1;
        let mut hasher = self.hasher.clone();
        hasher.write_u64(self.drawn);
        hasher.finish()
    }

    /// The next masking key.
    pub(crate) fn next_key(&mut self) -> [u8; 4] {
        (self.next_u64() as u32).to_ne_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_keys_and_the_system_does_not() {
        let draw = |mut masks: Masks| [masks.next_u64(), masks.next_u64(), masks.next_u64()];
        assert_eq!(draw(Masks::seeded(1)), draw(Masks::seeded(1)));
        assert_ne!(draw(Masks::seeded(1)), draw(Masks::seeded(2)));
        assert_ne!(draw(Masks::from_system()), draw(Masks::from_system()));
        let [first, second, third] = draw(Masks::from_system());
        assert!(first != second && second != third);
    }
}
