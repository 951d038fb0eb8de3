//! From bytes to serde values.

mod compound;
mod message;
mod reader;
mod value;

use serde::de::DeserializeOwned;

use crate::desc::FieldDesc;
use crate::{Error, ErrorKind, Shape, normalize};
use reader::Reader;
use value::{ROOT, Value};

/// What decoding may use up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// How deep messages may nest. The default is 100, that of other implementations.
    pub depth: u32,
    /// How many bytes of memory messages and list elements may take, by the size of their types;
    /// text and bytes, never longer than the input, are not counted. The default is 64 MiB.
    pub memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 100, memory: 64 << 20 }
    }
}

/// Reads a `T` from all of `bytes`, within the default [`Limits`].
///
/// Unknown fields are skipped. `T` must be a message, as in [`encode`](crate::encode).
pub fn decode<T: DeserializeOwned + Shape>(bytes: &[u8]) -> Result<T, Error> {
    decode_with(bytes, Limits::default())
}

/// Reads a `T` from all of `bytes`, within `limits`.
pub fn decode_with<T: DeserializeOwned + Shape>(bytes: &[u8], limits: Limits) -> Result<T, Error> {
    if const { !T::TYPE.is_message() } {
        return Err(Error::unsupported("the root must be a message"));
    }
    match read(bytes, limits) {
        Err(error) if error.kind() == ErrorKind::Disorder => read_disordered(bytes, limits),
        read => read,
    }
}

#[inline]
fn read<T: DeserializeOwned + Shape>(bytes: &[u8], limits: Limits) -> Result<T, Error> {
    let mut reader = Reader::new(bytes, limits);
    let field = const { &FieldDesc::root(T::TYPE) };
    T::deserialize(Value::<ROOT> { reader: &mut reader, field })
}

/// Fields behind their place and scattered lists are rare: the message is put in order and read
/// once more, from the start, because serde cannot go back to a field.
#[cold]
fn read_disordered<T: DeserializeOwned + Shape>(bytes: &[u8], limits: Limits) -> Result<T, Error> {
    read(&normalize::normalize(T::TYPE, bytes, limits)?, limits)
}
