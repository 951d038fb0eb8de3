//! Connections to one node, each for one call or stream at a time.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use motet_core::{Endpoint, Executed, Result, Status, Transports};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::{
    MucpConfig,
    line::{Either, End, Incoming, Outgoing, either},
    wire::{Event, Head, Side, too_long},
};

/// How many unused connections that turn out to be closed are tried for one request.
const MAX_STALE: usize = 64;
/// How long the answer to a one-way call is waited for, so that its connection can be used again.
const ONE_WAY_ANSWER: Duration = Duration::from_secs(10);

pub(super) struct Pool {
    config: Arc<MucpConfig>,
    endpoint: Endpoint,
    transports: Transports,
    idle: Mutex<Vec<(Line, Instant)>>,
    places: Arc<Semaphore>,
    /// Those that read the answers of one-way calls.
    reading: Mutex<JoinSet<()>>,
}

/// A connection.
pub(super) struct Line {
    pub(super) incoming: Incoming,
    pub(super) outgoing: Outgoing,
}

impl Pool {
    /// Connects.
    ///
    /// # Errors
    /// Unavailable, executed: no.
    pub(super) async fn open(config: Arc<MucpConfig>, endpoint: Endpoint, transports: Transports) -> Result<Arc<Pool>> {
        let places = Arc::new(Semaphore::new(config.max_connections.clamp(1, Semaphore::MAX_PERMITS)));
        let pool = Pool { config, endpoint, transports, idle: Mutex::default(), places, reading: Mutex::default() };
        let line = pool.dial().await?;
        pool.idle().push((line, Instant::now()));
        Ok(Arc::new(pool))
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Line, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more connection in use, once there is one.
    pub(super) async fn place(&self) -> Result<OwnedSemaphorePermit> {
        self.places.clone().acquire_owned().await.map_err(Status::internal_from)
    }

    /// A new connection.
    pub(super) async fn dial(&self) -> Result<Line> {
        let transport = self.transports.find(&self.endpoint.transport)?;
        let io = transport.dial_alpn(&self.endpoint, &["http/1.1"]).await?;
        let (read, write) = tokio::io::split(io);
        let max = self.config.max_message();
        Ok(Line {
            incoming: Incoming::new(read, Side::Responses, max, self.config.message_timeout, None),
            outgoing: Outgoing::new(write, self.config.write_timeout),
        })
    }

    /// A connection that nobody uses and the peer has not closed, as far as is known.
    fn take(&self) -> Option<Line> {
        let mut idle = self.idle();
        while let Some((mut line, since)) = idle.pop() {
            if since.elapsed() < self.config.keep && !line.incoming.is_stale() {
                return Some(line);
            }
        }
        None
    }

    /// Keeps a connection for later calls.
    fn keep(&self, line: Line) {
        let (now, most) = (Instant::now(), self.config.max_idle);
        let mut idle = self.idle();
        idle.retain(|(_, since)| now - *since < self.config.keep);
        if idle.len() < most && line.incoming.is_clean() {
            idle.push((line, now));
        }
    }

    /// Sends a request whose answer a task of the pool reads, so that the connection can be used again.
    ///
    /// # Errors
    /// As [`Pool::exchange`].
    pub(super) async fn send(self: &Arc<Self>, request: &BytesMut) -> Result<()> {
        let place = self.place().await?;
        let (mut line, max) = (self.fresh().await?, self.config.max_message());
        let mut wrote = 0;
        if let Err(error) = line.outgoing.write(&mut request.clone(), &mut wrote).await {
            let executed = if wrote == 0 { Executed::No } else { Executed::Unknown };
            return Err(unavailable("the request was not sent", error).with_executed(executed));
        }
        let pool = Arc::downgrade(self);
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        while reading.try_join_next().is_some() {}
        reading.spawn(async move {
            let _place = place;
            if let Ok(Ok((head, _))) = timeout(ONE_WAY_ANSWER, answer(&mut line.incoming, max)).await
                && !head.fields.closes()
                && let Some(pool) = pool.upgrade()
            {
                pool.keep(line);
            }
        });
        Ok(())
    }

    async fn fresh(&self) -> Result<Line> {
        match self.take() {
            Some(line) => Ok(line),
            None => self.dial().await,
        }
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// Unavailable, executed: no where the request provably was not sent, else unknown;
    /// ResourceExhausted for a reply that is too long.
    pub(super) async fn exchange(&self, request: &BytesMut) -> Result<(Head, Bytes)> {
        let _place = self.place().await?;
        for stale in 0.. {
            let kept = if stale < MAX_STALE { self.take() } else { None };
            let fresh = kept.is_none();
            let mut line = match kept {
                Some(line) => line,
                None => self.dial().await?,
            };
            match line.exchange(request.clone(), self.config.max_message()).await {
                Ok((head, body, whole)) => {
                    if whole && !head.fields.closes() {
                        self.keep(line);
                    }
                    return Ok((head, body));
                }
                // The server has closed a connection that nobody used: another one.
                Err(status) if !fresh && status.executed() == Executed::No => {}
                Err(status) => return Err(status),
            }
        }
        Err(Status::internal("no connection was tried"))
    }
}

impl Line {
    /// Sends a request and waits for its answer, which may come before the request is all written: then
    /// the connection is of no further use, and false is given with it.
    async fn exchange(&mut self, mut request: BytesMut, max: usize) -> Result<(Head, Bytes, bool)> {
        let mut wrote = 0;
        let written = {
            let writing = self.outgoing.write(&mut request, &mut wrote);
            either(answer(&mut self.incoming, max), writing).await
        };
        match written {
            Either::First(answer) => answer.map(|(head, body)| (head, body, request.is_empty())),
            Either::Second(Ok(())) => answer(&mut self.incoming, max).await.map(|(head, body)| (head, body, true)),
            Either::Second(Err(error)) if wrote == 0 => {
                Err(unavailable("the request was not sent", error).with_executed(Executed::No))
            }
            // It may have been answered before it was all written.
            Either::Second(Err(error)) => match answer(&mut self.incoming, max).await {
                Ok((head, body)) => Ok((head, body, false)),
                Err(_) => Err(unavailable("the request was not sent to its end", error)),
            },
        }
    }
}

/// The next answer.
///
/// # Errors
/// Unavailable where there is none, ResourceExhausted where it is too long.
async fn answer(incoming: &mut Incoming, max: usize) -> Result<(Head, Bytes)> {
    let ended = || Status::unavailable("the connection ended before the answer");
    answer_or_end(incoming, max).await?.ok_or_else(ended)
}

/// The next answer; none at the end of the connection. Cancel safe.
pub(super) async fn answer_or_end(incoming: &mut Incoming, max: usize) -> Result<Option<(Head, Bytes)>> {
    loop {
        match incoming.next().await {
            Ok(Some(Event::Message(head, _))) if head.is_informational() => {}
            Ok(Some(Event::Message(head, body))) => return Ok(Some((head, body))),
            Ok(Some(Event::Continue)) => {}
            Ok(Some(Event::Refused(..))) => return Err(too_long(max).with_executed(Executed::Yes)),
            Ok(None) => return Ok(None),
            Err(end) => return Err(ended(end)),
        }
    }
}

fn ended(end: End) -> Status {
    match end {
        End::Lost(error) => unavailable("the connection was lost before the answer", error),
        End::Stalled => Status::unavailable("the answer did not come to its end in time"),
        End::Broken(broken) => Status::unavailable(format!("the answer cannot be read: {broken}")),
    }
}

fn unavailable(what: &str, error: io::Error) -> Status {
    Status::unavailable(format!("{what}: {}", error.kind())).with_source(error)
}
