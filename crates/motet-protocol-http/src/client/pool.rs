//! Connections to one node: one of HTTP/2 for all calls, or several of HTTP/1.1, each for one call at
//! a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use motet_core::{BoxIo, Endpoint, Executed, Result, Status, Transports};
use motet_http::{Body, Owned, Tasks};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::HttpClientConfig;

/// How many unused connections that turn out to be closed are tried for one request.
const MAX_STALE: usize = 64;

pub(super) struct Pool {
    config: HttpClientConfig,
    endpoint: Endpoint,
    transports: Transports,
    h2: Option<(http2::SendRequest<Body>, Owned)>,
    idle: Mutex<Vec<(Line, Instant)>>,
    places: Arc<Semaphore>,
}

/// A connection of HTTP/1.1.
pub(super) struct Line {
    sender: http1::SendRequest<Body>,
    _task: Owned,
}

/// What an answer's body keeps: where it goes back to once it is read.
pub(super) struct Used {
    pool: Arc<Pool>,
    line: Option<Line>,
    _place: OwnedSemaphorePermit,
}

impl Used {
    /// The answer was read to its end: the connection may serve another call.
    pub(super) fn done(&mut self) {
        if let Some(line) = self.line.take() {
            self.pool.keep(line);
        }
    }
}

impl Pool {
    /// Connects.
    ///
    /// # Errors
    /// Unavailable, executed: no.
    pub(super) async fn open(
        config: HttpClientConfig,
        endpoint: Endpoint,
        transports: Transports,
    ) -> Result<Arc<Pool>> {
        let announced = endpoint.protocols.iter().any(|name| name == "h2");
        let http2 = config.http2 || announced;
        let io = dial(&endpoint, &transports, http2).await?;
        let places = Arc::new(Semaphore::new(config.max_connections.clamp(1, Semaphore::MAX_PERMITS)));
        let mut pool = Pool { config, endpoint, transports, h2: None, idle: Mutex::default(), places };
        if http2 {
            pool.h2 = Some(pool.multiplexed(io).await?);
        } else {
            let line = line(io).await?;
            pool.idle().push((line, Instant::now()));
        }
        Ok(Arc::new(pool))
    }

    async fn multiplexed(&self, io: BoxIo) -> Result<(http2::SendRequest<Body>, Owned)> {
        let tasks = Tasks::default();
        let owned = Owned::new(&tasks);
        let mut builder = http2::Builder::new(tasks.clone());
        // The HTTP/2 library closes connections with many small unread frames unless the window is large.
        builder.timer(TokioTimer::new()).initial_connection_window_size(2 << 20).initial_stream_window_size(1 << 20);
        let (sender, connection) = builder.handshake(TokioIo::new(io)).await.map_err(|error| unsent(&error))?;
        tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an HTTP/2 connection has ended");
            }
        });
        Ok((sender, owned))
    }

    /// Whether it is one connection of HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        self.h2.is_some()
    }

    /// Whether it can take calls.
    pub(super) fn is_open(&self) -> bool {
        self.h2.as_ref().is_none_or(|(sender, _)| !sender.is_closed())
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Line, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, line: Line) {
        let mut idle = self.idle();
        let now = Instant::now();
        idle.retain(|(line, since)| !line.sender.is_closed() && now - *since < self.config.idle_timeout);
        if idle.len() < self.config.max_idle && !line.sender.is_closed() {
            idle.push((line, now));
        }
    }

    /// Sends a request and waits for the answer's head.
    ///
    /// # Errors
    /// Unavailable, executed: no where the request provably was not sent, else unknown.
    pub(super) async fn send(
        self: &Arc<Self>,
        mut request: Request<Body>,
    ) -> Result<(Response<Incoming>, Option<Used>)> {
        if let Some((sender, _)) = &self.h2 {
            let mut sender = sender.clone();
            sender.ready().await.map_err(|error| unsent(&error))?;
            return match sender.try_send_request(request).await {
                Ok(answer) => Ok((answer, None)),
                Err(mut error) => match error.take_message() {
                    Some(_) => Err(unsent(error.error())),
                    None => Err(unknown(error.error())),
                },
            };
        }
        let place = self.places.clone().acquire_owned().await.map_err(Status::internal_from)?;
        for stale in 0.. {
            let kept = if stale < MAX_STALE { self.take() } else { None };
            let fresh = kept.is_none();
            let mut line = match kept {
                Some(line) => line,
                None => line(dial(&self.endpoint, &self.transports, false).await?).await?,
            };
            if let Err(error) = line.sender.ready().await {
                if fresh {
                    return Err(unsent(&error));
                }
                continue;
            }
            match line.sender.try_send_request(request).await {
                Ok(answer) => {
                    let used = Used { pool: self.clone(), line: Some(line), _place: place };
                    return Ok((answer, Some(used)));
                }
                // The server closed a connection that nobody used: another one.
                Err(mut error) => match error.take_message() {
                    Some(again) if !fresh => request = again,
                    Some(_) => return Err(unsent(error.error())),
                    None => return Err(unknown(error.error())),
                },
            }
        }
        Err(Status::internal("no connection was tried"))
    }

    fn take(&self) -> Option<Line> {
        let mut idle = self.idle();
        while let Some((line, since)) = idle.pop() {
            if !line.sender.is_closed() && since.elapsed() < self.config.idle_timeout {
                return Some(line);
            }
        }
        None
    }
}

async fn dial(endpoint: &Endpoint, transports: &Transports, http2: bool) -> Result<BoxIo> {
    let alpn = if http2 { "h2" } else { "http/1.1" };
    transports.find(&endpoint.transport)?.dial_alpn(endpoint, &[alpn]).await
}

async fn line(io: BoxIo) -> Result<Line> {
    let tasks = Tasks::default();
    let mut builder = http1::Builder::new();
    builder.max_buf_size(256 << 10);
    let (sender, connection) = builder.handshake(TokioIo::new(io)).await.map_err(|error| unsent(&error))?;
    tasks.spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an HTTP/1.1 connection has ended");
        }
    });
    Ok(Line { sender, _task: Owned::new(&tasks) })
}

fn unsent(error: &hyper::Error) -> Status {
    Status::unavailable(format!("the request was not sent: {error}")).with_executed(Executed::No)
}

fn unknown(error: &hyper::Error) -> Status {
    Status::unavailable(format!("the connection ended before the answer: {error}"))
}
