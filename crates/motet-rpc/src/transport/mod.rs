//! TCP, Unix sockets and TLS.

/// TCP.
#[derive(Clone, Debug, Default)]
pub struct TcpTransport(());

/// Unix sockets.
#[derive(Clone, Debug, Default)]
pub struct UnixTransport(());

/// TLS on the client side.
#[derive(Clone, Debug)]
pub struct ClientTls(());

/// TLS on the server side.
#[derive(Clone, Debug)]
pub struct ServerTls(());
