//! The output buffer: tags, numbers and length prefixes.
//!
//! The buffer is kept filled with zeros some way ahead of what is written. So every write is one
//! store of constant size behind one check, and a tag and its number are mostly a single store.

use bytes::BytesMut;

use crate::Error;
use crate::desc::FieldDesc;
use crate::wire::{self, MAX_VARINT};

/// Deeper values than decoding accepts are not written.
const MAX_DEPTH: u32 = 100;

/// How far ahead the buffer is filled at first: enough for many a message.
const AHEAD: usize = 256;
/// From here on the filling only doubles: more of it than of the message would be a waste.
const LARGE: usize = 1 << 10;

pub(super) struct Writer<'a> {
    out: &'a mut BytesMut,
    /// Where the message begins.
    start: usize,
    /// Where the next byte goes; what is behind it is filling.
    at: usize,
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
    #[inline]
    pub(super) fn new(out: &'a mut BytesMut) -> Self {
        let at = out.len();
        out.extend_from_slice(&[0; AHEAD]);
        Self { out, start: at, at, guess: 1, depth: MAX_DEPTH }
    }

    /// How much has been written.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.at
    }

    #[inline]
    pub(super) fn tag(&mut self, field: &FieldDesc) {
        self.put(&field.tag_bytes.to_le_bytes(), field.tag_len.into());
    }

    #[inline]
    pub(super) fn varint(&mut self, value: u64) {
        if value < 0x80 {
            self.put(&[value as u8], 1);
        } else {
            self.long_varint(value);
        }
    }

    /// A tag and a varint, of which two or three bytes are the most frequent.
    #[inline]
    pub(super) fn tagged_varint(&mut self, field: &FieldDesc, value: u64) {
        if value < 1 << 21 {
            let tag_len = usize::from(field.tag_len);
            let (spread, len) = spread(value);
            // At most five bytes of tag and three of value.
            self.put(&(field.tag_bytes | spread << (8 * tag_len)).to_le_bytes(), tag_len + len);
        } else {
            self.tag(field);
            self.long_varint(value);
        }
    }

    #[inline]
    pub(super) fn tagged_fixed32(&mut self, field: &FieldDesc, value: u32) {
        let tag_len = usize::from(field.tag_len);
        let both = u128::from(field.tag_bytes) | u128::from(value) << (8 * tag_len);
        self.put(&both.to_le_bytes(), tag_len + 4);
    }

    #[inline]
    pub(super) fn tagged_fixed64(&mut self, field: &FieldDesc, value: u64) {
        let tag_len = usize::from(field.tag_len);
        let both = u128::from(field.tag_bytes) | u128::from(value) << (8 * tag_len);
        self.put(&both.to_le_bytes(), tag_len + 8);
    }

    #[inline]
    pub(super) fn fixed32(&mut self, value: u32) {
        self.put(&value.to_le_bytes(), 4);
    }

    #[inline]
    pub(super) fn fixed64(&mut self, value: u64) {
        self.put(&value.to_le_bytes(), 8);
    }

    #[inline]
    pub(super) fn byte(&mut self, value: u8) {
        self.put(&[value], 1);
    }

    #[inline]
    pub(super) fn delimited(&mut self, field: &FieldDesc, value: &[u8]) {
        self.tagged_varint(field, value.len() as u64);
        self.slice(value);
    }

    /// Begins a value whose length is not known yet.
    #[inline]
    pub(super) fn open(&mut self) -> Prefix {
        let prefix = Prefix { start: self.at, width: self.guess };
        self.put(&[0; MAX_VARINT], prefix.width);
        prefix
    }

    /// Ends it, and moves it when its length takes more or fewer bytes than guessed.
    #[inline]
    pub(super) fn close(&mut self, prefix: Prefix) {
        let Prefix { start, width } = prefix;
        let len = self.at - start - width;
        if width == 1 && len < 0x80 {
            self.out[start] = len as u8;
        } else {
            self.close_long(prefix, len);
        }
    }

    /// Ends it, or goes back to what was written before it if it is empty.
    #[inline]
    pub(super) fn close_unless_empty(&mut self, prefix: Prefix, before: usize) {
        if self.at == prefix.start + prefix.width {
            self.at = before;
        } else {
            self.close(prefix);
        }
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

    /// Writes all of `bytes`, of which only the first `len` count.
    #[inline]
    fn put<const N: usize>(&mut self, bytes: &[u8; N], len: usize) {
        if self.out.len() - self.at < N {
            self.fill(N);
        }
        self.out[self.at..][..N].copy_from_slice(bytes);
        self.at += len;
    }

    #[inline]
    fn slice(&mut self, bytes: &[u8]) {
        if self.out.len() - self.at < bytes.len() {
            if bytes.len() >= LARGE {
                return self.append(bytes);
            }
            self.fill(bytes.len());
        }
        self.out[self.at..][..bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    /// Several times what is written, so that longer messages are not filled step by step.
    #[cold]
    #[inline(never)]
    fn fill(&mut self, needed: usize) {
        let written = self.at - self.start;
        let times = if written < LARGE { 3 } else { 1 };
        self.out.resize(self.at + needed.max(written * times).max(AHEAD), 0);
    }

    /// Writes behind what is written what need not be filled with zeros before.
    #[cold]
    #[inline(never)]
    fn append(&mut self, bytes: &[u8]) {
        self.out.truncate(self.at);
        self.out.extend_from_slice(bytes);
        self.at = self.out.len();
    }

    fn long_varint(&mut self, value: u64) {
        let mut bytes = [0; MAX_VARINT];
        let len = wire::put_varint(&mut bytes, value);
        self.put(&bytes, len);
    }

    #[inline(never)]
    fn close_long(&mut self, prefix: Prefix, len: usize) {
        let Prefix { start, width } = prefix;
        let mut bytes = [0; MAX_VARINT];
        let needed = wire::put_varint(&mut bytes, len as u64);
        self.guess = needed;
        if needed != width {
            let end = self.at;
            self.put(&[0; MAX_VARINT], 0);
            self.out.copy_within(start + width..end, start + needed);
            self.at = end + needed - width;
        }
        self.out[start..][..needed].copy_from_slice(&bytes[..needed]);
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        self.out.truncate(self.at);
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
