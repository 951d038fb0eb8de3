//! From messages to bytes.

use bytes::BytesMut;
use tokio::time::Instant;

use super::{Machine, Phase, Role};
use crate::{
    close::{self, CloseCode},
    config::CompressionConfig,
    deflate::{Agreement, Deflater},
    error::SendError,
    frame::{self, Header, MAX_CONTROL, Opcode},
    message::Message,
};

/// While as much output as this waits, of the pings that come only the last is answered.
const PONG_ROOM: usize = 4 << 10;
/// How large an empty buffer is kept for the next output.
const KEPT: usize = 256 << 10;

/// What is to be written.
#[derive(Debug)]
pub(super) struct Output {
    bytes: BytesMut,
    /// How much of it is written.
    written: usize,
    /// The answer to the last ping, while there is no room for it.
    pong: Option<Box<[u8]>>,
    deflater: Option<Deflater>,
}

impl Machine {
    /// Adds a text to the output.
    ///
    /// # Errors
    /// The connection is closed or closing, or `max_unsent` bytes wait already.
    pub fn send_text(&mut self, text: &str, now: Instant) -> Result<(), SendError> {
        self.send_data(Opcode::Text, text.as_bytes(), now)
    }

    /// Adds a binary message to the output.
    ///
    /// # Errors
    /// The connection is closed or closing, or `max_unsent` bytes wait already.
    pub fn send_binary(&mut self, bytes: &[u8], now: Instant) -> Result<(), SendError> {
        self.send_data(Opcode::Binary, bytes, now)
    }

    /// Adds a message to the output.
    ///
    /// # Errors
    /// The connection is closed or closing, or `max_unsent` bytes wait already.
    pub fn send(&mut self, message: &Message, now: Instant) -> Result<(), SendError> {
        match message {
            Message::Text(text) => self.send_text(text, now),
            Message::Binary(bytes) => self.send_binary(bytes, now),
        }
    }

    /// Adds a ping to the output, with at most 125 bytes of payload: what is beyond is cut.
    ///
    /// # Errors
    /// The connection is closed or closing, or `max_unsent` bytes wait already.
    pub fn ping(&mut self, payload: &[u8], now: Instant) -> Result<(), SendError> {
        self.check_room()?;
        self.out.ping(&mut self.role, &payload[..payload.len().min(MAX_CONTROL)]);
        self.note_output(now);
        Ok(())
    }

    /// Adds a Close frame to the output: this side has nothing more to say. A text beyond 123 bytes is
    /// cut. Does nothing if the connection is closed or closing.
    pub fn close(&mut self, code: CloseCode, text: &str, now: Instant) {
        if self.phase == Phase::Open {
            self.out.close(&mut self.role, Some((code, text)));
            self.phase = Phase::Closing;
            self.clock.closing(now);
            self.note_output(now);
        }
    }

    /// How many bytes wait to be written.
    pub fn unsent(&self) -> usize {
        self.out.bytes.len() - self.out.written
    }

    /// What is to be written next.
    pub fn output(&self) -> &[u8] {
        &self.out.bytes[self.out.written..]
    }

    /// So many bytes of the output are written.
    ///
    /// # Panics
    /// There are not so many.
    pub fn written(&mut self, count: usize, now: Instant) {
        assert!(count <= self.unsent(), "more is written than there is");
        self.out.written += count;
        self.clock.written(count, self.unsent() == 0, now);
        if self.unsent() == 0 {
            self.out.written = 0;
            if self.out.bytes.capacity() > KEPT { self.out.bytes = BytesMut::new() } else { self.out.bytes.clear() }
        }
        if self.unsent() < PONG_ROOM
            && let Some(payload) = self.out.pong.take()
        {
            self.out.frame(&mut self.role, Opcode::Pong, false, &payload);
            self.note_output(now);
        }
    }

    /// Gives up memory that is kept for the next output. To be called when the connection rests.
    pub fn rest(&mut self) {
        if self.unsent() == 0 {
            self.out.bytes = BytesMut::new();
        }
    }

    #[cfg(test)]
    pub(super) fn out_capacity(&self) -> usize {
        self.out.bytes.capacity()
    }

    /// If something waits to be written, it waits since now at the latest.
    pub(super) fn note_output(&mut self, now: Instant) {
        if self.unsent() > 0 {
            self.clock.queued(now);
        }
    }

    fn check_room(&self) -> Result<(), SendError> {
        match self.phase {
            Phase::Open if self.unsent() < self.config.max_unsent.max(1) => Ok(()),
            Phase::Open => Err(SendError::Full),
            _ => Err(SendError::Closed),
        }
    }

    fn send_data(&mut self, opcode: Opcode, payload: &[u8], now: Instant) -> Result<(), SendError> {
        self.check_room()?;
        let compressed = self.out.deflater.as_mut().and_then(|deflater| deflater.deflate(payload));
        let bytes = compressed.as_deref().unwrap_or(payload);
        self.out.frame(&mut self.role, opcode, compressed.is_some(), bytes);
        self.note_output(now);
        Ok(())
    }
}

impl Output {
    pub(super) fn new(deflate: Option<(&Agreement, &CompressionConfig)>) -> Output {
        let deflater = deflate.map(|(agreement, config)| Deflater::new(agreement, config.level, config.min_size));
        Output { bytes: BytesMut::new(), written: 0, pong: None, deflater }
    }

    pub(super) fn ping(&mut self, role: &mut Role, payload: &[u8]) {
        self.frame(role, Opcode::Ping, false, payload);
    }

    /// Answers a ping, if need be only when there is room.
    pub(super) fn pong(&mut self, role: &mut Role, payload: &[u8]) {
        if self.pong.is_some() || self.bytes.len() - self.written >= PONG_ROOM {
            self.pong = Some(payload.into());
        } else {
            self.frame(role, Opcode::Pong, false, payload);
        }
    }

    /// The last frame.
    pub(super) fn close(&mut self, role: &mut Role, reason: Option<(CloseCode, &str)>) {
        let mut payload = Vec::new();
        if let Some((code, text)) = reason {
            payload.extend_from_slice(&code.get().to_be_bytes());
            payload.extend_from_slice(close::fitting(text).as_bytes());
        }
        (self.pong, self.deflater) = (None, None);
        self.frame(role, Opcode::Close, false, &payload);
    }

    fn frame(&mut self, role: &mut Role, opcode: Opcode, compressed: bool, payload: &[u8]) {
        let key = match role {
            Role::Server => None,
            Role::Client(masks) => Some(masks.next_key()),
        };
        self.bytes.reserve(payload.len() + 14);
        Header { fin: true, compressed, opcode, mask: key, length: payload.len() as u64 }.write(&mut self.bytes);
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        if let Some(key) = key {
            frame::mask(&mut self.bytes[begin..], key);
        }
    }
}
