//! MessagePack as go-rpc writes it: named fields, and every number in the full width of its type.
//!
//! Its own decoder takes narrow numbers as well; this is what makes answers equal to those of a Go
//! server, byte for byte.

use std::fmt::Display;

use bytes::{BufMut, BytesMut};
use motet_core::{Codec, Decode, Encode, Encoding, Result, Status};
use serde::{Serialize, Serializer, ser};

/// The codec; its content type is that of MessagePack.
pub(crate) fn codec() -> Codec {
    Codec::custom(Wide)
}

struct Wide;

/// How deep values may nest when they are read.
const MAX_DEPTH: usize = 100;

impl Encoding for Wide {
    fn content_type(&self) -> &str {
        "application/msgpack"
    }

    fn encode(&self, value: Encode<'_>, out: &mut BytesMut) -> Result<()> {
        let written = value.serialize(Writer(out));
        written.map_err(|error| Status::internal(format!("the message cannot be written as MessagePack: {}", error.0)))
    }

    fn decode(&self, bytes: &[u8], into: Decode<'_>) -> Result<()> {
        let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
        deserializer.set_max_depth(MAX_DEPTH);
        into.from(&mut deserializer)
    }
}

pub(crate) fn u64(value: u64, out: &mut BytesMut) {
    out.put_u8(0xcf);
    out.put_u64(value);
}

pub(crate) fn text(value: &str, out: &mut BytesMut) {
    match value.len() {
        short @ ..32 => out.put_u8(0xa0 | short as u8),
        longer => length([0xd9, 0xda, 0xdb], longer, out),
    }
    out.put_slice(value.as_bytes());
}

pub(crate) fn bytes(value: &[u8], out: &mut BytesMut) {
    length([0xc4, 0xc5, 0xc6], value.len(), out);
    out.put_slice(value);
}

pub(crate) fn map(entries: usize, out: &mut BytesMut) {
    collection(0x80, [0xde, 0xdf], entries, out);
}

fn list(items: usize, out: &mut BytesMut) {
    collection(0x90, [0xdc, 0xdd], items, out);
}

fn collection(short: u8, [two, four]: [u8; 2], entries: usize, out: &mut BytesMut) {
    match (u8::try_from(entries), u16::try_from(entries)) {
        (Ok(entries @ ..16), _) => out.put_u8(short | entries),
        (_, Ok(entries)) => {
            out.put_u8(two);
            out.put_u16(entries);
        }
        _ => {
            out.put_u8(four);
            out.put_u32(u32::try_from(entries).unwrap_or(u32::MAX));
        }
    }
}

fn length([one, two, four]: [u8; 3], length: usize, out: &mut BytesMut) {
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length), _) => out.put_slice(&[one, length]),
        (_, Ok(length)) => {
            out.put_u8(two);
            out.put_u16(length);
        }
        _ => {
            out.put_u8(four);
            out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
        }
    }
}

struct Writer<'a>(&'a mut BytesMut);

/// Why a value cannot be written.
#[derive(Debug)]
struct Unwritable(String);

impl Display for Unwritable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unwritable {}

impl ser::Error for Unwritable {
    fn custom<T: Display>(message: T) -> Unwritable {
        Unwritable(message.to_string())
    }
}

type Done = std::result::Result<(), Unwritable>;

