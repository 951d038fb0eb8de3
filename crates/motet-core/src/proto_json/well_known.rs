//! Protobuf's own types, each with a form of its own in JSON. Wrappers such as `Int64Value` are the
//! values that they hold.

use std::fmt;

use prost_types::{Duration, FieldMask, ListValue, Struct, Timestamp, Value, value::Kind};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize as _, Deserializer, Serializer,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor},
    ser::{Error as _, SerializeMap as _},
};

use super::ProtoJson;

/// 0001-01-01 and 9999-12-31, the first and last seconds that a timestamp in JSON may have.
const FIRST: i64 = -62_135_596_800;
const LAST: i64 = 253_402_300_799;
/// About 10,000 years, the longest duration.
const LONGEST: i64 = 315_576_000_000;

impl ProtoJson for Timestamp {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !(FIRST..=LAST).contains(&self.seconds) || !(0..1_000_000_000).contains(&self.nanos) {
            return Err(S::Error::custom("a timestamp is out of the range that JSON has: years 1 to 9999"));
        }
        serializer.collect_str(self)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || de::Error::custom("this is no time such as 2026-11-21T20:00:00Z");
        // Years have four digits; the parser takes more, and dates alone.
        let shape = text.as_bytes();
        let shaped = shape.len() >= 20 && shape.get(4) == Some(&b'-') && shape.get(10) == Some(&b'T');
        let time: Timestamp = text.parse().map_err(|_| wrong())?;
        if shaped && (FIRST..=LAST).contains(&time.seconds) { Ok(time) } else { Err(wrong()) }
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

impl ProtoJson for Duration {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let signs = (self.seconds >= 0 && self.nanos >= 0) || (self.seconds <= 0 && self.nanos <= 0);
        if !signs
            || !(-LONGEST..=LONGEST).contains(&self.seconds)
            || !(-999_999_999..=999_999_999).contains(&self.nanos)
        {
            return Err(S::Error::custom("a duration is out of the range that JSON has"));
        }
        serializer.collect_str(self)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let duration: Option<Duration> = text.parse().ok();
        let fits = duration.filter(|duration| (-LONGEST..=LONGEST).contains(&duration.seconds));
        fits.ok_or_else(|| de::Error::custom("this is no duration such as 1.5s"))
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$" })
    }
}

impl ProtoJson for FieldMask {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let paths: Option<Vec<_>> = self.paths.iter().map(|path| camel(path)).collect();
        match paths {
            Some(paths) => serializer.serialize_str(&paths.join(",")),
            None => Err(S::Error::custom("a field mask has a path that JSON cannot tell apart from another")),
        }
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let paths = text.split(',').filter(|path| !path.is_empty()).map(|path| {
            if path.contains('_') {
                return Err(de::Error::custom("a path of a field mask is written lowerCamel"));
            }
            Ok(path.chars().fold(String::new(), |mut path, c| {
                if c.is_ascii_uppercase() {
                    path.push('_');
                }
                path.push(c.to_ascii_lowercase());
                path
            }))
        });
        Ok(FieldMask { paths: paths.collect::<Result<_, _>>()? })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// `user.display_name` as `user.displayName`, where that can be turned back.
fn camel(path: &str) -> Option<String> {
    let mut out = String::new();
    let mut upper = false;
    for c in path.chars() {
        match c {
            '_' if upper => return None,
            '_' => upper = true,
            c if upper && !c.is_ascii_lowercase() => return None,
            c if c.is_ascii_uppercase() => return None,
            c => {
                out.push(if upper { c.to_ascii_uppercase() } else { c });
                upper = false;
            }
        }
    }
    (!upper).then_some(out)
}

impl ProtoJson for () {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_map(Some(0))?.end()
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Nothing;
        impl<'de> Visitor<'de> for Nothing {
            type Value = ();

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object, which may be empty")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(())
            }
        }
        deserializer.deserialize_map(Nothing)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}

impl ProtoJson for Struct {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.fields.write(serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ProtoJson::read(deserializer).map(|fields| Struct { fields })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}

impl ProtoJson for ListValue {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.values.write(serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ProtoJson::read(deserializer).map(|values| ListValue { values })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array" })
    }
}

impl ProtoJson for Value {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.kind {
            None | Some(Kind::NullValue(_)) => serializer.serialize_unit(),
            Some(Kind::NumberValue(number)) if !number.is_finite() => {
                Err(S::Error::custom("a google.protobuf.Value holds a number that JSON does not have"))
            }
            Some(Kind::NumberValue(number)) => serializer.serialize_f64(*number),
            Some(Kind::StringValue(text)) => serializer.serialize_str(text),
            Some(Kind::BoolValue(value)) => serializer.serialize_bool(*value),
            Some(Kind::StructValue(fields)) => fields.write(serializer),
            Some(Kind::ListValue(list)) => list.write(serializer),
        }
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any).map(|kind| Value { kind: Some(kind) })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({})
    }

    fn null() -> Option<Self> {
        Some(Value { kind: Some(Kind::NullValue(0)) })
    }
}

/// Reads whatever is there.
struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Kind, E> {
        Ok(Kind::NullValue(0))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::BoolValue(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::NumberValue(value as f64))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::NumberValue(value as f64))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Kind, E> {
        Ok(Kind::NumberValue(value))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Kind, E> {
        Ok(Kind::StringValue(text.to_owned()))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, seq: S) -> Result<Kind, S::Error> {
        ListValue::read(de::value::SeqAccessDeserializer::new(seq)).map(Kind::ListValue)
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Kind, M::Error> {
        Struct::read(de::value::MapAccessDeserializer::new(map)).map(Kind::StructValue)
    }
}
