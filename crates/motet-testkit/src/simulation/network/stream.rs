//! One side of a connection, as its holder sees it.

use std::{
    io::{self, ErrorKind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    Network,
    connection::{Item, Side},
};

/// The most bytes that travel in one piece.
const PIECE: usize = 64 * 1024;

/// One side of a connection, as its holder sees it. Dropping it closes it.
pub(super) struct SimulatedStream {
    network: Network,
    id: u64,
    side: Side,
}

impl SimulatedStream {
    pub(super) fn new(network: Network, id: u64, side: Side) -> SimulatedStream {
        SimulatedStream { network, id, side }
    }

    /// Ready once the other side is there, or cannot be reached.
    pub(super) fn poll_established(&self, cx: &Context<'_>) -> Poll<Result<(), ErrorKind>> {
        let mut state = self.network.lock();
        let Some(connection) = state.connections.get_mut(&self.id) else {
            return Poll::Ready(Err(ErrorKind::ConnectionReset));
        };
        let end = &mut connection.ends[self.side];
        match end.failed {
            Some(why) => Poll::Ready(Err(why)),
            None if end.established => Poll::Ready(Ok(())),
            None => {
                end.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn poll_take(&self, cx: &Context<'_>, most: usize) -> Poll<io::Result<Bytes>> {
        let mut state = self.network.lock();
        let Some(connection) = state.connections.get_mut(&self.id) else { return Poll::Ready(Ok(Bytes::new())) };
        let (node, from) = (connection.nodes[self.side], 1 - self.side);
        if let Some(bytes) = connection.pipes[from].take(most) {
            let at = state.time_of(node);
            state.acknowledge(self.id, from, at);
            return Poll::Ready(Ok(bytes));
        }
        let (pipe, end) = (&connection.pipes[from], &mut connection.ends[self.side]);
        match end.failed {
            _ if pipe.ended => Poll::Ready(Ok(Bytes::new())),
            Some(why) => Poll::Ready(Err(why.into())),
            None => {
                end.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl AsyncRead for SimulatedStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let bytes = ready!(self.poll_take(cx, buffer.remaining()))?;
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SimulatedStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.network.lock();
        let Some(connection) = state.connections.get_mut(&self.id) else {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        };
        let (node, end, pipe) =
            (connection.nodes[self.side], &mut connection.ends[self.side], &mut connection.pipes[self.side]);
        if pipe.shut || end.failed.is_some() {
            return Poll::Ready(Err(end.failed.unwrap_or(ErrorKind::BrokenPipe).into()));
        }
        let taken = bytes.len().min(pipe.room()).min(PIECE);
        if taken == 0 && !bytes.is_empty() {
            end.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if taken > 0 {
            pipe.unread += taken;
            let at = state.time_of(node);
            state.send(self.id, self.side, Item::Data(Bytes::copy_from_slice(&bytes[..taken])), at);
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.network.lock();
        let Some(connection) = state.connections.get_mut(&self.id) else { return Poll::Ready(Ok(())) };
        let (node, failed) = (connection.nodes[self.side], connection.ends[self.side].failed.is_some());
        if !std::mem::replace(&mut connection.pipes[self.side].shut, true) && !failed {
            let at = state.time_of(node);
            state.send(self.id, self.side, Item::End, at);
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for SimulatedStream {
    fn drop(&mut self) {
        self.network.lock().release(self.id, self.side);
    }
}
