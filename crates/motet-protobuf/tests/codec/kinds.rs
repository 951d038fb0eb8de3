//! One message with every kind of field, once for serde and once for prost.

use std::collections::BTreeMap;

use bytes::Bytes;
use motet_protobuf::{
    Describe, DescribeEnum, Encoding, FieldDesc, FieldType, MessageKind, Shape, VariantDesc, order, single,
};
use serde::{Deserialize, Serialize};

use crate::choices::Choices;

macro_rules! describe {
    ($name:ident $len:literal { $($field:ident: $ty:ty = $number:literal $encoding:ident,)* }) => {
        #[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
        pub(crate) struct $name { $(pub(crate) $field: $ty,)* }

        impl Describe for $name {
            const NAME: &'static str = stringify!($name);
            const FIELDS: &'static [FieldDesc] = &[$(FieldDesc::new(
                stringify!($field),
                $number,
                Encoding::$encoding,
                <$ty as Shape>::TYPE,
            ),)*];
            const ORDER: &'static [u16] = &order::<$len>(Self::FIELDS);
        }

        message!($name);

        impl $name {
            pub(crate) fn choose(choices: &mut Choices<'_>) -> Self {
                Self { $($field: Choose::choose(choices),)* }
            }
        }

        impl Choose for $name {
            fn choose(choices: &mut Choices<'_>) -> Self {
                choices.nested(Self::choose)
            }
        }
    };
}

macro_rules! message {
    ($name:ident) => {
        impl Shape for $name {
            type Card = single::One;
            const TYPE: FieldType = FieldType::message::<Self>();
        }
    };
}

describe! { Kinds 58 {
    int32: i32 = 1 Default,
    int64: i64 = 2 Default,
    uint32: u32 = 3 Default,
    uint64: u64 = 4 Default,
    sint32: i32 = 5 Zigzag,
    sint64: i64 = 6 Zigzag,
    fixed32: u32 = 7 Fixed,
    fixed64: u64 = 8 Fixed,
    sfixed32: i32 = 9 Fixed,
    sfixed64: i64 = 10 Fixed,
    float: f32 = 11 Default,
    double: f64 = 12 Default,
    bool: bool = 13 Default,
    string: String = 14 Default,
    bytes: Bytes = 15 Default,
    optional_int32: Option<i32> = 16 Default,
    optional_int64: Option<i64> = 17 Default,
    optional_uint32: Option<u32> = 18 Default,
    optional_uint64: Option<u64> = 19 Default,
    optional_sint32: Option<i32> = 20 Zigzag,
    optional_sint64: Option<i64> = 21 Zigzag,
    optional_fixed32: Option<u32> = 22 Fixed,
    optional_fixed64: Option<u64> = 23 Fixed,
    optional_sfixed32: Option<i32> = 24 Fixed,
    optional_sfixed64: Option<i64> = 25 Fixed,
    optional_float: Option<f32> = 26 Default,
    optional_double: Option<f64> = 27 Default,
    optional_bool: Option<bool> = 28 Default,
    optional_string: Option<String> = 29 Default,
    optional_bytes: Option<Bytes> = 30 Default,
    list_int32: Vec<i32> = 31 Default,
    list_int64: Vec<i64> = 32 Default,
    list_uint32: Vec<u32> = 33 Default,
    list_uint64: Vec<u64> = 34 Default,
    list_sint32: Vec<i32> = 35 Zigzag,
    list_sint64: Vec<i64> = 36 Zigzag,
    list_fixed32: Vec<u32> = 37 Fixed,
    list_fixed64: Vec<u64> = 38 Fixed,
    list_sfixed32: Vec<i32> = 39 Fixed,
    list_sfixed64: Vec<i64> = 40 Fixed,
    list_float: Vec<f32> = 41 Default,
    list_double: Vec<f64> = 42 Default,
    list_bool: Vec<bool> = 43 Default,
    list_string: Vec<String> = 44 Default,
    list_bytes: Vec<Bytes> = 45 Default,
    color: Color = 46 Default,
    optional_color: Option<Color> = 47 Default,
    list_color: Vec<Color> = 48 Default,
    inner: Inner = 49 Default,
    optional_inner: Option<Inner> = 50 Default,
    boxed: Option<Box<Kinds>> = 51 Default,
    list_inner: Vec<Inner> = 52 Default,
    pair: (i32, String) = 53 Default,
    choice: Option<Choice> = 54 Default,
    list_choice: Vec<Choice> = 55 Default,
    map_scalar: BTreeMap<i32, u64> = 56 Default,
    map_inner: BTreeMap<String, Inner> = 57 Default,
    map_bytes: BTreeMap<bool, Bytes> = 58 Default,
} }

