//! `tonic`: gRPC, unary calls, with its defaults.

use ::tonic::transport::server::TcpIncoming;
use ::tonic::transport::{Channel, Endpoint, Server};
use ::tonic::{Request, Response, Status};
use anyhow::Result;
use tokio::net::TcpListener;

use super::System;
use crate::closed_loop::{self, Caller};
use crate::message::generated::bench_client::BenchClient;
use crate::message::generated::bench_server::{Bench, BenchServer};
use crate::message::{Big, Message, Sample, Small};
use crate::window::{Figures, Load};

/// tonic 0.14 over plaintext HTTP/2.
pub(crate) struct Tonic;

impl System for Tonic {
    const NAME: &'static str = "tonic";
    const PER_CALL: &'static str = "HTTP/2, one stream a call, generated service and client \
        with prost, default settings and TCP_NODELAY; server: one task a stream; client: a \
        channel for each connection, cloned into the calling tasks, the request cloned because \
        it is taken by value";

    async fn serve(listener: TcpListener, _message: Message) -> Result<()> {
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        Server::builder().add_service(BenchServer::new(Handlers)).serve_with_incoming(incoming).await?;
        Ok(())
    }

    async fn load(load: Load) -> Result<Figures> {
        let mut clients = Vec::new();
        for _ in 0..load.connections {
            let endpoint = Endpoint::from_shared(format!("http://{}", load.server))?;
            clients.push(BenchClient::new(endpoint.connect().await?));
        }
        closed_loop::run(&load, clients).await
    }
}

struct Handlers;

#[::tonic::async_trait]
impl Bench for Handlers {
    async fn big(&self, request: Request<Big>) -> Result<Response<Big>, Status> {
        Ok(Response::new(request.into_inner().handle()))
    }

    async fn small(&self, request: Request<Small>) -> Result<Response<Small>, Status> {
        Ok(Response::new(request.into_inner().handle()))
    }
}

impl Caller<Big> for BenchClient<Channel> {
    type Error = ::tonic::Status;

    async fn call(&mut self, request: Big) -> Result<Big, ::tonic::Status> {
        Ok(self.big(request).await?.into_inner())
    }
}

impl Caller<Small> for BenchClient<Channel> {
    type Error = ::tonic::Status;

    async fn call(&mut self, request: Small) -> Result<Small, ::tonic::Status> {
        Ok(self.small(request).await?.into_inner())
    }
}
