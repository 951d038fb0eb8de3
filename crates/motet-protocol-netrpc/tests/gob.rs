//! The codec: Go's bytes, any value there and back, and what is no gob.

use std::collections::BTreeMap;

use motet::{
    Bytes, Code, Payload, Result,
    core::{MessageType, Portable},
};
use motet_protocol_netrpc::GobCodec;
use proptest::prelude::*;

#[motet::message]
#[derive(Clone, Debug, Default, PartialEq)]
struct Inner {
    text: String,
    n: i64,
}

#[motet::message]
#[derive(Clone, Debug, Default, PartialEq)]
struct Everything {
    bool: bool,
    small: i8,
    big: i64,
    byte: u8,
    ubig: u64,
    float: f64,
    #[motet(bytes)]
    bytes: Vec<u8>,
    name: String,
    list: Vec<String>,
    nested: Vec<Inner>,
    by_name: BTreeMap<String, i64>,
    maybe: Option<Inner>,
    absent: Option<Inner>,
    fixed: Vec<u32>,
    user_id: u64,
}

/// What a `gob.Encoder` of Go 1.26 writes for the value below; its last field, an interface, is unknown
/// here.
const EVERYTHING: &str = "ffb9ff870301010a45766572797468696e6701ff880001100104426f6f6c0102000105536d616c6c01040001034269670104000104427974650106000104556269670106000105466c6f617401080001054279746573010a0001044e616d65010c0001044c69737401ff8a0001064e657374656401ff8e00010642794e616d6501ff900001054d6179626501ff8c000106416273656e7401ff8c000105466978656401ff920001065573657249440106000103416e79011000000016ff89020101085b5d737472696e6701ff8a00010c00001bff8d0201010c5b5d6d61696e2e496e6e657201ff8e0001ff8c000022ff8b03010105496e6e657201ff8c000102010454657874010c0001014e01040000001eff8f0401010e6d61705b737472696e675d696e7401ff9000010c0104000019ff91010101095b335d75696e74313601ff920001060106000062ff880101010901f8ffffffffffffffff01ffc801f8ffffffffffffffff01fd803140010201ff0106e69d8ee799bd01020161000102010178010200000101016b0d0101016d01040002030001feffff012a0106737472696e670c0600047465787400";

fn hex(text: &str) -> Bytes {
    let digits = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(digits).collect::<Vec<_>>().into()
}

fn everything() -> Everything {
    Everything {
        bool: true,
        small: -5,
        big: i64::MIN,
        byte: 200,
        ubig: u64::MAX,
        float: 17.5,
        bytes: vec![1, 255],
        name: "李白".into(),
        list: vec!["a".into(), String::new()],
        nested: vec![Inner { text: "x".into(), n: 1 }, Inner::default()],
        by_name: [("k".to_owned(), -7)].into(),
        maybe: Some(Inner { text: "m".into(), n: 2 }),
        absent: None,
        fixed: vec![0, 1, 65535],
        user_id: 42,
    }
}

fn decode<T: Portable>(bytes: Bytes) -> Result<T> {
    Payload::encoded(bytes, GobCodec::codec()).take(&MessageType::<T>::serde())
}

fn encode<T: Portable>(value: T) -> Result<Bytes> {
    let message = MessageType::<T>::serde();
    let codec = GobCodec::with_schema(message.schema());
    Payload::typed(value, &message, codec).bytes()
}

#[test]
fn a_value_of_go_is_read_field_by_field() {
    assert_eq!(decode::<Everything>(hex(EVERYTHING)).expect("Go's"), everything());
}

#[test]
fn what_go_leaves_out_is_zero() {
    let definitions = EVERYTHING.split_once("62ff8801").expect("the value's message").0;
    let zero = format!("{definitions}08ff880e0300000000");
    assert_eq!(
        decode::<Everything>(hex(&zero)).expect("Go's"),
        Everything { fixed: vec![0; 3], ..Everything::default() }
    );
}

