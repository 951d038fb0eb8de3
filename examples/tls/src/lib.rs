//! TLS, mutual TLS and Unix sockets: who is at the other end, and how a handler knows.

mod authority;

use std::collections::BTreeMap;

use motet::prelude::*;

pub use authority::{Authority, Issued};

/// Says what it knows of its caller.
#[motet::service(name = "door", version = "1.0.0")]
pub trait Door {
    /// Who is there?
    async fn knock(&self, cx: &Context) -> Result<String>;
    /// Opens to those who are known.
    async fn enter(&self, cx: &Context) -> Result<String>;
}

/// The service. It knows people by their certificates.
#[derive(Clone, Debug, Default)]
pub struct MyDoor {
    known: BTreeMap<Vec<u8>, String>,
}

impl MyDoor {
    /// The same door, which also knows the holder of this certificate.
    #[must_use]
    pub fn knowing(mut self, name: &str, certificate: &Issued) -> MyDoor {
        self.known.insert(certificate.der.clone(), name.to_owned());
        self
    }

    /// The holder of the certificate that the caller has proved to hold; the authority's signature
    /// was checked in the handshake. A certificate parser would read a name out of it instead.
    fn caller(&self, cx: &Context) -> Option<&str> {
        let certificate = cx.peer()?.tls.as_ref()?.certificates.first()?;
        self.known.get(certificate).map(String::as_str)
    }
}

impl Door for MyDoor {
    async fn knock(&self, cx: &Context) -> Result<String> {
        let Some(peer) = cx.peer() else { return Ok("nobody".to_owned()) };
        let secured = match &peer.tls {
            Some(tls) if tls.certificates.is_empty() => "TLS",
            Some(_) => "mutual TLS",
            None => "no TLS",
        };
        let place = if peer.local { "this machine" } else { "elsewhere" };
        Ok(format!("somebody by {}, {secured}, from {place}", peer.transport))
    }

    async fn enter(&self, cx: &Context) -> Result<String> {
        match self.caller(cx) {
            Some(name) => Ok(format!("welcome, {name}")),
            None => Err(Status::unauthenticated("no certificate that this door knows")),
        }
    }
}
