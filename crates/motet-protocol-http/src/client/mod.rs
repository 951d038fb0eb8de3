//! The client side: calls of services that speak HTTP/JSON, be they Motet's or not.

mod connection;
mod pool;
mod reply;
mod request;
mod silence;

use std::{sync::Arc, time::Duration};

use motet_core::{BoxFuture, ClientProtocol, Connecting, Connection, Endpoint, Result};
use serde::{Deserialize, Serialize};

use connection::HttpConnection;

/// The settings of the HTTP/JSON client. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HttpClientConfig {
    /// Whether nodes are asked over HTTP/2 that do not say whether they speak it, by prior knowledge
    /// where there is no TLS. Nodes of a registry that announce `h2` are asked over it anyway. No.
    pub http2: bool,
    /// How many HTTP/1.1 connections to a node may be open at once; calls beyond wait: 256.
    pub max_connections: usize,
    /// How many of them are kept while they are not used: 32.
    pub max_idle: usize,
    /// How long an unused one is kept: 60 s.
    pub idle_timeout: Duration,
    /// How long a node may owe an answer and give none to any call before others are preferred and its
    /// idempotent calls are made elsewhere as well: 1.5 s.
    pub suspect_after: Duration,
    /// The longest reply, or message of a reply stream: 4 MiB.
    pub max_message: usize,
}

impl Default for HttpClientConfig {
    fn default() -> HttpClientConfig {
        HttpClientConfig {
            http2: false,
            max_connections: 256,
            max_idle: 32,
            idle_timeout: Duration::from_secs(60),
            suspect_after: Duration::from_millis(1500),
            max_message: 4 << 20,
        }
    }
}

/// The client side of HTTP/JSON, for addresses such as `http://127.0.0.1:8080` and for nodes of a
/// registry that speak `http`.
///
/// A method with a declared route is asked by it, its fields in path, query and body; others by
/// `POST /service/method`. Bodies are JSON. Streams are lines of JSON both ways, or server-sent
/// events where the service answers with these. Over HTTP/1.1 a call that is dropped closes its
/// connection, which does not end the handler of a Motet server; over HTTP/2 it does.
#[derive(Clone, Debug, Default)]
pub struct HttpClient {
    config: HttpClientConfig,
}

impl HttpClient {
    /// A client with these settings.
    pub fn new(config: HttpClientConfig) -> HttpClient {
        HttpClient { config }
    }
}

impl ClientProtocol for HttpClient {
    fn name(&self) -> &str {
        "http"
    }

    fn connect<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        connecting: &'a Connecting,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>>> {
        Box::pin(async move {
            let connection = HttpConnection::open(self.config.clone(), endpoint, connecting).await?;
            Ok(Arc::new(connection) as Arc<dyn Connection>)
        })
    }
}
