//! The messages of a reply, as they come.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::RecvStream;
use http::HeaderMap;
use http_body::{Body, Frame};
use motet_core::{Codecs, Metadata, Result, Status};

use super::{connection::Shared, failure, head::no_status};
use crate::{
    flavour::Flavour,
    messages::Messages,
    wire::{connect, metadata, status, web},
};

/// The body of a reply.
pub(super) struct ReplyBody {
    stream: RecvStream,
    shared: Arc<Shared>,
    data_over: bool,
}

impl ReplyBody {
    pub(super) fn new(stream: RecvStream, shared: Arc<Shared>) -> ReplyBody {
        ReplyBody { stream, shared, data_over: false }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        if !self.data_over {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(data)) => {
                    self.shared.note_progress();
                    // Read when it is wanted, so that what is read may come again.
                    let _ = self.stream.flow_control().release_capacity(data.len());
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(failure::of_stream(&error)))),
                None => self.data_over = true,
            }
        }
        match ready!(self.stream.poll_trailers(cx)) {
            Ok(trailers) => Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers)))),
            Err(error) => Poll::Ready(Some(Err(failure::of_stream(&error)))),
        }
    }
}

/// How a call ended, once all its messages are read.
///
/// # Errors
/// The status that the peer sent; Internal when there is none.
pub(super) fn end(
    flavour: Flavour,
    messages: &mut Messages<ReplyBody>,
    head: Option<HeaderMap>,
    codecs: &Codecs,
) -> Result<Metadata> {
    let trailers = match (flavour, messages.take_end()) {
        (Flavour::Connect, None) => return Err(Status::internal("the peer ended the stream without saying how")),
        (Flavour::Connect, Some(end)) => {
            let (error, trailing) = connect::read_end(&end, codecs)?;
            return match error {
                None => Ok(trailing),
                Some(status) => Err(status.with_metadata(trailing)),
            };
        }
        (_, Some(block)) => Some(web::read_trailers(&block)?),
        // A head that was all there is holds the trailers.
        (_, None) => messages.take_trailers().or(head),
    };
    let trailers = trailers.ok_or_else(no_status)?;
    match status::read(&trailers, codecs) {
        Ok(None) => metadata::read(&trailers),
        Ok(Some(status)) => Err(status),
        Err(status::Missing) => Err(no_status()),
    }
}
