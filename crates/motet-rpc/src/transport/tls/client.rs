//! TLS on the client side.

use std::{fmt, io, path::PathBuf, sync::Arc};

use motet_core::{BoxIo, Endpoint, Executed, Result, Status};
use rustls::{CertificateError, RootCertStore};
use rustls_pki_types::ServerName;
use serde::{Deserialize, Serialize};
use tokio_rustls::TlsConnector;

use super::{pem, provider};

/// The ALPN name that is offered unless a protocol says otherwise.
pub(in crate::transport) const DEFAULT_ALPN: &str = "motet/1";
/// The name that a server behind a Unix socket must have a certificate for unless configured.
const LOCAL_NAME: &str = "localhost";

/// Whom a client trusts and who it is, as files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ClientTlsConfig {
    /// The authorities that sign servers' certificates, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Whether the operating system's authorities are trusted as well; needs the feature
    /// `native-roots`.
    pub system_roots: bool,
    /// The name that the server's certificate must be for, in place of the address's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// The certificate chain that is shown to servers that ask for one, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<PathBuf>,
    /// Its private key, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

/// TLS on the client side: whom it trusts, and for mutual TLS the certificate it shows. TLS 1.2 and
/// 1.3.
#[derive(Clone)]
pub struct ClientTls {
    roots: Arc<RootCertStore>,
    server_name: Option<String>,
    identity: Option<Identity>,
    config: Arc<rustls::ClientConfig>,
}

/// A certificate chain and its key, PEM.
type Identity = (Arc<[u8]>, Arc<[u8]>);

impl ClientTls {
    /// Trusts these authorities, PEM.
    ///
    /// # Errors
    /// InvalidArgument when the PEM text holds no authority.
    pub fn from_pem(ca: impl AsRef<[u8]>) -> Result<ClientTls> {
        let mut roots = RootCertStore::empty();
        pem::roots("client.tls.ca", ca.as_ref(), &mut roots)?;
        ClientTls::build(Arc::new(roots), None, None)
    }

    /// What the files hold.
    ///
    /// # Errors
    /// InvalidArgument naming the setting and the file; FailedPrecondition when nobody is trusted.
    pub fn load(config: &ClientTlsConfig) -> Result<ClientTls> {
        let mut roots = RootCertStore::empty();
        if let Some(path) = &config.ca {
            pem::roots("client.tls.ca", &pem::read("client.tls.ca", path)?, &mut roots)?;
        }
        if config.system_roots {
            add_system_roots(&mut roots)?;
        }
        if roots.is_empty() {
            return Err(no_roots());
        }
        let tls = ClientTls::build(Arc::new(roots), config.server_name.clone(), None)?;
        match (&config.cert, &config.key) {
            (Some(cert), Some(key)) => {
                tls.with_identity(pem::read("client.tls.cert", cert)?, pem::read("client.tls.key", key)?)
            }
            (None, None) => Ok(tls),
            (Some(_), None) => Err(Status::invalid_argument("client.tls.cert is set but client.tls.key is not")),
            (None, Some(_)) => Err(Status::invalid_argument("client.tls.key is set but client.tls.cert is not")),
        }
    }

    /// Expects servers' certificates to be for this name, whatever the address.
    #[must_use]
    pub fn with_server_name(mut self, name: impl Into<String>) -> ClientTls {
        self.server_name = Some(name.into());
        self
    }