#[test]
fn values_survive_and_none_is_not_zero() {
    for value in [everything(), Everything::default()] {
        assert_eq!(decode::<Everything>(encode(value.clone()).expect("written")).expect("read"), value);
    }
    #[motet::message]
    #[derive(Clone, Debug, PartialEq)]
    struct Maybe {
        number: Option<u32>,
        text: Option<String>,
        inner: Option<Inner>,
    }
    for number in [None, Some(0), Some(7)] {
        for text in [None, Some(String::new())] {
            let value = Maybe { number, text, inner: None };
            assert_eq!(decode::<Maybe>(encode(value.clone()).expect("written")).expect("read"), value);
        }
    }
}

#[test]
fn enums_are_a_text_or_a_struct_with_one_field() {
    #[motet::message]
    #[derive(Clone, Debug, PartialEq)]
    enum Shape {
        Nothing,
        Circle { radius: f64 },
        Named(String),
    }
    #[motet::message]
    #[derive(Clone, Debug, PartialEq)]
    struct Drawing {
        first: Shape,
        second: Option<Shape>,
    }
    for first in [Shape::Nothing, Shape::Circle { radius: 0.0 }, Shape::Named(String::new())] {
        let value = Drawing { first: first.clone(), second: None };
        assert_eq!(decode::<Drawing>(encode(value.clone()).expect("written")).expect("read"), value);
        let value = Drawing { first: Shape::Nothing, second: Some(first) };
        assert_eq!(decode::<Drawing>(encode(value.clone()).expect("written")).expect("read"), value);
    }
}

#[test]
fn a_value_of_a_type_that_holds_itself_is_read() {
    #[motet::message]
    #[derive(Clone, Debug, PartialEq)]
    struct Node {
        value: i64,
        next: Option<Box<Node>>,
    }
    // &Node{1, &Node{2, &Node{3, nil}}}
    let list =
        "26ff93030101044e6f646501ff94000102010556616c756501040001044e65787401ff940000000dff9401020101040101060000 00";
    let node = |value, next: Option<Node>| Node { value, next: next.map(Box::new) };
    let expected = node(1, Some(node(2, Some(node(3, None)))));
    assert_eq!(decode::<Node>(hex(&list.replace(' ', ""))).expect("Go's"), expected);
    assert_eq!(decode::<Node>(encode(expected.clone()).expect("written")).expect("read"), expected);
}

#[test]
fn interfaces_bring_the_types_of_what_they_hold() {
    /// The field `any` of a struct that has no other.
    #[motet::message]
    #[derive(Debug)]
    struct Holder {
        any: Option<Inner>,
    }
    let held = "14ff9b030102ff9c0001010103416e79011000000030ff9c010a6d61696e2e496e6e6572ff8b03010105496e6e657201ff8c000102010454657874010c0001014e01040000000aff8c0601017101120000";
    let read = decode::<Holder>(hex(held)).expect("Go's");
    assert_eq!(read.any, Some(Inner { text: "q".into(), n: 9 }));
    let nil = "14ff9b030102ff9c0001010103416e79011000000003ff9c00";
    assert!(decode::<Holder>(hex(nil)).expect("Go's").any.is_none());
}

#[test]
fn what_gob_has_but_we_do_not_is_refused_clearly() {
    /// A complex number in the only field.
    const COMPLEX: &str = "14ff9b030102ff9c0001010103416e79010e00000007ff9c01fef03f4000";
    let error = decode::<Inner>(hex(&COMPLEX
        .replace("416e79", "54657874")
        .replace("14ff9b030102ff9c000101010354", "15ff9b030102ff9c000101010454")));
    let error = error.expect_err("complex");
    assert_eq!(error.code(), Code::InvalidArgument);
}

/// Each is a stream that a careless decoder dies of, or answers with a gigabyte.
#[test]
fn hostile_streams_are_errors() {
    let slice_of_itself = "0aff81020101015401ff820000"; // type T []T
    let deep = |n: usize| {
        let value = format!("ff8200{}00", "01".repeat(n));
        format!("{}{:02x}{value}", "0eff81020101015401ff820001ff820000", value.len() / 2)
    };
    let struct_of_itself = "14ff81030101015401ff8200010101014e01ff82000000";
    for (what, stream) in [
        ("nothing", String::new()),
        ("cut in a length", "fe01".to_owned()),
        ("a length of 2^64 - 1", "f8ffffffffffffffff".to_owned()),
        ("a string of 2^40 bytes", "0a0c00fa010000000000".to_owned()),
        ("an undefined type", "03ff8200".to_owned()),
        ("a type number of 0", "020000".to_owned()),
        ("a definition without a kind", "03ff8100".to_owned()),
        ("a definition with two kinds", "08ff8102000100000 0".replace(' ', "")),
        ("no elements where 2^32 are counted", format!("{slice_of_itself}08ff8200fc00ffffff")),
        ("values nested too deep", deep(40) + "00"),
        ("a struct of itself, cut", format!("{struct_of_itself}05ff8201010101")),
        ("a value, and more", "050c000268690500".to_owned()),
    ] {
        let error = decode::<Everything>(hex(&stream)).expect_err(what);
        assert_eq!(error.code(), Code::InvalidArgument, "{what}: {error}");
    }
}

