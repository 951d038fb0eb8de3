//! The client side of motet/1.

mod call;
mod connection;
mod glue;
mod reply;

use std::sync::Arc;

use motet_core::{BoxFuture, ClientProtocol, Connecting, Connection, Endpoint, Executed, Result, Status};
use tokio::time::Instant;

use super::{MemoryBudget, NativeConfig};
use connection::NativeConnection;

/// The client side of motet/1.
#[derive(Clone, Debug, Default)]
pub struct NativeClient {
    config: NativeConfig,
    budget: MemoryBudget,
}

impl NativeClient {
    /// A client with these settings and a memory budget of its own.
    pub fn new(config: NativeConfig) -> NativeClient {
        NativeClient { config, budget: MemoryBudget::default() }
    }

    /// The same client within a budget that others share.
    #[must_use]
    pub fn with_budget(mut self, budget: MemoryBudget) -> NativeClient {
        self.budget = budget;
        self
    }
}

impl ClientProtocol for NativeClient {
    fn name(&self) -> &str {
        "motet"
    }

    fn connect<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        connecting: &'a Connecting,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>>> {
        Box::pin(async move {
            let transport = connecting.transports.find(&endpoint.transport)?;
            let dialled = tokio::time::timeout_at(connecting.deadline, transport.dial(endpoint)).await;
            let io = dialled.map_err(|_| {
                Status::unavailable(format!("{endpoint} did not answer in time")).with_executed(Executed::No)
            })??;
            let connection = NativeConnection::start(
                io,
                &self.config,
                self.budget.clone(),
                connecting.codecs.clone(),
                Instant::now(),
            );
            Ok(Arc::new(connection) as Arc<dyn Connection>)
        })
    }
}
