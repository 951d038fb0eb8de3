//! The body of a request or an answer.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use futures_core::Stream;
use http_body::{Body as HttpBody, Frame, SizeHint};
use motet_core::{Executed, Result, Status};
use motet_rpc::native::{HeldMemory, Lease, MemoryBudget};
use tokio::time::Instant;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request or an answer: nothing, bytes, or frames with trailers behind them.
///
/// Reading is [`Body::next`] or [`Body::read_all`]; it is also an [`http_body::Body`] whose error is
/// a [`Status`].
pub struct Body(Repr);

enum Repr {
    Empty,
    Full(Bytes),
    Arriving(Arriving),
    Frames(Pin<Box<dyn HttpBody<Data = Bytes, Error = Status> + Send>>),
}

/// The body of a request, as it comes.
struct Arriving {
    body: hyper::body::Incoming,
    /// Whom to tell that nobody has read it to its end.
    unread: Option<Arc<AtomicBool>>,
}

impl Drop for Arriving {
    fn drop(&mut self) {
        if let Some(unread) = self.unread.take()
            && !self.body.is_end_stream()
        {
            unread.store(true, Ordering::Release);
        }
    }
}

impl Body {
    /// Nothing.
    pub const fn empty() -> Body {
        Body(Repr::Empty)
    }

    /// Any body.
    pub fn new<B>(body: B) -> Body
    where
        B: HttpBody + Send + 'static,
        B::Data: Buf,
        B::Error: Into<BoxError>,
    {
        Body(Repr::Frames(Box::pin(Foreign(Box::pin(body)))))
    }

    /// Frames as they come: data, and trailers as the last. An error ends the answer in a way that
    /// the peer can tell from its end.
    pub fn from_frames(frames: impl Stream<Item = Result<Frame<Bytes>>> + Send + 'static) -> Body {
        struct Frames<S>(S);
        impl<S: Stream<Item = Result<Frame<Bytes>>>> HttpBody for Frames<Pin<Box<S>>> {
            type Data = Bytes;
            type Error = Status;

            fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
                self.0.as_mut().poll_next(cx)
            }
        }
        Body(Repr::Frames(Box::pin(Frames(Box::pin(frames)))))
    }

    /// A request's. One that is long and dropped before its end sets `unread`.
    pub(crate) fn arriving(body: hyper::body::Incoming, unread: Option<&Arc<AtomicBool>>) -> Body {
        if body.is_end_stream() {
            return Body::empty();
        }
        let is_long = body.size_hint().upper().is_none_or(|length| length > MemoryBudget::OWN as u64);
        let unread = unread.filter(|_| is_long).cloned();
        Body(Repr::Arriving(Arriving { body, unread }))
    }

    /// The next frame; `None` at the end. Cancel safe.
    ///
    /// # Errors
    /// Cancelled when the peer left or reset the stream, InvalidArgument when it broke the rules of
    /// HTTP.
    pub async fn next(&mut self) -> Option<Result<Frame<Bytes>>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_frame(cx)).await
    }

    /// The whole body; trailers are passed over. Each 64 KiB of it must come within `pace`, so that
    /// nobody keeps a call open by sending a byte now and then.
    ///
    /// # Errors
    /// As [`Body::next`]; ResourceExhausted when it is longer than `limit` bytes, DeadlineExceeded
    /// when it comes too slowly.
    pub async fn read_all(self, limit: usize, pace: Duration) -> Result<Bytes> {
        self.read_within(limit, pace, None).await
    }

    /// As [`Body::read_all`]. What is longer than [`MemoryBudget::OWN`] counts against the budget as it comes, and
    /// until nobody has it any more.
    pub(crate) async fn read_within(
        mut self,
        limit: usize,
        pace: Duration,
        memory: Option<&MemoryBudget>,
    ) -> Result<Bytes> {
        const STRIDE: usize = 64 << 10;
        if let Repr::Full(bytes) = self.0 {
            return if bytes.len() > limit { Err(too_long(limit)) } else { Ok(bytes) };
        }
        if self.size_hint().lower() > limit as u64 {
            return Err(too_long(limit));
        }
        let (mut whole, mut rest) = (Bytes::new(), BytesMut::new());
        // Made only if the body is not there yet: most are.
        let mut timer: Option<Pin<Box<tokio::time::Sleep>>> = None;
        let mut reached = 0;
        let mut lease: Option<Lease> = None;
        let mut counted = 0;
        loop {
            let frame = std::future::poll_fn(|cx| {
                if let Poll::Ready(frame) = Pin::new(&mut self).poll_frame(cx) {
                    return Poll::Ready(Ok(frame));
                }
                let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(pace)));
                ready!(timer.as_mut().poll(cx));
                Poll::Ready(Err(Status::deadline_exceeded(format!(
                    "the body comes too slowly: each 64 KiB of it must come within {pace:?}, a limit set by \
                     protocols.http.body_timeout"
                ))))
            });
            let Some(frame) = frame.await? else { break };
            let Ok(data) = frame?.into_data() else { continue };
            let length = whole.len() + rest.len() + data.len();
            if length > limit {
                return Err(too_long(limit));
            }
            if let Some(memory) = memory.filter(|_| length > MemoryBudget::OWN) {
                if !lease.get_or_insert_with(|| memory.lease(limit)).take(length - counted) {
                    return Err(no_room());
                }
                counted = length;
            }
            if length / STRIDE > reached {
                reached = length / STRIDE;
                if let Some(timer) = &mut timer {
                    timer.as_mut().reset(Instant::now() + pace);
                }
            }
            match (whole.is_empty() && rest.is_empty(), rest.is_empty()) {
                (true, _) => whole = data,
                (false, true) => {
                    rest.reserve(whole.len() + data.len());
                    rest.extend_from_slice(&std::mem::take(&mut whole));
                    rest.extend_from_slice(&data);
                }
                (false, false) => rest.extend_from_slice(&data),
            }
        }
        let whole = if rest.is_empty() { whole } else { rest.freeze() };
        Ok(match lease {
            Some(lease) => Bytes::from_owner(Counted { bytes: whole, _memory: lease }),
            None => whole,
        })
    }
}

