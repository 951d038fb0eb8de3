//! A codec of gob.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use motet_core::{Codec, Decode, Encode, Encoding, Result, Status};
use serde_json::Value;

use super::{One, Plans, Reader, Table, de::De, one::value_of};

/// The codec `application/x-gob`: each body is a value with the definitions of its types, what a fresh
/// `gob.Encoder` writes. Field names are Go's: `user_name` travels as `UserName` and is found whatever
/// its case.
///
/// The types are those that the serde value shows. What a value cannot show, the type of a `None` or
/// of an empty collection's elements, is taken from a schema where there is one; a field of unknown
/// type is left out.
#[derive(Clone, Debug, Default)]
pub struct GobCodec {
    plans: Option<Arc<Plans>>,
    /// The types with which bodies probably begin.
    table: Option<Arc<Table>>,
}

impl GobCodec {
    /// The content type.
    pub const CONTENT_TYPE: &'static str = "application/x-gob";

    /// The codec, for [`Codecs::with`](motet_core::Codecs::with).
    pub fn codec() -> Codec {
        Codec::custom(GobCodec::default())
    }

    /// The codec for bodies with this JSON schema. It keeps how the first few kinds of values are written,
    /// so that one for all values of a type is faster than one for each.
    pub fn with_schema(schema: Value) -> Codec {
        GobCodec::with_plans(Arc::new(Plans::new(schema)))
    }

    pub(crate) fn with_plans(plans: Arc<Plans>) -> Codec {
        Codec::custom(GobCodec { plans: Some(plans), table: None })
    }

    /// The codec for bodies that begin with the definitions of these types.
    pub(crate) fn reading(table: Arc<Table>) -> Codec {
        Codec::custom(GobCodec { plans: None, table: Some(table) })
    }
}

impl Encoding for GobCodec {
    fn content_type(&self) -> &str {
        Self::CONTENT_TYPE
    }

    fn encode(&self, value: Encode<'_>, out: &mut BytesMut) -> Result<()> {
        let written = match &self.plans {
            Some(plans) => plans.write(&value, out),
            None => super::ser::to_one(&value).map(|one| out.extend_from_slice(&one.to_bytes())),
        };
        written.map_err(|error| Status::internal(format!("the message cannot be written as gob: {error}")))
    }

    fn decode(&self, bytes: &[u8], into: Decode<'_>) -> Result<()> {
        if let Some(table) = &self.table
            && let Some(value) = value_of(table, bytes)
        {
            return read(table, value, into);
        }
        let one = One::parse(&Bytes::copy_from_slice(bytes)).map_err(malformed)?;
        read(&one.table, &one.value, into)
    }
}

fn read(table: &Table, value: &[u8], mut into: Decode<'_>) -> Result<()> {
    loop {
        let (refusals, mut input) = (table.types.refusals(), Reader::new(value));
        let top = De::top(&table.types, table.id, &mut input).map_err(malformed)?;
        match into.attempt(top) {
            Ok(()) if input.is_empty() => return Ok(()),
            Ok(()) => return Err(malformed(super::Error::new("something follows the value"))),
            // It is offered by names now. Each kind of struct is refused once at most.
            Err(_) if table.types.refusals() > refusals => {}
            Err(status) => return Err(status),
        }
    }
}

fn malformed(error: super::Error) -> Status {
    Status::invalid_argument(format!("the body is no valid gob of this message: {error}"))
}
