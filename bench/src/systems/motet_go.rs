//! Motet's own clients and servers of the protocols that Go's systems speak.

use std::marker::PhantomData;
use std::sync::Arc;

use anyhow::Result;
use motet::core::{ClientProtocol, ServerProtocol};
use motet::{Client, ClientConfig, IntoService, Server, Stats, TcpTransport};
use motet_protocol_jsonrpc::{JsonRpcClient, JsonRpcConfig, JsonRpcServer, Version};
use motet_protocol_mucp::{MucpClient, MucpServer};
use motet_protocol_netrpc::{NetRpcClient, NetRpcConfig, NetRpcServer};
use motet_protocol_rpcx::{RpcxClient, RpcxServer};
use tokio::net::TcpListener;

use super::{System, motet as shared, motet_serde};
use crate::closed_loop;
use crate::message::Message;
use crate::plain::{Big, Small};
use crate::window::{Figures, Load};

/// Both sides of a protocol.
pub(crate) trait Protocol: Send + Sync + 'static {
    const NAME: &'static str;
    const PER_CALL: &'static str;
    /// Whether messages are those of prost, or else plain structs.
    const PROST: bool = false;

    fn server() -> Arc<dyn ServerProtocol>;

    fn client() -> Arc<dyn ClientProtocol>;
}

/// Go's net/rpc.
pub(crate) struct NetRpc;

impl Protocol for NetRpc {
    const NAME: &'static str = "motet-netrpc";
    const PER_CALL: &'static str = "net/rpc in gob, #[motet::message] structs; deadline, tracing, metrics, retries";

    fn server() -> Arc<dyn ServerProtocol> {
        Arc::new(NetRpcServer::default())
    }

    fn client() -> Arc<dyn ClientProtocol> {
        Arc::new(NetRpcClient::new(NetRpcConfig::default()))
    }
}

/// Go's net/rpc/jsonrpc.
pub(crate) struct JsonRpc;

impl Protocol for JsonRpc {
    const NAME: &'static str = "motet-jsonrpc";
    const PER_CALL: &'static str = "JSON-RPC 1.0 over TCP, #[motet::message] structs; otherwise as motet-netrpc";

    fn server() -> Arc<dyn ServerProtocol> {
        Arc::new(JsonRpcServer::new(JsonRpcConfig::default()))
    }

    fn client() -> Arc<dyn ClientProtocol> {
        Arc::new(JsonRpcClient::new(Version::V1, JsonRpcConfig::default()))
    }
}

/// mucp, go-micro's own.
pub(crate) struct Mucp;

impl Protocol for Mucp {
    const NAME: &'static str = "motet-mucp";
    const PER_CALL: &'static str = "mucp with protobuf, prost types, a connection for each call in flight; metadata, \
        deadline, tracing, metrics, retries";
    const PROST: bool = true;

    fn server() -> Arc<dyn ServerProtocol> {
        Arc::new(MucpServer::default())
    }

    fn client() -> Arc<dyn ClientProtocol> {
        Arc::new(MucpClient::default())
    }
}

/// rpcx.
pub(crate) struct Rpcx;

impl Protocol for Rpcx {
    const NAME: &'static str = "motet-rpcx";
    const PER_CALL: &'static str = "rpcx with protobuf, prost types; metadata, deadline, tracing, metrics, retries";
    const PROST: bool = true;

    fn server() -> Arc<dyn ServerProtocol> {
        Arc::new(RpcxServer::default())
    }

    fn client() -> Arc<dyn ClientProtocol> {
        Arc::new(RpcxClient::default())
    }
}

/// Motet by this protocol.
pub(crate) struct By<P>(PhantomData<P>);

impl<P: Protocol> System for By<P> {
    const NAME: &'static str = P::NAME;
    const PER_CALL: &'static str = P::PER_CALL;

    async fn serve(listener: TcpListener, _: Message) -> Result<()> {
        let address = listener.local_addr()?.to_string();
        drop(listener);
        let service = if P::PROST { shared::service().into_service() } else { motet_serde::service().into_service() }?;
        let builder = Server::builder().stats(Stats::new()).transport(Arc::new(TcpTransport::default()));
        let server = builder.protocol(P::server()).service(service).build()?;
        server.listen(&address).await?;
        std::future::pending().await
    }

    async fn load(load: Load) -> Result<Figures> {
        let address = load.server.to_string();
        let clients: Vec<_> = (0..load.connections).map(|_| client::<P>(&address)).collect::<Result<_>>()?;
        if P::PROST {
            closed_loop::run(&load, clients.iter().map(shared::calling).collect()).await
        } else {
            let clients = clients.iter().map(motet_serde::calling).collect();
            closed_loop::run_as::<Big, Small, _>(&load, clients).await
        }
    }
}

/// A client of one connection.
fn client<P: Protocol>(address: &str) -> Result<Client> {
    let mut config = ClientConfig::default();
    config.connections_per_node = Some(1);
    let builder = Client::builder().stats(Stats::new()).config(config).transport(Arc::new(TcpTransport::default()));
    Ok(builder.protocol(P::client()).build().to(address)?)
}
