//! The messages of a body, one after the other.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;
use motet_core::{Result, Status};

use crate::{
    budget::{Budget, Held},
    wire::{COMPRESSED, Compression, FrameDecoder},
};

/// The messages of a body, decompressed. What follows the last of them is kept: trailers.
pub(crate) struct Messages<B> {
    body: B,
    frames: FrameDecoder,
    compression: Option<Compression>,
    limit: usize,
    ended: bool,
    trailers: Option<HeaderMap>,
    held: Option<Held>,
}

impl<B: Body<Data = Bytes, Error = Status> + Unpin> Messages<B> {
    pub(crate) fn new(body: B, compression: Option<Compression>, limit: usize) -> Messages<B> {
        Messages {
            body,
            frames: FrameDecoder::new(limit, 0),
            compression,
            limit,
            ended: false,
            trailers: None,
            held: None,
        }
    }

    /// Counts what waits for the rest of its message against a budget.
    pub(crate) fn within(mut self, budget: &Arc<Budget>) -> Messages<B> {
        self.held = Some(Held::new(budget.clone()));
        self
    }

    /// The next message; `None` at the end of the body.
    pub(crate) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        loop {
            match self.frames.next_frame() {
                Ok(Some(frame)) => return Poll::Ready(Some(self.unpack(frame.flags, frame.body))),
                Err(status) => return Poll::Ready(Some(Err(status))),
                Ok(None) if self.ended => return Poll::Ready(self.frames.finish().err().map(Err)),
                Ok(None) => {}
            }
            if let Some(held) = &mut self.held {
                held.set(self.frames.waiting())?;
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.frames.push(data),
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok();
                        self.ended = true;
                    }
                },
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                None => self.ended = true,
            }
        }
    }

    /// The next message; `None` at the end of the body. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes>> {
        std::future::poll_fn(|cx| self.poll_message(cx)).await
    }

    fn unpack(&self, flags: u8, body: Bytes) -> Result<Bytes> {
        match (flags & COMPRESSED != 0, self.compression) {
            (false, _) => Ok(body),
            (true, Some(compression)) => compression.decompress(&body, self.limit),
            (true, None) => {
                Err(Status::internal("a message says that it is compressed, and grpc-encoding says how not"))
            }
        }
    }

    /// What followed the last message, once.
    pub(crate) fn take_trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take()
    }
}