#[test]
fn a_type_is_defined_once() {
    let (definition, value) = ("1fff8503010105506f696e7401ff86000102010158010400010159010400000 0", "07ff86012c014200");
    let definition = definition.replace(' ', "");
    #[motet::message]
    #[derive(Clone, Debug, PartialEq)]
    struct Point {
        x: i64,
        y: i64,
    }
    assert_eq!(decode::<Point>(hex(&format!("{definition}{value}"))), Ok(Point { x: 22, y: 33 }));
    assert!(decode::<Point>(hex(&format!("{definition}{definition}{value}"))).is_err());
}

#[test]
fn few_bytes_cause_little_work() {
    // A slice of many structs of a thousand fields, all of which are left out.
    let mut fields = Vec::new();
    for n in 0..1000 {
        let name = format!("F{n}");
        fields.extend([1, name.len() as u8]);
        fields.extend(name.bytes());
        fields.extend([1, 4, 0]);
    }
    let mut definition = vec![0xff, 0x83, 3, 1, 2, 0xff, 0x84, 0, 1, 0xfe, 0x03, 0xe8];
    definition.extend(fields);
    definition.extend([0, 0]);
    let slice = [0xff, 0x81, 2, 1, 2, 0xff, 0x82, 0, 1, 0xff, 0x84, 0, 0];
    let mut value = vec![0xff, 0x82, 0, 0xfd, 0x10, 0, 0];
    value.resize(value.len() + (1 << 20), 0);
    let mut stream = Vec::new();
    for message in [&definition[..], &slice, &value] {
        stream.push(0xfc);
        stream.extend((message.len() as u32).to_be_bytes());
        stream.extend(message);
    }
    let error = decode::<motet::Value<Vec<Inner>>>(stream.into()).expect_err("too much");
    assert!(error.code() == Code::InvalidArgument, "{error}");
}

prop_compose! {
    fn inner()(text in ".{0,8}", n in any::<i64>()) -> Inner {
        Inner { text, n }
    }
}

prop_compose! {
    fn any_value()(
        (bool, small, big, byte, ubig) in any::<(bool, i8, i64, u8, u64)>(),
        float in any::<f64>().prop_filter("it equals itself", |float| !float.is_nan()),
        bytes in any::<Vec<u8>>(),
        name in ".{0,8}",
        list in prop::collection::vec(".{0,4}", 0..4),
        nested in prop::collection::vec(inner(), 0..4),
        by_name in prop::collection::btree_map(".{0,4}", any::<i64>(), 0..4),
        (maybe, absent) in (prop::option::of(inner()), prop::option::of(inner())),
        fixed in any::<Vec<u32>>(),
        user_id in any::<u64>(),
    ) -> Everything {
        Everything {
            bool, small, big, byte, ubig, float, bytes, name, list, nested, by_name, maybe, absent, fixed, user_id,
        }
    }
}

/// Reads a struct by the names of its fields alone, as types with a reader of their own may.
fn by_names<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<Inner>, D::Error> {
    use serde::de::{Deserialize, Error, MapAccess, Visitor};
    struct ByNames;
    impl<'de> Visitor<'de> for ByNames {
        type Value = Inner;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("fields with names")
        }
        fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> std::result::Result<Inner, M::Error> {
            let mut inner = Inner::default();
            while let Some(name) = map.next_key::<String>()? {
                match name.as_str() {
                    "text" => inner.text = map.next_value()?,
                    "n" => inner.n = map.next_value()?,
                    _ => return Err(M::Error::custom("another field")),
                }
            }
            Ok(inner)
        }
    }
    struct Named(Inner);
    impl<'de> Deserialize<'de> for Named {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Named, D::Error> {
            deserializer.deserialize_struct("Inner", &["text", "n"], ByNames).map(Named)
        }
    }
    Ok(Vec::<Named>::deserialize(deserializer)?.into_iter().map(|Named(inner)| inner).collect())
}

