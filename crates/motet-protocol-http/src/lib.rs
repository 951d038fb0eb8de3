//! HTTP/JSON: calls by path and by declared route, streams as NDJSON and server-sent events; what a
//! node says of itself (health, metrics, OpenAPI, a page to try it); and a client.
//!
//! [`HttpJson`] stands behind the HTTP door of [`motet_http`]; [`HttpClient`] calls services that
//! speak HTTP/JSON, be they Motet's or not. `docs/protocol.md` says how calls look.
//!
//! ```
//! use std::sync::Arc;
//! use motet_http::{HttpConfig, HttpServer};
//! use motet_protocol_http::HttpJson;
//! use motet_rpc::Server;
//!
//! let door = HttpServer::new(HttpConfig::default()).protocol(Arc::new(HttpJson::new()));
//! let server = door.server_protocols().into_iter().fold(Server::builder(), |server, protocol| server.protocol(protocol));
//! assert!(server.build().is_ok());
//! ```

mod bind;
mod builtin;
mod client;
mod lines;
mod server;
mod timeout;

// For the fuzz target.
#[doc(hidden)]
pub use bind::bind;
pub use builtin::{Counted, HealthAnswer, Insight, SHORT_FORMS, metrics, openapi, scrubbed};
pub use client::{HttpClient, HttpClientConfig};
pub use lines::Lines;
pub use server::HttpJson;
