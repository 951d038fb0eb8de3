//! The client side, for Motet itself.

mod call;
mod connect;
mod driver;
mod hear;
mod reply;

use std::sync::Arc;

use motet_core::{
    BoxFuture, Call, ClientProtocol, Connecting, Connection, ConnectionState, Endpoint, Executed, Reply, Result, Status,
};
use tokio::{sync::Semaphore, task::AbortHandle, time::timeout_at};

pub(crate) use hear::hear;

use crate::WebSocketConfig;
use driver::{Driver, Shared};

/// The client side of JSON-RPC 2.0 over WebSocket, for addresses such as `ws://127.0.0.1:8080` and
/// `wss://example.com:443`, and for nodes of a registry that speak `ws`. Calls of all kinds share one
/// connection.
#[derive(Clone, Debug, Default)]
pub struct WebSocketClient {
    config: Arc<WebSocketConfig>,
}

impl WebSocketClient {
    /// A client with these settings.
    pub fn new(config: WebSocketConfig) -> WebSocketClient {
        WebSocketClient { config: Arc::new(config) }
    }
}

impl ClientProtocol for WebSocketClient {
    fn name(&self) -> &str {
        "ws"
    }

    fn connect<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        connecting: &'a Connecting,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>>> {
        Box::pin(async move {
            let opening = connect::open(&self.config, endpoint, connecting);
            let late = |_| Status::unavailable(format!("{endpoint} did not answer in time"));
            let opened = timeout_at(connecting.deadline, opening).await.map_err(late).and_then(|opened| opened);
            let socket = opened.map_err(|status| status.with_executed(Executed::No))?;
            let shared = Arc::new(Shared::new(&self.config));
            let task = tokio::spawn(Driver::new(socket, shared.clone(), &self.config).run()).abort_handle();
            let calls = Arc::new(Semaphore::new(self.config.max_calls.clamp(1, Semaphore::MAX_PERMITS)));
            let inner = Inner { config: self.config.clone(), shared, calls, _task: Owned(task) };
            Ok(Arc::new(Calls(Arc::new(inner))) as Arc<dyn Connection>)
        })
    }
}

/// One connection to a node, shared by all calls on it.
struct Calls(Arc<Inner>);

/// What calls keep alive: the connection ends when the last of them and the pool let go.
struct Inner {
    config: Arc<WebSocketConfig>,
    shared: Arc<Shared>,
    /// One permit for each call that runs.
    calls: Arc<Semaphore>,
    _task: Owned,
}

/// A spawned task that is stopped when this is dropped.
struct Owned(AbortHandle);

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection for Calls {
    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply>> {
        Box::pin(call::run(self.0.clone(), call))
    }

    fn state(&self) -> ConnectionState {
        self.0.shared.connection_state()
    }

    fn in_flight(&self) -> usize {
        self.0.shared.in_flight()
    }

    fn close(&self) {
        self.0.shared.close();
    }
}