#[test]
fn a_type_that_reads_its_fields_by_name_only_is_read() {
    #[motet::message]
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Outer {
        first: i32,
        #[serde(deserialize_with = "by_names")]
        named: Vec<Inner>,
        last: Vec<Inner>,
    }
    let inner = |n| Inner { text: "x".into(), n };
    for named in [vec![], vec![inner(1), Inner::default(), inner(0)]] {
        let value = Outer { first: 1, named, last: vec![inner(2)] };
        assert_eq!(decode::<Outer>(encode(value.clone()).expect("written")).expect("read"), value);
    }
}

/// What one codec writes for each of these values, after all before it, is what a fresh one writes.
fn assert_same_bytes<T: Portable + Clone>(values: impl IntoIterator<Item = T>) {
    let message = MessageType::<T>::serde();
    let codec = GobCodec::with_schema(message.schema());
    for (nth, value) in values.into_iter().enumerate() {
        let before = Payload::typed(value.clone(), &message, codec.clone()).bytes().expect("written");
        assert_eq!(before, encode(value).expect("written"), "value {nth}");
    }
}

#[test]
fn a_codec_that_knows_the_types_writes_what_a_fresh_one_writes() {
    #[motet::message]
    #[derive(Clone, Debug, PartialEq)]
    enum Kind {
        Plain,
        Other,
        Named(String),
    }
    #[motet::message]
    #[derive(Clone, Debug, PartialEq)]
    struct Nest {
        inner: Vec<Inner>,
        maybe: Option<u32>,
        kind: Option<Kind>,
    }
    #[motet::message]
    #[derive(Clone, Debug, PartialEq)]
    struct Mixed {
        kind: Kind,
        ratio: f64,
        number: Option<i64>,
        list: Vec<u32>,
        nested: Option<Inner>,
        nests: Vec<Nest>,
        labels: BTreeMap<String, Nest>,
    }
    let inner = |n| Inner { text: "x".repeat(n), n: n as i64 };
    let mut values = Vec::new();
    for kind in [Kind::Plain, Kind::Other, Kind::Named("n".into())] {
        for (number, list) in [(None, vec![]), (Some(0), vec![0]), (Some(-7), vec![1, 1 << 20])] {
            for nested in [None, Some(inner(0)), Some(inner(3))] {
                let nest = |of: Vec<Inner>, maybe| Nest { inner: of, maybe, kind: maybe.map(|_| kind.clone()) };
                for nests in [vec![], vec![nest(vec![], None)], vec![nest(vec![inner(1), inner(0)], Some(0))]] {
                    let labels = nests.iter().map(|nest| (nest.inner.len().to_string(), nest.clone())).collect();
                    let (kind, list, nested) = (kind.clone(), list.clone(), nested.clone());
                    values.push(Mixed { kind, ratio: -0.0, number, list, nested, nests, labels });
                }
            }
        }
    }
    assert_same_bytes(values.iter().cloned().chain(values.iter().rev().cloned()));
    // Lengths on both sides of what their own length takes one, two, three and four bytes for.
    assert_same_bytes([0, 90, 100, 110, 120, 130, 230, 240, 250, 260, 65_500, 65_550, 1 << 20, 0].map(inner));
}

proptest! {
    #[test]
    fn any_values_are_written_alike_by_a_codec_that_knows_them(values in prop::collection::vec(any_value(), 1..6)) {
        assert_same_bytes(values);
    }

    #[test]
    fn any_value_survives(value in any_value()) {
        let bytes = encode(value.clone()).expect("written");
        prop_assert_eq!(decode::<Everything>(bytes).expect("read"), value);
    }

    #[test]
    fn no_bytes_cause_a_panic(bytes in any::<Vec<u8>>()) {
        let _ = decode::<Everything>(bytes.into());
    }

    #[test]
    fn damage_causes_no_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = hex(EVERYTHING).to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = decode::<Everything>(bytes.into());
    }
}