    /// Shows this certificate chain, PEM, to servers that ask for one.
    ///
    /// # Errors
    /// InvalidArgument when either cannot be read or they do not belong together.
    pub fn with_identity(self, chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Result<ClientTls> {
        let identity = (Arc::from(chain.as_ref()), Arc::from(key.as_ref()));
        ClientTls::build(self.roots, self.server_name, Some(identity))
    }

    fn build(roots: Arc<RootCertStore>, server_name: Option<String>, identity: Option<Identity>) -> Result<ClientTls> {
        let builder = rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| Status::internal(format!("TLS versions: {error}")))?
            .with_root_certificates(roots.clone());
        let mut config = match &identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder
                .with_client_auth_cert(pem::certificates("client.tls.cert", chain)?, pem::key("client.tls.key", key)?)
                .map_err(|error| Status::invalid_argument(format!("client.tls.cert and client.tls.key: {error}")))?,
        };
        config.alpn_protocols = vec![DEFAULT_ALPN.as_bytes().to_vec()];
        Ok(ClientTls { roots, server_name, identity, config: Arc::new(config) })
    }

    fn connector(&self, alpn: &[&str]) -> TlsConnector {
        if alpn == [DEFAULT_ALPN] {
            return self.config.clone().into();
        }
        let mut config = rustls::ClientConfig::clone(&self.config);
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config).into()
    }

    fn name_for(&self, endpoint: &Endpoint) -> Result<ServerName<'static>> {
        let name = match &self.server_name {
            Some(name) => name.as_str(),
            None if endpoint.transport == "tcp" => host_of(&endpoint.address),
            None => LOCAL_NAME,
        };
        ServerName::try_from(name.to_owned()).map_err(|_| {
            Status::invalid_argument(format!("{name:?} is no name for a certificate; set client.tls.server_name"))
                .with_executed(Executed::No)
        })
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls")
            .field("authorities", &self.roots.len())
            .field("server_name", &self.server_name)
            .field("has_identity", &self.identity.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "native-roots")]
fn add_system_roots(roots: &mut RootCertStore) -> Result<()> {
    let found = rustls_native_certs::load_native_certs();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    match added {
        0 => Err(Status::failed_precondition("client.tls.system_roots: this system has no certificate authorities")),
        _ => Ok(()),
    }
}

#[cfg(not(feature = "native-roots"))]
fn add_system_roots(_: &mut RootCertStore) -> Result<()> {
    Err(Status::invalid_argument("client.tls.system_roots needs the feature native-roots; or set client.tls.ca"))
}

fn no_roots() -> Status {
    Status::failed_precondition("no TLS roots configured: set client.tls.ca").with_executed(Executed::No)
}

fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Shakes hands on a connection that was just made.
pub(in crate::transport) async fn dial_tls(
    tls: Option<&ClientTls>,
    endpoint: &Endpoint,
    alpn: &[&str],
    io: BoxIo,
) -> Result<BoxIo> {
    let tls = tls.ok_or_else(no_roots)?;
    let name = tls.name_for(endpoint)?;
    match tls.connector(alpn).connect(name, io).await {
        Ok(stream) => Ok(Box::pin(stream)),
        Err(error) => Err(Status::unavailable(explain(&error)).with_executed(Executed::No)),
    }
}

/// What went wrong in a handshake and what to do about it.
fn explain(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(inner) = inner else {
        // Without a word is how a server that has no TLS ends such a connection.
        let hint = match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                "; does this port speak TLS? If not, leave +tls out of the address"
            }
            _ => "",
        };
        return format!("the TLS handshake failed: {error}{hint}");
    };
    match inner {
        rustls::Error::InvalidCertificate(problem) => {
            let why = match problem {
                // A bad signature is that of another authority of the same name.
                CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                    "no authority of client.tls.ca has signed it; set client.tls.ca to the one that did".to_owned()
                }
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    format!("{problem}; set client.tls.server_name to a name in it")
                }
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    "it has expired; renew it, or check this machine's clock".to_owned()
                }
                other => other.to_string(),
            };
            format!("the server's certificate is rejected: {why}")
        }
        rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol) => {
            "the server speaks none of the protocols that ALPN offered".to_owned()
        }
        rustls::Error::AlertReceived(alert) => format!("the server ended the TLS handshake: {alert:?}"),
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS on this port".to_owned(),
        other => format!("the TLS handshake failed: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_an_address_is_the_name_to_check() {
        assert_eq!(host_of("db.internal:4000"), "db.internal");
        assert_eq!(host_of("[::1]:4000"), "::1");
        assert_eq!(host_of("127.0.0.1:4000"), "127.0.0.1");
    }

    #[test]
    fn a_client_that_trusts_nobody_says_what_to_set() {
        let error = ClientTls::load(&ClientTlsConfig::default()).expect_err("nobody is trusted");
        assert_eq!(error.message(), "no TLS roots configured: set client.tls.ca");
        let error = ClientTls::from_pem("not PEM").expect_err("no certificate");
        assert!(error.message().starts_with("client.tls.ca: there is no CERTIFICATE"), "{error}");
    }
}
