//! What values of Rust types are in protobuf, JSON and MessagePack: the table in `docs/protocol.md`,
//! byte for byte in both directions.

#[path = "../../motet-rpc/tests/page/mod.rs"]
mod page;

use std::{collections::BTreeMap, fmt::Debug, net::IpAddr};

use motet::{
    Bytes, Codec,
    core::{Empty, MessageType, Portable, Value},
};

#[motet::message]
#[derive(Clone, Debug, PartialEq)]
struct Point {
    x: i32,
    label: Option<String>,
}

#[motet::message]
#[derive(Clone, Debug, PartialEq)]
enum Color {
    Red,
    Green,
}

#[motet::message]
#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Nothing,
    Circle(u32),
    Line(u32, u32),
    Rect { wide: u32, high: u32 },
}

#[motet::message]
#[derive(Clone, Debug, PartialEq)]
struct Id(u64);

#[motet::message]
#[derive(Clone, Debug, PartialEq)]
struct Photo {
    bytes: Vec<u8>,
}

#[motet::message]
#[derive(Clone, Debug, PartialEq)]
struct Numbers {
    #[motet(zigzag)]
    difference: i32,
    #[motet(fixed)]
    hash: u64,
    #[motet(tag = 9)]
    late: bool,
}

#[motet::message]
#[derive(Clone, Debug, PartialEq)]
struct Row {
    cells: Vec<u32>,
}

const CODECS: [Codec; 3] = [Codec::PROTOBUF, Codec::JSON, Codec::MSGPACK];

/// Reads a body and compares it with the row's value.
type Read = dyn Fn(&Codec, &[u8]);

/// The bodies of one row, as the code writes them.
struct Written {
    name: &'static str,
    bodies: [Vec<u8>; 3],
    read: Box<Read>,
}

fn body<T: Portable + PartialEq + Debug>(name: &'static str, value: T) -> Written {
    let message = MessageType::<T>::serde();
    let bodies = CODECS.map(|codec| {
        let mut out = bytes::BytesMut::new();
        message.encode(&value, &codec, &mut out).unwrap_or_else(|error| panic!("{name}: {error}"));
        out.to_vec()
    });
    let read = move |codec: &Codec, bytes: &[u8]| {
        let read = message.decode(codec, &Bytes::copy_from_slice(bytes)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(read, value, "{name}");
    };
    Written { name, bodies, read: Box::new(read) }
}

fn value<T: Portable + PartialEq + Debug>(name: &'static str, value: T) -> Written {
    body(name, Value { value })
}

fn rows() -> Vec<Written> {
    let point = || Point { x: 7, label: Some("a".to_owned()) };
    vec![
        body("`Point { x: 7, label: Some(\"a\") }`", point()),
        body("`Point { x: 0, label: None }`", Point { x: 0, label: None }),
        body("`()`, no arguments, no reply", Empty {}),
        value("`true`", true),
        value("`300_u32`", 300_u32),
        value("`-1_i32`", -1_i32),
        value("`u64::MAX`", u64::MAX),
        value("`i64::MIN`", i64::MIN),
        value("`1.5_f64`", 1.5_f64),
        value("`1.5_f32`", 1.5_f32),
        value("`'ß'`", 'ß'),
        value("`\"ß\"`", "ß".to_owned()),
        value("`vec![0_u8, 255]`, alone", vec![0_u8, 255]),
        body("`Photo { bytes: vec![0, 255] }`", Photo { bytes: vec![0, 255] }),
        value("`Some(0_u32)`", Some(0_u32)),
        value("`None::<u32>`", None::<u32>),
        value("`vec![1_u32, 300]`", vec![1_u32, 300]),
        value("`vec![\"a\", \"\"]`", vec!["a".to_owned(), String::new()]),
        value("`vec![Point { .. }]`", vec![point()]),
        value("`vec![Row { cells: vec![1, 2] }]`", vec![Row { cells: vec![1, 2] }]),
        value("`[1_u32, 0]`", [1_u32, 0]),
        value("`BTreeMap`, `\"a\"` to 1", BTreeMap::from([("a".to_owned(), 1_u32)])),
        value("`BTreeMap`, 1 to `\"a\"`", BTreeMap::from([(1_u32, "a".to_owned())])),
        value("`(1_u32, \"a\")`", (1_u32, "a".to_owned())),
        value("`Id(7)`", Id(7)),
        value("`Color::Red`", Color::Red),
        value("`Color::Green`", Color::Green),
        value("`Shape::Nothing`", Shape::Nothing),
        value("`Shape::Circle(7)`", Shape::Circle(7)),
        value("`Shape::Line(1, 2)`", Shape::Line(1, 2)),
        value("`Shape::Rect { wide: 1, high: 0 }`", Shape::Rect { wide: 1, high: 0 }),
        value("`IpAddr`, 127.0.0.1", IpAddr::from([127, 0, 0, 1])),
        body("`Numbers`, -1, 1 and `true`", Numbers { difference: -1, hash: 1, late: true }),
    ]
}

#[test]
fn values_travel_as_the_page_says() {
    let table = page::table(&page::read("protocol.md"), "### What values are");
    let rows = rows();
    let names: Vec<_> = rows.iter().map(|row| row.name.replace('`', "")).collect();
    let named: Vec<_> = table.iter().map(|row| row[0].replace('`', "")).collect();
    assert_eq!(named, names, "every row of the page is tested");
    for (row, cells) in rows.iter().zip(table) {
        for (at, codec) in CODECS.iter().enumerate() {
            let cell = &cells[at + 1];
            let expected = match *codec == Codec::JSON {
                true => cell.as_bytes().to_vec(),
                false if cell == "empty" => Vec::new(),
                false => page::bytes(cell).unwrap_or_else(|| panic!("{}: {cell}", row.name)),
            };
            assert!(
                row.bodies[at] == expected,
                "{} in {}: payloads are frozen, and differ from docs/protocol.md\n page: {}\n code: {}",
                row.name,
                codec.content_type(),
                page::hex(&expected),
                page::hex(&row.bodies[at])
            );
            (row.read)(codec, &expected);
        }
    }
}
