//! `motet-serde`: the same service over plain structs, in the default codec.

use anyhow::Result;
use motet::{Client, Context, Stats};
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
        let clients = shared::clients(&load, Stats::new)?.iter().map(calling).collect();
        closed_loop::run_as::<Big, Small, _>(&load, clients).await
    }
}

/// One that calls.
pub(crate) fn calling(client: &Client) -> InContext {
    (BenchClient::new(client), Context::new())
}

/// A client, and the Context in which it calls.
pub(crate) type InContext = (BenchClient, Context);

impl Caller<Big> for InContext {
    type Error = motet::Status;

    fn call(&mut self, request: Big) -> impl Future<Output = Result<Big, motet::Status>> + Send {
        self.0.big(&self.1, request)
    }
}

impl Caller<Small> for InContext {
    type Error = motet::Status;

    fn call(&mut self, request: Small) -> impl Future<Output = Result<Small, motet::Status>> + Send {
        self.0.small(&self.1, request)
    }
}
