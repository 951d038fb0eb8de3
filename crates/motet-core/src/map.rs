//! Maps with a fixed hasher, so that a run can be replayed.

use std::hash::{BuildHasherDefault, Hasher};

/// A hash map whose order depends on nothing but its keys and history.
#[expect(clippy::disallowed_types, reason = "the one map, with a fixed hasher")]
pub type Map<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<Fold>>;

/// A hash set whose order depends on nothing but its keys and history.
#[expect(clippy::disallowed_types, reason = "the one set, with a fixed hasher")]
pub type Set<K> = std::collections::HashSet<K, BuildHasherDefault<Fold>>;

/// Multiply-and-fold hashing, as in wyhash: one 128-bit multiplication per word. Every map that a
/// peer can fill is bounded in size, which bounds what chosen collisions can cost.
#[derive(Default, Clone)]
pub struct Fold(u64);

impl Fold {
    fn word(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word ^ 0xA076_1D64_78BD_642F) * 0xE703_7ED1_A0B4_28DB;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }
}

impl Hasher for Fold {
    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.word(u64::from_le_bytes(chunk.try_into().expect("chunks of eight")));
        }
        let mut last = [0; 8];
        last[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
        self.word(u64::from_le_bytes(last) ^ ((bytes.len() as u64) << 56));
    }

    fn write_u64(&mut self, word: u64) {
        self.word(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.word(word as u64);
    }

    fn write_u32(&mut self, word: u32) {
        self.word(word.into());
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
