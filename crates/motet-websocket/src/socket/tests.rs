use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::Instant,
};

use super::WebSocket;
use crate::{
    Agreement, CloseCode, ErrorKind, Masks, Message, WebSocketConfig,
    frame::{Header, Opcode},
    handshake::Agreed,
};

const SECOND: Duration = Duration::from_secs(1);

fn agreed() -> Agreed {
    let compression = Agreement {
        own_no_context_takeover: true,
        peer_no_context_takeover: true,
        own_window_bits: 15,
        peer_window_bits: 15,
    };
    Agreed { protocol: None, compression: Some(compression) }
}

fn server(io: DuplexStream) -> WebSocket<DuplexStream> {
    WebSocket::server(io, Bytes::new(), &agreed(), Arc::default())
}

fn client(io: DuplexStream) -> WebSocket<DuplexStream> {
    WebSocket::client(io, Bytes::new(), &agreed(), Arc::default(), Masks::seeded(1))
}

/// Both ends of a connection over a pipe that takes this much.
fn pair(room: usize) -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
    let (a, b) = tokio::io::duplex(room);
    (server(a), client(b))
}

/// A masked frame of a client.
fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut bytes = bytes::BytesMut::new();
    let length = payload.len() as u64;
    Header { fin: true, compressed: false, opcode, mask: Some([0; 4]), length }.write(&mut bytes);
    bytes.extend_from_slice(payload);
    bytes.to_vec()
}

#[tokio::test]
async fn messages_go_both_ways_and_both_sides_close_in_order() {
    let (mut server, mut client) = pair(100);
    let echo = tokio::spawn(async move {
        while let Some(message) = server.next().await.expect("no failure") {
            server.feed(message).await.expect("open");
        }
        server.close_reason().cloned()
    });
    let long: Vec<u8> = (0..100_000u32).map(|i| (i.wrapping_mul(i) >> 5) as u8).collect();
    for message in ["hello".into(), Message::from(long), "".into(), "x".repeat(5000).into()] {
        client.send(message.clone()).await.expect("open");
        assert!(client.next().await.expect("no failure") == Some(message));
    }
    client.close(CloseCode::NORMAL, "done").await.expect("closed in order");
    assert!(!client.is_open());
    assert!(client.next().await.expect("no failure").is_none());
    assert_eq!(client.send("late").await.expect_err("closed").kind(), ErrorKind::Closed);
    let reason = echo.await.expect("no panic").expect("a reason");
    assert_eq!((reason.code, reason.text.as_str()), (CloseCode::NORMAL, "done"));
}

#[tokio::test]
async fn what_was_read_with_the_request_counts() {
    let (io, _peer) = tokio::io::duplex(100);
    let early = Bytes::from(frame(Opcode::Text, b"early"));
    let mut server = WebSocket::server(io, early, &agreed(), Arc::default());
    assert_eq!(server.next().await.expect("no failure"), Some("early".into()));
}

/// Counts the writes to a stream.
struct Counted(DuplexStream, usize);

