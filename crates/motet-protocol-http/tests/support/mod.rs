//! Requests and answers as text.

use std::time::Duration;

use motet::RunningApp;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

const SOON: Duration = Duration::from_secs(20);

/// An answer, taken apart.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn read(bytes: &[u8]) -> Answer {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer's head");
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let body = &bytes[end + 4..];
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        Answer { status, body: if chunked { unchunk(body) } else { body.to_vec() }, head }
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}\n{}", self.head, self.text()))
    }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").expect("a chunk's size");
        let size = std::str::from_utf8(&rest[..end]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let size = size.expect("a chunk's size");
        if size == 0 {
            return all;
        }
        all.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
}

/// A connection of plain bytes.
pub(crate) struct Line(TcpStream);

impl Line {
    pub(crate) async fn to(app: &RunningApp) -> Line {
        let address = app.endpoints()[0].address.clone();
        Line(TcpStream::connect(address).await.expect("listening"))
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.expect("open");
    }

    /// Reads until this has come.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        let mut all = Vec::new();
        let reading = async {
            while !String::from_utf8_lossy(&all).contains(end) {
                let mut chunk = [0; 1024];
                let read = self.0.read(&mut chunk).await.expect("open");
                assert!(read > 0, "ended before {end:?}: {}", String::from_utf8_lossy(&all));
                all.extend_from_slice(&chunk[..read]);
            }
        };
        timeout(SOON, reading).await.unwrap_or_else(|_| panic!("no {end:?}"));
        String::from_utf8_lossy(&all).into_owned()
    }
}

/// Asks over a connection of its own; `head` is the request line and the fields that matter.
pub(crate) async fn ask(app: &RunningApp, head: &str, body: &[u8]) -> Answer {
    let mut line = Line::to(app).await;
    let length = body.len();
    line.send(&format!("{head}Host: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n")).await;
    line.0.write_all(body).await.expect("open");
    let mut all = Vec::new();
    timeout(SOON, line.0.read_to_end(&mut all)).await.expect("in time").expect("an answer");
    Answer::read(&all)
}

pub(crate) async fn get(app: &RunningApp, path: &str) -> Answer {
    ask(app, &format!("GET {path} HTTP/1.1\r\n"), b"").await
}

pub(crate) async fn post(app: &RunningApp, path: &str, kind: &str, body: impl AsRef<[u8]>) -> Answer {
    let kind = if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
    ask(app, &format!("POST {path} HTTP/1.1\r\n{kind}"), body.as_ref()).await
}

/// A server that gives prepared answers, each to the request that begins as it should.
pub(crate) struct Canned {
    pub(crate) address: String,
    task: tokio::task::JoinHandle<()>,
}

impl Canned {
    pub(crate) async fn start(answers: Vec<(&'static str, &'static str)>) -> Canned {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let task = tokio::spawn(async move {
            let mut answers = answers.into_iter();
            loop {
                let (mut stream, _) = listener.accept().await.expect("listening");
                let mut all = Vec::new();
                loop {
                    let mut chunk = [0; 1024];
                    match stream.read(&mut chunk).await {
                        Ok(read @ 1..) => all.extend_from_slice(&chunk[..read]),
                        _ => break,
                    }
                    if !all.ends_with(b"\r\n\r\n") {
                        continue;
                    }
                    let Some((expected, answer)) = answers.next() else { return };
                    let text = String::from_utf8_lossy(&all).into_owned();
                    assert!(text.starts_with(&format!("{expected} HTTP/1.1\r\n")), "{text}");
                    stream.write_all(answer.as_bytes()).await.expect("open");
                    all.clear();
                    if answer.ends_with("\r\n\r\n{") {
                        return;
                    }
                }
            }
        });
        Canned { address, task }
    }
}

impl Drop for Canned {
    fn drop(&mut self) {
        self.task.abort();
    }
}
