//! The frames of go-rpc, as bytes.
//!
//! `AB BA`, a version that is 0 and not looked at, the length of all that follows it, the length of
//! the header, header and body. Lengths are big endian and have four bytes.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use motet_framed::{Broken, Extent};

/// The first two bytes of every frame.
pub const MAGIC: [u8; 2] = [0xab, 0xba];
/// What stands before the header.
pub const HEAD: usize = 11;
/// The longest header.
pub const MAX_HEADER: usize = 48 << 10;

/// The extent of the frame at the front of these bytes.
///
/// # Errors
/// They do not begin as a frame does, or their lengths cannot be.
pub fn measure(input: &[u8]) -> Result<Option<Extent>, Broken> {
    let known = input.len().min(MAGIC.len());
    if input[..known] != MAGIC[..known] {
        return Err(Broken::Malformed("wrong protocol: a frame does not begin with ab ba"));
    }
    let Some((total, header)) = lengths(input) else { return Ok(None) };
    match total.checked_sub(4) {
        None => Err(Broken::Malformed("invalid total length")),
        Some(rest) if header > rest => Err(Broken::Malformed("the header is longer than its frame")),
        Some(_) if header as usize > MAX_HEADER => Err(Broken::OverLimit("a header is too long")),
        Some(_) => Ok(Some(Extent { len: 7 + u64::from(total), head: HEAD + header as usize })),
    }
}

fn lengths(input: &[u8]) -> Option<(u32, u32)> {
    let mut lengths = input.get(3..HEAD)?;
    Some((lengths.get_u32(), lengths.get_u32()))
}

/// The header and the body of a whole frame; an empty body, of its head alone.
///
/// # Errors
/// The frame is none that [`measure`] accepts.
pub fn split(mut frame: Bytes) -> Result<(Bytes, Bytes), Broken> {
    let head = match measure(&frame)? {
        Some(extent) if extent.head <= frame.len() => extent.head,
        _ => return Err(Broken::Malformed("half a frame")),
    };
    let mut header = frame.split_to(head);
    header.advance(HEAD);
    Ok((header, frame))
}

/// Begins a frame and says where; the header is to be appended next.
pub fn begin(out: &mut BytesMut) -> usize {
    let start = out.len();
    out.put_slice(&MAGIC);
    out.put_u8(0);
    out.put_u64(0);
    start
}

/// Ends the header of the frame that begins at `start`; the body is to be appended next.
pub fn end_header(out: &mut BytesMut, start: usize) {
    put_length(out, start + 7, out.len() - start - HEAD);
}

/// Ends the frame that begins at `start`.
pub fn end(out: &mut BytesMut, start: usize) {
    put_length(out, start + 3, out.len() - start - 7);
}

fn put_length(out: &mut BytesMut, at: usize, length: usize) {
    out[at..at + 4].copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_and_body_are_told_apart_and_lies_are_refused() {
        let mut out = BytesMut::new();
        let start = begin(&mut out);
        out.extend_from_slice(b"{head}");
        end_header(&mut out, start);
        out.extend_from_slice(b"body");
        end(&mut out, start);
        let frame = out.freeze();
        assert_eq!(measure(&frame), Ok(Some(Extent { len: frame.len() as u64, head: HEAD + 6 })));
        assert_eq!(split(frame.clone()), Ok((Bytes::from("{head}"), Bytes::from("body"))));
        for end in 1..HEAD {
            assert_eq!(measure(&frame[..end]), Ok(None), "cut at {end}");
        }
        for (at, value, expected) in [
            (3, 3u32, "invalid total length"),
            (7, 11, "the header is longer than its frame"),
            (7, u32::MAX, "the header is longer than its frame"),
        ] {
            let mut lie = frame.to_vec();
            lie[at..at + 4].copy_from_slice(&value.to_be_bytes());
            assert_eq!(measure(&lie), Err(Broken::Malformed(expected)));
        }
        assert!(measure(b"ab").is_err() && measure(b"\xab\xab").is_err());
    }
}
