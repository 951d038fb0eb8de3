//! `floor-raw`: what frames and sockets cost without any codec.

use anyhow::{Result, ensure};
use bytes::Bytes;
use prost::Message as _;
use tokio::net::TcpListener;

use super::{System, framed};
use crate::message::{Big, Message, Sample, Small};
use crate::window::{Figures, Load};

/// Opaque frames that are echoed.
pub(crate) struct FloorRaw;

impl System for FloorRaw {
    const NAME: &'static str = "floor-raw";
    const PER_CALL: &'static str = "hand-written frames; server: copies the request's bytes \
        into the reply; client: copies the encoded request, compares the reply's length; no \
        decoding";

    async fn serve(listener: TcpListener, message: Message) -> Result<()> {
        framed::serve(listener, opaque(message)).await
    }

    async fn load(load: Load) -> Result<Figures> {
        framed::load(&load, opaque(load.message)).await
    }
}

/// Frames of opaque bytes, which are echoed.
#[derive(Clone)]
pub(crate) struct Opaque<F> {
    request: Bytes,
    /// Told of the length of each echo.
    echoed: F,
}

fn opaque(message: Message) -> Opaque<fn(usize)> {
    let request = match message {
        Message::Big => Big::sample().encode_to_vec(),
        Message::Small => Small::sample().encode_to_vec(),
    };
    Opaque::new(request, |_| {})
}

impl<F> Opaque<F> {
    pub(crate) fn new(request: impl Into<Bytes>, echoed: F) -> Self {
        Self { request: request.into(), echoed }
    }
}

impl<F: Fn(usize) + Clone + Send + 'static> framed::Payloads for Opaque<F> {
    fn answer(&self, request: &[u8], out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(request);
        Ok(())
    }

    fn ask(&self, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(&self.request);
        Ok(())
    }

    fn accept(&self, reply: &[u8]) -> Result<()> {
        ensure!(reply.len() == self.request.len(), "not an echo");
        (self.echoed)(reply.len());
        Ok(())
    }
}
