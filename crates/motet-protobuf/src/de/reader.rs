//! The input: the rest of the message being read, and what may still be used up.

use super::Limits;
use crate::Error;
use crate::wire;

pub(super) struct Reader<'b> {
    pub(super) bytes: &'b [u8],
    depth: u32,
    memory: usize,
}

impl<'b> Reader<'b> {
    #[inline]
    pub(super) fn new(bytes: &'b [u8], limits: Limits) -> Self {
        Self { bytes, depth: limits.depth, memory: limits.memory }
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, Error> {
        wire::take_varint(&mut self.bytes)
    }

    #[inline]
    pub(super) fn tag(&mut self) -> Result<u32, Error> {
        wire::take_tag(&mut self.bytes)
    }

    #[inline]
    pub(super) fn delimited(&mut self) -> Result<&'b [u8], Error> {
        wire::take_delimited(&mut self.bytes)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        wire::take_array(&mut self.bytes)
    }

    pub(super) fn skip(&mut self, tag: u32) -> Result<(), Error> {
        wire::skip(&mut self.bytes, tag, self.depth).map(drop)
    }

    /// Takes the next tag if it is `tag`.
    #[inline]
    pub(super) fn continues_with(&mut self, tag: u32) -> Result<bool, Error> {
        let before = self.bytes;
        let continues = self.tag()? == tag;
        if !continues {
            self.bytes = before;
        }
        Ok(continues)
    }

    /// Begins a message that takes `size` bytes in memory.
    #[inline]
    pub(super) fn descend(&mut self, size: usize) -> Result<(), Error> {
        let Some(depth) = self.depth.checked_sub(1) else { return Err(Error::too_deep()) };
        self.depth = depth;
        self.charge(size)
    }

    #[inline]
    pub(super) fn ascend(&mut self) {
        self.depth += 1;
    }

    #[inline]
    pub(super) fn charge(&mut self, size: usize) -> Result<(), Error> {
        let Some(memory) = self.memory.checked_sub(size) else { return Err(Error::too_large()) };
        self.memory = memory;
        Ok(())
    }
}
