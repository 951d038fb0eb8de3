//! The messages that are measured and compared, once for prost and once for serde.
//!
//! `Big` is the benchmark message of rpcx, with its fields in the order of their numbers.

use motet_protobuf::{Describe, Encoding, FieldDesc, FieldType, Shape, order, single};
use serde::{Deserialize, Serialize};

/// Gives a struct its descriptor, as `#[motet::message]` does.
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

        impl Shape for $name {
            type Card = single::One;
            const TYPE: FieldType = FieldType::message::<Self>();
        }
    };
}

describe! { Big 40 {
    field1: String = 1 Default,
    field2: i32 = 2 Default,
    field3: i32 = 3 Default,
    field4: String = 4 Default,
    field5: Vec<u64> = 5 Fixed,
    field6: i32 = 6 Default,
    field7: String = 7 Default,
    field9: String = 9 Default,
    field12: bool = 12 Default,
    field13: bool = 13 Default,
    field14: bool = 14 Default,
    field16: i32 = 16 Default,
    field17: bool = 17 Default,
    field18: String = 18 Default,
    field22: i64 = 22 Default,
    field23: i32 = 23 Default,
    field24: bool = 24 Default,
    field25: i32 = 25 Default,
    field29: i32 = 29 Default,
    field30: bool = 30 Default,
    field59: bool = 59 Default,
    field60: i32 = 60 Default,
    field67: i32 = 67 Default,
    field68: i32 = 68 Default,
    field78: bool = 78 Default,
    field80: bool = 80 Default,
    field81: bool = 81 Default,
    field100: i32 = 100 Default,
    field101: i32 = 101 Default,
    field102: String = 102 Default,
    field103: String = 103 Default,
    field104: i32 = 104 Default,
    field128: i32 = 128 Default,
    field129: String = 129 Default,
    field130: i32 = 130 Default,
    field131: i32 = 131 Default,
    field150: i32 = 150 Default,
    field271: i32 = 271 Default,
    field272: i32 = 272 Default,
    field280: i32 = 280 Default,
} }

describe! { Small 2 {
    first: u64 = 1 Fixed,
    second: u64 = 2 Fixed,
} }

describe! { Item 6 {
    id: u64 = 1 Default,
    name: String = 2 Default,
    price: f64 = 3 Default,
    stock: i32 = 4 Default,
    tags: Vec<String> = 5 Default,
    active: bool = 6 Default,
} }

describe! { Items 1 {
    items: Vec<Item> = 1 Default,
} }

