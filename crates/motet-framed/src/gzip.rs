//! Messages in gzip.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};

/// A message in gzip; `None` when that would not be shorter.
pub fn compress(message: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(message.len() / 2 + 32), Compression::fast());
    encoder.write_all(message).ok()?;
    let small = encoder.finish().ok()?;
    (small.len() < message.len()).then(|| small.into())
}

/// Why a message in gzip cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It is no gzip.
    Damaged,
    /// It is longer than allowed.
    TooLong,
}

/// Undoes [`compress`]. What it takes of memory never grows past `max` bytes, whatever the input says.
///
/// # Errors
/// [`Unreadable`]
pub fn decompress(message: &[u8], max: usize) -> Result<Bytes, Unreadable> {
    let mut out = Vec::new();
    let mut decoder = GzDecoder::new(message).take(max as u64 + 1);
    decoder.read_to_end(&mut out).map_err(|_| Unreadable::Damaged)?;
    match out.len() > max {
        true => Err(Unreadable::TooLong),
        false => Ok(out.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_and_shrinks() {
        let message = b"la la la ".repeat(100);
        let small = compress(&message).expect("shorter");
        assert!(small.len() < 100);
        assert_eq!(decompress(&small, message.len()).as_deref(), Ok(&message[..]));
        assert_eq!(compress(b"x"), None);
    }

    #[test]
    fn a_bomb_and_damage_are_refused() {
        let small = compress(&[7; 4 << 10]).expect("shorter");
        assert_eq!(decompress(&small, (4 << 10) - 1), Err(Unreadable::TooLong));
        for end in 0..small.len() {
            assert_eq!(decompress(&small[..end], 4 << 10), Err(Unreadable::Damaged), "cut at {end}");
        }
    }
}
