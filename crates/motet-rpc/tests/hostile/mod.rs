//! What hostile peers send, and what they hear.
#![allow(dead_code, reason = "each test binary uses a part")]

use bytes::{BufMut, BytesMut};
use motet_rpc::native::wire::{self, Cursor, HEADER, PREFACE, Settings, flag, frame, kind, put_bytes, put_varint};
use tokio::{io::AsyncReadExt, net::TcpStream};

/// Preface and settings.
pub(crate) fn greeting() -> Vec<u8> {
    let mut out = BytesMut::from(&PREFACE[..]);
    Settings::V1.write(&mut out);
    out.to_vec()
}

pub(crate) fn of(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    frame(&mut out, kind, |out| out.extend_from_slice(payload));
    out.to_vec()
}

/// The beginning of a frame about a stream.
pub(crate) fn about(id: u64, rest: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    put_varint(&mut out, id);
    out.extend_from_slice(rest);
    out.to_vec()
}

/// A CALL, part by part.
pub(crate) struct CallFrame {
    pub(crate) id: u64,
    pub(crate) flags: u8,
    pub(crate) path: Vec<u8>,
    pub(crate) codec: Vec<u8>,
    pub(crate) metadata: Vec<u8>,
    pub(crate) message: Vec<u8>,
}

impl CallFrame {
    /// A request of one message to `test/echo`, as raw bytes.
    pub(crate) fn one(id: u64, body: &[u8]) -> CallFrame {
        let flags = flag::MESSAGE | flag::END;
        CallFrame { flags, message: message(body.len() as u32, body), ..CallFrame::stream(id) }.to("test/echo")
    }

    /// A stream of requests to `test/hold`, which reads none of it.
    pub(crate) fn stream(id: u64) -> CallFrame {
        let flags = flag::STREAM;
        CallFrame { id, flags, path: Vec::new(), codec: vec![4], metadata: Vec::new(), message: Vec::new() }
            .to("test/hold")
    }

    pub(crate) fn to(mut self, path: &str) -> CallFrame {
        self.path = text(0, path.as_bytes());
        self
    }

    pub(crate) fn codec(mut self, codec: &[u8]) -> CallFrame {
        self.codec = codec.to_vec();
        self
    }

    pub(crate) fn metadata(mut self, values: &[(&[u8], &[u8])]) -> CallFrame {
        let mut out = BytesMut::new();
        put_varint(&mut out, values.len() as u64);
        for (key, value) in values {
            put_bytes(&mut out, key);
            put_bytes(&mut out, value);
        }
        self.flags |= flag::METADATA;
        self.metadata = out.to_vec();
        self
    }

    pub(crate) fn message(mut self, flags: u8, message: Vec<u8>) -> CallFrame {
        self.flags |= flags;
        self.message = message;
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let parts = [&[self.flags][..], &self.path, &self.codec, &self.metadata, &self.message].concat();
        of(kind::CALL, &about(self.id, &parts))
    }
}

/// A prefix, a length and bytes.
pub(crate) fn text(prefix: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::from(&[prefix][..]);
    put_bytes(&mut out, bytes);
    out.to_vec()
}

/// A message's length, and some of it.
pub(crate) fn message(length: u32, body: &[u8]) -> Vec<u8> {
    [&length.to_le_bytes()[..], body].concat()
}

pub(crate) fn data(id: u64, flags: u8, rest: &[u8]) -> Vec<u8> {
    of(kind::DATA, &about(id, &[&[flags][..], rest].concat()))
}

pub(crate) fn reply(id: u64, flags: u8, rest: &[u8]) -> Vec<u8> {
    of(kind::REPLY, &about(id, &[&[flags][..], rest].concat()))
}

pub(crate) fn credit(id: u64, more: u64) -> Vec<u8> {
    let mut out = BytesMut::new();
    put_varint(&mut out, more);
    of(kind::CREDIT, &about(id, &out))
}

/// An END with an error: its code, its message and, without its length, what else there is.
pub(crate) fn end(code: u8, text: &[u8], details: Option<&[u8]>) -> Vec<u8> {
    let mut out = BytesMut::new();
    out.put_slice(&[0, code, if details.is_some() { 4 } else { 0 }, 0]);
    put_bytes(&mut out, text);
    if let Some(details) = details {
        out.put_u8(4);
        put_bytes(&mut out, details);
    }
    of(kind::END, &about(1, &out))
}

/// What a peer hears: frames, as they come.
pub(crate) struct Heard {
    io: TcpStream,
    bytes: BytesMut,
    greeted: bool,
}

impl Heard {
    pub(crate) fn new(io: TcpStream) -> Heard {
        Heard { io, bytes: BytesMut::new(), greeted: false }
    }

    pub(crate) fn io(&mut self) -> &mut TcpStream {
        &mut self.io
    }

    /// The next frame behind the preface, or nothing once the other side has closed.
    pub(crate) async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if !self.greeted && self.bytes.len() >= PREFACE.len() {
                assert_eq!(self.bytes.split_to(PREFACE.len())[..], PREFACE);
                self.greeted = true;
            }
            if self.greeted
                && let Some(head) = self.bytes.first_chunk::<HEADER>()
            {
                let (kind, length) = wire::header(head);
                if self.bytes.len() >= HEADER + length {
                    let payload = self.bytes.split_to(HEADER + length).split_off(HEADER);
                    return Some((kind, payload.to_vec()));
                }
            }
            // A reset is an end too.
            if self.io.read_buf(&mut self.bytes).await.ok()? == 0 {
                assert!(self.bytes.is_empty(), "it ends within a frame");
                return None;
            }
        }
    }

    /// The first frame of this type.
    pub(crate) async fn until(&mut self, wanted: u8) -> Option<Vec<u8>> {
        loop {
            let (kind, payload) = self.frame().await?;
            if kind == wanted {
                return Some(payload);
            }
        }
    }
}

/// The stream that a payload is about.
pub(crate) fn stream_of(payload: &[u8]) -> u64 {
    Cursor::new(payload).varint().expect("a stream")
}
