//! An axum router and a tonic server on Motet's port, and Motet's services in an axum application.
//!
//! [`app`] is Motet's port with everything on it: of the gRPC service `helloworld.Greeter` one method
//! has moved to Motet, the others are tonic's. [`axum_app`] is an axum application in which Motet's
//! services answer what its own routes do not.

pub mod on_motet;
pub mod on_tonic;

use std::sync::Arc;

use axum::{Router, extract::Path, routing::get};
use motet::{
    App, AppBuilder, Result, Server,
    core::DrainSignal,
    grpc::{GrpcConfig, GrpcServer},
    http::{HttpConfig, HttpJson, HttpServer},
};

use helloworld::greeter_server::GreeterServer as TonicServer;

/// What tonic makes of `proto/helloworld.proto`.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod helloworld {
    tonic::include_proto!("helloworld");
}

/// A route of axum's.
fn pages() -> Router {
    Router::new().route("/pages/{name}", get(|Path(name): Path<String>| async move { format!("the page {name}") }))
}

/// Motet's port: a method of Motet's, those of tonic that are left, and axum's pages.
pub fn app() -> AppBuilder {
    App::builder()
        .name("mounting")
        .service(on_motet::GreeterServer::new(on_motet::Mine))
        .mount("/helloworld.Greeter", TonicServer::new(on_tonic::Mine))
        .mount("/pages", pages())
}

/// An axum application with Motet's services in it. The server and the signal belong to it: dropping
/// them ends what they run.
pub struct AxumApp {
    /// What axum serves.
    pub router: Router,
    /// Motet's services.
    pub server: Server,
    /// Tells Motet's services to stop.
    pub stop: DrainSignal,
}

/// Motet's services in an axum application, by HTTP/JSON and gRPC, for what no route of its own takes.
///
/// # Errors
/// InvalidArgument when a service is wrong.
pub fn axum_app() -> Result<AxumApp> {
    let service = on_motet::GreeterServer::new(on_motet::Mine).into_service()?;
    let server = Server::builder().service(service).build()?;
    let stop = DrainSignal::new();
    let door = HttpServer::new(HttpConfig::default())
        .protocol(Arc::new(GrpcServer::new(GrpcConfig::default())))
        .protocol(Arc::new(HttpJson::new()))
        .into_service(server.dispatcher().clone(), stop.drain());
    Ok(AxumApp { router: pages().fallback_service(door), server, stop })
}

/// The code on the page about moving from tonic, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/from-tonic.md")]
mod from_tonic {}