describe! { Inner 3 {
    id: u32 = 1 Default,
    name: String = 4 Default,
    items: Vec<Inner> = 2000 Default,
} }

#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(crate) enum Color {
    #[default]
    Red,
    Green,
    Blue,
}

impl DescribeEnum for Color {
    const NAME: &'static str = "Color";
    const VARIANTS: &'static [VariantDesc] =
        &[VariantDesc::new("Red", 0), VariantDesc::new("Green", 5), VariantDesc::new("Blue", -1)];
}

impl Shape for Color {
    type Card = single::One;
    const TYPE: FieldType = FieldType::enumeration::<Self>();
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) enum Choice {
    Number(i32),
    Inner(Inner),
    Fields { left: u32, right: String },
    Empty,
}

impl Describe for Choice {
    const NAME: &'static str = "Choice";
    const KIND: MessageKind = MessageKind::Oneof;
    const FIELDS: &'static [FieldDesc] = &[
        FieldDesc::of::<i32>("Number", 1),
        FieldDesc::of::<Inner>("Inner", 2),
        FieldDesc::new("Fields", 3, Encoding::Default, FieldType::part::<Self, 3>()),
        FieldDesc::of::<()>("Empty", 4),
    ];
    const ORDER: &'static [u16] = &order::<4>(<Self as Describe>::FIELDS);
}

impl Describe<3> for Choice {
    const NAME: &'static str = "ChoiceFields";
    const FIELDS: &'static [FieldDesc] = &[FieldDesc::of::<u32>("left", 1), FieldDesc::of::<String>("right", 2)];
    const ORDER: &'static [u16] = &[0, 1];
}

message!(Choice);

