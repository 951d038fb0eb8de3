//! A codec of gob.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use motet_core::{Codec, Decode, Encode, Encoding, Result, Status};
use serde_json::Value;

use super::{One, Reader, de::De, shape::Hint};

/// The codec `application/x-gob`: each body is a value with the definitions of its types, what a fresh
/// `gob.Encoder` writes. Field names are Go's: `user_name` travels as `UserName` and is found whatever
/// its case.
///
/// The types are those that the serde value shows. What a value cannot show, the type of a `None` or
/// of an empty collection's elements, is taken from a schema where there is one; a field of unknown
/// type is left out.
#[derive(Clone, Debug, Default)]
pub struct GobCodec {
    schema: Option<Arc<Value>>,
}

impl GobCodec {
    /// The content type.
    pub const CONTENT_TYPE: &'static str = "application/x-gob";

    /// The codec, for [`Codecs::with`](motet_core::Codecs::with).
    pub fn codec() -> Codec {
        Codec::custom(GobCodec::default())
    }

    /// The codec for bodies with this JSON schema.
    pub fn with_schema(schema: Value) -> Codec {
        Codec::custom(GobCodec { schema: Some(Arc::new(schema)) })
    }
}

impl Encoding for GobCodec {
    fn content_type(&self) -> &str {
        Self::CONTENT_TYPE
    }

    fn encode(&self, value: Encode<'_>, out: &mut BytesMut) -> Result<()> {
        let hint = self.schema.as_deref().map_or(Hint::NONE, Hint::new);
        let written = super::ser::to_one(value, hint).and_then(|one| one.to_bytes());
        out.put_slice(
            &written.map_err(|error| Status::internal(format!("the message cannot be written as gob: {error}")))?,
        );
        Ok(())
    }

    fn decode(&self, bytes: &[u8], into: Decode<'_>) -> Result<()> {
        let malformed = |error| Status::invalid_argument(format!("the body is no valid gob of this message: {error}"));
        let one = One::parse(&Bytes::copy_from_slice(bytes)).map_err(malformed)?;
        let mut input = Reader::new(&one.value);
        let top = De::top(&one.types, one.id, &mut input).map_err(malformed)?;
        into.from(top)?;
        match input.is_empty() {
            true => Ok(()),
            false => Err(malformed(super::Error::new("something follows the value"))),
        }
    }
}
