//! The messages of a request stream, as its handler reads them.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream;
use motet_core::{Codec, Payload, Result, Status};

use super::glue::Running;
use crate::native::{driver::Shared, inbox::Found};

/// The messages of a request stream. Reading gives the peer's window back.
pub(super) struct RequestStream {
    shared: Arc<Shared<Running>>,
    id: u64,
    codec: Codec,
    over: bool,
}

impl RequestStream {
    pub(super) fn new(shared: Arc<Shared<Running>>, id: u64, codec: Codec) -> RequestStream {
        RequestStream { shared, id, codec, over: false }
    }
}

impl Stream for RequestStream {
    type Item = Result<Payload>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let id = self.id;
        let found = self.shared.change(|state| {
            let Some(inbox) = state.machine.data(id).and_then(|running| running.inbox.as_mut()) else {
                return Found::End(Err(Status::cancelled("the caller has left")));
            };
            let found = inbox.read(cx.waker());
            if let Found::Message(_, cost) = &found {
                state.machine.consumed(id, *cost);
            }
            found
        });
        match found {
            Found::Nothing => Poll::Pending,
            Found::Message(message, _) => Poll::Ready(Some(Ok(Payload::encoded(message, self.codec.clone())))),
            Found::End(end) => {
                self.over = true;
                Poll::Ready(end.err().map(Err))
            }
        }
    }
}
