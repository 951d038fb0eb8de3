//! A server with an HTTP door whose protocol answers by path, and raw connections to it.

#![allow(dead_code, reason = "each test uses its part")]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body::Frame;
use motet_core::{BoxFuture, Streaming};
use motet_http::{Body, Door, HttpConfig, HttpProtocol, HttpServer};
use motet_rpc::{Server, ServerConfig};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    time::timeout,
};

/// Answers by path; `/hang` never does and says when it is dropped.
pub(crate) struct Paths {
    pub(crate) gone: mpsc::UnboundedSender<String>,
}

struct Gone(mpsc::UnboundedSender<String>, String);

impl Drop for Gone {
    fn drop(&mut self) {
        let _ = self.0.send(std::mem::take(&mut self.1));
    }
}

impl HttpProtocol for Paths {
    fn name(&self) -> &str {
        "paths"
    }

    fn claims(&self, head: &Parts, _: &Door) -> bool {
        !head.uri.path().starts_with("/other")
    }

    fn handle(&self, request: Request<Body>, door: &Door) -> BoxFuture<'static, Response<Body>> {
        let (gone, door) = (self.gone.clone(), door.clone());
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let path = head.uri.path().to_owned();
            let _gone = path.starts_with("/hang").then(|| Gone(gone, path.clone()));
            match &*path {
                "/hang" => std::future::pending().await,
                "/panic" => panic!("as asked"),
                "/slow" => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    Response::new(Body::from("slow"))
                }
                "/echo" => match body.read_all(door.config().max_message, door.config().body_timeout).await {
                    Ok(bytes) => Response::new(Body::from(bytes)),
                    Err(status) => motet_http::refusal(&status),
                },
                "/long" => Response::new(Body::from(vec![b'x'; 1 << 20])),
                "/endless" => {
                    let (sender, frames) = Streaming::channel(1);
                    tokio::spawn(async move {
                        while sender.send(Ok(Frame::data(Bytes::from(vec![b'x'; 64 << 10])))).await.is_ok() {}
                    });
                    Response::new(Body::from_frames(frames))
                }
                _ => Response::new(Body::from(format!("{} {path} by {}", head.method, door.peer().protocol))),
            }
        })
    }
}

pub(crate) struct Setup {
    pub(crate) server: Server,
    pub(crate) address: String,
    pub(crate) gone: mpsc::UnboundedReceiver<String>,
}

pub(crate) async fn start(config: HttpConfig) -> Setup {
    start_with(config, |door| door).await
}

pub(crate) async fn start_with(config: HttpConfig, more: impl FnOnce(HttpServer) -> HttpServer) -> Setup {
    let (sender, gone) = mpsc::unbounded_channel();
    let mut settings = ServerConfig::default();
    settings.head_timeout = config.head_timeout;
    let door = more(HttpServer::new(config).protocol(Arc::new(Paths { gone: sender })));
    let protocols = door.server_protocols().into_iter();
    let server = protocols.fold(Server::builder().config(settings), |server, protocol| server.protocol(protocol));
    let server = server.build().expect("settings are fine");
    let endpoint = server.listen("tcp://127.0.0.1:0").await.expect("a free port");
    Setup { server, address: endpoint.address, gone }
}

/// A connection of plain bytes.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) async fn connect(address: &str) -> Raw {
        Raw(TcpStream::connect(address).await.expect("listening"))
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Raw {
        self.0.write_all(bytes.as_ref()).await.expect("open");
        self
    }

    /// Reads until `end` has come.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        let mut all = Vec::new();
        let reading = async {
            while !String::from_utf8_lossy(&all).contains(end) {
                let mut chunk = [0; 4096];
                let read = self.0.read(&mut chunk).await.expect("open");
                assert!(read > 0, "ended before {end:?}: {}", String::from_utf8_lossy(&all));
                all.extend_from_slice(&chunk[..read]);
            }
        };
        timeout(Duration::from_secs(20), reading).await.expect("an answer");
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Reads to the end; a reset is one too.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let reading = async {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = self.0.read(&mut chunk).await {
                all.extend_from_slice(&chunk[..read]);
            }
        };
        timeout(Duration::from_secs(20), reading).await.expect("the end of the connection");
        all
    }
}

/// A request over a connection of its own, answered to the end.
pub(crate) async fn ask(address: &str, request: &str) -> String {
    let mut raw = Raw::connect(address).await;
    raw.send(request).await;
    raw.0.shutdown().await.expect("open");
    String::from_utf8_lossy(&raw.rest().await).into_owned()
}
