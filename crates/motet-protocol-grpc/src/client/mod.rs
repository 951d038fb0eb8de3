//! The client side of gRPC.

mod call;
mod connection;
mod driver;
mod failure;
mod head;
mod receive;
mod send;

use std::sync::Arc;

use http::uri::{Authority, Scheme};
use motet_core::{BoxFuture, ClientProtocol, Connecting, Connection, Endpoint, Executed, Result, Status};

use crate::GrpcConfig;
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

impl GrpcClient {
    /// A client with these settings.
    pub fn new(config: GrpcConfig) -> GrpcClient {
        GrpcClient { config }
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
        Box::pin(async move {
            let transport = connecting.transports.find(&endpoint.transport)?;
            let (scheme, authority) = place(endpoint)?;
            let late =
                |_| Status::unavailable(format!("{endpoint} did not answer in time")).with_executed(Executed::No);
            let dialling = transport.dial_alpn(endpoint, &["h2"]);
            let io = tokio::time::timeout_at(connecting.deadline, dialling).await.map_err(late)??;
            let codecs = connecting.codecs.clone();
            let starting = GrpcConnection::start(io, self.config.clone(), scheme, authority, codecs);
            let connection = tokio::time::timeout_at(connecting.deadline, starting).await.map_err(late)??;
            Ok(Arc::new(connection) as Arc<dyn Connection>)
        })
    }
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