/// Bytes that count against a budget while anybody has them.
struct Counted<M> {
    bytes: Bytes,
    _memory: M,
}

impl<M> AsRef<[u8]> for Counted<M> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Counts bytes against a budget until nobody has them any more, if they are more than
/// [`MemoryBudget::OWN`].
///
/// # Errors
/// ResourceExhausted where they do not fit.
pub(crate) fn count(bytes: Bytes, memory: &MemoryBudget) -> Result<Bytes> {
    let length = bytes.len();
    count_as(bytes, length, memory).ok_or_else(no_room)
}

/// As [`count`], as if they were so many; `None` where they do not fit.
pub(crate) fn count_as(bytes: Bytes, length: usize, memory: &MemoryBudget) -> Option<Bytes> {
    if bytes.len() <= MemoryBudget::OWN {
        return Some(bytes);
    }
    let held: HeldMemory = memory.hold(length)?;
    Some(Bytes::from_owner(Counted { bytes, _memory: held }))
}

fn no_room() -> Status {
    Status::resource_exhausted(
        "the messages of all connections take all of the memory that they may, a limit set by server.memory_limit",
    )
    .with_executed(Executed::No)
}

fn too_long(limit: usize) -> Status {
    Status::resource_exhausted(format!("the body is longer than {limit} bytes, a limit set by server.message_limit"))
}

/// What an error of the connection says of a request's body.
fn unread(error: &hyper::Error) -> Status {
    let source = std::error::Error::source(error).map(|source| source.to_string().to_ascii_lowercase());
    if error.is_parse() || error.is_body_write_aborted() {
        return Status::invalid_argument("the body breaks the rules of HTTP");
    }
    match source {
        Some(text) if text.contains("chunk") || text.contains("invalid") => {
            Status::invalid_argument("the body breaks the rules of HTTP")
        }
        _ => Status::cancelled("the caller has left while its request arrived"),
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        match &mut self.0 {
            Repr::Empty => Poll::Ready(None),
            Repr::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Repr::Empty;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Repr::Arriving(arriving) => {
                let frame = ready!(Pin::new(&mut arriving.body).poll_frame(cx));
                if frame.is_none() {
                    arriving.unread = None;
                }
                Poll::Ready(frame.map(|frame| frame.map_err(|error| unread(&error))))
            }
            Repr::Frames(frames) => frames.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Repr::Empty => true,
            Repr::Full(bytes) => bytes.is_empty(),
            Repr::Arriving(arriving) => arriving.body.is_end_stream(),
            Repr::Frames(frames) => frames.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Repr::Empty => SizeHint::with_exact(0),
            Repr::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Repr::Arriving(arriving) => arriving.body.size_hint(),
            Repr::Frames(frames) => frames.size_hint(),
        }
    }
}