macro_rules! numbers {
    ($($name:ident: $type:ty => $mark:literal $put:ident,)*) => {$(
        fn $name(self, value: $type) -> Done {
            self.0.put_u8($mark);
            self.0.$put(value);
            Ok(())
        }
    )*};
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = Unwritable;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Items<'a>;
    type SerializeTupleVariant = Items<'a>;
    type SerializeMap = Items<'a>;
    type SerializeStruct = Items<'a>;
    type SerializeStructVariant = Items<'a>;

    numbers! {
        serialize_i8: i8 => 0xd0 put_i8,
        serialize_i16: i16 => 0xd1 put_i16,
        serialize_i32: i32 => 0xd2 put_i32,
        serialize_i64: i64 => 0xd3 put_i64,
        serialize_u8: u8 => 0xcc put_u8,
        serialize_u16: u16 => 0xcd put_u16,
        serialize_u32: u32 => 0xce put_u32,
        serialize_u64: u64 => 0xcf put_u64,
        serialize_f32: f32 => 0xca put_f32,
        serialize_f64: f64 => 0xcb put_f64,
    }

    fn serialize_bool(self, value: bool) -> Done {
        self.0.put_u8(if value { 0xc3 } else { 0xc2 });
        Ok(())
    }

    fn serialize_char(self, value: char) -> Done {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Done {
        text(value, self.0);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Done {
        bytes(value, self.0);
        Ok(())
    }

    fn serialize_none(self) -> Done {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Done {
        self.0.put_u8(0xc0);
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Done {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Done {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Done {
        map(1, self.0);
        text(variant, self.0);
        value.serialize(self)
    }

    fn serialize_seq(self, items: Option<usize>) -> std::result::Result<Items<'a>, Unwritable> {
        let start = self.0.len();
        match items {
            Some(items) => list(items, self.0),
            None => self.0.put_slice(&[0xdd, 0, 0, 0, 0]),
        }
        Ok(Items { out: self.0, counted: items.is_none().then_some((start, 0)) })
    }

    fn serialize_tuple(self, items: usize) -> std::result::Result<Items<'a>, Unwritable> {
        self.serialize_seq(Some(items))
    }

    fn serialize_tuple_struct(self, _: &'static str, items: usize) -> std::result::Result<Items<'a>, Unwritable> {
        self.serialize_seq(Some(items))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        items: usize,
    ) -> std::result::Result<Items<'a>, Unwritable> {
        map(1, self.0);
        text(variant, self.0);
        self.serialize_seq(Some(items))
    }

    fn serialize_map(self, entries: Option<usize>) -> std::result::Result<Items<'a>, Unwritable> {
        let start = self.0.len();
        match entries {
            Some(entries) => map(entries, self.0),
            None => self.0.put_slice(&[0xdf, 0, 0, 0, 0]),
        }
        Ok(Items { out: self.0, counted: entries.is_none().then_some((start, 0)) })
    }

    fn serialize_struct(self, _: &'static str, fields: usize) -> std::result::Result<Items<'a>, Unwritable> {
        self.serialize_map(Some(fields))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        fields: usize,
    ) -> std::result::Result<Items<'a>, Unwritable> {
        map(1, self.0);
        text(variant, self.0);
        self.serialize_map(Some(fields))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// The items of a collection.
struct Items<'a> {
    out: &'a mut BytesMut,
    /// Where the collection begins and how many items it has, if that was not known before.
    counted: Option<(usize, u32)>,
}

impl Items<'_> {
    fn put<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        value.serialize(Writer(self.out))
    }

    fn count(&mut self) {
        if let Some((_, count)) = &mut self.counted {
            *count += 1;
        }
    }

    fn finish(self) -> Done {
        if let Some((start, count)) = self.counted {
            self.out[start + 1..start + 5].copy_from_slice(&count.to_be_bytes());
        }
        Ok(())
    }
}

macro_rules! items {
    ($($trait:ident $method:ident,)*) => {$(
        impl ser::$trait for Items<'_> {
            type Ok = ();
            type Error = Unwritable;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
                self.count();
                self.put(value)
            }

            fn end(self) -> Done {
                self.finish()
            }
        }
    )*};
}

items! {
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field,
}

impl ser::SerializeMap for Items<'_> {
    type Ok = ();
    type Error = Unwritable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        self.count();
        self.put(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.put(value)
    }

    fn end(self) -> Done {
        self.finish()
    }
}

macro_rules! fields {
    ($($trait:ident,)*) => {$(
        impl ser::$trait for Items<'_> {
            type Ok = ();
            type Error = Unwritable;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Done {
                text(name, self.out);
                self.put(value)
            }

            fn end(self) -> Done {
                self.finish()
            }
        }
    )*};
}

fields! { SerializeStruct, SerializeStructVariant, }

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::{Deserialize, de::DeserializeOwned};

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Numbers {
        int: i64,
        byte: u8,
        text: String,
        list: Vec<i32>,
        none: Option<u64>,
        map: BTreeMap<String, f64>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Choice {
        One,
        Two(u16),
        Three(i8, i16),
        Four { a: u32 },
    }

    fn survives<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) -> BytesMut {
        let mut out = BytesMut::new();
        value.serialize(Writer(&mut out)).expect("written");
        assert_eq!(rmp_serde::from_slice::<T>(&out).expect("read"), *value);
        out
    }

    #[test]
    fn numbers_have_the_width_of_their_type() {
        let map = BTreeMap::from([("x".to_owned(), 0.5)]);
        let numbers = Numbers { int: 1, byte: 2, text: "t".to_owned(), list: vec![3], none: None, map };
        assert_eq!(
            survives(&numbers)[..],
            b"\x86\xa3int\xd3\0\0\0\0\0\0\0\x01\xa4byte\xcc\x02\xa4text\xa1t\xa4list\x91\xd2\0\0\0\x03\xa4none\xc0\
              \xa3map\x81\xa1x\xcb\x3f\xe0\0\0\0\0\0\0"[..]
        );
    }

    #[test]
    fn every_kind_of_value_survives() {
        for choice in [Choice::One, Choice::Two(3), Choice::Three(-1, -2), Choice::Four { a: 5 }] {
            survives(&choice);
        }
        for length in [0, 15, 16, 31, 32, 255, 256, 65_535, 65_536] {
            survives(&"x".repeat(length));
            survives(&vec![true; length]);
        }
        survives(&(0..70_000u32).map(|number| (number, 'x')).collect::<BTreeMap<_, _>>());
    }

    #[test]
    fn a_collection_of_unknown_length_is_counted() {
        let mut out = BytesMut::new();
        let mut items = Writer(&mut out).serialize_seq(None).expect("begun");
        for number in 0..3u8 {
            ser::SerializeSeq::serialize_element(&mut items, &number).expect("written");
        }
        ser::SerializeSeq::end(items).expect("ended");
        assert_eq!(rmp_serde::from_slice::<Vec<u8>>(&out).expect("read"), [0, 1, 2]);
    }
}
