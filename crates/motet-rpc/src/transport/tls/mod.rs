//! TLS: certificates and keys as PEM, from memory or from files.
//!
//! The cryptography is ring's, given explicitly: nothing process-wide is installed or expected.

mod client;
mod pem;
mod server;

pub(super) use self::client::{DEFAULT_ALPN, dial_tls};
pub(crate) use self::server::TlsAccept;
pub use self::{
    client::{ClientTls, ClientTlsConfig},
    server::{ClientCertificates, ServerTls, ServerTlsConfig},
};

use std::sync::Arc;

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
