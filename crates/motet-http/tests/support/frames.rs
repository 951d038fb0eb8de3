//! HTTP/2 by hand.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
pub(crate) const FRAME_SIZE_ERROR: u32 = 6;
pub(crate) const COMPRESSION_ERROR: u32 = 9;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// A frame as it travels.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut frame = vec![a, b, c, kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// The fields of `GET /` at localhost (RFC 7541 §6, appendix A).
pub(crate) fn get(path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x04];
    block.push(u8::try_from(path.len()).expect("short"));
    block.extend_from_slice(path.as_bytes());
    block.extend_from_slice(b"\x01\x09localhost");
    block
}

/// A frame that came.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// A connection that has greeted.
pub(crate) struct H2(pub(crate) TcpStream);

impl H2 {
    pub(crate) async fn connect(address: &str) -> H2 {
        let mut h2 = H2(TcpStream::connect(address).await.expect("listening"));
        h2.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        h2.send(&frame(SETTINGS, 0, 0, b"")).await;
        h2
    }

    /// Writes; a server that has closed is no failure, what it said is read afterwards.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = timeout(Duration::from_secs(20), self.0.write_all(bytes)).await.expect("the server reads");
    }

    /// The next frame; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        timeout(Duration::from_secs(20), self.0.read_exact(&mut head)).await.expect("a frame or the end").ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], stream, payload })
    }

    /// The error code of the GOAWAY with which the server ends the connection.
    pub(crate) async fn goaway(&mut self) -> u32 {
        while let Some(frame) = self.next().await {
            if frame.kind == GOAWAY {
                return u32::from_be_bytes(frame.payload[4..8].try_into().expect("four bytes"));
            }
        }
        panic!("the connection ended without GOAWAY");
    }

    /// The first frame of one of these kinds.
    pub(crate) async fn next_of(&mut self, kinds: &[u8]) -> Frame {
        loop {
            let frame = self.next().await.expect("the connection goes on");
            if kinds.contains(&frame.kind) {
                return frame;
            }
        }
    }

    /// The first frame of this kind.
    pub(crate) async fn until(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.next().await.expect("the connection goes on");
            assert_ne!(frame.kind, GOAWAY, "{frame:?}");
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// Asks for a path on a stream and waits for the answer's head.
    pub(crate) async fn is_served(&mut self, stream: u32) {
        self.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &get("/a"))).await;
        while self.until(HEADERS).await.stream != stream {}
    }
}
