//! Objects without a shape as `google.protobuf.Struct`: what protobuf has for JSON.

use bytes::BytesMut;
use prost::Message as _;
use prost_types::{ListValue, Struct, Value, value::Kind};
use serde::Serialize;
use serde_json::Value as Json;

use crate::diagnose;

/// The greatest integer up to which every one has a double.
const EXACT: i64 = 1 << 53;

/// Appends a value that serde writes as an object.
///
/// # Errors
/// What cannot be a Struct: something else than an object, an integer beyond 2^53.
pub(super) fn encode<T: Serialize>(value: &T, out: &mut BytesMut) -> Result<(), String> {
    let json = serde_json::to_value(value).map_err(|error| error.to_string())?;
    match of_json(json)?.kind {
        Some(Kind::StructValue(object)) => object.encode(out).map_err(|error| error.to_string()),
        _ => Err("it is no object".to_owned()),
    }
}

/// The JSON of a Struct, for serde to read.
///
/// # Errors
/// When the bytes are none.
pub(super) fn to_json(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let object = Struct::decode(bytes).map_err(|error| diagnose::prost(&error))?;
    let json = json_of(Value { kind: Some(Kind::StructValue(object)) });
    serde_json::to_vec(&json).map_err(|error| error.to_string())
}

fn of_json(json: Json) -> Result<Value, String> {
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(value) => Kind::BoolValue(value),
        Json::Number(number) => {
            let exact = number.as_i64().is_some_and(|n| (-EXACT..=EXACT).contains(&n));
            if !number.is_f64() && !exact {
                return Err("an integer beyond 2^53 has no form in google.protobuf.Struct".to_owned());
            }
            Kind::NumberValue(number.as_f64().unwrap_or_default())
        }
        Json::String(text) => Kind::StringValue(text),
        Json::Array(list) => {
            let values = list.into_iter().map(of_json).collect::<Result<_, _>>()?;
            Kind::ListValue(ListValue { values })
        }
        Json::Object(fields) => {
            let field = |(name, value)| Ok::<_, String>((name, of_json(value)?));
            Kind::StructValue(Struct { fields: fields.into_iter().map(field).collect::<Result<_, _>>()? })
        }
    };
    Ok(Value { kind: Some(kind) })
}

fn json_of(value: Value) -> Json {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(value)) => value.into(),
        // Readers that want an integer take no `2.0`.
        Some(Kind::NumberValue(number)) if number.fract() == 0.0 && number.abs() <= EXACT as f64 => {
            (number as i64).into()
        }
        Some(Kind::NumberValue(number)) => number.into(),
        Some(Kind::StringValue(text)) => text.into(),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(json_of).collect(),
        Some(Kind::StructValue(object)) => {
            object.fields.into_iter().map(|(name, value)| (name, json_of(value))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use crate::{Code, Codec};

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Thing {
        n: i64,
        x: f64,
        text: Option<String>,
        list: Vec<u8>,
        map: BTreeMap<String, bool>,
    }

    use super::*;

    fn thing() -> Thing {
        Thing { n: -(1 << 53), x: 0.5, text: None, list: vec![1, 2], map: BTreeMap::from([("a".to_owned(), true)]) }
    }

    #[test]
    fn an_object_without_a_shape_is_a_struct_and_back() {
        let mut out = BytesMut::new();
        Codec::PROTOBUF.encode_plain(&thing(), &mut out).expect("an object");
        let object = Struct::decode(&out[..]).expect("a Struct");
        assert_eq!(object.fields["x"].kind, Some(Kind::NumberValue(0.5)));
        assert_eq!(Codec::PROTOBUF.decode_plain::<Thing>(&out).expect("what was written"), thing());
    }

    #[test]
    fn what_a_struct_cannot_hold_is_refused() {
        let mut out = BytesMut::new();
        let error =
            Codec::PROTOBUF.encode_plain(&Thing { n: (1 << 53) + 1, ..thing() }, &mut out).expect_err("too large");
        assert!(error.message().contains("2^53"), "{error}");
        assert!(Codec::PROTOBUF.encode_plain(&1, &mut out).expect_err("no object").message().contains("no object"));
        let error = Codec::PROTOBUF.decode_plain::<Thing>(b"MARKER").expect_err("no Struct");
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(!error.message().contains("MARKER"));
    }

    #[test]
    fn a_field_that_is_wrong_is_named() {
        let mut out = BytesMut::new();
        Codec::PROTOBUF.encode_plain(&serde_json::json!({"n": "MARKER"}), &mut out).expect("an object");
        let error = Codec::PROTOBUF.decode_plain::<Thing>(&out).expect_err("text");
        assert!(error.message().contains('n') && !error.message().contains("MARKER"), "{error}");
    }
}
