//! `volo`: Thrift with multiplexing, with its defaults.

use ::volo::net::Address;
use ::volo::net::incoming::DefaultIncoming;
use ::volo_thrift::ServerError;
use anyhow::{Result, anyhow};
use tokio::net::TcpListener;

use super::System;
use crate::closed_loop::{self, Caller};
use crate::message::generated::volo_gen::bench::{Bench, BenchClient, BenchClientBuilder, BenchServer};
use crate::message::{Big, Message, Sample, Small};
use crate::window::{Figures, Load};

/// volo-thrift 0.12 over TCP.
pub(crate) struct Volo;

impl System for Volo {
    const NAME: &'static str = "volo";
    const PER_CALL: &'static str = "said by motet-bench systems";

    async fn serve(listener: TcpListener, _message: Message) -> Result<()> {
        let server = BenchServer::new(Handlers).multiplex(true);
        server.run(DefaultIncoming::from(listener)).await.map_err(|error| anyhow!(error))
    }

    async fn load(load: Load) -> Result<Figures> {
        let client = || BenchClientBuilder::new("bench").multiplex(true).address(Address::from(load.server)).build();
        closed_loop::run(&load, (0..load.connections).map(|_| client()).collect()).await
    }
}

struct Handlers;

impl Bench for Handlers {
    async fn big(&self, message: Big) -> Result<Big, ServerError> {
        Ok(message.handle())
    }

    async fn small(&self, message: Small) -> Result<Small, ServerError> {
        Ok(message.handle())
    }
}

impl Caller<Big> for BenchClient {
    type Error = anyhow::Error;

    async fn call(&mut self, request: Big) -> Result<Big> {
        Ok(self.big(request).await?)
    }
}

impl Caller<Small> for BenchClient {
    type Error = anyhow::Error;

    async fn call(&mut self, request: Small) -> Result<Small> {
        Ok(self.small(request).await?)
    }
}
