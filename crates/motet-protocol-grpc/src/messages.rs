//! The messages of a body, one after the other.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;
use motet_core::{Result, Status};
use tokio::time::Sleep;

use crate::{
    budget::{Budget, Held},
    wire::{COMPRESSED, Compression, FrameDecoder},
};

/// The messages of a body, decompressed. What follows the last of them is kept: trailers, or the frame
/// that says how the body ends.
pub(crate) struct Messages<B> {
    body: B,
    frames: FrameDecoder,
    compression: Option<Compression>,
    limit: usize,
    ended: bool,
    trailers: Option<HeaderMap>,
    end_flag: u8,
    end: Option<Bytes>,
    held: Option<Held>,
    pace: Option<Pace>,
}

/// How long a message may take from its first byte to its last.
struct Pace {
    most: Duration,
    /// Runs while half a message is there.
    timer: Option<Pin<Box<Sleep>>>,
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
            end_flag: 0,
            end: None,
            held: None,
            pace: None,
        }
    }

    /// For a body whose last frame has this flag.
    pub(crate) fn ending_with(mut self, flag: u8) -> Messages<B> {
        self.frames = FrameDecoder::new(self.limit, flag);
        self.end_flag = flag;
        self
    }

    /// Counts what waits for the rest of its message against a budget.
    pub(crate) fn within(mut self, budget: &Arc<Budget>) -> Messages<B> {
        self.held = Some(Held::new(budget.clone()));
        self
    }

    /// Ends a body whose messages take longer than this from their first byte to their last.
    pub(crate) fn paced(mut self, most: Duration) -> Messages<B> {
        self.pace = Some(Pace { most, timer: None });
        self
    }

    /// The next message; `None` at the end of the body.
    pub(crate) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        loop {
            match self.frames.next_frame() {
                Ok(Some(_)) if self.end.is_some() => {
                    return Poll::Ready(Some(Err(Status::internal("a message follows the end of the body"))));
                }
                Ok(Some(frame)) if frame.flags & self.end_flag != 0 => {
                    self.end = Some(self.unpack(frame.flags, frame.body)?);
                    continue;
                }
                Ok(Some(frame)) => {
                    if let Some(pace) = &mut self.pace {
                        pace.timer = None;
                    }
                    return Poll::Ready(Some(self.unpack(frame.flags, frame.body)));
                }
                Err(status) => return Poll::Ready(Some(Err(status))),
                Ok(None) if self.ended => return Poll::Ready(self.frames.finish().err().map(Err)),
                Ok(None) => {}
            }
            if let Some(held) = &mut self.held {
                held.set(self.frames.waiting())?;
            }
            let frame = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    ready!(self.poll_pace(cx));
                    return Poll::Ready(Some(Err(self.too_slow())));
                }
            };
            match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.frames.push(data),
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok();
                        self.ended = true;
                    }
                },
                // Some servers reset the rest of a request once they have said how the call ends.
                Some(Err(_)) if self.end.is_some() => self.ended = true,
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                None => self.ended = true,
            }
        }
    }

    /// Whether half a message has been here for too long.
    fn poll_pace(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(pace) = self.pace.as_mut().filter(|_| !self.frames.is_empty()) else { return Poll::Pending };
        let most = pace.most;
        pace.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(most))).as_mut().poll(cx)
    }

    fn too_slow(&self) -> Status {
        let most = self.pace.as_ref().map_or(Duration::ZERO, |pace| pace.most);
        Status::deadline_exceeded(format!(
            "a message did not come whole within {most:?}, a limit set by protocols.grpc.message_timeout"
        ))
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

    /// The frame that ended the body, once.
    pub(crate) fn take_end(&mut self) -> Option<Bytes> {
        self.end.take()
    }

    /// The trailers that followed the last message, once.
    pub(crate) fn take_trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take()
    }
}
