//! The messages of a request, on their way.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use h2::{Reason, SendStream};
use motet_core::{Codec, Payload, Result, Status, Streaming};
use tokio::task::coop::consume_budget;

use crate::wire::{Compression, put_message};

/// How many bytes of small messages are sent together.
const BATCH: usize = 16 << 10;

/// How a call's messages are written.
#[derive(Clone)]
pub(super) struct Writing {
    pub(super) codec: Codec,
    pub(super) limit: usize,
    pub(super) compress: Option<(Compression, usize)>,
}

impl Writing {
    pub(super) fn put(&self, out: &mut BytesMut, message: &Payload) -> Result<()> {
        put_message(out, message, &self.codec, self.limit, self.compress)
    }
}

/// Why the caller's own stream ended its call.
#[derive(Clone, Default)]
pub(super) struct Failed(Arc<Mutex<Option<Status>>>);

impl Failed {
    pub(super) fn take(&self) -> Option<Status> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, status: Status) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
    }
}

/// Sends the messages of a request stream as the peer takes them; those that are there together go
/// together. An error of the stream ends the call with it, and the peer sees a cancel.
pub(super) async fn send_requests(
    mut stream: SendStream<Bytes>,
    mut requests: Streaming<Payload>,
    writing: Writing,
    failed: Failed,
) {
    let mut out = BytesMut::new();
    loop {
        let mut ended = None;
        // Waits for the first message only.
        poll_fn(|cx| {
            while out.len() < BATCH {
                match std::pin::Pin::new(&mut requests).poll_next(cx) {
                    Poll::Ready(Some(item)) => {
                        if let Err(status) = item.and_then(|message| writing.put(&mut out, &message)) {
                            ended = Some(Err(status));
                            break;
                        }
                    }
                    Poll::Ready(None) => {
                        ended = Some(Ok(()));
                        break;
                    }
                    Poll::Pending if out.is_empty() => return Poll::Pending,
                    Poll::Pending => break,
                }
            }
            Poll::Ready(())
        })
        .await;
        if let Some(Err(status)) = ended {
            failed.set(status);
            stream.send_reset(Reason::CANCEL);
            return;
        }
        let last = ended.is_some();
        if send(&mut stream, out.split().freeze(), last).await.is_err() || last {
            return;
        }
        // A stream that always has a message would keep its thread, and could not be stopped.
        consume_budget().await;
    }
}

/// Sends bytes as the peer takes them.
async fn send(stream: &mut SendStream<Bytes>, mut bytes: Bytes, last: bool) -> Result<(), h2::Error> {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        // `None`: the stream is over.
        let Some(room) = poll_fn(|cx| stream.poll_capacity(cx)).await else { return Err(Reason::CANCEL.into()) };
        let now = bytes.split_to(room?.min(bytes.len()));
        stream.send_data(now, last && bytes.is_empty())?;
        if last && bytes.is_empty() {
            return Ok(());
        }
    }
    if last { stream.send_data(Bytes::new(), true) } else { Ok(()) }
}
