//! All protocols of the port behind a proxy that speaks the PROXY protocol.

use motet::{App, Config, Context, Result};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};

#[motet::service(name = "who")]
trait Who {
    async fn am_i(&self, cx: &Context) -> Result<String>;
}

struct Me;

impl Who for Me {
    async fn am_i(&self, cx: &Context) -> Result<String> {
        Ok(cx.peer().map(|peer| format!("{} {} {}", peer.protocol, peer.address, peer.local)).unwrap_or_default())
    }
}

/// A proxy in front of `to`.
async fn proxy(to: String, header: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut far = TcpStream::connect(&to).await.expect("it listens");
            far.write_all(&header).await.expect("it reads");
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
        }
    });
    address
}

#[tokio::test]
async fn every_protocol_of_the_port_knows_who_is_behind_the_proxy() {
    let config = "[server]\nproxy_from = '127.0.0.0/8'";
    let app = App::builder().name("who").config(Config::toml(config).expect("TOML")).listen("tcp://127.0.0.1:0");
    let app = app.service(WhoServer::new(Me)).build().start().await.expect("starts");
    let endpoint = app.endpoints()[0].clone();
    let mut v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    v2.extend([192, 0, 2, 9, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb]);
    for header in [b"PROXY TCP4 192.0.2.9 198.51.100.1 56324 443\r\n".to_vec(), v2] {
        let address = proxy(endpoint.address.clone(), header).await;
        let mut asked = Vec::new();
        for protocol in &endpoint.protocols {
            let Ok(client) = app.client().to(format!("{protocol}://{address}")) else { continue };
            let answer = WhoClient::new(client).am_i(&Context::new()).await.expect(protocol);
            assert!(answer.ends_with(" 192.0.2.9:56324 false"), "{protocol}: {answer}");
            asked.push(&**protocol);
        }
        assert!(["motet", "http", "jsonrpc"].iter().all(|name| asked.contains(name)), "{asked:?}");
    }
    assert!(app.stop().await.is_clean());
}
