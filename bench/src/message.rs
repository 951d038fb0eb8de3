//! The two messages as prost has them.

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use crate::sample::{Message, Sample};
use crate::sample::{NUMBER, TEXT};
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
        Self {
            field1: TEXT.to_owned(),
            field9: TEXT.to_owned(),
            field18: TEXT.to_owned(),
            field80: true,
            field81: true,
            field2: NUMBER,
            field3: NUMBER,
            field280: NUMBER,
            field6: NUMBER,
            field22: i64::from(NUMBER),
            field4: TEXT.to_owned(),
            field5: Vec::new(),
            field59: true,
            field7: TEXT.to_owned(),
            field16: NUMBER,
            field130: NUMBER,
            field12: true,
            field17: true,
            field13: true,
            field14: true,
            field104: NUMBER,
            field100: NUMBER,
            field101: NUMBER,
            field102: TEXT.to_owned(),
            field103: TEXT.to_owned(),
            field29: NUMBER,
            field30: true,
            field60: NUMBER,
            field271: NUMBER,
            field272: NUMBER,
            field150: NUMBER,
            field23: NUMBER,
            field24: true,
            field25: NUMBER,
            field78: true,
            field67: NUMBER,
            field68: NUMBER,
            field128: NUMBER,
            field129: TEXT.to_owned(),
            field131: NUMBER,
        }
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
        Self { first: 0x0123_4567_89ab_cdef, second: 1 }
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
