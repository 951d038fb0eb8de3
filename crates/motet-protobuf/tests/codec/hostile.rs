//! Input that no encoder writes: it is an error or harmless, never a panic, and cheap to refuse.

use std::collections::BTreeMap;

use crate::encoded;
use crate::kinds::{Choice, Color, Inner, Kinds};
use crate::messages::{Big, Items, big, items};
use motet_protobuf::{Describe, Error, ErrorKind, FieldDesc, FieldType, Limits, Shape, decode, decode_with, single};
use serde::Serialize;
use serde::de::DeserializeOwned;

#[track_caller]
fn refused<T: DeserializeOwned + Shape>(bytes: &[u8]) -> Error {
    match decode::<T>(bytes) {
        Ok(_) => panic!("accepted {bytes:?}"),
        Err(error) => error,
    }
}

/// Cuts at every byte; where the cut falls between fields, what is before it is a message.
fn cut_everywhere<T: Serialize + DeserializeOwned + Shape>(value: &T) {
    let bytes = encoded(value);
    for at in 0..bytes.len() {
        match decode::<T>(&bytes[..at]) {
            Ok(read) => assert_eq!(encoded(&read), bytes[..at], "cut at {at}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Truncated, "cut at {at}"),
        }
    }
}

#[test]
fn a_truncated_message_is_an_error_or_a_shorter_message_at_every_byte() {
    cut_everywhere(&big());
    cut_everywhere(&items());
    cut_everywhere(&Inner { id: 300, name: "x".into(), items: vec![Inner::default(); 3] });
}

#[test]
fn a_field_cut_short_is_an_error_at_every_byte() {
    for bytes in [
        &b"\x08\x96"[..],
        b"\x0d\x00\x00\x00",
        b"\x09\x00\x00\x00\x00\x00\x00\x00",
        b"\x0a\x05abcd",
        b"\x80",
        b"\x7b\x08\x01",
    ] {
        for end in 1..=bytes.len() {
            // Unknown to a message without fields, known to the others.
            assert_eq!(refused::<()>(&bytes[..end]).kind(), ErrorKind::Truncated, "{:?}", &bytes[..end]);
        }
    }
}

#[test]
fn a_length_beyond_the_input_is_refused() {
    for len in [
        &b"\x05"[..],
        b"\xff\xff\xff\xff\x0f",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    ] {
        let bytes = [&b"\x0a"[..], len, b"abc"].concat();
        assert_eq!(refused::<(String,)>(&bytes).to_string(), "item1: the input ends too early");
        assert_eq!(refused::<(Vec<u64>,)>(&bytes).kind(), ErrorKind::Truncated);
        assert_eq!(refused::<((u32,),)>(&bytes).kind(), ErrorKind::Truncated);
        assert_eq!(refused::<(BTreeMap<u32, u32>,)>(&bytes).kind(), ErrorKind::Truncated);
    }
}

fn nested(depth: usize) -> Vec<u8> {
    (0..depth).fold(Vec::new(), |inner, _| {
        let mut bytes = vec![0x82, 0x7d];
        let mut len = inner.len();
        while len >= 0x80 {
            bytes.push(len as u8 | 0x80);
            len >>= 7;
        }
        bytes.push(len as u8);
        bytes.extend(inner);
        bytes
    })
}

#[test]
fn nesting_ends_at_a_hundred() {
    assert!(decode::<Inner>(&nested(100)).is_ok());
    assert_eq!(refused::<Inner>(&nested(101)).kind(), ErrorKind::Limit);
    assert_eq!(refused::<Inner>(&nested(100_000)).kind(), ErrorKind::Limit);
}

#[test]
fn groups_nest_no_deeper_than_messages() {
    let groups = |depth| [vec![0x7b; depth], vec![0x7c; depth]].concat();
    assert!(decode::<()>(&groups(100)).is_ok());
    assert_eq!(refused::<()>(&groups(101)).kind(), ErrorKind::Limit);
    assert_eq!(refused::<()>(b"\x7b\x84\x01").kind(), ErrorKind::Malformed);
    assert_eq!(refused::<()>(b"\x7c").kind(), ErrorKind::Malformed);
}

#[test]
fn nesting_is_bounded_in_disordered_input_too() {
    let mut bytes = nested(101);
    bytes.extend(b"\x08\x01");
    assert_eq!(refused::<Inner>(&bytes).kind(), ErrorKind::Limit);
}

#[test]
fn small_messages_that_are_large_in_memory_are_charged_by_their_size() {
    // Two bytes each, several hundred in memory.
    let bytes = b"\x0a\x00".repeat(1 << 20);
    assert_eq!(refused::<(Vec<Kinds>,)>(&bytes).kind(), ErrorKind::Limit);
    let mut limits = Limits::default();
    limits.memory = 1_000;
    assert_eq!(
        decode_with::<(Vec<u64>,)>(&[0x0a, 126].into_iter().chain([1; 126]).collect::<Vec<_>>(), limits)
            .map_err(|error| error.kind()),
        Err(ErrorKind::Limit)
    );
    assert!(decode_with::<(Vec<u64>,)>(b"\x0a\x02\x01\x01", limits).is_ok());
}

#[test]
fn disordered_input_is_charged_as_well() {
    let bytes = b"\x10\x01\x08\x01".repeat(1 << 21);
    assert_eq!(refused::<(u32, u32)>(&bytes).kind(), ErrorKind::Limit);
}

#[test]
fn another_wire_type_is_an_error_that_names_field_and_type() {
    assert_eq!(refused::<(u32,)>(b"\x0a\x01a").to_string(), "item1: expected uint32, found another wire type");
    assert_eq!(refused::<(String,)>(b"\x08\x01").to_string(), "item1: expected string, found another wire type");
    assert_eq!(
        refused::<(Vec<(u32, f64)>,)>(b"\x0a\x02\x08\x01\x0a\x02\x10\x01").to_string(),
        "item1.item2: expected double, found another wire type"
    );
    assert_eq!(
        refused::<(Vec<u64>,)>(b"\x0d\x00\x00\x00\x00").to_string(),
        "item1: expected uint64, found another wire type"
    );
}

#[test]
fn wire_types_that_do_not_exist_are_refused_wherever_they_stand() {
    for tag in [0x06_u8, 0x07, 0x0e, 0x0f, 0x00, 0x02] {
        assert_eq!(refused::<(u32, u32)>(&[tag, 0]).kind(), ErrorKind::Malformed);
        assert_eq!(refused::<(u32, u32)>(&[0x08, 1, tag, 0]).kind(), ErrorKind::Malformed);
        assert_eq!(refused::<(u32, u32)>(&[0x10, 1, tag, 0]).kind(), ErrorKind::Malformed);
    }
}

#[test]
fn unknown_fields_are_skipped_wherever_they_stand() {
    let unknown = b"\xa8\x01\x05\xaa\x01\x02xx\xad\x01\x00\x00\x00\x00\xa9\x01\x00\x00\x00\x00\x00\x00\x00\x00";
    let bytes = [unknown, &b"\x08\x01"[..], unknown, b"\x12\x01a", unknown].concat();
    assert_eq!(decode::<(u32, String)>(&bytes).expect("valid"), (1, "a".into()));
}

#[test]
fn fields_in_any_order_and_scattered_lists_are_read() {
    assert_eq!(decode::<(u32, u32)>(b"\x10\x02\x08\x01").expect("valid"), (1, 2));
    assert_eq!(decode::<(u32, u32)>(b"\x08\x01\x10\x02\x08\x03").expect("valid"), (3, 2));
    let read = decode::<(Vec<String>, u32)>(b"\x0a\x01a\x10\x01\x0a\x01b").expect("valid");
    assert_eq!(read, (vec!["a".into(), "b".into()], 1));
}

#[test]
fn packed_and_unpacked_elements_may_be_mixed() {
    assert_eq!(decode::<(Vec<u32>,)>(b"\x08\x01\x08\x02").expect("valid"), (vec![1, 2],));
    assert_eq!(decode::<(Vec<u32>,)>(b"\x0a\x02\x01\x02\x08\x03\x0a\x01\x04").expect("valid"), (vec![1, 2, 3, 4],));
    assert_eq!(decode::<(Vec<f32>,)>(b"\x0d\x00\x00\x80\x3f").expect("valid"), (vec![1.0],));
}

#[test]
fn parts_of_a_message_are_merged() {
    let read = decode::<((u32, u32, Vec<u32>),)>(b"\x0a\x04\x08\x01\x10\x02\x0a\x02\x08\x03\x0a\x03\x1a\x01\x07")
        .expect("valid");
    assert_eq!(read, ((3, 2, vec![7]),));
}

#[test]
fn the_last_variant_counts() {
    let read = decode::<Choice>(b"\x08\x01\x1a\x02\x08\x05").expect("valid");
    assert_eq!(read, Choice::Fields { left: 5, right: String::new() });
    assert_eq!(decode::<Choice>(b"\x08\x01\x08\x02").expect("valid"), Choice::Number(2));
}

#[test]
fn a_variant_that_is_absent_or_unknown_is_an_error_unless_it_is_optional() {
    assert_eq!(refused::<Choice>(b"").to_string(), "expected a known variant of Choice");
    assert_eq!(refused::<Choice>(b"\x78\x01").to_string(), "expected a known variant of Choice");
    assert_eq!(refused::<(Choice,)>(b"").path(), "item1");
    assert_eq!(decode::<(Option<Choice>,)>(b"").expect("valid"), (None,));
}

#[test]
fn an_unknown_enum_number_is_an_error_that_names_the_enum() {
    assert_eq!(refused::<(Color,)>(b"\x08\x63").to_string(), "item1: expected a known value of enum Color");
}

#[test]
fn longer_integers_are_cut_and_smaller_types_check_their_range() {
    assert_eq!(decode::<(u32,)>(b"\x08\xff\xff\xff\xff\x1f").expect("valid"), (u32::MAX,));
    assert_eq!(decode::<(bool,)>(b"\x08\x80\x80\x00").expect("valid"), (false,));
    assert_eq!(refused::<(u8,)>(b"\x08\x80\x02").to_string(), "item1: expected u8");
    assert_eq!(refused::<(char,)>(b"\x08\x80\xb0\x03").to_string(), "item1: expected the number of a character");
}

#[test]
fn an_overlong_varint_is_read_and_one_over_64_bits_is_not() {
    assert_eq!(decode::<(u32,)>(b"\x88\x00\x81\x80\x80\x00").expect("valid"), (1,));
    assert_eq!(refused::<(u64,)>(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02").kind(), ErrorKind::Malformed);
    assert_eq!(refused::<(u64,)>(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01").kind(), ErrorKind::Malformed);
}

#[test]
fn a_map_entry_may_lack_its_parts_or_have_them_in_any_order() {
    let read = decode::<(BTreeMap<u32, u32>,)>(
        b"\x0a\x00\x0a\x02\x08\x01\x0a\x04\x10\x05\x08\x02\x0a\x06\x08\x03\x78\x01\x10\x06",
    )
    .expect("valid");
    assert_eq!(read, (BTreeMap::from([(0, 0), (1, 0), (2, 5), (3, 6)]),));
}

#[test]
fn a_later_entry_replaces_an_earlier_one() {
    let read = decode::<(BTreeMap<u32, u32>,)>(b"\x0a\x04\x08\x01\x10\x01\x0a\x04\x08\x01\x10\x02").expect("valid");
    assert_eq!(read, (BTreeMap::from([(1, 2)]),));
}

#[test]
fn errors_name_the_path_and_never_quote_the_input() {
    let marker = b"hunter2\xff";
    let text = [&[0x0a, marker.len() as u8][..], marker].concat();
    let list = [&[0x0a, text.len() as u8][..], &text].concat();
    let error = refused::<(Vec<(String,)>,)>(&[b"\x0a\x00", &list[..]].concat());
    assert_eq!(error.to_string(), "item1[1].item1: expected a string in UTF-8");
    for error in [
        error,
        refused::<(std::net::IpAddr,)>(b"\x0a\x07hunter2"),
        refused::<(BTreeMap<String, Color>,)>(b"\x0a\x0b\x0a\x07hunter2\x10\x63"),
        refused::<Big>(b"\x12\x07hunter2"),
        refused::<Items>(b"\x0a\x09\x12\x07hunter\xff"),
    ] {
        assert!(!format!("{error} {error:?}").contains("hunter"), "{error}");
    }
}

/// No value of it exists; reading one must still end.
#[derive(serde::Serialize, serde::Deserialize)]
struct Endless {
    next: Box<Endless>,
}

impl Describe for Endless {
    const NAME: &'static str = "Endless";
    const FIELDS: &'static [FieldDesc] = &[FieldDesc::of::<Box<Endless>>("next", 1)];
    const ORDER: &'static [u16] = &[0];
}

impl Shape for Endless {
    type Card = single::One;
    const TYPE: FieldType = FieldType::message::<Self>();
}

#[test]
fn a_type_that_contains_itself_without_end_is_refused() {
    assert_eq!(refused::<Endless>(b"").kind(), ErrorKind::Limit);
}
