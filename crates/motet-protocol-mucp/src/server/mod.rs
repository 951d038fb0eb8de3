//! The server side of mucp.

mod answer;
mod connection;
mod debug;
mod request;
mod stream;

use std::{fmt, sync::Arc};

use motet_core::{BoxFuture, Incoming, Recognition, ServerProtocol};
use motet_rpc::native::MemoryBudget;

use crate::{MucpConfig, server::debug::Debug};

/// The server side of mucp. It serves what its App serves and, unless the App has a service of that
/// name, `Debug.Health`, `Debug.Stats`, `Debug.Log` and `Debug.Trace`, which go-micro's tools ask.
#[derive(Clone)]
pub struct MucpServer {
    config: Arc<MucpConfig>,
    budget: MemoryBudget,
    debug: Arc<Debug>,
}

impl Default for MucpServer {
    fn default() -> MucpServer {
        MucpServer::new(MucpConfig::default())
    }
}

impl MucpServer {
    /// A server side with these settings, whose connections share a budget of their own (512 MiB).
    pub fn new(config: MucpConfig) -> MucpServer {
        let debug = Arc::new(Debug::new(config.debug));
        MucpServer { config: Arc::new(config), budget: MemoryBudget::default(), debug }
    }

    /// The same within a budget that others share.
    #[must_use]
    pub fn with_budget(mut self, budget: MemoryBudget) -> MucpServer {
        self.budget = budget;
        self
    }
}

impl fmt::Debug for MucpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MucpServer").field("config", &self.config).finish_non_exhaustive()
    }
}

impl ServerProtocol for MucpServer {
    fn name(&self) -> &str {
        "mucp"
    }

    /// Clients of go-micro say `http/1.1`.
    fn alpn(&self) -> Option<&str> {
        Some("http/1.1")
    }

    fn recognise(&self, first: &[u8], _: bool) -> Recognition {
        recognise(first)
    }

    fn serve(&self, incoming: Incoming) -> BoxFuture<'static, ()> {
        Box::pin(connection::serve(self.clone(), incoming))
    }
}

const POST: &[u8] = b"POST ";

/// The fields of which one makes a request mucp's. Version 1 writes them with `X-` before them.
const OWN: [&[u8]; 5] = [b"micro-service", b"micro-method", b"micro-endpoint", b"micro-stream", b"micro-topic"];

/// Whether a connection that begins like this is mucp's: a POST with one of its fields, or with the
/// content type of an envelope.
fn recognise(first: &[u8]) -> Recognition {
    if !first.starts_with(POST) {
        return if POST.starts_with(first) { Recognition::NeedMore(POST.len()) } else { Recognition::No };
    }
    let mut lines = first.split(|byte| *byte == b'\n').skip(1).peekable();
    while let Some(line) = lines.next() {
        let whole = lines.peek().is_some();
        if whole && line.trim_ascii().is_empty() {
            return Recognition::No;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = line[..colon].to_ascii_lowercase();
        if OWN.contains(&name.strip_prefix(b"x-").unwrap_or(&name)) {
            return Recognition::Yes;
        }
        let value = line[colon + 1..].trim_ascii().to_ascii_lowercase();
        if whole && name == b"content-type" && (value == b"application/json-rpc" || value == b"application/proto-rpc") {
            return Recognition::Yes;
        }
    }
    Recognition::NeedMore(first.len() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_told_by_its_fields_at_every_split() {
        let go = "POST / HTTP/1.1\r\nHost: 127.0.0.1:1\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: 2\r\n\
            Accept: application/json\r\nContent-Type: application/json\r\nMicro-Endpoint: Greeter.Hello\r\n\r\n{}";
        for (bytes, expected) in [
            (go.to_owned(), Recognition::Yes),
            (go.replace("Micro-Endpoint", "X-Micro-Method"), Recognition::Yes),
            (go.replace("Micro-Endpoint", "micro-stream"), Recognition::Yes),
            (go.replace("Micro-Endpoint", "Micro-Trace-Id"), Recognition::No),
            (go.replace("Micro-Endpoint: Greeter.Hello\r\n", ""), Recognition::No),
            (
                go.replace("Type: application/json\r\nMicro-Endpoint", "Type: application/json-rpc\r\nX"),
                Recognition::Yes,
            ),
            (go.replace("POST", "GET"), Recognition::No),
            ("POST / HTTP/1.1\n\nMicro-Service: in a body".to_owned(), Recognition::No),
            ("PUT / HTTP/1.1".to_owned(), Recognition::No),
            ("\u{8}".to_owned(), Recognition::No),
        ] {
            let bytes = bytes.as_bytes();
            let mut answers = (1..=bytes.len()).map(|n| (n, recognise(&bytes[..n])));
            let decided = answers.by_ref().find(|(n, answer)| match answer {
                Recognition::NeedMore(total) => {
                    assert!(total > n);
                    false
                }
                _ => true,
            });
            let text = String::from_utf8_lossy(bytes);
            assert_eq!(decided.expect("decided").1, expected, "{text}");
            assert!(answers.all(|(_, answer)| answer == expected), "a decision is never taken back: {text}");
        }
        assert_eq!(recognise(b""), Recognition::NeedMore(5));
    }
}
