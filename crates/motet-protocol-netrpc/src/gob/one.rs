//! One value with the definitions of its types: what a fresh encoder of Go writes for it.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    Error, Reader, Types, join, put_int, put_uint,
    table::Table,
    wire::{int_bits, uint_bytes},
};

/// How many messages one value may consist of: each but the last ends in the definition of a type.
pub(crate) const MAX_PARTS: usize = 100;

/// A value, its type, and all types that it is made of.
#[derive(Clone, Debug)]
pub(crate) struct One {
    pub(crate) table: Arc<Table>,
    /// The value; one that is no struct begins with 0.
    pub(crate) value: Bytes,
}

impl One {
    /// Reads the messages of one value.
    pub(crate) fn parse(bytes: &Bytes) -> Result<One, Error> {
        let (mut types, mut input) = (Types::default(), Reader::new(bytes));
        loop {
            let message = input.bytes()?;
            let mut inside = Reader::new(message);
            let id = inside.int()?;
            if id < 0 {
                types.define(id.saturating_neg(), &mut inside)?;
                if !inside.is_empty() {
                    return Err(Error::new("something follows the definition of a type"));
                }
                continue;
            }
            let mut value = bytes.slice_ref(inside.rest());
            let mut parts = 1;
            loop {
                match types.absorb_value(id, &value) {
                    Err(Error::GoesOn) if parts < MAX_PARTS && !input.is_empty() => {
                        let mut joined = BytesMut::from(&value[..]);
                        join(&mut joined, input.bytes()?);
                        (value, parts) = (joined.freeze(), parts + 1);
                    }
                    absorbed => break absorbed?,
                }
            }
            if !input.is_empty() {
                return Err(Error::new("something follows the value"));
            }
            return Ok(One { table: Table::new(types, id)?, value });
        }
    }

    /// The same for bytes that begin with the definitions of these types, if they do and are one value
    /// behind them; [`One::parse`] says what else they are.
    pub(crate) fn parse_as(table: &Arc<Table>, bytes: &Bytes) -> Option<One> {
        let value = value_of(table, bytes)?;
        Some(One { table: table.clone(), value: bytes.slice_ref(value) })
    }

    /// The empty struct, which Go calls `struct{}`.
    pub(crate) fn empty() -> One {
        One { table: Table::empty(), value: Bytes::from_static(&[0]) }
    }

    pub(crate) fn to_bytes(&self) -> Bytes {
        let definitions = &self.table.definitions;
        // The longest numbers before a value have nine bytes each.
        let mut out = BytesMut::with_capacity(definitions.len() + 18 + self.value.len());
        out.put_slice(definitions);
        write_value(self.table.id, &self.value, &mut out);
        out.freeze()
    }

    /// The value as the only field of a struct.
    pub(crate) fn wrapped(self, field: &str) -> Result<One, Error> {
        let bare = if self.table.is_struct() { &self.value[..] } else { self.value.get(1..).unwrap_or_default() };
        let mut value = BytesMut::with_capacity(bare.len() + 2);
        value.put_u8(1);
        value.put_slice(bare);
        value.put_u8(0);
        Ok(One { table: self.table.wrapped(field)?, value: value.freeze() })
    }

    /// The only field of a struct; the value itself where it is none.
    pub(crate) fn bare(self) -> One {
        let Some(table) = self.table.bare() else { return self };
        let left_out = self.value.len() < 2;
        let value = match (left_out, table.is_struct()) {
            (true, true) => Bytes::from_static(&[0]),
            // The zero of every type is one byte; arrays are never left out.
            (true, false) => Bytes::from_static(&[0, 0]),
            (false, true) => self.value.slice(1..self.value.len() - 1),
            (false, false) => {
                let mut value = BytesMut::from(&self.value[..self.value.len() - 1]);
                value[0] = 0;
                value.freeze()
            }
        };
        One { table, value }
    }
}

/// The value in bytes that begin with the definitions of these types, if that is what they are.
pub(crate) fn value_of<'a>(table: &Table, bytes: &'a [u8]) -> Option<&'a [u8]> {
    // What is open may define further types on its way.
    let mut input = Reader::new(bytes.strip_prefix(&table.definitions[..]).filter(|_| !table.is_open)?);
    let mut inside = Reader::new(input.bytes().ok()?);
    let is_it = inside.int() == Ok(table.id) && input.is_empty();
    is_it.then(|| inside.rest())
}

/// Appends the message of a value.
pub(crate) fn write_value(id: i64, value: &[u8], out: &mut BytesMut) {
    let number = uint_bytes(int_bits(id), &mut [0; 9]).len();
    put_uint((number + value.len()) as u64, out);
    put_int(id, out);
    out.extend_from_slice(value);
}

/// Appends the message of a value that `write` appends. On error nothing stays.
pub(crate) fn write_message(
    id: i64,
    out: &mut BytesMut,
    write: impl FnOnce(&mut BytesMut) -> Result<(), Error>,
) -> Result<(), Error> {
    /// The length of most messages takes three bytes: others are moved.
    const USUAL: usize = 3;
    let begun = out.len();
    out.put_bytes(0, USUAL);
    put_int(id, out);
    if let Err(error) = write(out) {
        out.truncate(begun);
        return Err(error);
    }
    let (from, end) = (begun + USUAL, out.len());
    let mut number = [0; 9];
    let number = uint_bytes((end - from) as u64, &mut number);
    let to = begun + number.len();
    if to > from {
        out.put_bytes(0, to - from);
    }
    if to != from {
        out.copy_within(from..end, to);
    }
    out.truncate(to + (end - from));
    out[begun..to].copy_from_slice(number);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_written_in_place_is_the_same_whatever_its_length() {
        for length in
            [0, 1, 120, 124, 125, 126, 127, 128, 250, 253, 254, 255, 256, 300, 65_532, 65_533, 65_536, 1 << 20]
        {
            for id in [1, 65, -65, 4000] {
                let (value, mut whole, mut placed) =
                    (vec![7; length], BytesMut::from(&b"x"[..]), BytesMut::from(&b"x"[..]));
                write_value(id, &value, &mut whole);
                let write = |out: &mut BytesMut| {
                    out.put_slice(&value);
                    Ok(())
                };
                write_message(id, &mut placed, write).expect("written");
                assert_eq!(placed, whole, "{length} bytes of type {id}");
            }
        }
        let mut out = BytesMut::from(&b"x"[..]);
        let fails = |out: &mut BytesMut| {
            out.put_slice(b"part");
            Err(Error::new("no"))
        };
        assert!(write_message(65, &mut out, fails).is_err());
        assert_eq!(out, &b"x"[..]);
    }
}
