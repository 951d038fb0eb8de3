//! The floors' transport: frames in order on tokio TCP, a sliding window, batched writes.
//!
//! A frame is a little-endian u32 length and that many bytes. Replies come in the order
//! of their requests, so there are no call ids, no tasks and no channels: a connection is
//! one loop on each side that reads what has arrived, deals with every whole frame and
//! writes all results at once. The client sends as many new requests as it got replies.
//!
//! With one connection whose window fits one read, the two sides therefore take turns:
//! at 1:100 throughput is one over the sum of both sides' CPU time, not over the larger.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::histogram::Histogram;
use crate::net;
use crate::window::{self, Figures, Load};

/// What one read can bring: about 110 big or 2900 small frames.
const READ_BUFFER: usize = 64 * 1024;
/// A longer frame is a fault, not a message.
const LONGEST_FRAME: usize = 8 << 20;
const LENGTH: usize = size_of::<u32>();

/// What a floor puts into frames.
pub(crate) trait Payloads: Clone + Send + 'static {
    /// The server's side of a call: appends the reply to `out`.
    fn answer(&self, request: &[u8], out: &mut Vec<u8>) -> Result<()>;

    /// The client's first half of a call: appends a request to `out`.
    fn ask(&self, out: &mut Vec<u8>) -> Result<()>;

    /// The client's second half of a call.
    fn accept(&self, reply: &[u8]) -> Result<()>;
}

/// Answers every connection until dropped.
pub(crate) async fn serve(listener: TcpListener, payloads: impl Payloads) -> Result<()> {
    net::serve_each(listener, |stream| answer_all(stream, payloads.clone())).await
}

/// Keeps a full window on each connection and measures.
pub(crate) async fn load(load: &Load, payloads: impl Payloads) -> Result<Figures> {
    let histogram = Arc::new(Histogram::new());
    let mut connections = JoinSet::new();
    for in_flight in load.in_flight_by_connection() {
        let stream = net::connect(load.server).await?;
        let (payloads, histogram) = (payloads.clone(), Arc::clone(&histogram));
        connections.spawn(keep_in_flight(stream, payloads, in_flight, histogram));
    }
    window::measure(load, histogram, connections).await
}

async fn answer_all(mut stream: TcpStream, payloads: impl Payloads) -> Result<()> {
    let mut input = Vec::with_capacity(READ_BUFFER);
    let mut out = Vec::new();
    loop {
        // A client that has measured enough resets the connection: no fault of the server.
        match stream.read_buf(&mut input).await {
            Ok(0) | Err(_) => return Ok(()),
            Ok(_) => {}
        }
        take_frames(&mut input, |request| put_frame(&mut out, |out| payloads.answer(request, out)))?;
        if stream.write_all(&out).await.is_err() {
            return Ok(());
        }
        out.clear();
    }
}

/// Keeps so many calls in flight on one connection, for ever.
pub(crate) async fn keep_in_flight(
    mut stream: TcpStream,
    payloads: impl Payloads,
    in_flight: usize,
    histogram: Arc<Histogram>,
) -> Result<()> {
    let (mut reader, mut writer) = stream.split();
    let mut input = Vec::with_capacity(READ_BUFFER);
    let mut out = Vec::new();
    let mut written = 0;
    // When requests were begun, and how many at that moment.
    let mut begun = VecDeque::new();
    let mut vacant = in_flight;
    let mut now = Instant::now();
    loop {
        if vacant > 0 {
            for _ in 0..vacant {
                put_frame(&mut out, |out| payloads.ask(out))?;
            }
            begun.push_back((now, vacant));
        }
        // Replies are read while requests wait for room: otherwise a window larger than
        // the socket buffers would leave both sides writing for ever.
        vacant = tokio::select! {
            biased;
            wrote = writer.write(&out[written..]), if written < out.len() => {
                written += wrote?;
                if written == out.len() {
                    out.clear();
                    written = 0;
                }
                0
            }
            read = reader.read_buf(&mut input) => {
                ensure!(read? > 0, "the server closed the connection");
                let replies = take_frames(&mut input, |reply| payloads.accept(reply))?;
                now = Instant::now();
                record(&mut begun, replies, now, &histogram)?;
                replies
            }
        };
    }
}

/// Records the `replies` oldest calls as ended `now`.
fn record(
    begun: &mut VecDeque<(Instant, usize)>,
    mut replies: usize,
    now: Instant,
    histogram: &Histogram,
) -> Result<()> {
    while replies > 0 {
        let (at, calls) = begun.front_mut().context("a reply without a request")?;
        let ended = replies.min(*calls);
        histogram.record(now.duration_since(*at), ended as u64);
        replies -= ended;
        *calls -= ended;
        if *calls == 0 {
            begun.pop_front();
        }
    }
    Ok(())
}

/// Appends a frame whose payload `fill` appends.
fn put_frame(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH]);
    fill(out)?;
    let length = u32::try_from(out.len() - start - LENGTH)?;
    out[start..start + LENGTH].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

/// Takes every whole frame off the front of `input`; returns how many.
fn take_frames(input: &mut Vec<u8>, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<usize> {
    let mut rest = input.as_slice();
    let mut frames = 0;
    while let Some((length, after)) = rest.split_first_chunk() {
        let length = u32::from_le_bytes(*length) as usize;
        ensure!(length <= LONGEST_FRAME, "a frame of {length} bytes");
        let Some((payload, after)) = after.split_at_checked(length) else {
            break;
        };
        each(payload)?;
        frames += 1;
        rest = after;
    }
    let taken = input.len() - rest.len();
    input.drain(..taken);
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(input: &mut Vec<u8>) -> Vec<Vec<u8>> {
        let mut payloads = Vec::new();
        take_frames(input, |payload| {
            payloads.push(payload.to_vec());
            Ok(())
        })
        .expect("whole frames");
        payloads
    }

    #[test]
    fn frames_come_out_as_they_went_in_and_a_part_stays() {
        let mut wire = Vec::new();
        for payload in [&b"one"[..], b"", b"three"] {
            put_frame(&mut wire, |out| {
                out.extend_from_slice(payload);
                Ok(())
            })
            .expect("a short frame");
        }
        let last = wire.split_off(wire.len() - 2);
        assert_eq!(taken(&mut wire), [b"one".to_vec(), b"".to_vec()]);
        wire.extend_from_slice(&last);
        assert_eq!(taken(&mut wire), [b"three".to_vec()]);
        assert!(wire.is_empty());
    }

    #[test]
    fn a_length_above_the_limit_is_refused() {
        let mut wire = u32::MAX.to_le_bytes().to_vec();
        assert!(take_frames(&mut wire, |_| Ok(())).is_err());
    }

    #[test]
    fn replies_end_the_oldest_calls_first() {
        let histogram = Histogram::new();
        histogram.switch(true);
        let now = Instant::now();
        let mut begun = VecDeque::from([(now, 3), (now, 2)]);
        record(&mut begun, 4, now, &histogram).expect("4 of 5 calls");
        assert_eq!(begun, [(now, 1)]);
        assert_eq!(histogram.calls(), 4);
        assert!(record(&mut begun, 2, now, &histogram).is_err());
    }
}
