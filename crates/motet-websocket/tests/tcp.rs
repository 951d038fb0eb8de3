//! Whole connections over real sockets, opening handshake included.

#[path = "../examples/support/mod.rs"]
mod support;

use std::{io, sync::Arc, time::Duration};

use motet_websocket::{CloseCode, CompressionConfig, ErrorKind, Message, WebSocket, WebSocketConfig};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

fn config(change: impl FnOnce(&mut CompressionConfig)) -> Arc<WebSocketConfig> {
    let (mut config, mut compression) = (WebSocketConfig::default(), CompressionConfig::default());
    change(&mut compression);
    config.compression = Some(compression);
    Arc::new(config)
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, format!("ws://{address}/path"))
}

/// Serves one connection that sends everything back.
async fn echo(config: Arc<WebSocketConfig>) -> (String, JoinHandle<Result<(), motet_websocket::Error>>) {
    let (listener, address) = listen().await;
    let task = tokio::spawn(async move {
        let (io, _) = listener.accept().await.expect("a connection");
        let mut socket = support::accept(io, config).await.expect("an opening handshake");
        while let Some(message) = socket.next().await? {
            socket.feed(message).await?;
        }
        Ok(())
    });
    (address, task)
}

async fn connect(address: &str, config: Arc<WebSocketConfig>) -> io::Result<WebSocket<TcpStream>> {
    support::connect(&address.parse().expect("an address"), config).await
}

#[tokio::test]
async fn messages_come_back_in_order_with_every_kind_of_compression() {
    let remember = |compression: &mut CompressionConfig| {
        (compression.own_no_context_takeover, compression.peer_no_context_takeover) = (false, false);
    };
    let narrow = |compression: &mut CompressionConfig| {
        (compression.own_max_window_bits, compression.peer_max_window_bits, compression.min_size) = (9, 10, 0);
    };
    for config in [Arc::default(), config(remember), config(narrow)] {
        let (address, server) = echo(config.clone()).await;
        let mut client = connect(&address, config).await.expect("a connection");
        let message = |n: usize| Message::from(format!("message {n} ").repeat(n));
        for n in 0..150 {
            client.feed(message(n)).await.expect("open");
            if n % 50 == 49 {
                for n in n - 49..=n {
                    assert!(client.next().await.expect("no failure") == Some(message(n)), "message {n}");
                }
            }
        }
        client.close(CloseCode::NORMAL, "").await.expect("closed in order");
        server.await.expect("no panic").expect("closed in order");
    }
}

#[tokio::test]
async fn a_request_for_something_else_gets_its_refusal() {
    let (listener, _) = listen().await;
    let mut peer = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("a connection");
    let server = tokio::spawn(async move {
        let (io, _) = listener.accept().await.expect("a connection");
        support::accept(io, Arc::default()).await.map(|_| ())
    });
    peer.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("written");
    let mut answer = String::new();
    peer.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{answer}");
    assert!(server.await.expect("no panic").is_err());
}

#[tokio::test]
async fn who_vanishes_is_a_failure_and_the_server_goes_on() {
    let config = Arc::new(WebSocketConfig::default());
    let (address, server) = echo(config.clone()).await;
    let client = connect(&address, config).await.expect("a connection");
    drop(client);
    let ended = tokio::time::timeout(Duration::from_secs(10), server).await.expect("at once");
    assert_eq!(ended.expect("no panic").expect_err("no Close frame").kind(), ErrorKind::Io);
}
