//! What a connection reads into.

use std::{
    future::Future,
    io,
    mem::MaybeUninit,
    pin::pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use motet_core::BoxIo;
use tokio::io::{AsyncReadExt, ReadBuf};

/// How much is read at once at first, and at most.
const READ_LEAST: usize = 4 << 10;
const READ_MOST: usize = 64 << 10;
/// How many reads a connection at rest makes before it has a buffer to read into, and how much each
/// reads at most. Until then what comes is kept in as many bytes as it has.
const FEW: u8 = 4;
const SHORT: usize = 1 << 10;
/// How many buffers may stay behind because messages in them are in use. While there are so many,
/// messages are copied, so that a small message in a slow handler costs no more than itself.
const LEFT_BEHIND: usize = 2;

/// The bytes that have come and are not handled, and room for more. A connection at rest takes none:
/// a buffer would be half of what it is.
#[derive(Debug, Default)]
pub(super) struct Input {
    bytes: BytesMut,
    /// How much room is made for the next read, in `READ_LEAST`s, as a power of two.
    grown: u8,
    /// How many reads there were since it was at rest.
    reads: u8,
    /// Buffers with messages that are still in use.
    left: Vec<Bytes>,
}

impl Input {
    /// What has come and is not handled.
    pub(super) fn bytes(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    /// Whether messages should be copied out of it.
    pub(super) fn wants_copies(&self) -> bool {
        self.left.len() >= LEFT_BEHIND
    }

    /// Whether it takes no memory, as long as nothing comes.
    pub(super) fn is_at_rest(&self) -> bool {
        self.reads < FEW
    }

    /// Reads once and says how much; 0 is the end.
    pub(super) fn poll_read(&mut self, io: &mut BoxIo, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.is_at_rest() {
            return self.poll_read_short(io, cx);
        }
        // Reading into the same bytes again keeps them in the cache; where calls still hold the
        // last batch, the buffer is used up to its end before there is another.
        if !self.bytes.try_reclaim(self.size()) && self.room() < READ_LEAST {
            self.renew();
        }
        if self.wants_copies() {
            self.left.retain(|left| !left.is_unique());
        }
        let room = self.room();
        let read = ready!(pin!(io.read_buf(&mut self.bytes)).poll(cx))?;
        if read == room && self.size() < READ_MOST {
            self.grown += 1;
        }
        Poll::Ready(Ok(read))
    }

    fn poll_read_short(&mut self, io: &mut BoxIo, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut chunk = [MaybeUninit::uninit(); SHORT];
        let mut chunk = ReadBuf::uninit(&mut chunk);
        ready!(io.as_mut().poll_read(cx, &mut chunk))?;
        let chunk = chunk.filled();
        self.reads = if chunk.len() == SHORT { FEW } else { self.reads + 1 };
        self.bytes.extend_from_slice(chunk);
        Poll::Ready(Ok(chunk.len()))
    }

    /// All that can be handled is: at rest, nothing is kept of it.
    pub(super) fn handled(&mut self) {
        if self.is_at_rest() && self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
    }

    /// Gives back what is not in use.
    pub(super) fn rest(&mut self) {
        (self.grown, self.reads) = (0, 0);
        self.left.retain(|left| !left.is_unique());
        if self.left.is_empty() {
            self.left = Vec::new();
        }
        self.handled();
    }

    fn size(&self) -> usize {
        READ_LEAST << self.grown
    }

    fn room(&self) -> usize {
        self.bytes.capacity() - self.bytes.len()
    }

    /// Makes a new buffer. The old one stays behind while messages in it are in use.
    fn renew(&mut self) {
        self.left.retain(|left| !left.is_unique());
        let size = self.size();
        match std::mem::take(&mut self.bytes).freeze().try_into_mut() {
            Ok(own) => {
                self.bytes = own;
                self.bytes.reserve(size);
            }
            Err(used) => {
                self.bytes.reserve(used.len() + size);
                self.bytes.extend_from_slice(&used);
                self.left.push(used);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn read(input: &mut Input, io: &mut BoxIo) -> usize {
        std::future::poll_fn(|cx| input.poll_read(io, cx)).await.expect("memory")
    }

    #[tokio::test]
    async fn a_few_short_reads_leave_nothing_behind() {
        let (mut far, near) = tokio::io::duplex(16 << 10);
        let (mut input, mut io): (_, BoxIo) = (Input::default(), Box::pin(near));
        for n in 1..=10_usize {
            far.write_all(&vec![7; n]).await.expect("room");
            assert_eq!(read(&mut input, &mut io).await, n);
            let message = input.bytes().split_to(n).freeze();
            input.handled();
            assert_eq!(message, vec![7; n]);
            let kept = input.bytes().capacity();
            assert_eq!(kept > 0, n >= usize::from(FEW), "{kept} bytes after {n} reads");
        }
        input.rest();
        assert!(input.is_at_rest() && input.bytes().capacity() == 0);
    }

    #[tokio::test]
    async fn much_at_once_ends_the_rest_and_part_of_a_frame_outlives_it() {
        let (mut far, near) = tokio::io::duplex(16 << 10);
        let (mut input, mut io): (_, BoxIo) = (Input::default(), Box::pin(near));
        far.write_all(&vec![7; SHORT + 1]).await.expect("room");
        assert_eq!(read(&mut input, &mut io).await, SHORT);
        assert!(!input.is_at_rest());
        assert_eq!(read(&mut input, &mut io).await, 1);
        input.rest();
        assert_eq!(input.bytes().len(), SHORT + 1);
        drop(far);
        assert_eq!(read(&mut input, &mut io).await, 0, "the end");
    }

    #[tokio::test]
    async fn messages_in_use_keep_few_buffers() {
        let (mut far, near) = tokio::io::duplex(1 << 20);
        let (mut input, mut io): (_, BoxIo) = (Input::default(), Box::pin(near));
        let (mut held, mut most) = (Vec::new(), 0);
        for _ in 0..64 {
            far.write_all(&[7; READ_LEAST]).await.expect("room");
            let read = read(&mut input, &mut io).await;
            let copies = input.wants_copies();
            let message = input.bytes().split_to(read).freeze();
            held.push(if copies { Bytes::copy_from_slice(&message) } else { message });
            most = most.max(input.left.len());
        }
        assert_eq!(most, LEFT_BEHIND);
        drop(held);
        input.rest();
        assert!(input.left.is_empty() && input.bytes().capacity() == 0);
    }
}
