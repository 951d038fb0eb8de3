//! The frames of an HTTP/2 connection as they pass by: which of them is there in part only, and
//! whether the peer sends too many that carry nothing. Bytes and time in, a verdict out; what the
//! frames say is the HTTP library's to read.

use std::time::Duration;

use tokio::time::Instant;

/// The length of a frame's head (RFC 9113 §4.1).
const HEAD: usize = 9;
/// What a connection begins with is no frame.
const PREFACE: usize = 24;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const PUSH_PROMISE: u8 = 5;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;
const END_STREAM: u8 = 1;

/// What a WINDOW_UPDATE costs of the limit of idle frames, in tenths: peers send them with every
/// message they read.
const UPDATE_COST: u32 = 1;
const IDLE_COST: u32 = 10;

/// Which limit a peer went over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It resets too many requests.
    Resets,
    /// It sends too many frames that carry nothing.
    IdleFrames,
}

/// Reads the heads of frames as bytes pass by.
#[derive(Clone, Debug)]
pub struct Frames {
    /// Bytes to come that are no head: of the preface, or of a frame's payload.
    skip: usize,
    head: [u8; HEAD],
    filled: usize,
    /// A block of header fields has begun and not ended.
    in_block: bool,
    /// Whether a frame ended in the last bytes.
    advanced: bool,
    max_resets: u32,
    max_idle: u32,
    second: Instant,
    resets: u32,
    idle: u32,
}

impl Frames {
    /// The frames of a connection that begins now, with limits a second.
    pub fn new(now: Instant, max_resets: u32, max_idle: u32) -> Frames {
        Frames {
            skip: PREFACE,
            head: [0; HEAD],
            filled: 0,
            in_block: false,
            advanced: false,
            max_resets,
            max_idle: max_idle.saturating_mul(IDLE_COST),
            second: now,
            resets: 0,
            idle: 0,
        }
    }

    /// Whether a frame, or a block of header fields, is there in part.
    pub fn is_partial(&self) -> bool {
        self.skip > 0 || self.filled > 0 || self.in_block
    }

    /// Whether a frame that is no part of a longer block ended in the last bytes.
    pub fn advanced(&self) -> bool {
        self.advanced
    }

    /// Bytes that came.
    ///
    /// # Errors
    /// The limit that they go over.
    pub fn read(&mut self, mut bytes: &[u8], now: Instant) -> Result<(), Broken> {
        if now.saturating_duration_since(self.second) >= Duration::from_secs(1) {
            (self.second, self.resets, self.idle) = (now, 0, 0);
        }
        self.advanced = false;
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = &bytes[skipped..];
                self.advanced |= self.skip == 0 && !self.in_block;
                continue;
            }
            let taken = (HEAD - self.filled).min(bytes.len());
            self.head[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            if self.filled == HEAD {
                self.filled = 0;
                self.frame()?;
                self.advanced |= self.skip == 0 && !self.in_block;
            }
        }
        Ok(())
    }

    fn frame(&mut self) -> Result<(), Broken> {
        let [a, b, c, kind, flags, ..] = self.head;
        let length = u32::from_be_bytes([0, a, b, c]);
        self.skip = length as usize;
        match kind {
            HEADERS | PUSH_PROMISE | CONTINUATION => {
                self.in_block = flags & END_HEADERS == 0;
                // A continuation that brings nothing is idle talk.
                if kind == CONTINUATION && length == 0 {
                    return self.idle(IDLE_COST);
                }
                Ok(())
            }
            RST_STREAM => {
                self.resets = self.resets.saturating_add(1);
                if self.resets > self.max_resets { Err(Broken::Resets) } else { Ok(()) }
            }
            DATA if length > 0 || flags & END_STREAM != 0 => Ok(()),
            WINDOW_UPDATE => self.idle(UPDATE_COST),
            _ => self.idle(IDLE_COST),
        }
    }

    fn idle(&mut self, cost: u32) -> Result<(), Broken> {
        self.idle = self.idle.saturating_add(cost);
        if self.idle > self.max_idle { Err(Broken::IdleFrames) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let [_, a, b, c] = u32::try_from(payload.len()).expect("short").to_be_bytes();
        let mut frame = vec![a, b, c, kind, flags, 0, 0, 0, 1];
        frame.extend_from_slice(payload);
        frame
    }

    fn begun(now: Instant) -> Frames {
        let mut frames = Frames::new(now, 3, 3);
        assert!(frames.is_partial());
        frames.read(&[b'x'; PREFACE], now).expect("the preface");
        assert!(!frames.is_partial() && frames.advanced());
        frames
    }

    #[tokio::test]
    async fn a_frame_is_partial_until_its_last_byte_at_every_split() {
        let now = Instant::now();
        let bytes = [frame(HEADERS, 0, b"abc"), frame(CONTINUATION, END_HEADERS, b"d"), frame(DATA, 1, b"xy")].concat();
        let first_end = HEAD + 3 + HEAD + 1;
        for cut in 1..bytes.len() {
            let mut frames = begun(now);
            frames.read(&bytes[..cut], now).expect("fine");
            assert_eq!(frames.is_partial(), cut != first_end, "at {cut}");
            frames.read(&bytes[cut..], now).expect("fine");
            assert!(!frames.is_partial() && frames.advanced());
        }
    }

    #[tokio::test]
    async fn idle_talk_and_resets_have_a_limit_each_second() {
        let now = Instant::now();
        for (kind, flags, payload, broken) in [
            (6, 0, &[0; 8][..], Broken::IdleFrames),
            (4, 0, b"", Broken::IdleFrames),
            (0xfa, 0, b"", Broken::IdleFrames),
            (DATA, 0, b"", Broken::IdleFrames),
            (RST_STREAM, 0, &[0; 4], Broken::Resets),
        ] {
            let (mut frames, one) = (begun(now), frame(kind, flags, payload));
            (0..3).for_each(|_| frames.read(&one, now).expect("within the limit"));
            let later = now + Duration::from_secs(1);
            let mut next = frames.clone();
            (0..3).for_each(|_| next.read(&one, later).expect("another second"));
            assert_eq!(frames.read(&one, now), Err(broken), "{kind}");
        }
        let (mut frames, update) = (begun(now), frame(WINDOW_UPDATE, 0, &[0, 0, 0, 1]));
        (0..30).for_each(|_| frames.read(&update, now).expect("a tenth each"));
        assert!(frames.read(&update, now).is_err());
    }
}
