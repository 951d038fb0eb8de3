//! The HTTP door of Motet's port: HTTP/1.1 and HTTP/2 connections and what keeps them in bounds.
//!
//! It knows no protocol by name. What the requests mean is up to [`HttpProtocol`]s, asked in order;
//! what none of them claims goes to HTTP services of the user's own that are mounted beside them, and
//! else is answered with 404 and a sentence that names what is spoken.
//!
//! ```
//! use std::sync::Arc;
//!
//! use motet_core::BoxFuture;
//! use motet_http::{Body, Door, HttpConfig, HttpProtocol, HttpServer};
//!
//! struct Time;
//!
//! impl HttpProtocol for Time {
//!     fn name(&self) -> &str {
//!         "time"
//!     }
//!
//!     fn claims(&self, head: &http::request::Parts, _: &Door) -> bool {
//!         head.uri.path() == "/time"
//!     }
//!
//!     fn handle(&self, _: http::Request<Body>, _: &Door) -> BoxFuture<'static, http::Response<Body>> {
//!         Box::pin(async { http::Response::new(Body::from("noon")) })
//!     }
//! }
//!
//! let protocols = HttpServer::new(HttpConfig::default()).protocol(Arc::new(Time)).server_protocols();
//! assert_eq!(protocols.iter().map(|protocol| protocol.name()).collect::<Vec<_>>(), ["h2", "http/1.1"]);
//! ```
//!
//! Reading order: [`HttpProtocol`], [`Door`], [`Body`], [`HttpServer`], [`HttpConfig`].

mod body;
mod config;
mod connection;
mod door;
mod front;
mod headers;
mod hosts;
mod mount;
mod protocol;
mod routes;
mod run;
mod server;
mod status;

pub use body::Body;
// For the fuzz target.
pub use config::HttpConfig;
#[doc(hidden)]
pub use connection::{Broken, Frames};
pub use connection::{Owned, Tasks};
pub use door::{Door, upgrade};
pub use headers::{metadata_from, put_metadata};
pub use mount::DoorService;
pub use protocol::HttpProtocol;
pub use routes::{Endpoint, IntoAnswer, Params, Routes, RoutesService};
pub use run::run;
pub use server::HttpServer;
pub use status::{
    code_of, error_object, http_status, metadata_object, metadata_of_object, refusal, refusal_as, status_of_object,
};
