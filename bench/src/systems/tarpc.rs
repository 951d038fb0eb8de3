//! `tarpc`: its bincode transport, every handler spawned, with its defaults.

use ::tarpc::context::{self, Context};
use ::tarpc::server::{BaseChannel, Channel as _};
use ::tarpc::{client, client::RpcError, serde_transport};
use anyhow::Result;
use futures_util::StreamExt as _;
use tokio::net::TcpListener;
use tokio_serde::formats::Bincode;
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use super::System;
use crate::closed_loop::{self, Caller};
use crate::message::{Big, Message, Sample, Small};
use crate::net;
use crate::window::{Figures, Load};

/// tarpc 0.38 over TCP.
pub(crate) struct Tarpc;

impl System for Tarpc {
    const NAME: &'static str = "tarpc";
    const PER_CALL: &'static str = "length-delimited bincode, default settings and \
        TCP_NODELAY; server: every handler in a task of its own; client: one dispatch task a \
        connection, a deadline of 10 s";

    async fn serve(listener: TcpListener, _message: Message) -> Result<()> {
        net::serve_each(listener, async |stream| {
            let framed = Framed::new(stream, LengthDelimitedCodec::new());
            let transport = serde_transport::new(framed, Bincode::default());
            BaseChannel::with_defaults(transport)
                .execute(Handlers.serve())
                .for_each(async |response| {
                    tokio::spawn(response);
                })
                .await;
            Ok(())
        })
        .await
    }

    async fn load(load: Load) -> Result<Figures> {
        let mut clients = Vec::new();
        for _ in 0..load.connections {
            let framed = Framed::new(net::connect(load.server).await?, LengthDelimitedCodec::new());
            let transport = serde_transport::new(framed, Bincode::default());
            clients.push(BenchClient::new(client::Config::default(), transport).spawn());
        }
        closed_loop::run(&load, clients).await
    }
}

#[::tarpc::service]
trait Bench {
    async fn big(request: Big) -> Big;
    async fn small(request: Small) -> Small;
}

#[derive(Clone)]
struct Handlers;

impl Bench for Handlers {
    async fn big(self, _: Context, request: Big) -> Big {
        request.handle()
    }

    async fn small(self, _: Context, request: Small) -> Small {
        request.handle()
    }
}

impl Caller<Big> for BenchClient {
    type Error = RpcError;

    fn call(&mut self, request: Big) -> impl Future<Output = Result<Big, RpcError>> + Send {
        BenchClient::big(self, context::current(), request)
    }
}

impl Caller<Small> for BenchClient {
    type Error = RpcError;

    fn call(&mut self, request: Small) -> impl Future<Output = Result<Small, RpcError>> + Send {
        BenchClient::small(self, context::current(), request)
    }
}
