//! Numbers, text, bytes.

use std::fmt;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use bytes::Bytes;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize as _, Deserializer, Serializer,
    de::{self, Visitor},
};

use super::ProtoJson;

/// Reads integers from numbers and text; `1e3` and `2.0` are integers.
struct Integer(&'static str);

impl Visitor<'_> for Integer {
    type Value = i128;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, as a number or as text", self.0)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<i128, E> {
        Ok(value.into())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<i128, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<i128, E> {
        // Beyond 2^53 not every integer has a double; 64 bits fit into i128 in any case.
        if value.fract() == 0.0 && value.abs() < 1.9e19 {
            Ok(value as i128)
        } else {
            Err(E::custom(format!("this is no {}", self.0)))
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<i128, E> {
        let what = self.0;
        let wrong = || E::custom(format!("this text is no {what}"));
        match text.parse::<i128>() {
            Ok(value) => Ok(value),
            Err(_) if is_number(text) => self.visit_f64(text.parse().map_err(|_| wrong())?),
            Err(_) => Err(wrong()),
        }
    }
}

/// Whether it is written as JSON writes numbers: `f64` alone would take `inf` and white space apart.
fn is_number(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'))
}

macro_rules! integers {
    ($($ty:ty: $name:literal $format:literal $wide:literal;)+) => {$(
        impl ProtoJson for $ty {
            fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                // Readers of JSON that have doubles only would round 64 bits.
                if $wide && serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serde::Serialize::serialize(self, serializer)
                }
            }

            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = deserializer.deserialize_any(Integer($name))?;
                <$ty>::try_from(value).map_err(|_| de::Error::custom(concat!("this does not fit ", $name)))
            }

            fn schema(_: &mut SchemaGenerator) -> Schema {
                if $wide {
                    json_schema!({ "type": ["string", "integer"], "format": $format })
                } else {
                    json_schema!({ "type": "integer", "format": $format })
                }
            }

            fn is_absent(&self) -> bool {
                *self == 0
            }
        }
    )+};
}

integers! {
    i32: "a 32-bit integer" "int32" false;
    u32: "an unsigned 32-bit integer" "uint32" false;
    i64: "a 64-bit integer" "int64" true;
    u64: "an unsigned 64-bit integer" "uint64" true;
}

/// Reads floating point numbers from numbers and text.
struct Float;

impl Visitor<'_> for Float {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, as a number or as text")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<f64, E> {
        Ok(value)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<f64, E> {
        Ok(value as f64)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<f64, E> {
        Ok(value as f64)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<f64, E> {
        match text {
            "NaN" => Ok(f64::NAN),
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            text if is_number(text) => text.parse().map_err(|_| E::custom("this text is no number")),
            _ => Err(E::custom("this text is no number")),
        }
    }
}

macro_rules! floats {
    ($($ty:ty: $format:literal $narrow:expr;)+) => {$(
        impl ProtoJson for $ty {
            fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if self.is_finite() || !serializer.is_human_readable() {
                    return serde::Serialize::serialize(self, serializer);
                }
                serializer.serialize_str(match (self.is_nan(), self.is_sign_negative()) {
                    (true, _) => "NaN",
                    (false, false) => "Infinity",
                    (false, true) => "-Infinity",
                })
            }

            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = deserializer.deserialize_any(Float)?;
                let narrow: fn(f64) -> Option<$ty> = $narrow;
                narrow(value).ok_or_else(|| de::Error::custom("this number is too large"))
            }

            fn schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "number", "format": $format })
            }

            fn is_absent(&self) -> bool {
                // -0.0 is not the default.
                self.to_bits() == 0
            }
        }
    )+};
}

floats! {
    f32: "float" |wide| Some(wide as f32).filter(|narrow| narrow.is_finite() || !wide.is_finite());
    f64: "double" Some;
}

impl ProtoJson for bool {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(*self)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        bool::deserialize(deserializer)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "boolean" })
    }

    fn is_absent(&self) -> bool {
        !self
    }
}

impl ProtoJson for String {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

/// Base64 of both alphabets, with or without padding.
struct Base64;

const ANY_PADDING: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const PLAIN: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, ANY_PADDING);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, ANY_PADDING);

impl<'de> Visitor<'de> for Base64 {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes, in JSON as base64")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<u8>, E> {
        let engine = if text.contains(['-', '_']) { URL_SAFE } else { PLAIN };
        engine.decode(text).map_err(|_| E::custom("this text is no base64"))
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<u8>, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = seq.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes)
    }
}

macro_rules! bytes {
    ($($ty:ty),+) => {$(
        impl ProtoJson for $ty {
            fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match serializer.is_human_readable() {
                    true => serializer.serialize_str(&STANDARD.encode(self)),
                    false => serializer.serialize_bytes(self),
                }
            }

            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Base64).map(Into::into)
            }

            fn schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "contentEncoding": "base64" })
            }

            fn is_absent(&self) -> bool {
                self.is_empty()
            }
        }
    )+};
}

bytes!(Vec<u8>, Bytes);
