//! Cutting a stream of bytes into frames.

use bytes::{Buf, Bytes, BytesMut};

use crate::{Broken, Limits};

/// How long a frame is, and how much of it tells whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The whole frame.
    pub len: u64,
    /// The part from its start that names its call.
    pub head: usize,
}

/// A frame, or what is known of one that is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// All of it.
    Whole(Bytes),
    /// The head of one that is longer than is allowed; the rest is skipped.
    TooLong(Bytes),
}

/// Cuts a stream of bytes into frames. What it does depends on the bytes alone, not on how they are
/// split on the way.
#[derive(Debug, Default)]
pub struct Cutter {
    /// How much of a frame that is too long is still to come.
    skip: u64,
    /// Whether the frame at the front was measured and allowed.
    allowed: Option<Extent>,
}

impl Cutter {
    /// Frames shorter than this are copied out of the input, so that one that is kept does not keep
    /// all that was read with it.
    const COPIED: usize = 16 << 10;

    /// The next frame, if all of it is there. `measure` gives the extent of the frame at the front as
    /// soon as that can be told; `allow` is asked about the length of each until it says yes or the head is
    /// there.
    ///
    /// # Errors
    /// What `measure` says, and a frame so long that it is not even skipped.
    pub fn next(
        &mut self,
        input: &mut BytesMut,
        measure: impl Fn(&[u8]) -> Result<Option<Extent>, Broken>,
        mut allow: impl FnMut(u64) -> bool,
    ) -> Result<Option<Piece>, Broken> {
        if self.skip > 0 {
            let skipped = input.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
            input.advance(skipped);
            self.skip -= skipped as u64;
        }
        if self.skip > 0 || input.is_empty() {
            return Ok(None);
        }
        let extent = match self.allowed {
            Some(extent) => extent,
            None => match measure(input)? {
                None => return Ok(None),
                Some(extent) => extent,
            },
        };
        if self.allowed.is_none() && !allow(extent.len) {
            if extent.len > Limits::MAX_SKIPPED {
                return Err(Broken::OverLimit("a frame is too long"));
            }
            if input.len() < extent.head {
                return Ok(None);
            }
            let head = input.split_to(extent.head).freeze();
            self.skip = extent.len - extent.head as u64;
            return Ok(Some(Piece::TooLong(head)));
        }
        self.allowed = Some(extent);
        // What is allowed fits into memory.
        let len = usize::try_from(extent.len).unwrap_or(usize::MAX);
        if input.len() < len {
            return Ok(None);
        }
        self.allowed = None;
        let frame = match len < Self::COPIED {
            true => {
                let frame = Bytes::copy_from_slice(&input[..len]);
                input.advance(len);
                frame
            }
            false => input.split_to(len).freeze(),
        };
        Ok(Some(Piece::Whole(frame)))
    }

    /// Whether a frame is under way.
    pub fn is_inside(&self, input: &BytesMut) -> bool {
        self.skip > 0 || !input.is_empty()
    }

    /// How many more bytes the frame under way needs, where that is known.
    pub fn wants(&self, input: &BytesMut) -> usize {
        let wanted = self.allowed.map_or(0, |extent| usize::try_from(extent.len).unwrap_or(usize::MAX));
        wanted.saturating_sub(input.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame is a digit, its length, and then bytes; the first of them is its head.
    fn measure(input: &[u8]) -> Result<Option<Extent>, Broken> {
        match input[0] {
            digit @ b'1'..=b'9' => Ok(Some(Extent { len: (digit - b'0').into(), head: 2 })),
            b'!' => Ok(Some(Extent { len: u64::MAX, head: 2 })),
            _ => Err(Broken::Malformed("no digit")),
        }
    }

    fn cut(chunks: &[&[u8]]) -> Vec<Piece> {
        let (mut cutter, mut input, mut all) = (Cutter::default(), BytesMut::new(), Vec::new());
        for chunk in chunks {
            input.extend_from_slice(chunk);
            while let Some(piece) = cutter.next(&mut input, measure, |len| len < 6).expect("digits") {
                all.push(piece);
            }
        }
        assert!(!cutter.is_inside(&input));
        all
    }

    #[test]
    fn every_split_gives_the_same_frames() {
        let bytes = b"3ab16abcde2x9abcdefgh4abc";
        let expected = [
            Piece::Whole(Bytes::from_static(b"3ab")),
            Piece::Whole(Bytes::from_static(b"1")),
            Piece::TooLong(Bytes::from_static(b"6a")),
            Piece::Whole(Bytes::from_static(b"2x")),
            Piece::TooLong(Bytes::from_static(b"9a")),
            Piece::Whole(Bytes::from_static(b"4abc")),
        ];
        assert_eq!(cut(&[bytes]), expected);
        for at in 0..bytes.len() {
            assert_eq!(cut(&[&bytes[..at], &bytes[at..]]), expected, "split at {at}");
        }
        assert_eq!(cut(&bytes.chunks(1).collect::<Vec<_>>()), expected);
    }

    #[test]
    fn a_frame_that_is_endless_or_none_at_all_is_an_error() {
        for (bytes, expected) in
            [(&b"!x"[..], Broken::OverLimit("a frame is too long")), (b"x", Broken::Malformed("no digit"))]
        {
            let mut input = BytesMut::from(bytes);
            assert_eq!(Cutter::default().next(&mut input, measure, |len| len < 6), Err(expected));
        }
    }
}
