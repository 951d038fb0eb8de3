//! `motet`: motet/1 with prost types.

use std::sync::Arc;

use anyhow::Result;
use motet_core::{
    Body, BoxFuture, Call, CallOptions, ClientProtocol, Codec, Codecs, Connecting, Connection, Context, Deadline,
    Dispatcher, DrainSignal, Endpoint, Entropy, Incoming, Limit, MessageType, MethodDescriptor, Payload, Peer, Reply,
    ServerProtocol, Service, ServiceDescriptor, Transports,
};
use motet_rpc::{NativeClient, NativeServer, TcpTransport, server};
use tokio::net::TcpListener;

use super::System;
use crate::closed_loop::{self, Caller};
use crate::message::{Big, Message, Sample, Small};
use crate::net;
use crate::window::{Figures, Load};

pub(crate) struct Motet;

fn descriptor() -> ServiceDescriptor {
    let mut d = ServiceDescriptor::new("bench", "1");
    d.methods =
        vec![Arc::new(MethodDescriptor::new("bench", "big")), Arc::new(MethodDescriptor::new("bench", "small"))];
    d
}

fn handler<M: Sample + Send + Sync>() -> Arc<dyn motet_core::Handler> {
    Arc::new(|call: Call| -> BoxFuture<'static, motet_core::Result<Reply>> {
        Box::pin(async move {
            let ty = MessageType::<M>::proto();
            let m = call.body.one()?.take(&ty)?;
            Ok(Reply::one(Payload::typed(m.handle(), &ty, call.codec)))
        })
    })
}

impl System for Motet {
    const NAME: &'static str = "motet";
    const PER_CALL: &'static str = "motet/1";

    async fn serve(listener: TcpListener, _message: Message) -> Result<()> {
        let service = Service::new(descriptor(), vec![handler::<Big>(), handler::<Small>()]).expect("valid");
        let dispatcher = Dispatcher::new(Codecs::default());
        dispatcher.add(server::routes(&service, &server::PipelineSettings::default())).expect("free");
        let signal = Arc::new(DrainSignal::new());
        let serve = Arc::new(NativeServer::default());
        net::serve_each(listener, move |stream| {
            let by = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
            let incoming =
                Incoming::new(Box::pin(stream), Peer::new("tcp", "x", true), by, dispatcher.clone(), signal.drain());
            let serve = serve.clone();
            async move {
                serve.serve(incoming).await;
                Ok(())
            }
        })
        .await
    }

    async fn load(load: Load) -> Result<Figures> {
        let mut clients = Vec::new();
        let d = descriptor();
        for _ in 0..load.connections {
            let transports = Transports::new().with(Arc::new(TcpTransport::default()));
            let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(5);
            let connecting = Connecting::new(transports, Codecs::default(), deadline, Entropy::seeded(1));
            let conn =
                NativeClient::default().connect(&Endpoint::new("tcp", load.server.to_string()), &connecting).await?;
            clients.push(Client {
                conn,
                big: d.methods[0].clone(),
                small: d.methods[1].clone(),
                options: Arc::default(),
                cx: Context::new(),
            });
        }
        closed_loop::run(&load, clients).await
    }
}

#[derive(Clone)]
struct Client {
    conn: Arc<dyn Connection>,
    big: Arc<MethodDescriptor>,
    small: Arc<MethodDescriptor>,
    options: Arc<CallOptions>,
    cx: Context,
}

impl Client {
    async fn call<M: Sample + Send + Sync>(&self, method: &Arc<MethodDescriptor>, m: M) -> Result<M> {
        let ty = MessageType::<M>::proto();
        let mut call = Call::new(
            method.clone(),
            self.cx.clone(),
            Body::One(Payload::typed(m, &ty, Codec::PROTOBUF)),
            Codec::PROTOBUF,
            self.options.clone(),
        );
        call.deadline = Some(Deadline::after(std::time::Duration::from_secs(10), Limit::Client));
        Ok(self.conn.call(call).await?.body.one()?.take(&ty)?)
    }
}

impl Caller<Big> for Client {
    async fn call(&mut self, request: &Big) -> Result<Big> {
        Client::call(self, &self.big, request.clone()).await
    }
}

impl Caller<Small> for Client {
    async fn call(&mut self, request: &Small) -> Result<Small> {
        Client::call(self, &self.small, *request).await
    }
}