/// The same for prost.
pub(crate) mod with_prost {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Big {
        #[prost(string, tag = "1")]
        pub(crate) field1: String,
        #[prost(int32, tag = "2")]
        pub(crate) field2: i32,
        #[prost(int32, tag = "3")]
        pub(crate) field3: i32,
        #[prost(string, tag = "4")]
        pub(crate) field4: String,
        #[prost(fixed64, repeated, tag = "5")]
        pub(crate) field5: Vec<u64>,
        #[prost(int32, tag = "6")]
        pub(crate) field6: i32,
        #[prost(string, tag = "7")]
        pub(crate) field7: String,
        #[prost(string, tag = "9")]
        pub(crate) field9: String,
        #[prost(bool, tag = "12")]
        pub(crate) field12: bool,
        #[prost(bool, tag = "13")]
        pub(crate) field13: bool,
        #[prost(bool, tag = "14")]
        pub(crate) field14: bool,
        #[prost(int32, tag = "16")]
        pub(crate) field16: i32,
        #[prost(bool, tag = "17")]
        pub(crate) field17: bool,
        #[prost(string, tag = "18")]
        pub(crate) field18: String,
        #[prost(int64, tag = "22")]
        pub(crate) field22: i64,
        #[prost(int32, tag = "23")]
        pub(crate) field23: i32,
        #[prost(bool, tag = "24")]
        pub(crate) field24: bool,
        #[prost(int32, tag = "25")]
        pub(crate) field25: i32,
        #[prost(int32, tag = "29")]
        pub(crate) field29: i32,
        #[prost(bool, tag = "30")]
        pub(crate) field30: bool,
        #[prost(bool, tag = "59")]
        pub(crate) field59: bool,
        #[prost(int32, tag = "60")]
        pub(crate) field60: i32,
        #[prost(int32, tag = "67")]
        pub(crate) field67: i32,
        #[prost(int32, tag = "68")]
        pub(crate) field68: i32,
        #[prost(bool, tag = "78")]
        pub(crate) field78: bool,
        #[prost(bool, tag = "80")]
        pub(crate) field80: bool,
        #[prost(bool, tag = "81")]
        pub(crate) field81: bool,
        #[prost(int32, tag = "100")]
        pub(crate) field100: i32,
        #[prost(int32, tag = "101")]
        pub(crate) field101: i32,
        #[prost(string, tag = "102")]
        pub(crate) field102: String,
        #[prost(string, tag = "103")]
        pub(crate) field103: String,
        #[prost(int32, tag = "104")]
        pub(crate) field104: i32,
        #[prost(int32, tag = "128")]
        pub(crate) field128: i32,
        #[prost(string, tag = "129")]
        pub(crate) field129: String,
        #[prost(int32, tag = "130")]
        pub(crate) field130: i32,
        #[prost(int32, tag = "131")]
        pub(crate) field131: i32,
        #[prost(int32, tag = "150")]
        pub(crate) field150: i32,
        #[prost(int32, tag = "271")]
        pub(crate) field271: i32,
        #[prost(int32, tag = "272")]
        pub(crate) field272: i32,
        #[prost(int32, tag = "280")]
        pub(crate) field280: i32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Small {
        #[prost(fixed64, tag = "1")]
        pub(crate) first: u64,
        #[prost(fixed64, tag = "2")]
        pub(crate) second: u64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Item {
        #[prost(uint64, tag = "1")]
        pub(crate) id: u64,
        #[prost(string, tag = "2")]
        pub(crate) name: String,
        #[prost(double, tag = "3")]
        pub(crate) price: f64,
        #[prost(int32, tag = "4")]
        pub(crate) stock: i32,
        #[prost(string, repeated, tag = "5")]
        pub(crate) tags: Vec<String>,
        #[prost(bool, tag = "6")]
        pub(crate) active: bool,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Items {
        #[prost(message, repeated, tag = "1")]
        pub(crate) items: Vec<Item>,
    }
}

/// Every field set, 581 bytes, as rpcx's benchmark fills it.
pub(crate) fn big() -> Big {
    const TEXT: &str = "许多往事在眼前一幕一幕，变的那麼模糊";
    Big {
        field1: TEXT.into(),
        field2: 100_000,
        field3: 100_000,
        field4: TEXT.into(),
        field5: Vec::new(),
        field6: 100_000,
        field7: TEXT.into(),
        field9: TEXT.into(),
        field12: true,
        field13: true,
        field14: true,
        field16: 100_000,
        field17: true,
        field18: TEXT.into(),
        field22: 100_000,
        field23: 100_000,
        field24: true,
        field25: 100_000,
        field29: 100_000,
        field30: true,
        field59: true,
        field60: 100_000,
        field67: 100_000,
        field68: 100_000,
        field78: true,
        field80: true,
        field81: true,
        field100: 100_000,
        field101: 100_000,
        field102: TEXT.into(),
        field103: TEXT.into(),
        field104: 100_000,
        field128: 100_000,
        field129: TEXT.into(),
        field130: 100_000,
        field131: 100_000,
        field150: 100_000,
        field271: 100_000,
        field272: 100_000,
        field280: 100_000,
    }
}

pub(crate) fn small() -> Small {
    Small { first: 0x0123_4567_89ab_cdef, second: 42 }
}

/// A hundred items of about 36 bytes.
pub(crate) fn items() -> Items {
    let item = |id: u64| Item {
        id: 1_000 + id,
        name: format!("article {id}"),
        price: 9.99 + id as f64,
        stock: (id as i32 % 7) - 1,
        tags: vec!["new".into(), "sale".into()],
        active: id.is_multiple_of(2),
    };
    Items { items: (0..100).map(item).collect() }
}
