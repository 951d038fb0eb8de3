//! The same messages as a user of Motet writes them: plain structs, no .proto, the default codec.
//!
//! Tags and their order are those of `proto/bench.proto`, so that both are the same bytes.

use prost::Message as _;

use crate::message::{self, Sample};
use crate::sample::{NUMBER, TEXT};

/// The big message.
#[motet::message]
#[derive(Clone, PartialEq)]
pub(crate) struct Big {
    #[motet(tag = 1)]
    pub(crate) field1: String,
    #[motet(tag = 2)]
    pub(crate) field2: i32,
    #[motet(tag = 3)]
    pub(crate) field3: i32,
    #[motet(tag = 4)]
    pub(crate) field4: String,
    #[motet(tag = 5, fixed)]
    pub(crate) field5: Vec<u64>,
    #[motet(tag = 6)]
    pub(crate) field6: i32,
    #[motet(tag = 7)]
    pub(crate) field7: String,
    #[motet(tag = 9)]
    pub(crate) field9: String,
    #[motet(tag = 12)]
    pub(crate) field12: bool,
    #[motet(tag = 13)]
    pub(crate) field13: bool,
    #[motet(tag = 14)]
    pub(crate) field14: bool,
    #[motet(tag = 16)]
    pub(crate) field16: i32,
    #[motet(tag = 17)]
    pub(crate) field17: bool,
    #[motet(tag = 18)]
    pub(crate) field18: String,
    #[motet(tag = 22)]
    pub(crate) field22: i64,
    #[motet(tag = 23)]
    pub(crate) field23: i32,
    #[motet(tag = 24)]
    pub(crate) field24: bool,
    #[motet(tag = 25)]
    pub(crate) field25: i32,
    #[motet(tag = 29)]
    pub(crate) field29: i32,
    #[motet(tag = 30)]
    pub(crate) field30: bool,
    #[motet(tag = 59)]
    pub(crate) field59: bool,
    #[motet(tag = 60)]
    pub(crate) field60: i32,
    #[motet(tag = 67)]
    pub(crate) field67: i32,
    #[motet(tag = 68)]
    pub(crate) field68: i32,
    #[motet(tag = 78)]
    pub(crate) field78: bool,
    #[motet(tag = 80)]
    pub(crate) field80: bool,
    #[motet(tag = 81)]
    pub(crate) field81: bool,
    #[motet(tag = 100)]
    pub(crate) field100: i32,
    #[motet(tag = 101)]
    pub(crate) field101: i32,
    #[motet(tag = 102)]
    pub(crate) field102: String,
    #[motet(tag = 103)]
    pub(crate) field103: String,
    #[motet(tag = 104)]
    pub(crate) field104: i32,
    #[motet(tag = 128)]
    pub(crate) field128: i32,
    #[motet(tag = 129)]
    pub(crate) field129: String,
    #[motet(tag = 130)]
    pub(crate) field130: i32,
    #[motet(tag = 131)]
    pub(crate) field131: i32,
    #[motet(tag = 150)]
    pub(crate) field150: i32,
    #[motet(tag = 271)]
    pub(crate) field271: i32,
    #[motet(tag = 272)]
    pub(crate) field272: i32,
    #[motet(tag = 280)]
    pub(crate) field280: i32,
}

/// The small message.
#[motet::message]
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Small {
    #[motet(tag = 1, fixed)]
    pub(crate) first: u64,
    #[motet(tag = 2, fixed)]
    pub(crate) second: u64,
}

impl Sample for Big {
    fn sample() -> Self {
        let bytes = message::Big::sample().encode_to_vec();
        motet_protobuf::decode(&bytes).expect("the same fields")
    }

    fn handle(mut self) -> Self {
        self.field1 = "OK".to_owned();
        self.field2 = 100;
        self
    }

    fn again(&mut self) {
        self.field1 = TEXT.to_owned();
        self.field2 = NUMBER;
    }

    fn is_reply(&self) -> bool {
        self.field1 == "OK" && self.field2 == 100
    }
}

impl Sample for Small {
    fn sample() -> Self {
        let message::Small { first, second } = message::Small::sample();
        Self { first, second }
    }

    fn handle(mut self) -> Self {
        self.second += 1;
        self
    }

    fn again(&mut self) {
        self.second -= 1;
    }

    fn is_reply(&self) -> bool {
        self.second == 2
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    #[test]
    fn both_are_the_bytes_of_the_generated_types() {
        let mut out = BytesMut::new();
        motet_protobuf::encode(&Big::sample(), &mut out).expect("encoded");
        assert_eq!(out, message::Big::sample().encode_to_vec());
        out.clear();
        motet_protobuf::encode(&Small::sample(), &mut out).expect("encoded");
        assert_eq!(out, message::Small::sample().encode_to_vec());
    }
}
