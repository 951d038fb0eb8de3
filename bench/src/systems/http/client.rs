//! A client that costs little: one request at a time on a connection of HTTP/1.1.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::closed_loop::{self, Caller};
use crate::net;
use crate::plain::{Big, Small};
use crate::window::{Figures, Load};

/// More than any reply of the benchmark.
const LONGEST: usize = 64 * 1024;

/// Calls on a connection of its own; a clone connects anew.
pub(super) struct JsonClient {
    server: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

/// As many connections as there are calls in flight, since each carries one.
pub(super) async fn load(load: Load) -> Result<Figures> {
    let client = JsonClient { server: load.server, stream: None, buffer: Vec::new() };
    closed_loop::run_as::<Big, Small, _>(&Load { connections: 1, ..load }, vec![client]).await
}

impl Clone for JsonClient {
    fn clone(&self) -> Self {
        JsonClient { server: self.server, stream: None, buffer: Vec::new() }
    }
}

impl JsonClient {
    async fn post<M: Serialize + DeserializeOwned>(&mut self, path: &str, request: &M) -> Result<M> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(net::connect(self.server).await?),
        };
        let body = serde_json::to_vec(request)?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.server,
            body.len()
        );
        self.buffer.clear();
        self.buffer.extend_from_slice(head.as_bytes());
        self.buffer.extend_from_slice(&body);
        stream.write_all(&self.buffer).await?;
        self.buffer.clear();
        loop {
            let read = stream.read_buf(&mut self.buffer).await?;
            ensure!(read > 0, "the server closed the connection");
            ensure!(self.buffer.len() <= LONGEST, "the reply has more than {LONGEST} bytes");
            if let Some(body) = body_of(&self.buffer)? {
                return Ok(serde_json::from_slice(body)?);
            }
        }
    }
}

/// The body of a reply, once all of it is there.
fn body_of(reply: &[u8]) -> Result<Option<&[u8]>> {
    let Some(end) = reply.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&reply[..end])?;
    if !head.starts_with("HTTP/1.1 200") {
        bail!("the server answered {:?}", String::from_utf8_lossy(reply));
    }
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length")).context("no content-length")?.1;
    let body = &reply[end + 4..];
    Ok((body.len() == length.trim().parse::<usize>()?).then_some(body))
}

impl Caller<Big> for JsonClient {
    type Error = anyhow::Error;

    async fn call(&mut self, request: Big) -> Result<Big> {
        self.post("/bench/big", &request).await
    }
}

impl Caller<Small> for JsonClient {
    type Error = anyhow::Error;

    async fn call(&mut self, request: Small) -> Result<Small> {
        self.post("/bench/small", &request).await
    }
}
