//! `motet-grpc`: the service of `motet`, by gRPC on both sides.

use std::sync::Arc;

use anyhow::Result;
use motet::{Client, ClientConfig, Server, Stats, TcpTransport};
use motet_http::{HttpConfig, HttpServer};
use motet_protocol_grpc::{GrpcClient, GrpcConfig, GrpcServer};
use tokio::net::TcpListener;

use super::{
    System,
    motet::{BenchServer, Handlers, InContext, calling},
};
use crate::closed_loop;
use crate::message::Message;
use crate::window::{Figures, Load};

/// Motet's gRPC over plaintext HTTP/2.
pub(crate) struct MotetGrpc;

impl System for MotetGrpc {
    const NAME: &'static str = "motet-grpc";
    const PER_CALL: &'static str = "gRPC, prost types; metadata, deadline, cancellation, tracing, metrics, retries, \
        overload protection; server: one task a stream that waits";

    async fn serve(listener: TcpListener, _: Message) -> Result<()> {
        let address = listener.local_addr()?.to_string();
        drop(listener);
        let door = HttpServer::new(HttpConfig::default()).protocol(Arc::new(GrpcServer::new(GrpcConfig::default())));
        let mut builder = Server::builder().stats(Stats::new()).transport(Arc::new(TcpTransport::default()));
        for protocol in door.server_protocols() {
            builder = builder.protocol(protocol);
        }
        let server = builder.service(BenchServer::new(Handlers).into_service()?).build()?;
        server.listen(&address).await?;
        std::future::pending().await
    }

    async fn load(load: Load) -> Result<Figures> {
        let address = format!("grpc://{}", load.server);
        let clients: Result<Vec<_>> = (0..load.connections).map(|_| client(&address)).collect();
        closed_loop::run(&load, clients?).await
    }
}

/// A client of one connection.
fn client(address: &str) -> Result<InContext> {
    let mut config = ClientConfig::default();
    config.connections_per_node = Some(1);
    let builder = Client::builder().stats(Stats::new()).config(config).transport(Arc::new(TcpTransport::default()));
    let client = builder.protocol(Arc::new(GrpcClient::default())).build();
    Ok(calling(&client.to(address)?))
}
