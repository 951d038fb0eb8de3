//! `motet`: a service of a trait over prost types, as a user writes it.

use std::sync::Arc;

use anyhow::Result;
use motet::{Client, ClientConfig, Context, IntoService, NativeClient, NativeServer, Server, Stats, TcpTransport};
use tokio::net::TcpListener;

use super::System;
use crate::closed_loop::{self, Caller};
use crate::message::{Big, Message, Sample, Small};
use crate::window::{Figures, Load};

#[motet::service(name = "bench", codec = "proto")]
pub(crate) trait Bench {
    async fn big(&self, cx: &Context, message: Big) -> motet::Result<Big>;
    async fn small(&self, cx: &Context, message: Small) -> motet::Result<Small>;
}

pub(crate) struct Handlers;

impl Bench for Handlers {
    async fn big(&self, _: &Context, message: Big) -> motet::Result<Big> {
        Ok(message.handle())
    }

    async fn small(&self, _: &Context, message: Small) -> motet::Result<Small> {
        Ok(message.handle())
    }
}

pub(crate) struct Motet;

impl System for Motet {
    const NAME: &'static str = "motet";
    const PER_CALL: &'static str = "motet/1, prost types; metadata, deadline, cancellation, tracing, metrics, retries";

    async fn serve(listener: TcpListener, _: Message) -> Result<()> {
        serve(listener, BenchServer::new(Handlers), Stats::new()).await
    }

    async fn load(load: Load) -> Result<Figures> {
        let clients = clients(&load, Stats::new)?.iter().map(calling).collect();
        closed_loop::run(&load, clients).await
    }
}

/// The same without counters and histograms. Spans cost one comparison where nobody listens, as here
/// everywhere; that stays.
pub(crate) struct MotetUncounted;

impl System for MotetUncounted {
    const NAME: &'static str = "motet-uncounted";
    const PER_CALL: &'static str = "as motet, without counters and histograms";

    async fn serve(listener: TcpListener, _: Message) -> Result<()> {
        serve(listener, BenchServer::new(Handlers), Stats::disabled()).await
    }

    async fn load(load: Load) -> Result<Figures> {
        let clients = clients(&load, Stats::disabled)?.iter().map(calling).collect();
        closed_loop::run(&load, clients).await
    }
}

/// The same on what `#[motet::main]` builds for one core.
pub(crate) struct MotetMain;

impl System for MotetMain {
    const NAME: &'static str = "motet-main";
    const PER_CALL: &'static str = "as motet, on the single-thread runtime that #[motet::main] builds on one core";
    const SINGLE_THREAD: bool = true;

    async fn serve(listener: TcpListener, message: Message) -> Result<()> {
        Motet::serve(listener, message).await
    }

    async fn load(load: Load) -> Result<Figures> {
        Motet::load(load).await
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

/// The service, for other protocols.
pub(crate) fn service() -> impl IntoService {
    BenchServer::new(Handlers)
}

/// Serves with the defaults of a server, at the listener's address.
pub(crate) async fn serve(listener: TcpListener, service: impl IntoService, stats: Stats) -> Result<()> {
    let address = listener.local_addr()?.to_string();
    drop(listener);
    let builder = Server::builder().stats(stats).transport(Arc::new(TcpTransport::default()));
    let server = builder.protocol(Arc::new(NativeServer::default())).service(service.into_service()?).build()?;
    server.listen(&address).await?;
    std::future::pending().await
}

/// A client with one connection for each of the load's.
pub(super) fn clients(load: &Load, stats: fn() -> Stats) -> Result<Vec<Client>> {
    let address = load.server.to_string();
    (0..load.connections).map(|_| client(&address, stats())).collect()
}

/// A client of one connection.
pub(crate) fn client(address: &str, stats: Stats) -> Result<Client> {
    let mut config = ClientConfig::default();
    config.connections_per_node = Some(1);
    let builder = Client::builder().stats(stats).config(config).transport(Arc::new(TcpTransport::default()));
    Ok(builder.protocol(Arc::new(NativeClient::default())).build().to(address)?)
}

/// A client of the service in this process, behind middlewares of users that do nothing.
pub(crate) fn in_process(middlewares: usize) -> Result<BenchClient> {
    let server = Server::builder().service(BenchServer::new(Handlers).into_service()?).build()?;
    let mut builder = Client::builder().local(server.dispatcher().clone(), None);
    for _ in 0..middlewares {
        builder = builder.middleware(|call: motet::Call, next: motet::Next| async move { next.run(call).await });
    }
    Ok(BenchClient::new(builder.build()))
}
