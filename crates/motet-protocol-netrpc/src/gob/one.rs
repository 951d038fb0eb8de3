//! One value with the definitions of its types: what a fresh encoder of Go writes for it.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Error, FIRST_ID, Reader, Type, Types, join, put_int, put_uint};

/// How many messages one value may consist of: each but the last ends in the definition of a type.
pub(crate) const MAX_PARTS: usize = 100;

/// A value, its type, and all types that it is made of.
#[derive(Clone, Debug)]
pub(crate) struct One {
    pub(crate) types: Types,
    pub(crate) id: i64,
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
                types.define(-id, &mut inside)?;
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
            return Ok(One { types, id, value });
        }
    }

    /// The empty struct, which Go calls `struct{}`.
    pub(crate) fn empty() -> One {
        let mut types = Types::default();
        types.insert(FIRST_ID + 1, Type::Struct(String::new(), Vec::new())).expect("the table was empty");
        One { types, id: FIRST_ID + 1, value: Bytes::from_static(&[0]) }
    }

    /// Appends the messages.
    pub(crate) fn write(&self, out: &mut BytesMut) -> Result<(), Error> {
        write_definitions(&self.types, self.id, out)?;
        write_value(self.id, &self.value, out);
        Ok(())
    }

    pub(crate) fn to_bytes(&self) -> Result<Bytes, Error> {
        let mut out = BytesMut::new();
        self.write(&mut out)?;
        Ok(out.freeze())
    }

    pub(crate) fn is_struct(&self) -> bool {
        matches!(self.types.get(self.id), Ok(Type::Struct(..)))
    }

    /// The names of the struct's fields.
    pub(crate) fn fields(&self) -> &[(String, i64)] {
        match self.types.get(self.id) {
            Ok(Type::Struct(_, fields)) => fields,
            _ => &[],
        }
    }

    /// The value as the only field of a struct.
    pub(crate) fn wrapped(self, field: &str) -> Result<One, Error> {
        let bare = if self.is_struct() { &self.value[..] } else { self.value.get(1..).unwrap_or_default() };
        let mut value = BytesMut::with_capacity(bare.len() + 2);
        value.put_u8(1);
        value.put_slice(bare);
        value.put_u8(0);
        let (mut types, id) = (self.types, self.id);
        let wrapper = types.free_id();
        types.insert(wrapper, Type::Struct(String::new(), vec![(field.to_owned(), id)]))?;
        Ok(One { types, id: wrapper, value: value.freeze() })
    }

    /// The only field of a struct; the value itself where it is none.
    pub(crate) fn bare(self) -> One {
        let [(_, id)] = self.fields() else { return self };
        let id = *id;
        let inner_is_struct = matches!(self.types.get(id), Ok(Type::Struct(..)));
        let left_out = self.value.len() < 2;
        let value = match (left_out, inner_is_struct) {
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
        One { types: self.types, id, value }
    }
}

/// Appends the definitions of a type and all that it is made of.
pub(crate) fn write_definitions(types: &Types, id: i64, out: &mut BytesMut) -> Result<(), Error> {
    for id in types.closure(id)? {
        types.get(id)?.write_definition(id, out);
    }
    Ok(())
}

/// Appends the message of a value.
pub(crate) fn write_value(id: i64, value: &[u8], out: &mut BytesMut) {
    let mut number = BytesMut::with_capacity(9);
    put_int(id, &mut number);
    put_uint((number.len() + value.len()) as u64, out);
    out.put_slice(&number);
    out.put_slice(value);
}
