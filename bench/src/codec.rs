//! `motet-bench codec`: size and cost of the same values in each codec.
//!
//! Encoding goes into a buffer that is kept, decoding makes a new value. To add a codec,
//! implement [`Codec`] and name it in [`run`].

use std::hint::black_box;

use anyhow::{Result, ensure};

use crate::message::{Big, Message, Sample, Small};
use crate::timing;

/// A way to write a message.
trait Codec {
    const NAME: &'static str;

    /// Appends the value to `out`.
    fn encode<M: Sample>(value: &M, out: &mut Vec<u8>) -> Result<()>;

    fn decode<M: Sample>(bytes: &[u8]) -> Result<M>;
}

/// Prints a line for each codec and message.
pub(crate) fn run() -> Result<()> {
    timing::settle()?;
    println!("{:<14}{:<8}{:>8}{:>12}{:>12}", "codec", "message", "bytes", "encode ns", "decode ns");
    measure::<Protobuf>()?;
    measure::<MessagePack>()?;
    measure::<Json>()
}

fn measure<C: Codec>() -> Result<()> {
    measure_message::<C, Big>(Message::Big)?;
    measure_message::<C, Small>(Message::Small)
}

fn measure_message<C: Codec, M: Sample>(message: Message) -> Result<()> {
    let value = M::sample();
    let bytes = round_trip::<C, M>(&value)?;
    let mut out = Vec::with_capacity(bytes.len());
    let encode = timing::nanos(|| {
        out.clear();
        let done = C::encode(black_box(&value), black_box(&mut out));
        debug_assert!(done.is_ok(), "it was encoded before");
    });
    let decode = timing::nanos(|| {
        let value = C::decode::<M>(black_box(&bytes));
        debug_assert!(value.is_ok(), "it was decoded before");
        drop(black_box(value));
    });
    println!("{:<14}{:<8}{:>8}{encode:>12.1}{decode:>12.1}", C::NAME, message.name(), bytes.len());
    Ok(())
}

/// The bytes of `value`, once they are known to decode to it.
fn round_trip<C: Codec, M: Sample>(value: &M) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    C::encode(value, &mut bytes)?;
    ensure!(C::decode::<M>(&bytes)? == *value, "{} loses something", C::NAME);
    Ok(bytes)
}

/// prost.
struct Protobuf;

impl Codec for Protobuf {
    const NAME: &'static str = "protobuf";

    fn encode<M: Sample>(value: &M, out: &mut Vec<u8>) -> Result<()> {
        Ok(value.encode(out)?)
    }

    fn decode<M: Sample>(bytes: &[u8]) -> Result<M> {
        Ok(M::decode(bytes)?)
    }
}

/// rmp-serde with field names, which lets a message grow.
struct MessagePack;

impl Codec for MessagePack {
    const NAME: &'static str = "messagepack";

    fn encode<M: Sample>(value: &M, out: &mut Vec<u8>) -> Result<()> {
        Ok(rmp_serde::encode::write_named(out, value)?)
    }

    fn decode<M: Sample>(bytes: &[u8]) -> Result<M> {
        Ok(rmp_serde::from_slice(bytes)?)
    }
}

/// serde_json.
struct Json;

impl Codec for Json {
    const NAME: &'static str = "json";

    fn encode<M: Sample>(value: &M, out: &mut Vec<u8>) -> Result<()> {
        Ok(serde_json::to_writer(out, value)?)
    }

    fn decode<M: Sample>(bytes: &[u8]) -> Result<M> {
        Ok(serde_json::from_slice(bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_gives_back_what_it_took() {
        let value = Big::sample();
        let sizes = [
            round_trip::<Protobuf, Big>(&value),
            round_trip::<MessagePack, Big>(&value),
            round_trip::<Json, Big>(&value),
        ]
        .map(|bytes| bytes.expect("the same value").len());
        assert_eq!(sizes[0], 581);
        assert!(sizes.is_sorted(), "{sizes:?}");
    }
}
