//! A node, as calls see it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use motet_core::{
    BoxFuture, Call, Codecs, Connecting, Connection, ConnectionState, Deadline, Endpoint, Executed, Kind, Reply,
    Result, Status,
};
use tokio::time::{Instant, timeout_at};

use super::{call, pool::Pool, stream};
use crate::MucpConfig;

/// A node, as calls see it.
pub(super) struct MucpConnection(Arc<Inner>);

pub(super) struct Inner {
    pub(super) pool: Arc<Pool>,
    pub(super) config: Arc<MucpConfig>,
    pub(super) codecs: Codecs,
    pub(super) host: String,
    /// The number of the next call.
    numbers: AtomicU64,
    in_flight: AtomicUsize,
    closing: AtomicBool,
}

impl Inner {
    pub(super) fn number(&self) -> String {
        self.numbers.fetch_add(1, Relaxed).to_string()
    }
}

/// Counts a call until its end.
pub(super) struct InFlight(Arc<Inner>);

impl InFlight {
    fn new(inner: &Arc<Inner>) -> InFlight {
        inner.in_flight.fetch_add(1, Relaxed);
        InFlight(inner.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

impl MucpConnection {
    pub(super) async fn open(
        config: Arc<MucpConfig>,
        endpoint: &Endpoint,
        connecting: &Connecting,
    ) -> Result<MucpConnection> {
        let opening = Pool::open(config.clone(), endpoint.clone(), connecting.transports.clone());
        let pool = timeout_at(connecting.deadline, opening).await.map_err(|_| {
            Status::unavailable(format!("{endpoint} did not answer in time")).with_executed(Executed::No)
        })??;
        let host = if endpoint.transport == "tcp" { endpoint.address.clone() } else { "localhost".to_owned() };
        Ok(MucpConnection(Arc::new(Inner {
            pool,
            config,
            codecs: connecting.codecs.clone(),
            host,
            numbers: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
        })))
    }
}

impl Connection for MucpConnection {
    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply>> {
        let inner = self.0.clone();
        Box::pin(async move {
            if inner.closing.load(Relaxed) {
                return Err(Status::unavailable("the connection takes no more calls").with_executed(Executed::No));
            }
            let in_flight = InFlight::new(&inner);
            match call.method.kind {
                Kind::Unary => within(call.deadline, &call.method.path.clone(), call::make(&inner, call)).await,
                _ => stream::make(&inner, call, in_flight).await,
            }
        })
    }

    fn state(&self) -> ConnectionState {
        match self.0.closing.load(Relaxed) {
            true => ConnectionState::Draining,
            false => ConnectionState::Open,
        }
    }

    fn in_flight(&self) -> usize {
        self.0.in_flight.load(Relaxed)
    }

    fn close(&self) {
        self.0.closing.store(true, Relaxed);
    }
}

/// Ends a call at its deadline.
pub(super) async fn within<T>(
    deadline: Option<Deadline>,
    path: &str,
    call: impl Future<Output = Result<T>>,
) -> Result<T> {
    let Some(deadline) = deadline else { return call.await };
    if deadline.at <= Instant::now() {
        return Err(deadline.status(path).with_executed(Executed::No));
    }
    match timeout_at(deadline.at, call).await {
        // The caller's own clock says it better than the server's.
        Ok(Err(status)) if status.code() == motet_core::Code::DeadlineExceeded && deadline.at <= Instant::now() => {
            Err(deadline.status(path))
        }
        Ok(outcome) => outcome,
        Err(_) => Err(deadline.status(path)),
    }
}
