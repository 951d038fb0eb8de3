//! TLS on the server side.

use std::{fmt, path::PathBuf, sync::Arc};

use motet_core::{BoxIo, Result, ServerProtocol, Status, TlsPeer};
use rustls::{RootCertStore, server::WebPkiClientVerifier};
use serde::{Deserialize, Serialize};

use super::{pem, provider};

/// Whether clients must show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// They must; those without one are refused.
    #[default]
    Required,
    /// They may; one that is shown must be valid.
    Optional,
}

/// Files that hold a server's certificate and key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ServerTlsConfig {
    /// The certificate chain, PEM, the server's own certificate first.
    pub cert: PathBuf,
    /// The private key, PEM: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
    /// The authorities that sign clients' certificates, PEM; with it clients are asked for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
    /// Whether they must show one.
    pub client_certificates: ClientCertificates,
}

impl ServerTlsConfig {
    /// A certificate chain and its key, no certificates of clients.
    pub fn new(cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> ServerTlsConfig {
        ServerTlsConfig { cert: cert.into(), key: key.into(), ..ServerTlsConfig::default() }
    }
}

/// TLS on the server side: a certificate chain, its key and, for mutual TLS, the authorities that
/// sign clients' certificates. TLS 1.2 and 1.3.
#[derive(Clone)]
pub struct ServerTls {
    base: Arc<rustls::ServerConfig>,
    asks_clients: Option<ClientCertificates>,
    chain: Vec<u8>,
    key: Arc<[u8]>,
}

impl ServerTls {
    /// A certificate chain, the server's own first, and its private key, both PEM.
    ///
    /// # Errors
    /// InvalidArgument when either cannot be read or they do not belong together.
    pub fn from_pem(chain: impl Into<Vec<u8>>, key: impl AsRef<[u8]>) -> Result<ServerTls> {
        ServerTls::build(chain.into(), Arc::from(key.as_ref()), None)
    }

    /// What the files hold.
    ///
    /// # Errors
    /// InvalidArgument naming the setting and the file.
    pub fn load(config: &ServerTlsConfig) -> Result<ServerTls> {
        let chain = pem::read("server.tls.cert", &config.cert)?;
        let tls = ServerTls::from_pem(chain, pem::read("server.tls.key", &config.key)?)?;
        match &config.client_ca {
            Some(path) => tls.with_client_ca(pem::read("server.tls.client_ca", path)?, config.client_certificates),
            None => Ok(tls),
        }
    }

    /// Asks clients for certificates that one of these authorities, PEM, has signed.
    ///
    /// # Errors
    /// InvalidArgument when the PEM text holds no authority.
    pub fn with_client_ca(self, pem: impl AsRef<[u8]>, asked: ClientCertificates) -> Result<ServerTls> {
        ServerTls::build(self.chain, self.key, Some((pem.as_ref(), asked)))
    }

    fn build(chain: Vec<u8>, key: Arc<[u8]>, clients: Option<(&[u8], ClientCertificates)>) -> Result<ServerTls> {
        let builder = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| Status::internal(format!("TLS versions: {error}")))?;
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some((ca, asked)) => {
                let mut roots = RootCertStore::empty();
                pem::roots("server.tls.client_ca", ca, &mut roots)?;
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
                let verifier = match asked {
                    ClientCertificates::Required => verifier,
                    ClientCertificates::Optional => verifier.allow_unauthenticated(),
                };
                builder.with_client_cert_verifier(
                    verifier
                        .build()
                        .map_err(|error| Status::invalid_argument(format!("server.tls.client_ca: {error}")))?,
                )
            }
        };
        let base = builder
            .with_single_cert(pem::certificates("server.tls.cert", &chain)?, pem::key("server.tls.key", &key)?)
            .map_err(|error| Status::invalid_argument(format!("server.tls.cert and server.tls.key: {error}")))?;
        Ok(ServerTls { base: Arc::new(base), asks_clients: clients.map(|(_, asked)| asked), chain, key })
    }

    /// Offers the ALPN names of these protocols and no others, in their order, which decides where a
    /// client knows several. A name of more than one stands where the last of them does: what looks like
    /// HTTP/1.1 is asked before HTTP/2, which is still preferred to it.
    pub(crate) fn accept_for(&self, protocols: &[Arc<dyn ServerProtocol>]) -> TlsAccept {
        let mut config = rustls::ServerConfig::clone(&self.base);
        for name in protocols.iter().filter_map(|protocol| protocol.alpn()) {
            config.alpn_protocols.retain(|known| known != name.as_bytes());
            config.alpn_protocols.push(name.as_bytes().to_vec());
        }
        TlsAccept(Arc::new(config).into())
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("asks_clients", &self.asks_clients).finish_non_exhaustive()
    }
}

/// Accepts TLS on a connection.
#[derive(Clone)]
pub(crate) struct TlsAccept(tokio_rustls::TlsAcceptor);

impl TlsAccept {
    /// Shakes hands. The error is a sentence for the log.
    pub(crate) async fn accept(&self, io: BoxIo) -> Result<(BoxIo, TlsPeer), String> {
        let stream = self.0.accept(io).await.map_err(|error| error.to_string())?;
        let session = stream.get_ref().1;
        let mut peer = TlsPeer::default();
        peer.alpn = session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
        peer.certificates = session.peer_certificates().unwrap_or_default().iter().map(|der| der.to_vec()).collect();
        Ok((Box::pin(stream), peer))
    }
}
