//! Tags, wire types and varints: <https://protobuf.dev/programming-guides/encoding/>.

use crate::Error;

/// The longest varint: 64 bits in groups of seven.
pub(crate) const MAX_VARINT: usize = 10;
/// The highest field number.
pub(crate) const MAX_NUMBER: u32 = (1 << 29) - 1;

pub(crate) const VARINT: u8 = 0;
pub(crate) const FIXED64: u8 = 1;
pub(crate) const LENGTH: u8 = 2;
pub(crate) const GROUP: u8 = 3;
pub(crate) const END_GROUP: u8 = 4;
pub(crate) const FIXED32: u8 = 5;

pub(crate) const fn varint_len(value: u64) -> usize {
    // Nine bits of log per eight: exact for every 64-bit value.
    (((value | 1).ilog2() * 9 + 73) / 64) as usize
}

/// Writes `value` to the start of `bytes` and returns how many bytes it took.
#[inline]
pub(crate) const fn put_varint(bytes: &mut [u8; MAX_VARINT], mut value: u64) -> usize {
    let mut at = 0;
    while value >= 0x80 && at < MAX_VARINT - 1 {
        bytes[at] = value as u8 | 0x80;
        value >>= 7;
        at += 1;
    }
    bytes[at] = value as u8;
    at + 1
}

/// Takes a varint from the start of `bytes`.
#[inline]
pub(crate) fn take_varint(bytes: &mut &[u8]) -> Result<u64, Error> {
    match **bytes {
        [first, ..] if first < 0x80 => {
            *bytes = &bytes[1..];
            Ok(u64::from(first))
        }
        [first, second, ..] if second < 0x80 => {
            *bytes = &bytes[2..];
            Ok(u64::from(first & 0x7f) | u64::from(second) << 7)
        }
        _ => take_long_varint(bytes),
    }
}

fn take_long_varint(bytes: &mut &[u8]) -> Result<u64, Error> {
    let mut value = 0_u64;
    for (at, &byte) in bytes.iter().take(MAX_VARINT).enumerate() {
        // The tenth byte holds the one bit that is left; more would not fit 64.
        if at == MAX_VARINT - 1 && byte > 1 {
            return Err(Error::malformed("a varint of at most 64 bits"));
        }
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            *bytes = &bytes[at + 1..];
            return Ok(value);
        }
    }
    if bytes.len() < MAX_VARINT {
        Err(Error::truncated())
    } else {
        Err(Error::malformed("a varint of at most 64 bits"))
    }
}

/// Takes a tag; 0, which no field has, stands for the end. Whether there is such a wire type is
/// seen when the value is read or [skipped](skip).
#[inline]
pub(crate) fn take_tag(bytes: &mut &[u8]) -> Result<u32, Error> {
    match **bytes {
        [] => Ok(0),
        [first, ..] if (8..0x80).contains(&first) => {
            *bytes = &bytes[1..];
            Ok(first.into())
        }
        _ => take_long_tag(bytes),
    }
}

#[inline]
fn take_long_tag(bytes: &mut &[u8]) -> Result<u32, Error> {
    let tag = take_varint(bytes)?;
    if tag < 8 || tag > u64::from(u32::MAX) {
        return Err(Error::malformed("a field number with a wire type"));
    }
    Ok(tag as u32)
}

#[inline]
pub(crate) fn take<'b>(bytes: &mut &'b [u8], len: usize) -> Result<&'b [u8], Error> {
    let Some((taken, rest)) = bytes.split_at_checked(len) else {
        return Err(Error::truncated());
    };
    *bytes = rest;
    Ok(taken)
}

#[inline]
pub(crate) fn take_array<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Error> {
    let Some((taken, rest)) = bytes.split_first_chunk() else {
        return Err(Error::truncated());
    };
    *bytes = rest;
    Ok(*taken)
}

/// Takes a length and as many bytes. Nothing is allocated for a length that does not fit.
#[inline]
pub(crate) fn take_delimited<'b>(bytes: &mut &'b [u8]) -> Result<&'b [u8], Error> {
    let len = take_varint(bytes)?;
    take(bytes, usize::try_from(len).unwrap_or(usize::MAX))
}

/// Takes the value that follows `tag`, whatever it is, and returns its bytes.
pub(crate) fn skip<'b>(bytes: &mut &'b [u8], tag: u32, depth: u32) -> Result<&'b [u8], Error> {
    let start = *bytes;
    match (tag & 7) as u8 {
        VARINT => drop(take_varint(bytes)?),
        FIXED64 => drop(take(bytes, 8)?),
        FIXED32 => drop(take(bytes, 4)?),
        LENGTH => drop(take_delimited(bytes)?),
        GROUP => skip_group(bytes, tag, depth)?,
        END_GROUP => return Err(Error::malformed("a group that was begun")),
        _ => return Err(Error::malformed("a wire type of 0 to 5")),
    }
    Ok(&start[..start.len() - bytes.len()])
}

fn skip_group(bytes: &mut &[u8], tag: u32, depth: u32) -> Result<(), Error> {
    let depth = depth.checked_sub(1).ok_or_else(Error::too_deep)?;
    loop {
        let inner = take_tag(bytes)?;
        if inner == 0 {
            return Err(Error::truncated());
        }
        if (inner & 7) as u8 == END_GROUP {
            return match inner >> 3 == tag >> 3 {
                true => Ok(()),
                false => Err(Error::malformed("the end of the group that was begun")),
            };
        }
        skip(bytes, inner, depth)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_varint_reads_back_and_has_the_length_that_was_computed() {
        for shift in 0..64 {
            for value in [1_u64 << shift, (1 << shift) - 1, u64::MAX >> shift] {
                let mut bytes = [0; MAX_VARINT];
                let len = put_varint(&mut bytes, value);
                assert_eq!(len, varint_len(value), "{value}");
                let mut rest = &bytes[..len];
                assert_eq!(take_varint(&mut rest).expect("a whole varint"), value);
                assert!(rest.is_empty());
            }
        }
    }

    #[test]
    fn a_varint_of_more_than_64_bits_is_refused() {
        for last in [2, 0x7f, 0x80] {
            let mut bytes = [0xff; 11];
            bytes[9] = last;
            assert!(take_varint(&mut &bytes[..]).is_err(), "{last}");
        }
    }

    #[test]
    fn an_overlong_varint_is_read() {
        let bytes = [0x81, 0x80, 0x80, 0x00];
        assert_eq!(take_varint(&mut &bytes[..]).expect("valid"), 1);
    }

    #[test]
    fn no_field_has_number_zero_and_no_value_wire_type_six_or_seven() {
        for number_zero in [&[0_u8][..], &[2], &[0x80, 0], &[0x80, 0x80, 0x80, 0x80, 0x10]] {
            assert!(take_tag(&mut &*number_zero).is_err(), "{number_zero:?}");
        }
        for tag in [0x0e, 0x0f] {
            assert!(skip(&mut &[0; 8][..], tag, 100).is_err(), "{tag}");
        }
    }
}
