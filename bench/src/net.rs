//! Sockets, opened the same way for every system that lets us.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// More than the 100 connections that a row opens at once, as busy servers set it.
const BACKLOG: u32 = 4096;

/// Listens on a free loopback port.
pub(crate) fn listen() -> Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    socket.listen(BACKLOG).context("cannot listen on loopback")
}

/// Connects without Nagle's delay.
pub(crate) async fn connect(server: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(server).await.with_context(|| format!("cannot connect to {server}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Runs `connection` for every accepted stream, without Nagle's delay; fails when one fails.
pub(crate) async fn serve_each<F>(listener: TcpListener, connection: impl Fn(TcpStream) -> F) -> Result<()>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                stream.set_nodelay(true)?;
                connections.spawn(connection(stream));
            }
            Some(ended) = connections.join_next() => ended.context("a connection panicked")??,
        }
    }
}
