//! `motet-serde`: the same service over plain structs, in the default codec.

use anyhow::Result;
use motet::{Context, Stats};
use tokio::net::TcpListener;

use super::{System, motet as shared};
use crate::closed_loop::{self, Caller};
use crate::message::{Message, Sample};
use crate::plain::{Big, Small};
use crate::window::{Figures, Load};

#[motet::service(name = "bench")]
pub(crate) trait Bench {
    async fn big(&self, cx: &Context, message: Big) -> motet::Result<Big>;
    async fn small(&self, cx: &Context, message: Small) -> motet::Result<Small>;
}

struct Handlers;

impl Bench for Handlers {
    async fn big(&self, _: &Context, message: Big) -> motet::Result<Big> {
        Ok(message.handle())
    }

    async fn small(&self, _: &Context, message: Small) -> motet::Result<Small> {
        Ok(message.handle())
    }
}

/// The service, for other protocols.
pub(crate) fn service() -> impl motet::IntoService {
    BenchServer::new(Handlers)
}

pub(crate) struct MotetSerde;

impl System for MotetSerde {
    const NAME: &'static str = "motet-serde";
    const PER_CALL: &'static str = "as motet, with #[motet::message] structs in the default codec";

    async fn serve(listener: TcpListener, _: Message) -> Result<()> {
        shared::serve(listener, BenchServer::new(Handlers), Stats::new()).await
    }

    async fn load(load: Load) -> Result<Figures> {
        let clients = shared::clients(&load, Stats::new)?.iter().map(BenchClient::new).collect();
        closed_loop::run_as::<Big, Small, _>(&load, clients).await
    }
}

impl Caller<Big> for BenchClient {
    async fn call(&mut self, request: &Big) -> Result<Big> {
        Ok(self.big(&Context::new(), request.clone()).await?)
    }
}

impl Caller<Small> for BenchClient {
    async fn call(&mut self, request: &Small) -> Result<Small> {
        Ok(self.small(&Context::new(), *request).await?)
    }
}
