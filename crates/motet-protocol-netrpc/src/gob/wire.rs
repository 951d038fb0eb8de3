//! Numbers, texts and counts.

use bytes::BytesMut;

use super::Error;

/// How deep values and types may nest.
pub(crate) const MAX_DEPTH: usize = 100;

/// Reads from the front of a slice. It counts what is made of the bytes, so that few bytes cannot
/// cause much work: fields that are left out cost nothing on the wire.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    work: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, work: bytes.len().saturating_mul(64).max(1 << 20) }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Counts a step of work that took no byte.
    pub(crate) fn step(&mut self) -> Result<(), Error> {
        self.work = self.work.checked_sub(1).ok_or_else(|| Error::new("too many fields that are left out"))?;
        Ok(())
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Error> {
        let (first, rest) = self.bytes.split_first().ok_or_else(|| Error::new("the value is cut short"))?;
        self.bytes = rest;
        Ok(*first)
    }

    pub(crate) fn take(&mut self, n: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) =
            self.bytes.split_at_checked(n).ok_or_else(|| Error::new("a length is beyond the end of the message"))?;
        self.bytes = rest;
        Ok(taken)
    }

    /// An unsigned integer: one byte below 128, else the negated count of the bytes that follow.
    pub(crate) fn uint(&mut self) -> Result<u64, Error> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(first.into());
        }
        let n = usize::from(first.wrapping_neg());
        if n > 8 {
            return Err(Error::new("an integer has more than 8 bytes"));
        }
        Ok(self.take(n)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// A signed integer: bit 0 says whether the others are complemented.
    pub(crate) fn int(&mut self) -> Result<i64, Error> {
        let value = self.uint()?;
        let half = (value >> 1).cast_signed();
        Ok(if value & 1 == 1 { !half } else { half })
    }

    /// A floating point number, its bytes reversed.
    pub(crate) fn float(&mut self) -> Result<f64, Error> {
        Ok(f64::from_bits(self.uint()?.swap_bytes()))
    }

    pub(crate) fn bool(&mut self) -> Result<bool, Error> {
        Ok(self.uint()? != 0)
    }

    /// Bytes behind their count.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Error> {
        let n = self.uint()?;
        self.take(usize::try_from(n).unwrap_or(usize::MAX))
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Error> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Error::new("a string is no UTF-8"))
    }

    /// How many elements follow. Each takes a byte at least.
    pub(crate) fn count(&mut self) -> Result<usize, Error> {
        let n = usize::try_from(self.uint()?).unwrap_or(usize::MAX);
        if n > self.bytes.len() {
            return Err(Error::new("a count is beyond the end of the message"));
        }
        Ok(n)
    }
}

/// An unsigned integer as it is written.
pub(crate) fn uint_bytes(value: u64, room: &mut [u8; 9]) -> &[u8] {
    let bytes = value.to_be_bytes();
    room[1..].copy_from_slice(&bytes);
    if value < 0x80 {
        return &room[8..];
    }
    // At most 7: it is not 0.
    let zeros = (value.leading_zeros() / 8) as usize;
    room[zeros] = (8 - zeros as u8).wrapping_neg();
    &room[zeros..]
}

/// Appends an unsigned integer.
pub(crate) fn put_uint(value: u64, out: &mut BytesMut) {
    out.extend_from_slice(uint_bytes(value, &mut [0; 9]));
}

/// Appends a signed integer.
pub(crate) fn put_int(value: i64, out: &mut BytesMut) {
    put_uint(int_bits(value), out);
}

/// A signed integer as the unsigned one as which it is written.
pub(crate) fn int_bits(value: i64) -> u64 {
    let bits = (value << 1).cast_unsigned();
    if value < 0 { !bits } else { bits }
}

/// Appends a floating point number.
pub(crate) fn put_float(value: f64, out: &mut BytesMut) {
    put_uint(value.to_bits().swap_bytes(), out);
}

/// Appends bytes behind their count.
pub(crate) fn put_bytes(value: &[u8], out: &mut BytesMut) {
    put_uint(value.len() as u64, out);
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(f: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
        let mut out = BytesMut::new();
        f(&mut out);
        out.to_vec()
    }

    /// The examples of Go's documentation.
    #[test]
    fn numbers_have_the_bytes_of_the_documentation() {
        for (value, bytes) in [(0, &[0][..]), (7, &[7]), (127, &[127]), (128, &[0xff, 128]), (256, &[0xfe, 1, 0])] {
            assert_eq!(written(|out| put_uint(value, out)), bytes);
        }
        assert_eq!(written(|out| put_int(-129, out)), [0xfe, 1, 1]);
        assert_eq!(written(|out| put_float(17.0, out)), [0xfe, 0x31, 0x40]);
    }

    #[test]
    fn numbers_survive() {
        for value in [0, 1, -1, 63, -64, 64, -65, 127, 128, i64::MAX, i64::MIN, i64::MIN + 1] {
            assert_eq!(Reader::new(&written(|out| put_int(value, out))).int(), Ok(value));
            let unsigned = value.cast_unsigned();
            assert_eq!(Reader::new(&written(|out| put_uint(unsigned, out))).uint(), Ok(unsigned));
            let float = f64::from_bits(unsigned);
            let read = Reader::new(&written(|out| put_float(float, out))).float().expect("a number");
            assert_eq!(read.to_bits(), unsigned);
        }
    }

    #[test]
    fn what_is_cut_short_or_too_large_is_an_error() {
        for bytes in [&[][..], &[0xff], &[0xfe, 1], &[0xf7, 1, 2, 3, 4, 5, 6, 7, 8, 9], &[0x80]] {
            assert!(Reader::new(bytes).uint().is_err(), "{bytes:?}");
        }
        let huge = written(|out| put_uint(u64::MAX, out));
        assert!(Reader::new(&huge).bytes().is_err() && Reader::new(&huge).count().is_err());
        assert!(Reader::new(&[1, 0xff]).text().is_err(), "no UTF-8");
    }
}
