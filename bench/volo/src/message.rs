//! The two messages as volo's code generator has them.

pub(crate) use generated::volo_gen::bench::{BenchmarkMessage as Big, Pair as Small};

pub(crate) use crate::sample::{Message, Sample};
use crate::sample::{NUMBER, TEXT};

/// Types, client and server, generated from `idl/bench.thrift`.
#[allow(missing_docs, unreachable_pub, unused, clippy::all)]
pub(crate) mod generated {
    include!(concat!(env!("OUT_DIR"), "/volo_gen.rs"));
}

impl Sample for Big {
    fn sample() -> Self {
        Self {
            field1: TEXT.into(),
            field9: TEXT.into(),
            field18: TEXT.into(),
            field80: true,
            field81: true,
            field2: NUMBER,
            field3: NUMBER,
            field280: NUMBER,
            field6: NUMBER,
            field22: i64::from(NUMBER),
            field4: TEXT.into(),
            field5: Vec::new(),
            field59: true,
            field7: TEXT.into(),
            field16: NUMBER,
            field130: NUMBER,
            field12: true,
            field17: true,
            field13: true,
            field14: true,
            field104: NUMBER,
            field100: NUMBER,
            field101: NUMBER,
            field102: TEXT.into(),
            field103: TEXT.into(),
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
            field129: TEXT.into(),
            field131: NUMBER,
        }
    }

    fn handle(mut self) -> Self {
        self.field1 = "OK".into();
        self.field2 = 100;
        self
    }

    fn again(&mut self) {
        self.field1 = TEXT.into();
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
