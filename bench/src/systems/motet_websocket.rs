//! `motet-websocket`: the service of `motet-serde`, by JSON-RPC over WebSocket.

use std::sync::Arc;

use anyhow::Result;
use motet::{Client, ClientConfig, IntoService, Server, Stats, TcpTransport};
use motet_http::{HttpConfig, HttpServer};
use motet_protocol_websocket::{WebSocketClient, WebSocketConfig, WebSocketServer};
use tokio::net::TcpListener;

use super::{System, motet_serde};
use crate::closed_loop;
use crate::message::Message;
use crate::plain::{Big, Small};
use crate::window::{Figures, Load};

/// Motet's door for browsers, called by Motet's own client.
pub(crate) struct MotetWebSocket;

impl System for MotetWebSocket {
    const NAME: &'static str = "motet-websocket";
    const PER_CALL: &'static str = "JSON-RPC 2.0 over WebSocket, #[motet::message] structs; metadata, deadline, \
        cancellation, tracing, metrics, retries";

    async fn serve(listener: TcpListener, _: Message) -> Result<()> {
        let address = listener.local_addr()?.to_string();
        drop(listener);
        let websocket = WebSocketServer::new(WebSocketConfig::default());
        let door = HttpServer::new(HttpConfig::default()).protocol(Arc::new(websocket));
        let mut builder = Server::builder().stats(Stats::new()).transport(Arc::new(TcpTransport::default()));
        for protocol in door.server_protocols() {
            builder = builder.protocol(protocol);
        }
        let server = builder.service(motet_serde::service().into_service()?).build()?;
        server.listen(&address).await?;
        std::future::pending().await
    }

    async fn load(load: Load) -> Result<Figures> {
        let address = load.server.to_string();
        let clients = (0..load.connections).map(|_| Ok(motet_serde::calling(&client(&address, Stats::new())?)));
        let clients: Result<Vec<_>> = clients.collect();
        closed_loop::run_as::<Big, Small, _>(&load, clients?).await
    }
}

/// A client of one connection.
pub(crate) fn client(address: &str, stats: Stats) -> Result<Client> {
    let mut config = ClientConfig::default();
    config.connections_per_node = Some(1);
    let builder = Client::builder().stats(stats).config(config).transport(Arc::new(TcpTransport::default()));
    let client = builder.protocol(Arc::new(WebSocketClient::new(WebSocketConfig::default()))).build();
    Ok(client.to(format!("ws://{address}"))?)
}
