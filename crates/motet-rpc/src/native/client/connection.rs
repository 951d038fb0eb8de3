//! One connection to a node.

use std::sync::Arc;

use motet_core::{BoxFuture, BoxIo, Call, Codecs, Connection, ConnectionState, Kind, Reply, Result, Status};
use tokio::time::Instant;

use super::{
    call::UnaryCall,
    glue::{ClientGlue, Slot},
    reply::stream_call,
};
use crate::native::{
    MemoryBudget, NativeConfig,
    driver::{Driver, Shared},
    machine::{Machine, Role},
    task::Owned,
};

/// One connection to a node, shared by all calls on it.
pub(super) struct NativeConnection(Arc<Inner>);

/// What calls keep alive: the connection closes when the last of them and the pool let go.
pub(super) struct Inner {
    pub(super) shared: Arc<Shared<Slot>>,
    pub(super) codecs: Codecs,
    pub(super) compress_above: Option<usize>,
    _driver: Owned,
}

impl NativeConnection {
    pub(super) fn start(
        io: BoxIo,
        config: &NativeConfig,
        budget: MemoryBudget,
        codecs: Codecs,
        now: Instant,
    ) -> NativeConnection {
        let machine = Machine::new(Role::Dialling, config.clone(), budget, now);
        let shared = Shared::new(machine);
        let driver = Driver::new(io, shared.clone(), ClientGlue::default());
        NativeConnection(Arc::new(Inner {
            shared,
            codecs,
            compress_above: config.compress_above,
            _driver: Owned::new(tokio::spawn(driver)),
        }))
    }
}

impl Connection for NativeConnection {
    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply>> {
        if call.method.kind == Kind::Unary {
            return self.call_kept(Arc::new(call));
        }
        Box::pin(stream_call(self.0.clone(), call))
    }

    fn call_kept(&self, call: Arc<Call>) -> BoxFuture<'static, Result<Reply>> {
        if call.method.kind == Kind::Unary {
            return Box::pin(UnaryCall::new(self.0.clone(), call));
        }
        match call.body.again() {
            Some(body) => Box::pin(stream_call(self.0.clone(), call.with_body(body))),
            None => Box::pin(async { Err(Status::internal("a request stream cannot be kept")) }),
        }
    }

    fn state(&self) -> ConnectionState {
        let state = self.0.shared.lock();
        match () {
            () if state.closed.is_some() => ConnectionState::Closed,
            () if state.machine.is_leaving() || state.closing => ConnectionState::Draining,
            () if state.machine.is_suspect() => ConnectionState::Suspect,
            () => ConnectionState::Open,
        }
    }

    fn in_flight(&self) -> usize {
        self.0.shared.lock().machine.open_streams()
    }

    fn close(&self) {
        self.0.shared.change(|state| state.closing = true);
    }
}

impl Inner {
    /// The size from which this call's messages are compressed.
    pub(super) fn compress_above(&self, call: &Call) -> Option<usize> {
        match call.options.compress {
            None => self.compress_above,
            Some(true) => Some(self.compress_above.unwrap_or(1 << 10)),
            Some(false) => None,
        }
    }
}
