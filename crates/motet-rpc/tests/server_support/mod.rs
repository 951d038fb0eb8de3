//! What the tests of server and listener share: a small line protocol and a greeter behind it.
#![allow(dead_code, unused_imports, unreachable_pub, missing_docs, reason = "each test binary uses a part")]

pub mod greeter;
pub mod line;
pub mod line_client;

use std::sync::Arc;

use motet_core::{BoxIo, Endpoint, MemoryTransport, Transport};
use motet_rpc::{Server, server::ServerBuilder};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

pub use self::{
    greeter::{greeter, service},
    line::Line,
    line_client::LineClient,
};

/// A server of the greeter that speaks lines, on a memory of its own.
pub fn builder(memory: &MemoryTransport) -> ServerBuilder {
    Server::builder().transport(Arc::new(memory.clone())).protocol(Arc::new(Line::default())).service(greeter())
}

/// A caller that speaks lines.
pub struct Caller(BufReader<BoxIo>);

impl Caller {
    pub async fn dial(transport: &dyn Transport, endpoint: &Endpoint) -> Caller {
        Caller::on(transport.dial(endpoint).await.expect("somebody listens"))
    }

    pub fn on(io: BoxIo) -> Caller {
        Caller(BufReader::new(io))
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // A server that has closed already is what some tests are about.
        let _ = self.0.get_mut().write_all(bytes.as_ref()).await;
        let _ = self.0.get_mut().flush().await;
    }

    /// The next line without its end; empty once the connection is closed.
    pub async fn line(&mut self) -> String {
        let mut line = String::new();
        let _ = self.0.read_line(&mut line).await;
        line.trim_end().to_owned()
    }

    pub async fn call(&mut self, line: &str) -> String {
        self.send(format!("{line}\n")).await;
        self.line().await
    }

    /// Everything until the connection is closed.
    pub async fn rest(&mut self) -> String {
        let mut all = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut self.0, &mut all).await;
        String::from_utf8_lossy(&all).into_owned()
    }
}