/// A body of another kind.
struct Foreign<B>(Pin<Box<B>>);

impl<B> HttpBody for Foreign<B>
where
    B: HttpBody,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let frame = ready!(self.0.as_mut().poll_frame(cx));
        Poll::Ready(frame.map(|frame| {
            let frame = frame.map_err(Status::internal_from)?;
            Ok(frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Body {
        Body(if bytes.is_empty() { Repr::Empty } else { Repr::Full(bytes) })
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Body {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Body {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl Default for Body {
    fn default() -> Body {
        Body::empty()
    }
}

/// Shows the kind and the size, never the content.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Empty => f.write_str("Body(empty)"),
            Repr::Full(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Repr::Arriving(_) | Repr::Frames(_) => f.write_str("Body(frames)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use motet_core::Code;

    use super::*;

    fn of(parts: &[&'static [u8]]) -> Body {
        let frames: Vec<_> = parts.iter().map(|part| Frame::data(Bytes::from_static(part))).collect();
        Body::from_frames(motet_core::Streaming::from_iter(frames))
    }

    #[tokio::test]
    async fn a_body_is_read_whole_however_it_is_cut() {
        let second = Duration::from_secs(1);
        for (body, whole) in [
            (Body::empty(), &b""[..]),
            (Body::from("abc"), b"abc"),
            (of(&[b"abc"]), b"abc"),
            (of(&[b"a", b"", b"b", b"c"]), b"abc"),
            (Body::new(of(&[b"ab", b"c"])), b"abc"),
        ] {
            assert_eq!(body.read_all(3, second).await.expect("short enough"), whole);
        }
        for body in [Body::from("abcd"), of(&[b"abcd"]), of(&[b"ab", b"cd"])] {
            assert_eq!(body.read_all(3, second).await.expect_err("too long").code(), Code::ResourceExhausted);
        }
    }

    #[tokio::test]
    async fn bodies_count_against_the_server_s_memory_while_anybody_has_them() {
        const BIG: &[u8] = &[7; 100_000];
        let memory = MemoryBudget::new(300 << 10);
        let read = |parts: &[&'static [u8]]| {
            let (body, memory) = (of(parts), memory.clone());
            async move { body.read_within(1 << 20, Duration::from_secs(1), Some(&memory)).await }
        };
        assert_eq!(read(&[&BIG[..1000]]).await.expect("little").len(), 1000);
        assert_eq!(memory.used(), 0, "little counts nothing");
        let first = read(&[BIG, BIG]).await.expect("it fits");
        assert!(memory.used() >= 200_000 - MemoryBudget::OWN);
        let refused = read(&[BIG, BIG, BIG]).await.expect_err("it does not");
        assert_eq!((refused.code(), refused.executed()), (Code::ResourceExhausted, Executed::No));
        assert!(refused.message().contains("server.memory_limit"), "{refused}");
        let counted = count(Bytes::from_static(BIG), &memory).expect("it fits");
        assert!(count(Bytes::from_static(BIG), &memory).is_err());
        let part = first.slice(..1);
        drop((first, counted));
        assert!(memory.used() > 0, "a part keeps the whole");
        drop(part);
        assert_eq!(memory.used(), 0);
        read(&[BIG, BIG]).await.expect("there is room again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_in_is_given_up() {
        let (sender, frames) = motet_core::Streaming::channel(1);
        let sending = tokio::spawn(async move {
            while sender.send(Ok(Frame::data(Bytes::from_static(b"x")))).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(3)).await;
            }
        });
        let began = Instant::now();
        let error = Body::from_frames(frames).read_all(1000, Duration::from_secs(10)).await.expect_err("too slow");
        assert_eq!(error.code(), Code::DeadlineExceeded);
        assert_eq!(began.elapsed().as_secs(), 10);
        sending.await.expect("the body was dropped");
    }
}
