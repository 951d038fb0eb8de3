//! A connection of either version.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response, header};
use hyper::{
    body::Incoming as Arriving,
    server::conn::{http1, http2},
    service::Service,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use motet_core::{BoxFuture, Incoming};
use tokio::time::Instant;

use super::{
    drive::{End, drive},
    frames::Frames,
    streams::{Streams, noted},
    tasks::{Owned, Tasks},
    watch::{Answered, Running, Watch, Watched},
};
use crate::{
    Body, HttpConfig,
    door::{ConnectionParts, Doors},
    front::{Answer, Front},
    hosts::is_loopback,
};

/// HTTP/1.1, and what an upgrade made of it.
pub(crate) fn serve_h1(front: Arc<Front>, incoming: Incoming) -> BoxFuture<'static, ()> {
    // In a box of its own, which is gone when an upgrade takes over: many of those wait for long.
    let speaking = Box::pin(speak_h1(front, incoming));
    Box::pin(async move {
        if let Some(owned) = speaking.await {
            owned.tasks().all_done().await;
        }
    })
}

/// Speaks HTTP/1.1 to its end, and gives the tasks of what an upgrade made of it.
async fn speak_h1(front: Arc<Front>, incoming: Incoming) -> Option<Owned> {
    let config = front.config().clone();
    let watch = Watch::http1(first_byte(&incoming, &config), &front);
    let (io, served, owned) = open(front, incoming, watch);
    let doors = served.doors.clone();
    let mut builder = http1::Builder::new();
    builder.half_close(true).max_headers(config.max_headers).max_buf_size(config.max_head());
    let connection = Box::pin(builder.serve_connection(TokioIo::new(io), served.clone()).with_upgrades());
    (drive(connection, &served.watch, doors.of_none()).await == End::Closed).then_some(owned)
}

/// HTTP/2.
pub(crate) async fn serve_h2(front: Arc<Front>, incoming: Incoming) {
    let config = front.config().clone();
    let began = first_byte(&incoming, &config);
    let watch = Watch::http2(began, &front, Frames::new(began, config.max_resets, config.max_idle_frames));
    let (io, served, owned) = open(front, incoming, watch);
    let streams = Streams {
        tasks: owned.tasks().clone(),
        watch: served.watch.clone(),
        offences: served.doors.of_none().offences().clone(),
        patience: config.write_timeout,
    };
    let mut builder = http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .initial_connection_window_size(config.connection_window())
        .initial_stream_window_size(config.stream_window())
        .max_concurrent_streams(config.max_streams.max(1))
        .max_header_list_size(u32::try_from(config.max_head()).unwrap_or(u32::MAX))
        // `Frames` counts resets; the library's own limit of 20 between two reads would end connections of
        // peers that gave calls up while this process was held up.
        .max_pending_accept_reset_streams(config.max_resets as usize)
        .max_send_buf_size(config.send_buffer.clamp(16 << 10, u32::MAX as usize))
        .keep_alive_interval(config.ping_after)
        .keep_alive_timeout(config.ping_timeout);
    let connection = Box::pin(builder.serve_connection(TokioIo::new(io), served.clone()));
    drive(connection, &served.watch, served.doors.of_none()).await;
}

/// When the head began that is to be complete by `head_by`.
fn first_byte(incoming: &Incoming, config: &HttpConfig) -> Instant {
    let now = Instant::now();
    incoming.head_by.checked_sub(config.head_timeout).map_or(now, |began| began.min(now))
}

fn open(front: Arc<Front>, incoming: Incoming, watch: Watch) -> (Watched, Served, Owned) {
    let Incoming { io, peer, dispatcher, drain, offences, listener, .. } = incoming;
    let loopback = listener.map_or(peer.local && peer.transport == "tcp", |listener| is_loopback(&listener));
    let tasks = Tasks::default();
    let owned = Owned::new(&tasks);
    let (config, memory, mounted) = (front.config().clone(), front.memory.clone(), front.has_mounts());
    let connection = ConnectionParts { dispatcher, peer, loopback, drain, offences, config, memory, tasks, mounted };
    let doors = Arc::new(front.doors(connection));
    (Watched::new(io, watch.clone()), Served { front, doors, watch }, owned)
}

/// What the HTTP library hands requests to.
#[derive(Clone)]
struct Served {
    front: Arc<Front>,
    doors: Arc<Doors>,
    watch: Watch,
}

impl Service<Request<Arriving>> for Served {
    type Response = Response<Answered>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Arriving>) -> Answering {
        let running = self.watch.begin();
        let answer = self.front.answer(request.map(|body| Body::arriving(body, self.watch.unread())), &self.doors);
        Answering { answer, running: Some(running) }
    }
}

/// An answer on its way, as the HTTP library wants it.
struct Answering {
    answer: Answer,
    running: Option<Running>,
}

impl Future for Answering {
    type Output = Result<Response<Answered>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        noted(Pin::new(&mut this.answer).poll(cx)).map(|answer| {
            let running = this.running.take();
            let mut answer = answer;
            if running.as_ref().is_some_and(Running::is_last) {
                // Else its peer would put the next request on a connection that ends.
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(answer.map(|body| Answered::new(body, running)))
        })
    }
}
