//! The client side of gRPC, gRPC-Web and Connect.

mod call;
mod connect;
mod connection;
mod driver;
mod failure;
mod head;
mod receive;
mod send;

use std::sync::Arc;

use http::uri::{Authority, Scheme};
use motet_core::{BoxFuture, ClientProtocol, Connecting, Connection, Endpoint, Executed, Result, Status};

use crate::{GrpcConfig, flavour::Flavour};
use connection::GrpcConnection;

/// The client side of gRPC: `grpc://host:port`, and with TLS `grpc+tls://host:port`.
///
/// ```no_run
/// # use std::sync::Arc;
/// use motet_protocol_grpc::GrpcClient;
/// use motet_rpc::{Client, TcpTransport};
///
/// # fn main() -> motet_core::Result<()> {
/// let client = Client::builder()
///     .transport(Arc::new(TcpTransport::new()))
///     .protocol(Arc::new(GrpcClient::default()))
///     .build()
///     .to("grpc://127.0.0.1:50051")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct GrpcClient {
    config: GrpcConfig,
}

/// The client side of gRPC-Web, for services behind a proxy that lets no trailers through:
/// `grpc-web://host:port`, and with TLS `grpc-web+tls://host:port`. It speaks HTTP/2.
#[derive(Clone, Debug, Default)]
pub struct GrpcWebClient {
    config: GrpcConfig,
}

/// The client side of Connect: `connect://host:port`, and with TLS `connect+tls://host:port`.
///
/// It speaks HTTP/2, which every server of Connect that has streams in both directions does; without
/// TLS by prior knowledge (h2c). Calls in JSON are asked as `application/json`.
#[derive(Clone, Debug, Default)]
pub struct ConnectClient {
    config: GrpcConfig,
}

impl GrpcClient {
    /// A client with these settings.
    pub fn new(config: GrpcConfig) -> GrpcClient {
        GrpcClient { config }
    }
}

impl GrpcWebClient {
    /// A client with these settings.
    pub fn new(config: GrpcConfig) -> GrpcWebClient {
        GrpcWebClient { config }
    }
}

impl ConnectClient {
    /// A client with these settings.
    pub fn new(config: GrpcConfig) -> ConnectClient {
        ConnectClient { config }
    }
}

impl ClientProtocol for GrpcClient {
    fn name(&self) -> &str {
        "grpc"
    }

    fn connections_per_node(&self) -> usize {
        self.config.connections_per_node
    }

    fn connect<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        connecting: &'a Connecting,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>>> {
        Box::pin(dial(Flavour::Grpc, &self.config, endpoint, connecting))
    }
}

impl ClientProtocol for GrpcWebClient {
    fn name(&self) -> &str {
        "grpc-web"
    }

    fn connections_per_node(&self) -> usize {
        self.config.connections_per_node
    }

    fn connect<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        connecting: &'a Connecting,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>>> {
        Box::pin(dial(Flavour::Web, &self.config, endpoint, connecting))
    }
}

impl ClientProtocol for ConnectClient {
    fn name(&self) -> &str {
        "connect"
    }

    fn connections_per_node(&self) -> usize {
        self.config.connections_per_node
    }

    fn connect<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        connecting: &'a Connecting,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>>> {
        Box::pin(dial(Flavour::Connect, &self.config, endpoint, connecting))
    }
}

/// Connects to a node.
async fn dial(
    flavour: Flavour,
    config: &GrpcConfig,
    endpoint: &Endpoint,
    connecting: &Connecting,
) -> Result<Arc<dyn Connection>> {
    let transport = connecting.transports.find(&endpoint.transport)?;
    let (scheme, authority) = place(endpoint)?;
    let late = |_| Status::unavailable(format!("{endpoint} did not answer in time")).with_executed(Executed::No);
    let dialling = transport.dial_alpn(endpoint, &["h2"]);
    let io = tokio::time::timeout_at(connecting.deadline, dialling).await.map_err(late)??;
    let codecs = connecting.codecs.clone();
    let starting = GrpcConnection::start(io, flavour, config.clone(), scheme, authority, codecs);
    let connection = tokio::time::timeout_at(connecting.deadline, starting).await.map_err(late)??;
    Ok(Arc::new(connection) as Arc<dyn Connection>)
}

/// What requests to an endpoint name as theirs. Where the transport has no host, as with Unix sockets,
/// that is `localhost`, as gRPC has it.
fn place(endpoint: &Endpoint) -> Result<(Scheme, Authority)> {
    let scheme = if endpoint.tls { Scheme::HTTPS } else { Scheme::HTTP };
    let authority = match endpoint.transport.as_str() {
        "tcp" => Authority::try_from(endpoint.address.as_str()).map_err(|_| {
            Status::invalid_argument(format!("{endpoint} is no host and port")).with_executed(Executed::No)
        })?,
        _ => Authority::from_static("localhost"),
    };
    Ok((scheme, authority))
}