impl tokio::io::AsyncRead for Counted {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl tokio::io::AsyncWrite for Counted {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        self.1 += 1;
        std::pin::Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn one_write_carries_the_answers_to_all_that_one_read_brought() {
    let (io, mut peer) = tokio::io::duplex(1 << 20);
    let mut server = WebSocket::server(Counted(io, 0), Bytes::new(), &agreed(), Arc::default());
    peer.write_all(&frame(Opcode::Text, b"x").repeat(500)).await.expect("room");
    for _ in 0..500 {
        let message = server.next().await.expect("no failure").expect("a message");
        server.feed(message).await.expect("room");
    }
    server.flush().await.expect("written");
    assert_eq!(server.get_ref().1, 1);
    let mut answers = vec![0; 1500];
    peer.read_exact(&mut answers).await.expect("all of them");
    assert_eq!(answers, b"\x81\x01x".repeat(500));
}

#[tokio::test]
async fn a_cancelled_next_loses_nothing() {
    let (mut server, mut peer) = {
        let (io, peer) = tokio::io::duplex(1 << 10);
        (server(io), peer)
    };
    let bytes = frame(Opcode::Text, b"in single bytes").repeat(3);
    let mut arrived = Vec::new();
    for byte in bytes {
        peer.write_all(&[byte]).await.expect("room");
        tokio::select! {
            biased;
            message = server.next() => arrived.push(message.expect("no failure")),
            () = std::future::ready(()) => {}
        }
    }
    assert_eq!(arrived, vec![Some(Message::from("in single bytes")); 3]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_is_left_after_the_write_timeout() {
    let (io, _peer) = tokio::io::duplex(1000);
    let mut server = WebSocket::server(io, Bytes::new(), &Agreed::default(), Arc::default());
    let begun = Instant::now();
    let error = loop {
        if let Err(error) = server.feed(vec![7; 100 << 10]).await {
            break error;
        }
        assert!(server.unsent() <= (1 << 20) + (101 << 10), "{} bytes wait", server.unsent());
    };
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!((30 * SECOND..31 * SECOND).contains(&begun.elapsed()));
    assert!(!server.is_open());
    assert_eq!(server.flush().await.expect_err("over").kind(), ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_pinged_and_a_dead_one_left() {
    let (io, mut peer) = tokio::io::duplex(1000);
    let (mut server, begun) = (server(io), Instant::now());
    let task = tokio::spawn(async move { server.next().await });
    for round in 1..4u32 {
        let mut ping = [0; 2];
        peer.read_exact(&mut ping).await.expect("a ping");
        assert_eq!((ping, begun.elapsed().as_secs()), ([0x89, 0], u64::from(round) * 30));
        peer.write_all(&frame(Opcode::Pong, b"")).await.expect("room");
    }
    assert_eq!(peer.read_u16().await.expect("a ping"), 0x8900);
    let error = task.await.expect("no panic").expect_err("dead");
    assert_eq!((error.kind(), begun.elapsed().as_secs()), (ErrorKind::TimedOut, 140));
}

#[tokio::test(start_paused = true)]
async fn a_busy_handler_is_not_a_silent_peer() {
    let (io, mut peer) = tokio::io::duplex(1000);
    let mut server = server(io);
    for _ in 0..3 {
        peer.write_all(&frame(Opcode::Text, b"x")).await.expect("room");
        tokio::time::sleep(300 * SECOND).await;
        assert_eq!(server.next().await.expect("no failure"), Some("x".into()));
    }
}

#[tokio::test]
async fn who_breaks_a_rule_is_told_and_then_the_stream_ends() {
    let (io, mut peer) = tokio::io::duplex(1000);
    let mut server = server(io);
    let task = tokio::spawn(async move { server.next().await });
    peer.write_all(b"\x81\x02hi and more that nobody will look at").await.expect("room");
    let mut told = Vec::new();
    peer.read_to_end(&mut told).await.expect("the end");
    assert_eq!(told[..4], *b"\x88\x20\x03\xea");
    drop(peer);
    let violation = task.await.expect("no panic").expect_err("a violation").violation().expect("a violation");
    assert_eq!(violation.rule, "a client's frame is not masked");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_end_the_stream_holds_up_the_end_for_5_seconds_only() {
    let (io, mut peer) = tokio::io::duplex(1000);
    let (mut server, begun) = (server(io), Instant::now());
    peer.write_all(&frame(Opcode::Close, b"")).await.expect("room");
    assert_eq!(server.next().await.expect("closed in order"), None);
    assert_eq!(begun.elapsed().as_secs(), 5);
    assert_eq!(server.next().await.expect("still closed"), None);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_answer_a_close_frame_is_left_after_5_seconds() {
    let (io, _peer) = tokio::io::duplex(1000);
    let (mut server, begun) = (server(io), Instant::now());
    let error = server.close(CloseCode::GOING_AWAY, "").await.expect_err("no answer");
    assert_eq!((error.kind(), begun.elapsed().as_secs()), (ErrorKind::TimedOut, 5));
}

/// A peer that always has something to say, until its time is over.
struct Endless(Vec<u8>, Instant);

impl tokio::io::AsyncRead for Endless {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        if Instant::now() < self.1 {
            buf.put_slice(&self.0);
        }
        std::task::Poll::Ready(Ok(()))
    }
}

impl tokio::io::AsyncWrite for Endless {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        buf: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::task::Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn who_sends_on_and_on_after_the_end_is_not_heard_for_ever() {
    let config = WebSocketConfig { close_timeout: Duration::from_millis(50), ..WebSocketConfig::default() };
    let config = Arc::new(config);
    let endless = |bytes: Vec<u8>| {
        let io = Endless(bytes, Instant::now() + 10 * SECOND);
        WebSocket::server(io, Bytes::new(), &agreed(), config.clone())
    };
    let mut deaf = endless(frame(Opcode::Text, b"more"));
    let error = deaf.close(CloseCode::GOING_AWAY, "").await.expect_err("no answer");
    assert_eq!(error.kind(), ErrorKind::TimedOut, "left by its own clock, not by the peer's");
    let mut wrong = endless(b"\x81\x01x".to_vec());
    let begun = Instant::now();
    assert_eq!(wrong.next().await.expect_err("no mask").kind(), ErrorKind::Violation);
    assert!(begun.elapsed() < 10 * SECOND, "left by its own clock, not by the peer's");
}

#[tokio::test]
async fn a_stream_that_ends_without_a_close_frame_is_a_failure() {
    let (io, peer) = tokio::io::duplex(1000);
    let mut server = server(io);
    drop(peer);
    assert_eq!(server.next().await.expect_err("lost").kind(), ErrorKind::Io);
    assert!(!server.is_open());
    assert_eq!(server.next().await.expect("over"), None);
}

#[tokio::test(start_paused = true)]
async fn a_slow_message_ends_the_connection_and_is_told_so() {
    let (io, mut peer) = tokio::io::duplex(1000);
    let config = WebSocketConfig { ping_after: Duration::ZERO, ..WebSocketConfig::default() };
    let mut server = WebSocket::server(io, Bytes::new(), &agreed(), Arc::new(config));
    let task = tokio::spawn(async move { server.next().await });
    peer.write_all(&frame(Opcode::Text, b"never whole")[..8]).await.expect("room");
    let mut told = Vec::new();
    peer.read_to_end(&mut told).await.expect("the end");
    assert_eq!(told[2..4], 1008u16.to_be_bytes());
    drop(peer);
    assert_eq!(task.await.expect("no panic").expect_err("too slow").kind(), ErrorKind::TimedOut);
}

#[tokio::test]
async fn what_a_peer_said_before_it_stopped_listening_still_arrives() {
    let (io, peer) = tokio::io::duplex(1000);
    let mut server = server(io);
    let (mut reader, mut writer) = tokio::io::split(peer);
    writer.write_all(&frame(Opcode::Text, b"last words").repeat(2)).await.expect("room");
    assert_eq!(server.next().await.expect("no failure"), Some("last words".into()));
    writer.write_all(&frame(Opcode::Text, b"and more")).await.expect("room");
    let mut none = [0; 0];
    reader.read_exact(&mut none).await.expect("nothing");
    drop((reader, writer));
    server.queue(&"an answer".into()).expect("room");
    assert_eq!(server.flush().await.expect_err("broken").kind(), ErrorKind::Io);
    assert_eq!(server.next().await.expect("read before"), Some("last words".into()));
    assert_eq!(server.next().await.expect("still there"), Some("and more".into()));
    assert_eq!(server.next().await.expect_err("and then").kind(), ErrorKind::Io);
}

#[tokio::test(start_paused = true)]
async fn a_connection_at_rest_keeps_no_buffer() {
    let (mut server, mut client) = pair(1 << 20);
    let noise: Vec<u8> = (0..100_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    client.send(noise).await.expect("open");
    let message = server.next().await.expect("no failure").expect("a message");
    server.send(message).await.expect("open");
    assert!(!server.resting && server.input.capacity() > 0);
    let nothing = tokio::time::timeout(2 * SECOND, server.next()).await;
    assert!(nothing.is_err(), "nothing more came");
    assert!(server.resting);
    assert_eq!(server.input.capacity(), 0);
    assert!(size_of::<WebSocket<DuplexStream>>() < 800);
    // Small messages do not change that.
    client.send("small").await.expect("open");
    let message = server.next().await.expect("no failure").expect("a message");
    server.send(message).await.expect("open");
    assert!(tokio::time::timeout(Duration::ZERO, server.next()).await.is_err(), "nothing more came");
    assert_eq!((server.resting, server.input.capacity(), server.unsent()), (true, 0, 0));
}
