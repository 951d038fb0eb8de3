//! Moving bytes over TCP and Unix sockets, with or without TLS.
//!
//! The transport inside one process is [`motet_core::MemoryTransport`].

mod tcp;
mod tls;
mod unix;

pub(crate) use self::tls::TlsAccept;
pub use self::{
    tcp::TcpTransport,
    tls::{ClientCertificates, ClientTls, ClientTlsConfig, ServerTls, ServerTlsConfig},
    unix::UnixTransport,
};
