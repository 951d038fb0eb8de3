//! The client side of mucp.

mod call;
mod connection;
mod pool;
mod reply;
mod stream;

use std::sync::Arc;

use motet_core::{BoxFuture, ClientProtocol, Connecting, Connection, Endpoint, Result};

use crate::MucpConfig;

/// The client side of mucp: `mucp://host:port`.
///
/// A connection to a node is several connections of HTTP/1.1, each for one call or stream at a time. A
/// call that is given up closes its own.
#[derive(Clone, Debug, Default)]
pub struct MucpClient {
    config: Arc<MucpConfig>,
}

impl MucpClient {
    /// A client with these settings.
    pub fn new(config: MucpConfig) -> MucpClient {
        MucpClient { config: Arc::new(config) }
    }
}

impl ClientProtocol for MucpClient {
    fn name(&self) -> &str {
        "mucp"
    }

    fn connect<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        connecting: &'a Connecting,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>>> {
        Box::pin(async move {
            let connection = connection::MucpConnection::open(self.config.clone(), endpoint, connecting).await?;
            Ok(Arc::new(connection) as Arc<dyn Connection>)
        })
    }
}
