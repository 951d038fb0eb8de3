//! `google.protobuf.Any`: `{"@type": …}` and, for protobuf's own types, their JSON under `value`.
//!
//! What other messages look like is not known here: of them `value` is the base64 of their bytes,
//! which proto3's mapping does not have.

use prost::Message;
use prost_types::{Any, Duration, FieldMask, ListValue, Struct, Timestamp, Value};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize as _, Deserializer, Serialize as _, Serializer,
    de::Error as _,
    ser::{Error as _, SerializeMap as _},
};

use super::{ProtoJson, field};

impl ProtoJson for Any {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = to_json(self).map_err(S::Error::custom)?;
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("@type", &self.type_url)?;
        map.serialize_entry("value", &value)?;
        map.end()
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut object = serde_json::Map::<String, serde_json::Value>::deserialize(deserializer)?;
        let Some(serde_json::Value::String(type_url)) = object.remove("@type") else {
            return Err(D::Error::custom("an Any has its type's URL as `@type`"));
        };
        let value = object.remove("value").unwrap_or_default();
        let value = of_json(&type_url, value).map_err(|_| D::Error::custom("this is no value of its `@type`"))?;
        Ok(Any { type_url, value })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "properties": { "@type": { "type": "string" } }, "required": ["@type"] })
    }
}

/// The last part of a type's URL.
fn name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or_default()
}

macro_rules! known {
    ($($name:literal => $ty:ty),+ $(,)?) => {
        fn to_json(any: &Any) -> Result<serde_json::Value, String> {
            match name(&any.type_url) {
                $($name => shown::<$ty>(&any.value),)+
                _ => field::Value::<field::Auto, _>::new(&any.value).serialize(serde_json::value::Serializer).map_err(|e| e.to_string()),
            }
        }

        fn of_json(url: &str, value: serde_json::Value) -> serde_json::Result<Vec<u8>> {
            match name(url) {
                $($name => <$ty as ProtoJson>::read(value).map(|value| value.encode_to_vec()),)+
                _ => Vec::<u8>::read(value),
            }
        }
    };
}

known! {
    "google.protobuf.Duration" => Duration,
    "google.protobuf.Timestamp" => Timestamp,
    "google.protobuf.FieldMask" => FieldMask,
    "google.protobuf.Struct" => Struct,
    "google.protobuf.Value" => Value,
    "google.protobuf.ListValue" => ListValue,
    "google.protobuf.Empty" => (),
    "google.protobuf.StringValue" => String,
    "google.protobuf.BytesValue" => Vec<u8>,
    "google.protobuf.BoolValue" => bool,
    "google.protobuf.DoubleValue" => f64,
    "google.protobuf.FloatValue" => f32,
    "google.protobuf.Int32Value" => i32,
    "google.protobuf.Int64Value" => i64,
    "google.protobuf.UInt32Value" => u32,
    "google.protobuf.UInt64Value" => u64,
}

fn shown<T: Message + Default + ProtoJson>(bytes: &[u8]) -> Result<serde_json::Value, String> {
    let value = T::decode(bytes).map_err(|_| "an Any holds bytes that are no value of its type".to_owned())?;
    value.write(serde_json::value::Serializer).map_err(|error| error.to_string())
}
