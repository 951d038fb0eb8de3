//! `motet-http`: the service of `motet-serde`, by HTTP/JSON.

use std::sync::Arc;

use anyhow::Result;
use motet::{IntoService, Server, Stats, TcpTransport};
use motet_http::{HttpConfig, HttpServer};
use motet_protocol_http::HttpJson;
use tokio::net::TcpListener;

use super::client;
use crate::message::Message;
use crate::systems::{System, motet_serde};
use crate::window::{Figures, Load};

/// Motet's HTTP/JSON over plaintext HTTP/1.1.
pub(crate) struct MotetHttp;

impl System for MotetHttp {
    const NAME: &'static str = "motet-http";
    const PER_CALL: &'static str = "as axum-json, a method of a trait: recognition, metadata, deadline, cancellation, \
        tracing, metrics, overload protection";

    async fn serve(listener: TcpListener, _: Message) -> Result<()> {
        let address = listener.local_addr()?.to_string();
        drop(listener);
        let door = HttpServer::new(HttpConfig::default()).protocol(Arc::new(HttpJson::new()));
        let mut builder = Server::builder().stats(Stats::new()).transport(Arc::new(TcpTransport::default()));
        for protocol in door.server_protocols() {
            builder = builder.protocol(protocol);
        }
        let server = builder.service(motet_serde::service().into_service()?).build()?;
        server.listen(&address).await?;
        std::future::pending().await
    }

    async fn load(load: Load) -> Result<Figures> {
        client::load(load).await
    }
}
