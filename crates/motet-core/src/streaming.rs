//! A stream of messages.

use std::{
    fmt,
    pin::Pin,
    sync::Mutex,
    task::{Context, Poll},
};

use futures_core::Stream;

use crate::Result;

/// A stream of messages, of a request or of a reply. Each item is a message or the [`Status`] that
/// ended the stream; nothing follows an error.
///
/// Dropping a reply stream cancels its call. Reading is cancel safe: a [`Streaming::next`] that is
/// dropped loses no message.
///
/// ```
/// # futures_executor();
/// # fn futures_executor() { tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use motet_core::Streaming;
///
/// let mut numbers = Streaming::from_iter([1, 2]);
/// assert_eq!(numbers.next().await.transpose().unwrap(), Some(1));
/// assert_eq!(numbers.collect().await.unwrap(), [2]);
/// # }) }
/// ```
///
/// [`Status`]: crate::Status
pub struct Streaming<T>(Mutex<Pin<Box<dyn Stream<Item = Result<T>> + Send>>>);

impl<T> Streaming<T> {
    /// Messages from any stream of results.
    pub fn new(stream: impl Stream<Item = Result<T>> + Send + 'static) -> Streaming<T> {
        Streaming(Mutex::new(Box::pin(stream)))
    }

    /// The messages of an iterator.
    #[expect(clippy::should_implement_trait, reason = "FromIterator cannot ask for Send")]
    pub fn from_iter(items: impl IntoIterator<Item = T, IntoIter: Send + 'static>) -> Streaming<T> {
        struct Iter<I>(I);
        impl<I: Iterator + Unpin> Stream for Iter<I> {
            type Item = Result<I::Item>;
            fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
                Poll::Ready(self.0.next().map(Ok))
            }
        }
        Streaming::new(Iter(Box::new(items.into_iter())))
    }

    /// A stream that another task fills, and the sender that fills it; `capacity` messages wait at
    /// most, then the sender does. The stream ends when all senders are dropped.
    pub fn channel(capacity: usize) -> (tokio::sync::mpsc::Sender<Result<T>>, Streaming<T>)
    where
        T: Send + 'static,
    {
        struct Receiver<T>(tokio::sync::mpsc::Receiver<Result<T>>);
        impl<T> Stream for Receiver<T> {
            type Item = Result<T>;
            fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
                self.0.poll_recv(cx)
            }
        }
        let (sender, receiver) = tokio::sync::mpsc::channel(capacity.max(1));
        (sender, Streaming::new(Receiver(receiver)))
    }

    /// The next message; `None` at the end. Cancel safe.
    pub async fn next(&mut self) -> Option<Result<T>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// All messages to the end.
    ///
    /// # Errors
    /// The status that ended the stream.
    pub async fn collect(mut self) -> Result<Vec<T>> {
        let mut all = Vec::new();
        while let Some(item) = self.next().await {
            all.push(item?);
        }
        Ok(all)
    }

    /// The same stream with each message changed by `f`, whose error ends it.
    pub fn map<U>(self, f: impl FnMut(T) -> Result<U> + Send + 'static) -> Streaming<U>
    where
        T: 'static,
    {
        struct Mapped<T, F>(Option<Streaming<T>>, F);
        impl<T, U, F: FnMut(T) -> Result<U>> Stream for Mapped<T, F>
        where
            Self: Unpin,
        {
            type Item = Result<U>;
            fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
                let this = &mut *self;
                let Some(stream) = &mut this.0 else { return Poll::Ready(None) };
                let item = std::task::ready!(Pin::new(stream).poll_next(cx)).map(|item| item.and_then(&mut this.1));
                if !matches!(item, Some(Ok(_))) {
                    this.0 = None;
                }
                Poll::Ready(item)
            }
        }
        Streaming::new(Mapped(Some(self), Box::new(f)))
    }
}

impl<T> Stream for Streaming<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // Exclusive access: the mutex only makes the type Sync and is never contended.
        match self.0.get_mut() {
            Ok(stream) => stream.as_mut().poll_next(cx),
            Err(poisoned) => poisoned.into_inner().as_mut().poll_next(cx),
        }
    }
}

impl<T> fmt::Debug for Streaming<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Streaming")
    }
}
