//! Message compression: raw deflate behind the original length.

use std::io::{Read, Write};

use bytes::{BufMut, Bytes, BytesMut};
use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};

/// Compresses a message: its length as four bytes, little endian, then raw deflate (RFC 1951).
/// `None` when that would not be shorter.
pub(crate) fn compress(message: &[u8]) -> Option<Bytes> {
    let length = u32::try_from(message.len()).ok()?;
    let mut out = BytesMut::with_capacity(message.len() / 2 + 16);
    out.put_u32_le(length);
    let mut encoder = DeflateEncoder::new(out.writer(), Compression::fast());
    encoder.write_all(message).ok()?;
    let out = encoder.finish().ok()?.into_inner();
    (out.len() < message.len()).then(|| out.freeze())
}

/// The length that a compressed message says it has.
pub(crate) fn original_length(message: &[u8]) -> Option<usize> {
    let (length, _) = message.split_first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*length)).ok()
}

/// Undoes [`compress`]. The output never grows past the stated length, whatever the input says.
pub(crate) fn decompress(message: &[u8]) -> Option<Bytes> {
    let length = original_length(message)?;
    // Deflate cannot shrink below 1 : 1032, so that a larger claim is a lie.
    if length > message.len().saturating_mul(1032) {
        return None;
    }
    let mut out = Vec::with_capacity(length);
    let mut decoder = DeflateDecoder::new(&message[4..]).take(length as u64 + 1);
    decoder.read_to_end(&mut out).ok()?;
    (out.len() == length).then(|| out.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_and_shrinks() {
        let message = b"la la la ".repeat(100);
        let small = compress(&message).expect("shorter");
        assert!(small.len() < 100);
        assert_eq!(decompress(&small).as_deref(), Some(&message[..]));
        assert_eq!(compress(b"x"), None);
    }

    #[test]
    fn a_wrong_length_or_damage_is_refused() {
        let small = compress(&[7; 1000]).expect("shorter");
        for stated in [0u32, 999, 1001, u32::MAX] {
            let mut lie = stated.to_le_bytes().to_vec();
            lie.extend_from_slice(&small[4..]);
            assert_eq!(decompress(&lie), None, "{stated}");
        }
        for end in 0..small.len() {
            assert_eq!(decompress(&small[..end]), None, "cut at {end}");
        }
    }
}
