//! Certificates made on the spot. A real system gets them from its own authority, as files:
//! `[server.tls]` and `[client.tls]` in configuration name them.

use motet::{Result, Status};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// An authority that both sides trust.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, PEM.
#[derive(Clone)]
pub struct Issued {
    /// The certificate.
    pub chain: String,
    /// Its private key.
    pub key: String,
    /// The certificate as it is shown in a handshake.
    pub der: Vec<u8>,
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// Internal when no key can be made.
    pub fn new() -> Result<Authority> {
        let mut params = CertificateParams::new(Vec::new()).map_err(failed)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().map_err(failed)?;
        Ok(Authority(CertifiedIssuer::self_signed(params, key).map_err(failed)?))
    }

    /// Its own certificate, PEM: what the other side trusts.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names.
    ///
    /// # Errors
    /// Internal for names that a certificate cannot have.
    pub fn issue(&self, names: &[&str]) -> Result<Issued> {
        let params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>());
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.and_then(|params| params.signed_by(&key, &self.0)).map_err(failed)?;
        Ok(Issued { chain: certificate.pem(), key: key.serialize_pem(), der: certificate.der().to_vec() })
    }
}

fn failed(error: rcgen::Error) -> Status {
    Status::internal("the certificate could not be made").with_source(error)
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}

/// The key stays out of logs.
impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").field("chain", &self.chain).finish_non_exhaustive()
    }
}
