//! Accepting connections, and owning them to their end.

use std::{
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{Either, select},
};
use motet_core::{Accepted, Endpoint, Listener, Result};
use tokio::task::JoinSet;

use super::{Front, connection, count};

/// The wait after a failure to accept, doubled up to the maximum while failures go on. Running out
/// of file descriptors passes when other connections end.
const BACKOFF: Duration = Duration::from_millis(5);
const MAX_BACKOFF: Duration = Duration::from_secs(1);

/// Accepts connections until the drain starts, then waits for those it has. Dropping the future, or
/// aborting the drain, ends them.
pub(in crate::server) async fn accept_loop(listener: Box<dyn Listener>, tls: bool, front: Arc<Front>) {
    let _held = front.drain.hold();
    let mut connections = JoinSet::new();
    let mut backoff = BACKOFF;
    let at = Arc::new(listener.endpoint());
    let draining = front.drain.draining();
    let mut draining = pin!(draining);
    loop {
        let accepting = pin!(listener.accept());
        match select(draining.as_mut(), accepting).await {
            Either::Left(_) => break,
            Either::Right((Ok(accepted), _)) => {
                backoff = BACKOFF;
                admit(&mut connections, accepted, tls, &at, &front);
            }
            Either::Right((Err(status), _)) => {
                count(&front.counters.accept_errors);
                if backoff == BACKOFF {
                    tracing::error!(endpoint = %listener.endpoint(), %status, "cannot accept connections");
                }
                if let Either::Left(_) = select(draining.as_mut(), pin!(tokio::time::sleep(backoff))).await {
                    break;
                }
                backoff = (backoff * 2).min(MAX_BACKOFF);
            }
        }
        // Those that ended meanwhile: the set would keep their results.
        while connections.try_join_next().is_some() {}
    }
    // Who had connected before the stop gets an answer of its protocol, not a reset.
    while let Some(Ok(accepted)) = take(&*listener) {
        admit(&mut connections, accepted, tls, &at, &front);
    }
    drop(listener);
    finish(connections, &front).await;
}

fn take(listener: &dyn Listener) -> Option<Result<Accepted>> {
    listener.accept().now_or_never()
}

fn admit(connections: &mut JoinSet<()>, accepted: Accepted, tls: bool, at: &Arc<Endpoint>, front: &Arc<Front>) {
    front.counters.accepted.fetch_add(1, Ordering::Relaxed);
    match front.admission.admit() {
        Some(seat) => drop(connections.spawn(connection::run(accepted, seat, tls, at.clone(), front.clone()))),
        None => {
            count(&front.counters.over_limit);
            if front.counters.crowded.lets_through() {
                let peer = accepted.peer.address;
                tracing::warn!(peer, "too many connections: raise server.max_connections; told once a second");
            }
        }
    }
}

async fn finish(mut connections: JoinSet<()>, front: &Front) {
    let mut patience = pin!(front.drain.aborted());
    while !connections.is_empty() {
        let over = matches!(select(pin!(connections.join_next()), patience.as_mut()).await, Either::Right(_));
        if over {
            return connections.shutdown().await;
        }
    }
}
