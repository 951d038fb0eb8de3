//! Frames (RFC 6455, section 5.2): their heads as bytes and back, and masking.

use bytes::{BufMut, BytesMut};

use crate::error::Violation;

/// The longest payload of a control frame.
pub const MAX_CONTROL: usize = 125;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const OTHER_RSV: u8 = 0x30;
const MASKED: u8 = 0x80;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// More of the message that is under way.
    Continuation = 0,
    /// The beginning of a text, or all of it.
    Text = 1,
    /// The beginning of a binary message, or all of it.
    Binary = 2,
    /// The end.
    Close = 8,
    /// A question for a sign of life.
    Ping = 9,
    /// Its answer.
    Pong = 10,
}

impl Opcode {
    fn new(number: u8) -> Result<Opcode, Violation> {
        Ok(match number {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return Err(Violation::protocol("the opcode of a frame is a reserved one")),
        })
    }

    /// Whether the frame may stand between the fragments of a message.
    pub fn is_control(self) -> bool {
        self as u8 & 8 != 0
    }
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whether it is the last frame of its message.
    pub fin: bool,
    /// Whether the message is compressed; only on its first frame.
    pub compressed: bool,
    /// What the frame is.
    pub opcode: Opcode,
    /// The masking key of what a client sends.
    pub mask: Option<[u8; 4]>,
    /// The length of the payload in bytes.
    pub length: u64,
}

impl Header {
    /// Reads a head from the beginning of the bytes, and tells how long it is; `None` while it is not
    /// all there.
    ///
    /// # Errors
    /// The head breaks a rule that holds for every connection.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, Violation> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        if first & OTHER_RSV != 0 {
            return Err(Violation::protocol("a reserved bit of a frame is set"));
        }
        let opcode = Opcode::new(first & 0x0F)?;
        let (fin, compressed, short) = (first & FIN != 0, first & RSV1 != 0, second & !MASKED);
        if opcode.is_control() {
            check_control(fin, compressed, short)?;
        }
        let Some((length, rest)) = parse_length(short, rest)? else { return Ok(None) };
        let (mask, rest) = match (second & MASKED != 0, rest) {
            (false, rest) => (None, rest),
            (true, [a, b, c, d, rest @ ..]) => (Some([*a, *b, *c, *d]), rest),
            (true, _) => return Ok(None),
        };
        Ok(Some((Header { fin, compressed, opcode, mask, length }, bytes.len() - rest.len())))
    }

    /// Appends the head.
    pub fn write(&self, out: &mut BytesMut) {
        let flags = if self.fin { FIN } else { 0 } | if self.compressed { RSV1 } else { 0 };
        out.put_u8(flags | self.opcode as u8);
        let masked = if self.mask.is_some() { MASKED } else { 0 };
        match (u8::try_from(self.length), u16::try_from(self.length)) {
            (Ok(short @ ..126), _) => out.put_u8(masked | short),
            (_, Ok(middle)) => {
                out.put_u8(masked | 126);
                out.put_u16(middle);
            }
            _ => {
                out.put_u8(masked | 127);
                out.put_u64(self.length);
            }
        }
        out.extend_from_slice(self.mask.as_ref().map_or(&[], |mask| &mask[..]));
    }
}

fn check_control(fin: bool, compressed: bool, short: u8) -> Result<(), Violation> {
    Err(Violation::protocol(match (fin, compressed, usize::from(short) > MAX_CONTROL) {
        (false, _, _) => "a control frame is fragmented",
        (_, true, _) => "a control frame is marked as compressed",
        (_, _, true) => "a control frame is longer than 125 bytes",
        (true, false, false) => return Ok(()),
    }))
}

/// Reads the length after its first 7 bits.
fn parse_length(short: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, Violation> {
    let (length, least, rest) = match short {
        126 => {
            let Some((length, rest)) = rest.split_first_chunk::<2>() else { return Ok(None) };
            (u64::from(u16::from_be_bytes(*length)), 126, rest)
        }
        127 => {
            let Some((length, rest)) = rest.split_first_chunk::<8>() else { return Ok(None) };
            (u64::from_be_bytes(*length), 1 << 16, rest)
        }
        short => (u64::from(short), 0, rest),
    };
    if length < least {
        return Err(Violation::protocol("the length of a frame is not written in the shortest form"));
    }
    if length > u64::MAX >> 1 {
        return Err(Violation::protocol("the highest bit of a frame's length is set"));
    }
    Ok(Some((length, rest)))
}

/// Masks bytes, or unmasks them: it is the same. Gives the key for the bytes that follow.
pub fn mask(bytes: &mut [u8], key: [u8; 4]) -> [u8; 4] {
    let [a, b, c, d] = key;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    let turned = rest.len() % 4;
    for (byte, key) in rest.iter_mut().zip([a, b, c, d].into_iter().cycle()) {
        *byte ^= key;
    }
    let mut key = key;
    key.rotate_left(turned);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(bytes: &[u8]) -> Result<Option<(Header, usize)>, &'static str> {
        Header::parse(bytes).map_err(|violation| violation.rule)
    }

    #[test]
    fn a_head_survives_the_way_and_is_read_only_when_whole() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, u64::MAX >> 1] {
            for mask in [None, Some([1, 2, 3, 4])] {
                let header = Header { fin: false, compressed: true, opcode: Opcode::Binary, mask, length };
                let mut bytes = BytesMut::new();
                header.write(&mut bytes);
                assert_eq!(head(&bytes), Ok(Some((header, bytes.len()))));
                (0..bytes.len()).for_each(|end| assert_eq!(head(&bytes[..end]), Ok(None)));
            }
        }
    }

    #[test]
    fn every_head_that_breaks_a_rule_is_refused() {
        let cases: [(&[u8], &str); 12] = [
            (b"\xA1\x00", "a reserved bit of a frame is set"),
            (b"\x91\x00", "a reserved bit of a frame is set"),
            (b"\x83\x00", "the opcode of a frame is a reserved one"),
            (b"\x87\x00", "the opcode of a frame is a reserved one"),
            (b"\x8B\x00", "the opcode of a frame is a reserved one"),
            (b"\x8F\x00", "the opcode of a frame is a reserved one"),
            (b"\x09\x00", "a control frame is fragmented"),
            (b"\xC9\x00", "a control frame is marked as compressed"),
            (b"\x89\x7E", "a control frame is longer than 125 bytes"),
            (b"\x82\x7E\x00\x7D", "the length of a frame is not written in the shortest form"),
            (b"\x82\x7F\0\0\0\0\0\0\xFF\xFF", "the length of a frame is not written in the shortest form"),
            (b"\x82\x7F\x80\0\0\0\0\0\0\0", "the highest bit of a frame's length is set"),
        ];
        for (bytes, rule) in cases {
            assert_eq!(head(bytes), Err(rule), "{bytes:x?}");
        }
    }

    #[test]
    fn masking_in_pieces_is_masking_at_once() {
        let plain: Vec<u8> = (0..100).collect();
        let mut whole = plain.clone();
        mask(&mut whole, [7, 11, 13, 17]);
        assert!(plain.iter().zip(&whole).enumerate().all(|(at, (a, b))| a ^ b == [7, 11, 13, 17][at % 4]));
        for size in 1..100 {
            let mut pieces = plain.clone();
            pieces.chunks_mut(size).fold([7, 11, 13, 17], |key, piece| mask(piece, key));
            assert_eq!(pieces, whole, "pieces of {size}");
        }
    }
}
