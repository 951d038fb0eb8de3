//! Run with: `cargo run -p motet-websocket --example echo_server [ADDRESS [remember]]`
//!
//! Sends every message back. It prints the address that it serves; `remember` lets both sides keep
//! their compression windows. The Autobahn testsuite runs against it (`interop/autobahn`).

mod support;

use std::{io, sync::Arc};

use motet_websocket::{CompressionConfig, WebSocketConfig};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let listener = TcpListener::bind(arguments.next().as_deref().unwrap_or("127.0.0.1:9002")).await?;
    println!("ws://{}", listener.local_addr()?);
    let forgets = arguments.next().as_deref() != Some("remember");

    // The suite has messages of 16 MiB, and every message is to be compressed.
    let mut config = WebSocketConfig::default();
    (config.max_message, config.max_frame) = (16 << 20, 17 << 20);
    let mut compression = CompressionConfig::default();
    compression.min_size = 0;
    (compression.own_no_context_takeover, compression.peer_no_context_takeover) = (forgets, forgets);
    config.compression = Some(compression);
    let config = Arc::new(config);
    loop {
        let (io, _) = listener.accept().await?;
        io.set_nodelay(true)?;
        tokio::spawn(serve(io, config.clone()));
    }
}

async fn serve(io: TcpStream, config: Arc<WebSocketConfig>) {
    let Ok(mut socket) = support::accept(io, config).await else { return };
    // What is queued is written when there is nothing more to read.
    while let Ok(Some(message)) = socket.next().await {
        if socket.feed(message).await.is_err() {
            break;
        }
    }
}
