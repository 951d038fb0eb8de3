//! The PROXY protocol on the listener: who is believed, and what becomes of the others.

mod server_support;

use std::{sync::Arc, time::Duration};

use motet_core::{Codec, Endpoint, MemoryTransport, MethodDescriptor, Payload, Reply};
use motet_rpc::{ClientTls, Server, ServerConfig, ServerTls, TcpTransport, server::ServerBuilder};
use server_support::{Caller, Line};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Tells who called, and whether it is on this machine.
fn builder(proxy_from: &[&str]) -> ServerBuilder {
    let who = |call: motet_core::Call| -> motet_core::BoxFuture<'static, motet_core::Result<Reply>> {
        let peer = call.cx.peer().cloned().expect("a peer");
        Box::pin(async move {
            Ok(Reply::one(Payload::encoded(format!("{} local={}", peer.address, peer.local), Codec::JSON)))
        })
    };
    let service = server_support::service("who", vec![(MethodDescriptor::new("who", "am_i"), Arc::new(who))]);
    let mut config = ServerConfig::default();
    config.proxy_from = proxy_from.iter().map(|text| text.parse().expect(text)).collect();
    config.head_timeout = Duration::from_secs(60);
    Server::builder().config(config).protocol(Arc::new(Line::default())).service(service)
}

async fn listening(builder: ServerBuilder) -> (Server, Endpoint) {
    let server = builder.build().expect("valid");
    let endpoint = server.listen("127.0.0.1:0").await.expect("free");
    (server, endpoint)
}

async fn dial(endpoint: &Endpoint) -> TcpStream {
    let socket = TcpStream::connect(&endpoint.address).await.expect("it listens");
    socket.set_nodelay(true).expect("an option");
    socket
}

fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, rest].concat()
}

const INET: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb];
const LOOPBACK: &[u8] = b"PROXY TCP4 127.0.0.1 127.0.0.1 7 8\r\n";

async fn who(endpoint: &Endpoint, header: &[u8]) -> String {
    let mut caller = Caller::on(Box::pin(dial(endpoint).await));
    caller.send([header, b"who/am_i {}\n"].concat()).await;
    caller.line().await
}

#[tokio::test]
async fn a_call_knows_who_is_behind_the_proxy() {
    let (server, endpoint) = listening(builder(&["10.0.0.0/8", "127.0.0.0/8"])).await;
    for (header, expected) in [
        (&b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"[..], "ok 192.0.2.1:56324 local=false"),
        (b"PROXY TCP6 2001:db8::1 ::1 56324 443\r\n", "ok [2001:db8::1]:56324 local=false"),
        (LOOPBACK, "ok 127.0.0.1:7 local=true"),
        (&v2(0x21, 0x11, &INET), "ok 192.0.2.1:56324 local=false"),
        (&v2(0x21, 0x11, &[&INET[..], &[4, 0, 3, 0, 0, 0]].concat()), "ok 192.0.2.1:56324 local=false"),
    ] {
        assert_eq!(who(&endpoint, header).await, expected, "{header:?}");
    }
    // The proxy's own connections, and those of whom it says nothing.
    for (header, end) in [
        (&b""[..], "local=true"),
        (&v2(0x20, 0x00, b""), "local=true"),
        (b"PROXY UNKNOWN\r\n", "local=false"),
        (&v2(0x21, 0x00, b""), "local=false"),
    ] {
        let answer = who(&endpoint, header).await;
        assert!(answer.starts_with("ok 127.0.0.1:") && answer.ends_with(end), "{header:?}: {answer}");
    }
    assert!(server.shutdown(Duration::from_secs(5)).await.drained);
}

#[tokio::test]
async fn a_header_may_arrive_in_any_parts_and_long_before_the_rest() {
    let (_server, endpoint) = listening(builder(&["127.0.0.1"])).await;
    for header in [LOOPBACK.to_vec(), v2(0x21, 0x11, &INET)] {
        for cut in 1..=header.len() {
            let mut socket = dial(&endpoint).await;
            socket.write_all(&header[..cut]).await.expect("it reads");
            tokio::task::yield_now().await;
            socket.write_all(&header[cut..]).await.expect("it reads");
            let mut caller = Caller::on(Box::pin(socket));
            let answer = caller.call("who/am_i {}").await;
            assert!(answer.starts_with("ok 1"), "{cut}: {answer}");
        }
    }
}

#[tokio::test]
async fn nobody_else_is_believed() {
    for networks in [&[][..], &["10.0.0.0/8", "::/0"]] {
        let (server, endpoint) = listening(builder(networks)).await;
        for header in [LOOPBACK.to_vec(), v2(0x21, 0x11, &INET), v2(0x20, 0, b"")] {
            assert_eq!(who(&endpoint, &header).await, "");
        }
        assert_eq!(server.connections().unrecognised, 3);
        let answer = who(&endpoint, b"").await;
        assert!(answer.starts_with("ok 127.0.0.1:"), "{answer}");
    }
}

#[tokio::test]
async fn a_header_is_believed_once() {
    let (server, endpoint) = listening(builder(&["127.0.0.1"])).await;
    assert_eq!(who(&endpoint, &[LOOPBACK, LOOPBACK].concat()).await, "");
    assert_eq!(server.connections().unrecognised, 1);
}

#[tokio::test]
async fn a_header_that_breaks_a_rule_closes_its_connection_and_no_other() {
    let (server, endpoint) = listening(builder(&["127.0.0.1"])).await;
    let long = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 200]].concat();
    for header in [long, b"PROXY TCP4 a b c d\r\n".to_vec(), v2(0x31, 0x11, &INET), v2(0x21, 0x11, &INET[..4])] {
        assert_eq!(who(&endpoint, &header).await, "", "{header:?}");
    }
    let mut early = dial(&endpoint).await;
    early.write_all(&LOOPBACK[..9]).await.expect("it reads");
    early.shutdown().await.expect("open");
    assert_eq!(early.read(&mut [0; 8]).await.unwrap_or(0), 0);
    assert_eq!(server.connections().malformed, 5);
    assert_eq!(who(&endpoint, LOOPBACK).await, "ok 127.0.0.1:7 local=true");
}

