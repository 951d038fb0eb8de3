//! The clock of a connection, and its last words.

use std::{
    error::Error,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use bytes::BytesMut;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use motet_core::{BoxIo, Offence};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, Sleep, sleep_until, timeout},
};

use super::watch::{Over, Watch, Watched};
use crate::Door;

/// How long a connection that is told to end may stay without a request.
const LEAVING: Duration = Duration::from_secs(5);
/// How long, and for how many bytes, a peer is heard out after the last words: four messages as long as
/// they may be. Closing with unread bytes resets the connection, and the last words may be lost with it.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 16 << 20;
const LINGER_READ: usize = 16 << 10;

/// A connection of the HTTP library.
pub(super) trait Conn: Future<Output = hyper::Result<()>> + Send {
    /// The answer to a peer that is too slow or too much.
    const LAST_WORDS: &'static [u8];

    /// Takes no more requests and ends with the last one that runs.
    fn leave(self: Pin<&mut Self>);
}

impl<S> Conn for http1::UpgradeableConnection<TokioIo<Watched>, S>
where
    Self: Future<Output = hyper::Result<()>> + Send,
    S: hyper::service::HttpService<hyper::body::Incoming>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    S::ResBody: 'static,
    <S::ResBody as http_body::Body>::Error: Into<Box<dyn Error + Send + Sync>>,
{
    const LAST_WORDS: &'static [u8] = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

    fn leave(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S, E> Conn for http2::Connection<TokioIo<Watched>, S, E>
where
    Self: Future<Output = hyper::Result<()>> + Send,
    S: hyper::service::HttpService<hyper::body::Incoming>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    S::ResBody: 'static,
    <S::ResBody as http_body::Body>::Error: Into<Box<dyn Error + Send + Sync>>,
    E: hyper::rt::bounds::Http2ServerConnExec<S::Future, S::ResBody>,
{
    /// GOAWAY, last stream 2^31 − 1, ENHANCE_YOUR_CALM (RFC 9113 §6.8, §7).
    const LAST_WORDS: &'static [u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0x0b];

    fn leave(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As HTTP wants it, or by an upgrade.
    Closed,
    /// By an error or a limit.
    Broken,
}

/// Drives a connection to its end, within its limits.
pub(super) async fn drive<C: Conn>(mut connection: Pin<Box<C>>, watch: &Watch, door: &Door) -> End {
    let ended = run(&mut connection, watch, door).await;
    drop(connection);
    match ended {
        Ok(Ok(())) => {
            // A request that was answered before all of it was read may still be on its way.
            last_words(watch.left_behind(), &[]).await;
            End::Closed
        }
        Ok(Err(error)) => {
            if let Some(offence) = offence(&error) {
                door.offences().count(offence, 1);
                tracing::info!(peer = door.peer().address, %error, "closed: the peer broke the rules of HTTP");
                last_words(watch.left_behind(), &[]).await;
            }
            End::Broken
        }
        Err(over) => {
            let offence = if let Over::Flood(_) = over { Offence::OverLimit } else { Offence::Stalled };
            if over != Over::Left {
                door.offences().count(offence, 1);
                tracing::info!(peer = door.peer().address, ?over, "closed: over a limit of protocols.http");
            }
            let words = if matches!(over, Over::Slow | Over::Flood(_)) { C::LAST_WORDS } else { &[] };
            last_words(watch.left_behind(), words).await;
            End::Broken
        }
    }
}

async fn run<C: Conn>(connection: &mut Pin<Box<C>>, watch: &Watch, door: &Door) -> Result<hyper::Result<()>, Over> {
    let config = door.config();
    let mut draining = pin!(door.drain().draining());
    let mut left: Option<Instant> = None;
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    poll_fn(|cx| {
        if left.is_none() && draining.as_mut().poll(cx).is_ready() {
            left = Some(Instant::now());
            connection.as_mut().leave();
        }
        loop {
            let polled = connection.as_mut().poll(cx);
            if let Some(over) = watch.over() {
                return Poll::Ready(Err(over));
            }
            if let Poll::Ready(ended) = polled {
                return Poll::Ready(Ok(ended));
            }
            let next = watch.next(config, left.map(|left| (left, LEAVING)));
            let timer = match (&mut timer, next) {
                (_, None) => return Poll::Pending,
                // Later is found out when it fires: resetting it each time would cost more.
                (Some(timer), Some((at, _))) if timer.deadline() > at || timer.is_elapsed() => {
                    timer.as_mut().reset(at);
                    timer
                }
                (Some(timer), _) => timer,
                (empty, Some((at, _))) => empty.insert(Box::pin(sleep_until(at))),
            };
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            match next {
                Some((at, Over::Idle)) if at <= Instant::now() => {
                    left = Some(Instant::now());
                    connection.as_mut().leave();
                }
                Some((at, over)) if at <= Instant::now() => return Poll::Ready(Err(over)),
                _ => {}
            }
        }
    })
    .await
}

/// What the HTTP library's error says against the peer; nothing where it merely left.
fn offence(error: &hyper::Error) -> Option<Offence> {
    if error.is_parse_too_large() {
        return Some(Offence::OverLimit);
    }
    if error.is_parse() {
        return Some(Offence::Malformed);
    }
    let detected = error.source().map(ToString::to_string).filter(|text| text.starts_with("connection error detected"));
    detected.map(|text| match text.contains("excessive") || text.contains("too_many") {
        true => Offence::OverLimit,
        false => Offence::Malformed,
    })
}

/// Says what there is to say, and hears the peer out for a moment.
async fn last_words(io: Option<BoxIo>, words: &[u8]) {
    let Some(mut io) = io else { return };
    let all = async {
        io.write_all(words).await?;
        io.shutdown().await?;
        let (mut left, mut buffer) = (LINGER_BYTES, BytesMut::new());
        while left > 0 {
            buffer.clear();
            buffer.reserve(LINGER_READ);
            match io.read_buf(&mut buffer).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        std::io::Result::Ok(())
    };
    let _ = timeout(LINGER, all).await;
}