/// A value from a string of choices.
pub(crate) trait Choose {
    fn choose(choices: &mut Choices<'_>) -> Self;
}

macro_rules! choose {
    ($($ty:ty: $choices:ident => $value:expr;)+) => {$(
        impl Choose for $ty {
            fn choose($choices: &mut Choices<'_>) -> Self {
                $value
            }
        }
    )+};
}

choose! {
    i32: choices => choices.number() as i32;
    i64: choices => choices.number() as i64;
    u32: choices => choices.number() as u32;
    u64: choices => choices.number();
    f32: choices => choices.number() as i32 as f32 / 3.0;
    f64: choices => choices.number() as i64 as f64 / 3.0;
    bool: choices => choices.one_of(2) == 1;
    String: choices => choices.text();
    Bytes: choices => choices.text().into();
    Color: choices => [Color::Red, Color::Green, Color::Blue][choices.one_of(3)];
    (i32, String): choices => (Choose::choose(choices), Choose::choose(choices));
    Choice: choices => match choices.one_of(4) {
        0 => Choice::Number(Choose::choose(choices)),
        1 => Choice::Inner(Choose::choose(choices)),
        2 => Choice::Fields { left: Choose::choose(choices), right: Choose::choose(choices) },
        _ => Choice::Empty,
    };
}

impl<T: Choose> Choose for Option<T> {
    fn choose(choices: &mut Choices<'_>) -> Self {
        (choices.one_of(3) == 1).then(|| T::choose(choices))
    }
}

impl<T: Choose> Choose for Box<T> {
    fn choose(choices: &mut Choices<'_>) -> Self {
        Box::new(T::choose(choices))
    }
}

impl<T: Choose> Choose for Vec<T> {
    fn choose(choices: &mut Choices<'_>) -> Self {
        (0..choices.one_of(4)).map(|_| T::choose(choices)).collect()
    }
}

impl<K: Choose + Ord, V: Choose> Choose for BTreeMap<K, V> {
    fn choose(choices: &mut Choices<'_>) -> Self {
        (0..choices.one_of(4)).map(|_| (K::choose(choices), V::choose(choices))).collect()
    }
}

/// The same for prost.
pub(crate) mod with_prost {
    use std::collections::BTreeMap;

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Kinds {
        #[prost(int32, tag = "1")]
        pub(crate) int32: i32,
        #[prost(int64, tag = "2")]
        pub(crate) int64: i64,
        #[prost(uint32, tag = "3")]
        pub(crate) uint32: u32,
        #[prost(uint64, tag = "4")]
        pub(crate) uint64: u64,
        #[prost(sint32, tag = "5")]
        pub(crate) sint32: i32,
        #[prost(sint64, tag = "6")]
        pub(crate) sint64: i64,
        #[prost(fixed32, tag = "7")]
        pub(crate) fixed32: u32,
        #[prost(fixed64, tag = "8")]
        pub(crate) fixed64: u64,
        #[prost(sfixed32, tag = "9")]
        pub(crate) sfixed32: i32,
        #[prost(sfixed64, tag = "10")]
        pub(crate) sfixed64: i64,
        #[prost(float, tag = "11")]
        pub(crate) float: f32,
        #[prost(double, tag = "12")]
        pub(crate) double: f64,
        #[prost(bool, tag = "13")]
        pub(crate) bool: bool,
        #[prost(string, tag = "14")]
        pub(crate) string: String,
        #[prost(bytes = "bytes", tag = "15")]
        pub(crate) bytes: prost::bytes::Bytes,
        #[prost(int32, optional, tag = "16")]
        pub(crate) optional_int32: Option<i32>,
        #[prost(int64, optional, tag = "17")]
        pub(crate) optional_int64: Option<i64>,
        #[prost(uint32, optional, tag = "18")]
        pub(crate) optional_uint32: Option<u32>,
        #[prost(uint64, optional, tag = "19")]
        pub(crate) optional_uint64: Option<u64>,
        #[prost(sint32, optional, tag = "20")]
        pub(crate) optional_sint32: Option<i32>,
        #[prost(sint64, optional, tag = "21")]
        pub(crate) optional_sint64: Option<i64>,
        #[prost(fixed32, optional, tag = "22")]
        pub(crate) optional_fixed32: Option<u32>,
        #[prost(fixed64, optional, tag = "23")]
        pub(crate) optional_fixed64: Option<u64>,
        #[prost(sfixed32, optional, tag = "24")]
        pub(crate) optional_sfixed32: Option<i32>,
        #[prost(sfixed64, optional, tag = "25")]
        pub(crate) optional_sfixed64: Option<i64>,
        #[prost(float, optional, tag = "26")]
        pub(crate) optional_float: Option<f32>,
        #[prost(double, optional, tag = "27")]
        pub(crate) optional_double: Option<f64>,
        #[prost(bool, optional, tag = "28")]
        pub(crate) optional_bool: Option<bool>,
        #[prost(string, optional, tag = "29")]
        pub(crate) optional_string: Option<String>,
        #[prost(bytes = "bytes", optional, tag = "30")]
        pub(crate) optional_bytes: Option<prost::bytes::Bytes>,
        #[prost(int32, repeated, tag = "31")]
        pub(crate) list_int32: Vec<i32>,
        #[prost(int64, repeated, tag = "32")]
        pub(crate) list_int64: Vec<i64>,
        #[prost(uint32, repeated, tag = "33")]
        pub(crate) list_uint32: Vec<u32>,
        #[prost(uint64, repeated, tag = "34")]
        pub(crate) list_uint64: Vec<u64>,
        #[prost(sint32, repeated, tag = "35")]
        pub(crate) list_sint32: Vec<i32>,
        #[prost(sint64, repeated, tag = "36")]
        pub(crate) list_sint64: Vec<i64>,
        #[prost(fixed32, repeated, tag = "37")]
        pub(crate) list_fixed32: Vec<u32>,
        #[prost(fixed64, repeated, tag = "38")]
        pub(crate) list_fixed64: Vec<u64>,
        #[prost(sfixed32, repeated, tag = "39")]
        pub(crate) list_sfixed32: Vec<i32>,
        #[prost(sfixed64, repeated, tag = "40")]
        pub(crate) list_sfixed64: Vec<i64>,
        #[prost(float, repeated, tag = "41")]
        pub(crate) list_float: Vec<f32>,
        #[prost(double, repeated, tag = "42")]
        pub(crate) list_double: Vec<f64>,
        #[prost(bool, repeated, tag = "43")]
        pub(crate) list_bool: Vec<bool>,
        #[prost(string, repeated, tag = "44")]
        pub(crate) list_string: Vec<String>,
        #[prost(bytes = "bytes", repeated, tag = "45")]
        pub(crate) list_bytes: Vec<prost::bytes::Bytes>,
        #[prost(enumeration = "Color", tag = "46")]
        pub(crate) color: i32,
        #[prost(enumeration = "Color", optional, tag = "47")]
        pub(crate) optional_color: Option<i32>,
        #[prost(enumeration = "Color", repeated, tag = "48")]
        pub(crate) list_color: Vec<i32>,
        #[prost(message, required, tag = "49")]
        pub(crate) inner: Inner,
        #[prost(message, optional, tag = "50")]
        pub(crate) optional_inner: Option<Inner>,
        #[prost(message, optional, boxed, tag = "51")]
        pub(crate) boxed: Option<Box<Kinds>>,
        #[prost(message, repeated, tag = "52")]
        pub(crate) list_inner: Vec<Inner>,
        #[prost(message, required, tag = "53")]
        pub(crate) pair: Pair,
        #[prost(message, optional, tag = "54")]
        pub(crate) choice: Option<Choice>,
        #[prost(message, repeated, tag = "55")]
        pub(crate) list_choice: Vec<Choice>,
        #[prost(btree_map = "int32, uint64", tag = "56")]
        pub(crate) map_scalar: BTreeMap<i32, u64>,
        #[prost(btree_map = "string, message", tag = "57")]
        pub(crate) map_inner: BTreeMap<String, Inner>,
        #[prost(btree_map = "bool, bytes", tag = "58")]
        pub(crate) map_bytes: BTreeMap<bool, Vec<u8>>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Inner {
        #[prost(uint32, tag = "1")]
        pub(crate) id: u32,
        #[prost(string, tag = "4")]
        pub(crate) name: String,
        #[prost(message, repeated, tag = "2000")]
        pub(crate) items: Vec<Inner>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Pair {
        #[prost(int32, tag = "1")]
        pub(crate) first: i32,
        #[prost(string, tag = "2")]
        pub(crate) second: String,
    }

    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, prost::Enumeration)]
    #[repr(i32)]
    pub(crate) enum Color {
        Red = 0,
        Green = 5,
        Blue = -1,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Choice {
        #[prost(oneof = "OneOf", tags = "1, 2, 3, 4")]
        pub(crate) one_of: Option<OneOf>,
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(crate) enum OneOf {
        #[prost(int32, tag = "1")]
        Number(i32),
        #[prost(message, tag = "2")]
        Inner(Inner),
        #[prost(message, tag = "3")]
        Fields(Fields),
        #[prost(message, tag = "4")]
        Empty(()),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Fields {
        #[prost(uint32, tag = "1")]
        pub(crate) left: u32,
        #[prost(string, tag = "2")]
        pub(crate) right: String,
    }
}