#[tokio::test]
async fn a_header_that_does_not_end_has_until_the_head_limit() {
    let builder = builder(&["127.0.0.1"]);
    let mut config = ServerConfig::default();
    config.proxy_from = vec!["127.0.0.1".parse().expect("an address")];
    config.head_timeout = Duration::from_millis(50);
    let (server, endpoint) = listening(builder.config(config)).await;
    let mut socket = dial(&endpoint).await;
    socket.write_all(&v2(0x21, 0x11, &INET)[..20]).await.expect("it reads");
    assert_eq!(socket.read(&mut [0; 8]).await.unwrap_or(0), 0);
    assert_eq!(server.connections().too_slow, 1);
}

#[tokio::test]
async fn the_header_comes_before_tls_and_never_inside_it() {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let tls = ServerTls::from_pem(certified.cert.pem(), certified.signing_key.serialize_pem()).expect("a pair");
    let (server, mut endpoint) = listening(builder(&["127.0.0.1"]).tls(tls)).await;
    let proxy = forward(endpoint.address.clone(), b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n").await;
    let client = TcpTransport::new().with_tls(ClientTls::from_pem(certified.cert.pem()).expect("a certificate"));
    let direct = endpoint.clone();
    endpoint.address = proxy;
    let mut caller = Caller::dial(&client, &endpoint).await;
    assert_eq!(caller.call("who/am_i {}").await, "ok 192.0.2.1:56324 local=false");

    let mut inside = Caller::dial(&client, &direct).await;
    inside.send([LOOPBACK, b"who/am_i {}\n"].concat()).await;
    assert_eq!(inside.line().await, "");
    assert_eq!(server.connections().unrecognised, 1);
    // Without TLS behind the header, as without it at all.
    assert_eq!(who(&direct, LOOPBACK).await, "");
    assert_eq!(server.connections().plaintext_refused, 1);
}

/// A proxy that says so for each connection; gives its address.
async fn forward(to: String, header: &'static [u8]) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut far = TcpStream::connect(&to).await.expect("it listens");
            far.write_all(header).await.expect("it reads");
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
        }
    });
    address
}

#[tokio::test]
async fn a_transport_without_addresses_is_not_asked() {
    let memory = MemoryTransport::new();
    let server = builder(&["0.0.0.0/0", "::/0"]).transport(Arc::new(memory.clone())).build().expect("valid");
    let endpoint = server.listen("memory://who").await.expect("free");
    let mut caller = Caller::dial(&memory, &endpoint).await;
    caller.send([LOOPBACK, b"who/am_i {}\n"].concat()).await;
    assert_eq!(caller.line().await, "");
}
