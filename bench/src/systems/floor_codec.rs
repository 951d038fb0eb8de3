//! `floor-codec`: the same frames with prost on both sides, the honest floor.

use anyhow::Result;
use tokio::net::TcpListener;

use super::{System, framed};
use crate::message::{Big, Message, ProstSample, Sample, Small};
use crate::window::{Figures, Load};

/// Frames of protobuf messages, handled inline.
pub(crate) struct FloorCodec;

impl System for FloorCodec {
    const NAME: &'static str = "floor-codec";
    const PER_CALL: &'static str = "floor-raw's frames; server: prost decode, handler called \
        inline, encode into the write buffer; client: encode into the write buffer, decode and \
        check the reply; a window instead of a task for each call";

    async fn serve(listener: TcpListener, message: Message) -> Result<()> {
        match message {
            Message::Big => framed::serve(listener, Typed(Big::sample())).await,
            Message::Small => framed::serve(listener, Typed(Small::sample())).await,
        }
    }

    async fn load(load: Load) -> Result<Figures> {
        match load.message {
            Message::Big => framed::load(&load, Typed(Big::sample())).await,
            Message::Small => framed::load(&load, Typed(Small::sample())).await,
        }
    }
}

/// The request that every call encodes.
#[derive(Clone)]
struct Typed<M>(M);

impl<M: ProstSample> framed::Payloads for Typed<M> {
    fn answer(&self, request: &[u8], out: &mut Vec<u8>) -> Result<()> {
        M::decode(request)?.handle().encode(out)?;
        Ok(())
    }

    fn ask(&self, out: &mut Vec<u8>) -> Result<()> {
        self.0.encode(out)?;
        Ok(())
    }

    fn accept(&self, reply: &[u8]) -> Result<()> {
        M::decode(reply)?.check_reply()
    }
}
