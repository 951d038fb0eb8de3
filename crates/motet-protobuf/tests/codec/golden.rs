//! The bytes of every kind of field, written out: what other languages see.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::encoded;
use crate::kinds::{Choice, Color, Inner, Kinds};
use bytes::{Bytes, BytesMut};
use motet_protobuf::{ErrorKind, Shape, decode, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

#[track_caller]
fn golden<T: Serialize + DeserializeOwned + Shape + PartialEq + std::fmt::Debug>(value: &T, expected: &[u8]) {
    assert_eq!(encoded(value), expected, "{value:?}");
    assert_eq!(&decode::<T>(expected).expect("golden bytes"), value);
}

#[test]
fn integers_are_varints_unless_told_otherwise() {
    golden(&(150_u32, -1_i32), b"\x08\x96\x01\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    golden(
        &(u64::MAX, i8::MIN),
        b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x80\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    );
    golden(&(true, 'ß'), b"\x08\x01\x10\xdf\x01");
}

#[test]
fn zigzag_and_fixed_integers_stand_as_protobuf_defines_them() {
    let kinds = Kinds { sint32: -1, sint64: 2, fixed32: 1, fixed64: 1, ..Kinds::default() };
    // The two single messages at the end are always there.
    golden(&kinds, b"\x28\x01\x30\x04\x3d\x01\x00\x00\x00\x41\x01\x00\x00\x00\x00\x00\x00\x00\x8a\x03\x00\xaa\x03\x00");
}

#[test]
fn text_and_bytes_are_delimited() {
    golden(&("ß".to_owned(), Bytes::from_static(b"\x00\xff")), b"\x0a\x02\xc3\x9f\x12\x02\x00\xff");
    golden(&(vec![1_u8, 0, 255], [0_u8; 2]), b"\x0a\x03\x01\x00\xff\x12\x02\x00\x00");
    golden(&("127.0.0.1".parse::<IpAddr>().expect("an address"),), b"\x0a\x09127.0.0.1");
}

#[test]
fn zeros_are_left_out_and_options_are_not() {
    golden(&(0_u32, String::new(), 0.0_f64, false, Vec::<u32>::new()), b"");
    golden(&(Some(0_u32), Some(String::new()), None::<bool>), b"\x08\x00\x12\x00");
}

#[test]
fn minus_zero_is_no_zero() {
    golden(&(-0.0_f32, -0.0_f64), b"\x0d\x00\x00\x00\x80\x11\x00\x00\x00\x00\x00\x00\x00\x80");
    let read: (f64,) = decode(b"\x09\x00\x00\x00\x00\x00\x00\x00\x80").expect("valid");
    assert!(read.0.is_sign_negative());
}

#[test]
fn lists_of_numbers_are_packed_and_others_are_not() {
    golden(&(vec![1_u32, 0, 300], vec![String::new(), "a".to_owned()]), b"\x0a\x04\x01\x00\xac\x02\x12\x00\x12\x01a");
    golden(&([1_u32, 0], vec![Color::Green, Color::Red]), b"\x0a\x02\x01\x00\x12\x02\x05\x00");
}

#[test]
fn an_absent_array_is_zeros() {
    assert_eq!(decode::<([u32; 3], [u8; 2])>(b"").expect("valid"), ([0; 3], [0; 2]));
}

#[test]
fn an_array_takes_exactly_its_length() {
    for bytes in [&b"\x0a\x01\x01"[..], b"\x0a\x03\x01\x02\x03"] {
        let error = decode::<([u32; 2],)>(bytes).expect_err("another length");
        assert_eq!((error.kind(), error.path().as_str()), (ErrorKind::Mismatch, "item1"));
    }
}

#[test]
fn messages_nest_and_a_single_one_is_always_there() {
    golden(&((7_u32,), (0_u32,), Some((0_u32,)), None::<(u32,)>), b"\x0a\x02\x08\x07\x12\x00\x1a\x00");
    golden(&((), Box::new((1_u32,))), b"\x0a\x00\x12\x02\x08\x01");
}

#[test]
fn a_message_of_more_than_127_bytes_has_a_longer_length() {
    let text = "x".repeat(200);
    let mut expected = b"\x0a\xcb\x01\x0a\xc8\x01".to_vec();
    expected.extend(text.bytes());
    let one = expected.clone();
    golden(&((text.clone(),),), &expected);
    // Siblings of different lengths: the guessed length's width is wrong in both directions.
    expected.extend(b"\x0a\x03\x0a\x01x");
    expected.extend(&one);
    golden(&(vec![(text.clone(),), ("x".to_owned(),), (text,)],), &expected);
}

#[test]
fn maps_are_lists_of_entries_and_zeros_are_left_out() {
    let map = BTreeMap::from([(0_u32, "a".to_owned()), (1, String::new())]);
    golden(&(map,), b"\x0a\x03\x12\x01a\x0a\x02\x08\x01");
}

#[test]
fn an_enum_without_data_is_its_number() {
    golden(
        &(Color::Green, Some(Color::Red), Color::Blue),
        b"\x08\x05\x10\x00\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    );
}

#[test]
fn an_enum_with_data_is_a_message_holding_its_variant() {
    golden(&Choice::Number(0), b"\x08\x00");
    golden(&Choice::Inner(Inner::default()), b"\x12\x00");
    golden(&Choice::Fields { left: 1, right: String::new() }, b"\x1a\x02\x08\x01");
    golden(&Choice::Empty, b"\x22\x00");
    golden(&(vec![Choice::Number(1), Choice::Empty],), b"\x0a\x02\x08\x01\x0a\x02\x22\x00");
}

#[test]
fn a_tag_takes_as_many_bytes_as_its_number_needs() {
    let inner = Inner { id: 1, items: vec![Inner::default()], ..Inner::default() };
    golden(&inner, b"\x08\x01\x82\x7d\x00");
}

#[test]
fn encoding_appends_and_an_error_leaves_the_output_alone() {
    let mut bytes = BytesMut::from(&b"before"[..]);
    encode(&(1_u32,), &mut bytes).expect("a message");
    assert_eq!(&bytes[..], b"before\x08\x01");
    let deep = (0..101).fold(Inner::default(), |inner, _| Inner { items: vec![inner], ..Inner::default() });
    assert_eq!(encode(&deep, &mut bytes).expect_err("too deep").kind(), ErrorKind::Limit);
    assert_eq!(&bytes[..], b"before\x08\x01");
}

#[test]
fn only_a_message_can_be_the_root() {
    assert_eq!(encode(&1_u32, &mut BytesMut::new()).expect_err("a number").kind(), ErrorKind::Unsupported);
    assert_eq!(decode::<Vec<u32>>(b"").expect_err("a list").kind(), ErrorKind::Unsupported);
}
