//! What is said about every wrong shape, in every format, and that none of it is the input's.

use std::collections::BTreeMap;

use bytes::BytesMut;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Codec, Decode, Encode, Encoding, Result, Status};

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "only what is wrong with it matters")]
struct Order {
    name: String,
    #[serde(default)]
    count: Option<u8>,
    #[serde(default)]
    address: Option<Address>,
    #[serde(default)]
    by_number: BTreeMap<u32, Address>,
    #[serde(default)]
    state: State,
    #[serde(default)]
    pair: Option<(u32, bool)>,
    #[serde(default)]
    host: Option<std::net::Ipv4Addr>,
    #[serde(default)]
    id: Option<Id>,
    #[serde(default)]
    strict: Option<Strict>,
    #[serde(default)]
    unit: Option<()>,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "only what is wrong with it matters")]
struct Address {
    street: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[allow(dead_code, reason = "only what is wrong with it matters")]
enum State {
    #[default]
    Open,
    Held(u32),
    Paid(u32, String),
    Sent {
        to: Address,
    },
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "only what is wrong with it matters")]
struct Id(u64);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "only what is wrong with it matters")]
struct Strict {
    a: u8,
}

/// The same in JSON and MessagePack, and through a codec of one's own.
fn refused(body: &Value) -> String {
    let json = serde_json::to_vec(body).expect("JSON");
    let msgpack = rmp_serde::to_vec_named(body).expect("MessagePack");
    let [first, second, third] =
        [(Codec::JSON, &json), (Codec::MSGPACK, &msgpack), (Codec::custom(Own), &json)].map(|(codec, bytes)| {
            let status = codec.decode_plain::<Order>(bytes).expect_err("refused");
            let prefix = format!("the body is no valid {} of this message: ", codec.content_type());
            status.message().strip_prefix(&prefix).unwrap_or_else(|| panic!("{status}")).to_owned()
        });
    assert_eq!((&first, &first), (&second, &third), "all codecs say the same");
    first
}

struct Own;

impl Encoding for Own {
    fn content_type(&self) -> &str {
        "application/own"
    }

    fn encode(&self, value: Encode<'_>, out: &mut BytesMut) -> Result<()> {
        out.extend_from_slice(&serde_json::to_vec(&value).map_err(|_| Status::internal("no text"))?);
        Ok(())
    }

    fn decode(&self, bytes: &[u8], into: Decode<'_>) -> Result<()> {
        into.from(&mut serde_json::Deserializer::from_slice(bytes))
    }
}

#[test]
fn an_error_names_the_path_what_was_expected_and_what_kind_of_thing_came() {
    let cases = [
        (json!({"name": 70707}), "name: expected a string, found a number"),
        (json!({"name": {"hunter2": 1}}), "name: expected a string, found an object"),
        (json!({"name": ["hunter2"]}), "name: expected a string, found a list"),
        (json!({"name": null}), "name: expected a string, found null"),
        (json!({"name": true}), "name: expected a string, found a boolean"),
        (json!({}), "name: is missing"),
        (json!({"name": "", "count": 70707}), "count: expected u8, found a number that does not fit"),
        (json!({"name": "", "count": -7}), "count: expected u8, found a number that does not fit"),
        (json!({"name": "", "count": "hunter2"}), "count: expected u8, found a string"),
        (json!({"name": "", "count": 7.5}), "count: expected u8, found a number"),
        (json!({"name": "", "address": "hunter2"}), "address: expected an object, found a string"),
        (json!({"name": "", "address": {"hunter2": 1}}), "address.street: is missing"),
        (
            json!({"name": "", "address": {"street": ["a", "b", 70707]}}),
            "address.street[2]: expected a string, found a number",
        ),
        (
            json!({"name": "", "state": "hunter2"}),
            "state: expected one of `Open`, `Held`, `Paid`, `Sent`, found another name",
        ),
        (
            json!({"name": "", "state": 70707}),
            "state: expected the name of a variant, or an object of that name alone, found a number",
        ),
        (
            json!({"name": "", "state": {"hunter2": 1}}),
            "state: expected one of `Open`, `Held`, `Paid`, `Sent`, found another name",
        ),
        (json!({"name": "", "state": {"Held": "hunter2"}}), "state.Held: expected u32, found a string"),
        (
            json!({"name": "", "state": {"Sent": {"to": {"street": "hunter2"}}}}),
            "state.Sent.to.street: expected a sequence, found a string",
        ),
        (json!({"name": "", "state": {"Paid": [1, 70707]}}), "state.Paid[1]: expected a string, found a number"),
        (json!({"name": "", "pair": [1]}), "pair: expected a tuple of size 2, found another number of elements"),
        (json!({"name": "", "pair": [1, "hunter2"]}), "pair[1]: expected a boolean, found a string"),
        (json!({"name": "", "id": "hunter2"}), "id: expected u64, found a string"),
        (json!({"name": "", "strict": {"a": 1, "hunter2": 1}}), "strict: expected `a`, found a field of another name"),
        (json!({"name": "", "unit": "hunter2"}), "unit: expected unit, found a string"),
        (json!(["hunter2", "hunter2"]), "count: expected u8, found a string"),
        (json!("hunter2"), "expected an object, found a string"),
    ];
    for (body, expected) in cases {
        let said = refused(&body);
        assert_eq!(said, expected, "{body}");
        assert!(!said.contains("hunter2") && !said.contains("70707"), "{said}");
    }
}

