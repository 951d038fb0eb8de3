//! The output buffer: tags, numbers and length prefixes.

use bytes::{BufMut, BytesMut};

use crate::Error;
use crate::desc::FieldDesc;
use crate::wire::{self, MAX_VARINT};

/// Deeper values than decoding accepts are not written.
const MAX_DEPTH: u32 = 100;

pub(super) struct Writer<'a> {
    out: &'a mut BytesMut,
    /// How many bytes the next length prefix will probably take: as many as its sibling's.
    guess: usize,
    depth: u32,
}

/// Where a length prefix stands that is not known yet.
#[derive(Clone, Copy)]
pub(super) struct Prefix {
    start: usize,
    width: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut BytesMut) -> Self {
        Self { out, guess: 1, depth: MAX_DEPTH }
    }

    #[inline]
    pub(super) fn tag(&mut self, field: &FieldDesc) {
        self.put(field.tag_bytes, usize::from(field.tag_len));
    }

    #[inline]
    pub(super) fn varint(&mut self, value: u64) {
        if value < 0x80 {
            self.out.put_u8(value as u8);
        } else {
            self.long_varint(value);
        }
    }

    /// A tag and a varint; together they mostly fit one store.
    #[inline]
    pub(super) fn tagged_varint(&mut self, field: &FieldDesc, value: u64) {
        let tag_len = usize::from(field.tag_len);
        if value < 1 << 21 {
            // At most five bytes of tag and three of value.
            let (spread, len) = spread(value);
            self.put(field.tag_bytes | spread << (8 * tag_len), tag_len + len);
        } else {
            self.tag(field);
            self.long_varint(value);
        }
    }

    #[inline]
    pub(super) fn fixed32(&mut self, value: u32) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    #[inline]
    pub(super) fn fixed64(&mut self, value: u64) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    #[inline]
    pub(super) fn byte(&mut self, value: u8) {
        self.out.put_u8(value);
    }

    #[inline]
    pub(super) fn delimited(&mut self, field: &FieldDesc, value: &[u8]) {
        self.tagged_varint(field, value.len() as u64);
        self.out.extend_from_slice(value);
    }

    /// Begins a value whose length is not known yet.
    #[inline]
    pub(super) fn open(&mut self) -> Prefix {
        let prefix = Prefix { start: self.out.len(), width: self.guess };
        self.put(0, prefix.width);
        prefix
    }

    /// Ends it, and moves it when its length takes more or fewer bytes than guessed.
    #[inline]
    pub(super) fn close(&mut self, prefix: Prefix) {
        let Prefix { start, width } = prefix;
        let len = (self.out.len() - start - width) as u64;
        if width == 1 && len < 0x80 {
            self.out[start] = len as u8;
        } else {
            self.close_long(prefix, len);
        }
    }

    /// Ends it, or takes its prefix and what was written before it back if it is empty.
    #[inline]
    pub(super) fn close_unless_empty(&mut self, prefix: Prefix, before: usize) {
        if self.out.len() == prefix.start + prefix.width {
            self.out.truncate(before);
        } else {
            self.close(prefix);
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    /// Begins a nested message.
    #[inline]
    pub(super) fn open_message(&mut self) -> Result<Prefix, Error> {
        let Some(depth) = self.depth.checked_sub(1) else { return Err(Error::too_deep()) };
        self.depth = depth;
        let prefix = self.open();
        // Its children are no siblings.
        self.guess = 1;
        Ok(prefix)
    }

    #[inline]
    pub(super) fn close_message(&mut self, prefix: Prefix) {
        self.depth += 1;
        self.guess = prefix.width;
        self.close(prefix);
    }

    #[inline]
    pub(super) fn forget_siblings(&mut self) {
        self.guess = 1;
    }

    #[inline]
    fn put(&mut self, bytes: u64, len: usize) {
        let end = self.out.len() + len;
        // One store of constant size is cheaper than a copy of computed size.
        self.out.extend_from_slice(&bytes.to_le_bytes());
        self.out.truncate(end);
    }

    fn long_varint(&mut self, value: u64) {
        let mut bytes = [0; MAX_VARINT];
        let len = wire::put_varint(&mut bytes, value);
        self.out.extend_from_slice(&bytes[..len]);
    }

    #[cold]
    fn close_long(&mut self, prefix: Prefix, len: u64) {
        let Prefix { start, width } = prefix;
        let mut bytes = [0; MAX_VARINT];
        let needed = wire::put_varint(&mut bytes, len);
        self.guess = needed;
        let end = self.out.len();
        if needed > width {
            self.out.put_bytes(0, needed - width);
        }
        if needed != width {
            self.out.copy_within(start + width..end, start + needed);
            self.out.truncate(end + needed - width);
        }
        self.out[start..start + needed].copy_from_slice(&bytes[..needed]);
    }
}

/// The varint of a value below 2^21, first byte lowest, and its length.
#[inline]
fn spread(value: u64) -> (u64, usize) {
    if value < 0x80 {
        (value, 1)
    } else if value < 1 << 14 {
        (value & 0x7f | 0x80 | value >> 7 << 8, 2)
    } else {
        (value & 0x7f | 0x80 | (value >> 7 & 0x7f | 0x80) << 8 | value >> 14 << 16, 3)
    }
}
