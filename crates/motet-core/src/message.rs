//! What a body may be, and how its type is encoded.

mod arguments;
mod carry;
mod closure;

use std::fmt;

use bytes::{Bytes, BytesMut};
use motet_protobuf::{Body, Describe, FieldDesc, FieldType, Shape, order, single};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Codec, Family, Result, Status, validate::Validate};

pub use arguments::{ArgumentTuple, Arguments, Names};
pub use carry::{
    Carry, Format, InValue, Lone, Named, PlainFormat, Portable, ProtoFormat, ProtoSerdeFormat, RawCarry, SerdeFormat,
    Unit, Whole,
};
pub use closure::Carried;

/// Marks a type that is an object body by itself, not a field of one. `#[motet::message]` on a
/// struct implements it; other arguments and replies are wrapped into an object.
pub trait Message {}

/// How values of `T` are written, read, checked and described: a table of functions, made by the
/// macros or by the constructors here. Copying it costs nothing.
pub struct MessageType<T> {
    pub(crate) encode: fn(&T, &Codec, &mut BytesMut) -> Result<()>,
    pub(crate) decode: fn(&Codec, &Bytes, &mut Option<T>) -> Result<()>,
    pub(crate) check: fn(&T) -> Result<()>,
    pub(crate) schema: fn() -> serde_json::Value,
    pub(crate) family: Family,
    pub(crate) protobuf: Option<Body>,
}

impl<T> MessageType<T> {
    /// A type from its functions; the other constructors cover what serde and prost give. `decode` puts
    /// the value where it is to lie: a large one would be copied at each step that hands it on.
    pub const fn new(
        family: Family,
        encode: fn(&T, &Codec, &mut BytesMut) -> Result<()>,
        decode: fn(&Codec, &Bytes, &mut Option<T>) -> Result<()>,
        check: fn(&T) -> Result<()>,
        schema: fn() -> serde_json::Value,
    ) -> MessageType<T> {
        MessageType { encode, decode, check, schema, family, protobuf: None }
    }

    /// The same type with its constraints checked by `check`.
    #[must_use]
    pub const fn with_check(mut self, check: fn(&T) -> Result<()>) -> MessageType<T> {
        self.check = check;
        self
    }

    /// Which codecs can carry the type.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Appends a value to `out`.
    ///
    /// # Errors
    /// Internal when the value cannot be written, Unimplemented when the codec cannot carry it.
    pub fn encode(&self, value: &T, codec: &Codec, out: &mut BytesMut) -> Result<()> {
        (self.encode)(value, codec, out)
    }

    /// Reads a value.
    ///
    /// # Errors
    /// InvalidArgument naming the field and what was expected, never quoting the input.
    #[inline(always)]
    pub fn decode(&self, codec: &Codec, bytes: &Bytes) -> Result<T> {
        let mut value = None;
        (self.decode)(codec, bytes, &mut value)?;
        value.ok_or_else(|| Status::internal("a message was decoded and is not there"))
    }

    /// Checks the constraints declared on the type.
    ///
    /// # Errors
    /// InvalidArgument listing field and rule.
    pub fn check(&self, value: &T) -> Result<()> {
        (self.check)(value)
    }

    /// What the body is in a protobuf file, where its type tells: not that of prost messages, which
    /// have a file of their own, of bytes and of types made by [`MessageType::new`].
    pub const fn protobuf(&self) -> Option<Body> {
        self.protobuf
    }

    /// The JSON schema of the body.
    pub fn schema(&self) -> serde_json::Value {
        (self.schema)()
    }
}

impl<T> MessageType<T>
where
    T: Serialize + DeserializeOwned + Shape + JsonSchema + Validate,
{
    /// A `#[motet::message]` type: binary protobuf, JSON, MessagePack and registered codecs.
    pub const fn serde() -> MessageType<T> {
        MessageType {
            encode: |value, codec, out| codec.encode(value, out),
            decode: |codec, bytes, value| codec.decode(bytes).map(|read| *value = Some(read)),
            check: |value| crate::validate::check(value),
            schema: json_schema::<T>,
            family: Family::Serde,
            protobuf: Some(Body::Message(T::TYPE)),
        }
    }
}

impl<T: Serialize + DeserializeOwned + JsonSchema> MessageType<T> {
    /// A type with serde and a JSON schema only: JSON, MessagePack and registered codecs; protobuf as
    /// `google.protobuf.Struct`. Its constraints, if it has any, are added by
    /// [`MessageType::with_check`].
    pub const fn plain() -> MessageType<T> {
        MessageType {
            encode: |value, codec, out| codec.encode_plain(value, out),
            decode: |codec, bytes, value| codec.decode_plain(bytes).map(|read| *value = Some(read)),
            check: |_| Ok(()),
            schema: json_schema::<T>,
            family: Family::Plain,
            protobuf: Some(Body::Struct),
        }
    }
}

