//! A node, as calls see it.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use motet_core::{
    BoxFuture, Call, Codecs, Connecting, Connection, ConnectionState, Deadline, Endpoint, Executed, Kind, Reply,
    Result, Status,
};
use tokio::time::{Instant, timeout_at};

use super::{HttpClientConfig, pool::Pool, reply, request, silence::Silence};

/// A node, as calls see it.
pub(super) struct HttpConnection(Arc<Inner>);

pub(super) struct Inner {
    pub(super) pool: Arc<Pool>,
    pub(super) config: HttpClientConfig,
    pub(super) codecs: Codecs,
    pub(super) authority: String,
    pub(super) scheme: &'static str,
    in_flight: AtomicUsize,
    closing: AtomicBool,
    silence: Silence,
}

/// Counts a call until its end.
pub(super) struct InFlight(Arc<Inner>);

impl InFlight {
    fn new(inner: &Arc<Inner>) -> InFlight {
        inner.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(inner.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl HttpConnection {
    pub(super) async fn open(
        config: HttpClientConfig,
        endpoint: &Endpoint,
        connecting: &Connecting,
    ) -> Result<HttpConnection> {
        let opening = Pool::open(config.clone(), endpoint.clone(), connecting.transports.clone());
        let pool = timeout_at(connecting.deadline, opening).await.map_err(|_| {
            Status::unavailable(format!("{endpoint} did not answer in time")).with_executed(Executed::No)
        })??;
        let authority = if endpoint.transport == "tcp" { endpoint.address.clone() } else { "localhost".to_owned() };
        Ok(HttpConnection(Arc::new(Inner {
            pool,
            config,
            codecs: connecting.codecs.clone(),
            authority,
            scheme: if endpoint.tls { "https" } else { "http" },
            in_flight: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
            silence: Silence::new(),
        })))
    }
}

impl Connection for HttpConnection {
    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply>> {
        let inner = self.0.clone();
        Box::pin(async move {
            if inner.closing.load(Ordering::Relaxed) {
                return Err(Status::unavailable("the connection takes no more calls").with_executed(Executed::No));
            }
            let in_flight = InFlight::new(&inner);
            make(&inner, call, in_flight).await
        })
    }

    fn state(&self) -> ConnectionState {
        match () {
            () if !self.0.pool.is_open() => ConnectionState::Closed,
            () if self.0.closing.load(Ordering::Relaxed) => ConnectionState::Draining,
            () if self.0.silence.is_longer_than(self.0.config.suspect_after) => ConnectionState::Suspect,
            () => ConnectionState::Open,
        }
    }

    fn in_flight(&self) -> usize {
        self.0.in_flight.load(Ordering::Relaxed)
    }

    fn close(&self) {
        self.0.closing.store(true, Ordering::Relaxed);
    }
}

async fn make(inner: &Arc<Inner>, call: Call, in_flight: InFlight) -> Result<Reply> {
    let (path, deadline) = (call.method.path.clone(), call.deadline);
    if let Some(deadline) = deadline.filter(|deadline| deadline.at <= Instant::now()) {
        return Err(deadline.status(&path).with_executed(Executed::No));
    }
    let (method, one_way) = (call.method.clone(), call.one_way);
    let built = request::build(inner, call)?;
    let trouble = built.trouble;
    let inner = inner.clone();
    let bidi = method.kind == Kind::Bidi;
    let answered = async move {
        let awaited = inner.silence.await_answer();
        let sent = inner.pool.send(built.request).await;
        awaited.end(sent.is_ok());
        // A request stream's own error is why the call fails, not what the connection made of it.
        let (answer, used) = sent.map_err(|status| trouble.take().unwrap_or(status))?;
        reply::head(&inner, &method, answer, used, one_way, trouble.clone()).await
    };
    // Whoever has both streams may send its messages only once it holds the replies: an answer that
    // waits for them would never come.
    if bidi {
        return Ok(reply::later(Box::pin(answered), deadline, path, in_flight));
    }
    match within(deadline, &path, answered).await? {
        reply::Head::Done(reply) => Ok(reply),
        reply::Head::Stream(stream) => Ok(stream.into_reply(deadline, path, in_flight)),
    }
}

/// Ends a call at its deadline.
pub(super) async fn within<T>(
    deadline: Option<Deadline>,
    path: &str,
    call: impl Future<Output = Result<T>>,
) -> Result<T> {
    match deadline {
        None => call.await,
        Some(deadline) => match timeout_at(deadline.at, call).await {
            Ok(outcome) => outcome,
            Err(_) => Err(deadline.status(path)),
        },
    }
}
