//! The task of a connection: it moves bytes, and asks a silent peer whether it is there.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use h2::{Ping, PingPong, client::Connection};
use motet_core::BoxIo;
use tokio::time::{Instant, Sleep};

use super::connection::Shared;
use crate::GrpcConfig;

/// How many pings a peer gets until it has sent something of a call. A grpc-go server with its
/// defaults answers the third with GOAWAY `too_many_pings`.
const MAX_PINGS: u32 = 2;
/// How many times the silence before the first ping comes before the second: 10 s with the defaults.
const SECOND_PING: u32 = 20;

/// The task of a connection.
pub(super) struct Driver {
    connection: Connection<BoxIo, Bytes>,
    shared: Arc<Shared>,
    pings: Option<PingPong>,
    watch: Watch,
    after: Duration,
    timeout: Duration,
    dead_after: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether the timer is to be heeded.
    armed: bool,
}

/// What is known of a peer that may be silent.
#[derive(Default)]
struct Watch {
    /// What [`Shared::progress`] was when the timer was set.
    seen: u64,
    sent: u32,
    /// When the ping went out that is not answered yet.
    waiting_since: Option<Instant>,
}

impl Watch {
    /// Whether anything of a call has come since.
    fn note(&mut self, progress: u64) -> bool {
        let come = progress != self.seen;
        if come {
            (self.seen, self.sent) = (progress, 0);
        }
        come
    }
}

impl Driver {
    pub(super) fn new(mut connection: Connection<BoxIo, Bytes>, shared: Arc<Shared>, config: &GrpcConfig) -> Driver {
        let pings = connection.ping_pong();
        Driver {
            connection,
            shared,
            pings,
            watch: Watch::default(),
            after: config.ping_after,
            timeout: config.ping_timeout,
            dead_after: config.dead_after,
            timer: None,
            armed: false,
        }
    }

    fn set_timer(&mut self, at: Instant) {
        self.armed = true;
        match &mut self.timer {
            Some(timer) => timer.as_mut().reset(at),
            None => self.timer = Some(Box::pin(tokio::time::sleep_until(at))),
        }
    }

    /// Watches the peer while calls are outstanding. `false` when it is dead.
    fn poll_watch(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(pings) = &mut self.pings
            && self.watch.waiting_since.is_some()
            && pings.poll_pong(cx).is_ready()
        {
            self.watch.waiting_since = None;
            self.shared.suspect.store(false, Ordering::Release);
            if self.armed {
                self.set_timer(Instant::now() + self.after * SECOND_PING);
            }
        }
        if self.shared.in_flight.load(Ordering::Acquire) == 0 && self.watch.waiting_since.is_none() {
            self.armed = false;
            return true;
        }
        if !self.armed {
            self.watch.note(self.shared.progress.load(Ordering::Relaxed));
            self.set_timer(Instant::now() + self.after);
        }
        while self.armed && self.timer.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready()) {
            if !self.handle_timer() {
                return false;
            }
        }
        true
    }

    /// The peer has been silent, or not. `false` when it is dead.
    fn handle_timer(&mut self) -> bool {
        let now = Instant::now();
        let progress = self.shared.progress.load(Ordering::Relaxed);
        if self.watch.note(progress) {
            self.shared.suspect.store(false, Ordering::Release);
        } else if let Some(since) = self.watch.waiting_since {
            let silent = now.saturating_duration_since(since);
            if silent >= self.dead_after {
                return false;
            }
            if silent >= self.timeout {
                self.shared.suspect.store(true, Ordering::Release);
            }
        } else if self.watch.sent < MAX_PINGS
            && let Some(pings) = &mut self.pings
            && pings.send_ping(Ping::opaque()).is_ok()
        {
            self.watch.sent += 1;
            self.watch.waiting_since = Some(now);
        }
        let next = if self.watch.waiting_since.is_some() { self.timeout } else { self.after };
        self.set_timer(now + next.max(Duration::from_millis(1)));
        true
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let alive = this.poll_watch(cx);
        let ended = Pin::new(&mut this.connection).poll(cx);
        this.shared.check();
        match ended {
            Poll::Pending if alive => Poll::Pending,
            ended => {
                if let Poll::Ready(Err(error)) = ended {
                    tracing::debug!(target: "motet", %error, "a gRPC connection has ended");
                }
                this.shared.leave();
                this.shared.closed.store(true, Ordering::Release);
                Poll::Ready(())
            }
        }
    }
}
