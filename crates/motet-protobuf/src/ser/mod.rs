//! From serde values to bytes.

mod compound;
mod value;
mod writer;

use bytes::BytesMut;
use serde::Serialize;

use crate::desc::FieldDesc;
use crate::{Error, Shape};
use value::{ROOT, Value};
use writer::Writer;

/// Appends `value` to `out`. On an error `out` is as it was.
///
/// `T` must be a message ([`FieldType::is_message`](crate::FieldType::is_message)); another type
/// gives an error of kind [`Unsupported`](crate::ErrorKind::Unsupported).
pub fn encode<T: Serialize + Shape + ?Sized>(value: &T, out: &mut BytesMut) -> Result<(), Error> {
    if const { !T::TYPE.is_message() } {
        return Err(Error::unsupported("the root must be a message"));
    }
    let start = out.len();
    let mut writer = Writer::new(out);
    let field = const { &FieldDesc::root(T::TYPE) };
    let written = value.serialize(Value::<ROOT> { writer: &mut writer, field });
    drop(writer);
    if written.is_err() {
        out.truncate(start);
    }
    written
}
