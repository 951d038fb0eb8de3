//! Run with: `cargo run --release -p motet-protobuf --example compare` (pin it: `taskset -c 0 …`)
//!
//! Question: does going through serde cost more than generated code? Baseline: prost, on the same
//! bytes. Encoding writes into one reused buffer, for prost a `Vec`, which suits it better than
//! `BytesMut`; each figure is the least of several rounds, which alternate between the two so that
//! both see the same machine.

#![expect(clippy::disallowed_types, reason = "it measures real time")]

#[path = "../tests/codec/messages.rs"]
mod messages;

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use messages::with_prost;
use motet_protobuf::Shape;
use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;

const ROUNDS: usize = 12;

fn main() {
    println!("ns per message         encode             decode          bytes");
    println!("                   prost   serde      prost   serde");
    compare::<_, with_prost::Big>("big", &messages::big());
    compare::<_, with_prost::Small>("small", &messages::small());
    compare::<_, with_prost::Items>("list of 100", &messages::items());
}

fn compare<T, P>(name: &str, value: &T)
where
    T: Serialize + DeserializeOwned + Shape,
    P: Message + Default,
{
    let mut bytes = BytesMut::new();
    motet_protobuf::encode(value, &mut bytes).expect("a message");
    let theirs = P::decode(&bytes[..]).expect("what prost writes as well");
    assert_eq!(theirs.encode_to_vec(), bytes, "both write the same bytes");

    let mut out = BytesMut::with_capacity(16 << 10);
    let mut their_out = Vec::with_capacity(16 << 10);
    let mut least = [f64::MAX; 4];
    for _ in 0..ROUNDS {
        let figures = [
            time(|| {
                their_out.clear();
                theirs.encode(black_box(&mut their_out)).expect("room");
            }),
            time(|| {
                out.clear();
                motet_protobuf::encode(black_box(value), &mut out).expect("a message");
            }),
            time(|| drop(black_box(P::decode(black_box(&bytes[..]))))),
            time(|| drop(black_box(motet_protobuf::decode::<T>(black_box(&bytes))))),
        ];
        for (least, figure) in least.iter_mut().zip(figures) {
            *least = least.min(figure);
        }
    }
    let [encode_prost, encode, decode_prost, decode] = least;
    println!("{name:<16}{encode_prost:>8.1}{encode:>8.1}   {decode_prost:>8.1}{decode:>8.1}   {:>8}", bytes.len());
}

/// Nanoseconds per run.
fn time(mut run: impl FnMut()) -> f64 {
    let budget = Duration::from_millis(if cfg!(debug_assertions) { 1 } else { 60 });
    let (start, mut runs) = (Instant::now(), 0_u32);
    while start.elapsed() < budget {
        (0..64).for_each(|_| run());
        runs += 64;
    }
    start.elapsed().as_nanos() as f64 / f64::from(runs)
}
