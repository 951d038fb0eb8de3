//! `motet-bench codec`: size and cost of the same values in each codec.
//!
//! Encoding goes into a buffer that is kept, decoding makes a new value.

use std::hint::black_box;

use anyhow::{Result, ensure};
use bytes::BytesMut;

use crate::message::{Big, ProstSample, Sample, SerdeSample, Small};
use crate::{plain, timing};

/// Prints a line for each codec and message.
pub(crate) fn run() -> Result<()> {
    timing::settle()?;
    println!("{:<16}{:<8}{:>8}{:>12}{:>12}", "codec", "message", "bytes", "encode ns", "decode ns");
    for case in cases() {
        let Figures { bytes, encode, decode } = (case.measure)(true)?;
        println!("{:<16}{:<8}{bytes:>8}{encode:>12.1}{decode:>12.1}", case.codec, case.message);
    }
    Ok(())
}

/// One line of the table.
struct Case {
    codec: &'static str,
    message: &'static str,
    /// Without time only the size is found out.
    measure: Box<dyn Fn(bool) -> Result<Figures>>,
}

#[derive(Default)]
struct Figures {
    bytes: usize,
    encode: f64,
    decode: f64,
}

fn cases() -> Vec<Case> {
    vec![
        protobuf::<Big>("big"),
        protobuf::<Small>("small"),
        motet::<plain::Big>("big"),
        motet::<plain::Small>("small"),
        message_pack::<plain::Big>("big"),
        message_pack::<plain::Small>("small"),
        json::<plain::Big>("big"),
        json::<plain::Small>("small"),
    ]
}

/// prost, generated code, into a slice: into `BytesMut` it takes three times as long.
fn protobuf<M: ProstSample>(message: &'static str) -> Case {
    case(
        "protobuf",
        message,
        |value: &M, out| {
            out.resize(value.encoded_len(), 0);
            value.encode_raw(&mut &mut out[..]);
            Ok(())
        },
        |bytes| Ok(M::decode(bytes)?),
    )
}

/// Motet's default codec: protobuf through serde.
fn motet<M: SerdeSample + motet_protobuf::Shape>(message: &'static str) -> Case {
    case(
        "motet-protobuf",
        message,
        |value: &M, out| Ok(motet_protobuf::encode(value, out)?),
        |bytes| Ok(motet_protobuf::decode(bytes)?),
    )
}

/// rmp-serde with field names, which lets a message grow.
fn message_pack<M: SerdeSample>(message: &'static str) -> Case {
    case(
        "messagepack",
        message,
        |value: &M, out| Ok(rmp_serde::encode::write_named(&mut bytes::BufMut::writer(out), value)?),
        |bytes| Ok(rmp_serde::from_slice(bytes)?),
    )
}

/// serde_json.
fn json<M: SerdeSample>(message: &'static str) -> Case {
    case(
        "json",
        message,
        |value: &M, out| Ok(serde_json::to_writer(bytes::BufMut::writer(out), value)?),
        |bytes| Ok(serde_json::from_slice(bytes)?),
    )
}

fn case<M: Sample>(
    codec: &'static str,
    message: &'static str,
    encode: fn(&M, &mut BytesMut) -> Result<()>,
    decode: fn(&[u8]) -> Result<M>,
) -> Case {
    let measure = move |timed: bool| {
        let value = M::sample();
        let mut out = BytesMut::new();
        encode(&value, &mut out)?;
        let bytes = out.split().freeze();
        ensure!(decode(&bytes)? == value, "{codec} loses something");
        if !timed {
            return Ok(Figures { bytes: bytes.len(), ..Figures::default() });
        }
        out.reserve(bytes.len());
        let encode = timing::nanos(|| {
            out.clear();
            let done = encode(black_box(&value), black_box(&mut out));
            debug_assert!(done.is_ok(), "it was encoded before");
        });
        let decode = timing::nanos(|| {
            let value = decode(black_box(&bytes));
            debug_assert!(value.is_ok(), "it was decoded before");
            drop(black_box(value));
        });
        Ok(Figures { bytes: bytes.len(), encode, decode })
    };
    Case { codec, message, measure: Box::new(measure) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_gives_back_what_it_took() {
        let sizes = cases().iter().map(|case| (case.measure)(false).expect("the same value").bytes).collect::<Vec<_>>();
        let big = sizes.into_iter().step_by(2).collect::<Vec<_>>();
        assert_eq!(big[..2], [581, 581]);
        assert!(big.is_sorted(), "{big:?}");
    }
}
