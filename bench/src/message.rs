//! The two messages as prost has them.

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use crate::sample::{Message, Sample};
pub(crate) use generated::{BenchmarkMessage as Big, Pair as Small};

/// Types and tonic's client and server, generated from `proto/bench.proto`.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub(crate) mod generated {
    tonic::include_proto!("bench");
}

/// A [`Sample`] that serde writes and reads.
pub(crate) trait SerdeSample: Sample + Serialize + DeserializeOwned {}

impl<M: Sample + Serialize + DeserializeOwned> SerdeSample for M {}

/// A [`Sample`] that prost writes and reads.
pub(crate) trait ProstSample: Sample + prost::Message + Default {}

impl<M: Sample + prost::Message + Default> ProstSample for M {}

impl Sample for Big {
    fn sample() -> Self {
        let text = || "许多往事在眼前一幕一幕，变的那麼模糊".to_owned();
        let number = 100_000;
        Self {
            field1: text(),
            field9: text(),
            field18: text(),
            field80: true,
            field81: true,
            field2: number,
            field3: number,
            field280: number,
            field6: number,
            field22: i64::from(number),
            field4: text(),
            field5: Vec::new(),
            field59: true,
            field7: text(),
            field16: number,
            field130: number,
            field12: true,
            field17: true,
            field13: true,
            field14: true,
            field104: number,
            field100: number,
            field101: number,
            field102: text(),
            field103: text(),
            field29: number,
            field30: true,
            field60: number,
            field271: number,
            field272: number,
            field150: number,
            field23: number,
            field24: true,
            field25: number,
            field78: true,
            field67: number,
            field68: number,
            field128: number,
            field129: text(),
            field131: number,
        }
    }

    fn handle(mut self) -> Self {
        self.field1 = "OK".to_owned();
        self.field2 = 100;
        self
    }

    fn is_reply(&self) -> bool {
        self.field1 == "OK" && self.field2 == 100
    }
}

impl Sample for Small {
    fn sample() -> Self {
        Self { first: 0x0123_4567_89ab_cdef, second: 1 }
    }

    fn handle(mut self) -> Self {
        self.second += 1;
        self
    }

    fn is_reply(&self) -> bool {
        self.second == 2
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    #[test]
    fn the_big_message_has_581_bytes() {
        assert_eq!(Big::sample().encoded_len(), 581);
    }

    #[test]
    fn the_small_message_has_16_bytes_and_two_tags() {
        assert_eq!(Small::sample().encoded_len(), 16 + 2);
    }

    #[test]
    fn only_the_handler_makes_a_reply() {
        assert!(!Big::sample().is_reply());
        assert!(Big::sample().handle().is_reply());
        assert!(!Small::sample().is_reply());
        assert!(Small::sample().handle().is_reply());
    }
}