#[test]
fn keys_of_maps_are_input_and_not_named_and_texts_of_types_are_not_believed() {
    let body = br#"{"name":"","by_number":{"7":{"street":[70707]}}}"#;
    let status = Codec::JSON.decode_plain::<Order>(body).expect_err("refused");
    assert!(status.message().ends_with(": by_number[_].street[0]: expected a string, found a number"), "{status}");
    let body = br#"{"name":"","by_number":{"hunter2":{"street":[]}}}"#;
    let status = Codec::JSON.decode_plain::<Order>(body).expect_err("refused");
    assert!(status.message().ends_with(": by_number: expected a key that is u32"), "{status}");
    let status = Codec::JSON.decode_plain::<Order>(br#"{"name":"","host":"hunter2"}"#).expect_err("refused");
    assert!(status.message().ends_with(": host: expected a value that the type accepts"), "{status}");
    let twice = br#"{"name":"","name":"hunter2"}"#;
    let status = Codec::JSON.decode_plain::<Order>(twice).expect_err("refused");
    assert!(status.message().ends_with(": name: stands there twice"), "{status}");
}

#[test]
fn what_is_not_json_is_found_by_its_place() {
    let deep = format!("{}{}", r#"{"name":"#, "[".repeat(200));
    for (body, expected) in [
        ("", "not JSON: EOF while parsing a value at line 1 column 0"),
        ("{\"name\": \"hunter2", "not JSON: EOF while parsing a string at line 1 column 17"),
        ("{\"name\": hunter2}", "not JSON: expected value at line 1 column 10"),
        ("{\"name\": \"\"}\nhunter2", "not JSON: trailing characters at line 2 column 1"),
        (&deep, "not JSON: recursion limit exceeded at line 1 column 135"),
    ] {
        let status = Codec::JSON.decode_plain::<Order>(body.as_bytes()).expect_err("refused");
        assert!(status.message().ends_with(expected), "{status}");
        assert!(!status.message().contains("hunter2"));
    }
    let status = Codec::JSON.decode_plain::<Order>(b"{\"name\": \"\xff\"}").expect_err("refused");
    assert!(status.message().contains("not JSON: invalid unicode code point"), "{status}");
}

#[test]
fn what_is_not_messagepack_is_said_to_be() {
    let whole = rmp_serde::to_vec_named(&json!({"name": "hunter2"})).expect("MessagePack");
    for end in 0..whole.len() {
        let status = Codec::MSGPACK.decode_plain::<Order>(&whole[..end]).expect_err("refused");
        assert!(status.message().ends_with("it ends too early"), "cut at {end}: {status}");
    }
    let mut deep = b"\x81\xa4name".to_vec();
    deep.extend([0x91; 200]);
    let status = Codec::MSGPACK.decode_plain::<Order>(&deep).expect_err("refused");
    assert!(status.message().ends_with("name: expected a string, found a list"), "{status}");
    let mut deep = b"\x82\xa1x".to_vec();
    deep.extend([0x91; 200]);
    let status = Codec::MSGPACK.decode_plain::<Order>(&deep).expect_err("refused");
    assert!(status.message().contains("it nests deeper than 100 levels"), "{status}");
    let status = Codec::MSGPACK.decode_plain::<Order>(b"\x81\xa4name\xa7hunter\xff").expect_err("refused");
    assert!(status.message().ends_with("name: expected a string, found a byte string that does not fit"), "{status}");
}

#[derive(Clone, PartialEq, prost::Message, Serialize)]
struct Point {
    #[prost(string, tag = "1")]
    text: String,
}

#[test]
fn prost_s_errors_keep_their_field_and_lose_their_numbers() {
    let decode = |bytes: &'static [u8]| {
        let status = crate::MessageType::<Point>::proto().decode(&Codec::PROTOBUF, &bytes.into()).expect_err("refused");
        status.message().rsplit_once("message: ").map(|(_, problem)| problem.to_owned()).unwrap_or_default()
    };
    assert_eq!(decode(b"\x0a\x02\xff\xff"), "Point.text: invalid string value: data is not UTF-8 encoded");
    assert_eq!(decode(b"\x0a\x09hunter2"), "Point.text: buffer underflow");
    assert_eq!(decode(b"\xff\xff\xff\xff\xff\x01"), "invalid key value");
}
