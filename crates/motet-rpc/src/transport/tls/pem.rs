//! Reading PEM, with errors that say which setting is wrong.

use std::path::Path;

use motet_core::{Result, Status};
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

/// The file that a setting names.
pub(super) fn read(setting: &str, path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path)
        .map_err(|error| Status::invalid_argument(format!("{setting}: cannot read {}: {error}", path.display())))
}

pub(super) fn certificates(setting: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let all: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err(Status::invalid_argument(format!("{setting}: there is no CERTIFICATE block in the PEM text"))),
        Err(_) => Err(Status::invalid_argument(format!("{setting}: the PEM text is malformed"))),
    }
}

/// The first private key; the error never quotes the text.
pub(super) fn key(setting: &str, pem: &[u8]) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(pem)
        .map_err(|_| Status::invalid_argument(format!("{setting}: there is no PRIVATE KEY block in the PEM text")))
}

pub(super) fn roots(setting: &str, pem: &[u8], store: &mut RootCertStore) -> Result<()> {
    for certificate in certificates(setting, pem)? {
        store.add(certificate).map_err(|error| {
            Status::invalid_argument(format!("{setting}: a certificate cannot be an authority: {error}"))
        })?;
    }
    Ok(())
}