impl MessageType<Empty> {
    /// The empty object, of this family. An empty body and `null` are read as it, whatever the
    /// codec; fields that arrive are passed over.
    pub const fn empty(family: Family) -> MessageType<Empty> {
        MessageType {
            encode: |value, codec, out| codec.encode(value, out),
            decode: |codec, bytes, value| {
                // `null` of JSON, nil of MessagePack.
                let null = (*codec == Codec::JSON && bytes.trim_ascii() == b"null")
                    || (*codec == Codec::MSGPACK && bytes[..] == [0xc0]);
                *value = Some(if null || bytes.is_empty() { Empty {} } else { codec.decode(bytes)? });
                Ok(())
            },
            check: |_| Ok(()),
            schema: json_schema::<Empty>,
            family,
            protobuf: Some(Body::Empty),
        }
    }
}

impl<T: prost::Message + Default> MessageType<T> {
    /// A prost message: binary protobuf only.
    pub const fn proto() -> MessageType<T> {
        MessageType {
            encode: |value, codec, out| match *codec == Codec::PROTOBUF {
                true => encode_prost(value, out),
                false => Err(codec.unsupported()),
            },
            decode: |codec, bytes, value| match *codec == Codec::PROTOBUF {
                true => decode_prost(bytes, value),
                false => Err(codec.unsupported()),
            },
            check: |_| Ok(()),
            schema: || serde_json::json!({ "type": "object" }),
            family: Family::Proto,
            protobuf: None,
        }
    }
}

impl<T: prost::Message + Default + Serialize + DeserializeOwned + JsonSchema> MessageType<T> {
    /// A prost message with serde, as motet-build generates it: binary protobuf, JSON, MessagePack and
    /// registered codecs.
    pub const fn proto_with_serde() -> MessageType<T> {
        MessageType {
            encode: |value, codec, out| match *codec == Codec::PROTOBUF {
                true => encode_prost(value, out),
                false => codec.encode_plain(value, out),
            },
            decode: |codec, bytes, value| match *codec == Codec::PROTOBUF {
                true => decode_prost(bytes, value),
                false => codec.decode_plain(bytes).map(|read| *value = Some(read)),
            },
            check: |_| Ok(()),
            schema: json_schema::<T>,
            family: Family::Proto,
            protobuf: None,
        }
    }
}

fn encode_prost<T: prost::Message>(value: &T, out: &mut BytesMut) -> Result<()> {
    // Into a slice: prost writes byte by byte, for which `BytesMut` takes four times as long.
    let start = out.len();
    out.resize(start + value.encoded_len(), 0);
    value.encode_raw(&mut &mut out[start..]);
    Ok(())
}

fn decode_prost<T: prost::Message + Default>(bytes: &Bytes, value: &mut Option<T>) -> Result<()> {
    let read = value.insert(T::default()).merge(&bytes[..]);
    read.map_err(|error| crate::codec::undecodable(&Codec::PROTOBUF, &crate::diagnose::prost(&error)))
}

impl MessageType<Bytes> {
    /// Bytes of any content type, passed through untouched.
    pub const fn raw() -> MessageType<Bytes> {
        MessageType {
            encode: |value, _, out| {
                out.extend_from_slice(value);
                Ok(())
            },
            decode: |_, bytes, value| {
                *value = Some(bytes.clone());
                Ok(())
            },
            check: |_| Ok(()),
            schema: || serde_json::json!({ "type": "object" }),
            family: Family::Raw,
            protobuf: None,
        }
    }
}

fn json_schema<T: JsonSchema>() -> serde_json::Value {
    schemars::SchemaGenerator::default().into_root_schema_for::<T>().to_value()
}

impl<T> Clone for MessageType<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for MessageType<T> {}

impl<T> fmt::Debug for MessageType<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageType<{}>({:?})", std::any::type_name::<T>(), self.family)
    }
}

/// The object that carries a scalar or a collection: `{"value": …}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Value<T> {
    /// The scalar or collection.
    pub value: T,
}

/// The object without fields: the body of a method without arguments or without a reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Empty {}

/// A type that has serde and a JSON schema but not `#[motet::message]`: it travels as JSON or
/// MessagePack; where protobuf is asked for, as `google.protobuf.Struct`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Plain<T>(pub T);

impl<T: Shape> Describe for Value<T> {
    const NAME: &'static str = "Value";
    const FIELDS: &'static [FieldDesc] = &[FieldDesc::of::<T>("value", 1)];
    const ORDER: &'static [u16] = &order::<1>(Self::FIELDS);
    const ARGUMENTS: &'static [FieldType] = &[T::TYPE];
}

impl<T: Shape> Shape for Value<T> {
    type Card = single::One;
    const TYPE: FieldType = FieldType::message::<Self>();
}

impl<T: Validate> Validate for Value<T> {
    fn validate(&self, report: &mut crate::validate::Report) {
        self.value.validate(report);
    }
}

impl<T> Message for Value<T> {}

impl Describe for Empty {
    const NAME: &'static str = "Empty";
    const FIELDS: &'static [FieldDesc] = &[];
    const ORDER: &'static [u16] = &[];
}

impl Shape for Empty {
    type Card = single::One;
    const TYPE: FieldType = FieldType::message::<Self>();
}

impl Validate for Empty {}

impl Message for Empty {}
