//! One connection to a node.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use bytes::Bytes;
use h2::client::SendRequest;
use http::uri::{Authority, Scheme};
use motet_core::{BoxFuture, BoxIo, Call, Codecs, Connection, ConnectionState, Executed, Kind, Reply, Result, Status};

use super::{
    call::{one_way_call, stream_call, unary_call},
    driver::Driver,
};
use crate::{GrpcConfig, flavour::Flavour, task::Owned, wire::Compression};

/// The longest block of headers that is read: 64 KiB.
const MAX_HEADERS: u32 = 64 << 10;
/// How many calls may be opened before the peer has said how many it takes.
const FIRST_STREAMS: usize = 100;
/// How much a peer may answer in one DATA frame: 64 KiB.
const MAX_FRAME: u32 = 64 << 10;

/// One connection to a node, shared by all calls on it.
pub(super) struct GrpcConnection(Arc<Inner>);

/// What calls keep alive.
pub(super) struct Inner {
    pub(super) shared: Arc<Shared>,
    pub(super) flavour: Flavour,
    pub(super) config: GrpcConfig,
    pub(super) codecs: Codecs,
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    /// One-way calls whose answers nobody waits for.
    one_way: Mutex<tokio::task::JoinSet<()>>,
    _driver: Owned,
}

/// What the connection's task and its calls share.
#[derive(Default)]
pub(super) struct Shared {
    /// Opens streams; none once the connection is closing.
    send: Mutex<Option<SendRequest<Bytes>>>,
    pub(super) in_flight: AtomicUsize,
    /// How often anything of a call has come.
    pub(super) progress: AtomicU64,
    pub(super) draining: AtomicBool,
    pub(super) suspect: AtomicBool,
    pub(super) closed: AtomicBool,
}

impl GrpcConnection {
    /// Starts HTTP/2 on a byte stream.
    ///
    /// # Errors
    /// Unavailable, executed: no, when the stream breaks at once.
    pub(super) async fn start(
        io: BoxIo,
        flavour: Flavour,
        config: GrpcConfig,
        scheme: Scheme,
        authority: Authority,
        codecs: Codecs,
    ) -> Result<GrpcConnection> {
        let (send, connection) = h2::client::Builder::new()
            .enable_push(false)
            .initial_connection_window_size(config.connection_window.clamp(1 << 16, i32::MAX as u32))
            .initial_window_size(config.stream_window.clamp(1 << 14, i32::MAX as u32))
            .initial_max_send_streams(FIRST_STREAMS)
            .max_frame_size(MAX_FRAME)
            .max_header_list_size(MAX_HEADERS)
            .handshake(io)
            .await
            .map_err(|error| {
                Status::unavailable(format!("HTTP/2 did not start: {error}")).with_executed(Executed::No)
            })?;
        let shared = Arc::new(Shared { send: Mutex::new(Some(send)), ..Shared::default() });
        let driver = Driver::new(connection, shared.clone(), &config);
        let driver = Owned::new(tokio::spawn(driver));
        let one_way = Mutex::default();
        let inner = Inner { shared, flavour, config, codecs, scheme, authority, one_way, _driver: driver };
        Ok(GrpcConnection(Arc::new(inner)))
    }
}

impl Connection for GrpcConnection {
    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply>> {
        let connection = self.0.clone();
        match call.method.kind {
            Kind::Unary if call.one_way => Box::pin(one_way_call(connection, call)),
            Kind::Unary => Box::pin(unary_call(connection, call)),
            _ => Box::pin(stream_call(connection, call)),
        }
    }

    fn state(&self) -> ConnectionState {
        let is = |flag: &AtomicBool| flag.load(Ordering::Acquire);
        let shared = &self.0.shared;
        match () {
            () if is(&shared.closed) => ConnectionState::Closed,
            () if is(&shared.draining) && self.in_flight() == 0 => ConnectionState::Closed,
            () if is(&shared.draining) => ConnectionState::Draining,
            () if is(&shared.suspect) => ConnectionState::Suspect,
            () => ConnectionState::Open,
        }
    }

    fn in_flight(&self) -> usize {
        self.0.shared.in_flight.load(Ordering::Acquire)
    }

    /// HTTP/2 says goodbye by itself once nobody can open streams any more and none is open.
    fn close(&self) {
        self.0.shared.leave();
    }
}

impl Inner {
    /// How this call's messages are compressed, and from which size.
    pub(super) fn compress(&self, call: &Call) -> Option<(Compression, usize)> {
        let above = match call.options.compress {
            None => self.config.compress_above?,
            Some(true) => self.config.compress_above.unwrap_or(1 << 10),
            Some(false) => return None,
        };
        Some((self.config.compression.compression(), above))
    }
}

impl Inner {
    /// Sees to a call that nobody waits for, while the connection lasts.
    pub(super) fn finish_alone(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.one_way.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(work);
    }
}

impl Shared {
    /// A handle that opens one stream.
    ///
    /// # Errors
    /// Unavailable, executed: no, on a connection that takes no calls.
    pub(super) fn sender(&self) -> Result<SendRequest<Bytes>> {
        let send = self.send.lock().unwrap_or_else(PoisonError::into_inner);
        send.clone()
            .ok_or_else(|| Status::unavailable("the connection takes no more calls").with_executed(Executed::No))
    }

    /// Takes no more calls.
    pub(super) fn leave(&self) {
        self.draining.store(true, Ordering::Release);
        let send = self.send.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(send);
    }

    /// Notices that the peer takes no more calls, or that the stream ids are used up.
    pub(super) fn check(&self) {
        let mut send = self.send.lock().unwrap_or_else(PoisonError::into_inner);
        let mut nobody = std::task::Context::from_waker(std::task::Waker::noop());
        let refused =
            send.as_mut().is_some_and(|send| matches!(send.poll_ready(&mut nobody), std::task::Poll::Ready(Err(_))));
        if refused {
            self.draining.store(true, Ordering::Release);
        }
    }

    /// Something of a call has come.
    pub(super) fn note_progress(&self) {
        self.progress.fetch_add(1, Ordering::Relaxed);
    }
}

/// One call more on the connection, until dropped.
pub(super) struct InFlight(Arc<Inner>);

impl InFlight {
    pub(super) fn begin(connection: &Arc<Inner>) -> InFlight {
        connection.shared.in_flight.fetch_add(1, Ordering::AcqRel);
        InFlight(connection.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.shared.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}
