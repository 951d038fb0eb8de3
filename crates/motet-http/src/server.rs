//! The door, described.

use std::{fmt, sync::Arc};

use bytes::Buf;
use http::{Request, Response};
use motet_core::{BoxFuture, Dispatcher, Drain, Incoming, Recognition, ServerProtocol};
use motet_rpc::native::MemoryBudget;
use tower_service::Service;

use crate::{
    Body, DoorService, HttpConfig, HttpProtocol, connection,
    front::Front,
    hosts::Hosts,
    mount::{Mounted, mounted},
};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Describes the HTTP door of a port.
pub struct HttpServer {
    config: HttpConfig,
    advertised: Vec<String>,
    protocols: Vec<Arc<dyn HttpProtocol>>,
    mounts: Vec<(String, Mounted)>,
    fallback: Option<Mounted>,
    memory: MemoryBudget,
}

impl HttpServer {
    /// A door with these settings that nothing is behind.
    pub fn new(config: HttpConfig) -> HttpServer {
        HttpServer {
            config,
            advertised: Vec::new(),
            protocols: Vec::new(),
            mounts: Vec::new(),
            fallback: None,
            memory: MemoryBudget::default(),
        }
    }

    /// Sets the settings.
    #[must_use]
    pub fn config(mut self, config: HttpConfig) -> HttpServer {
        self.config = config;
        self
    }

    /// Shares a bound on memory with other protocols, in place of one of 512 MiB of its own: long bodies count
    /// against it.
    #[must_use]
    pub fn with_budget(mut self, memory: MemoryBudget) -> HttpServer {
        self.memory = memory;
        self
    }

    /// Adds a protocol; those added first are asked first.
    #[must_use]
    pub fn protocol(mut self, protocol: Arc<dyn HttpProtocol>) -> HttpServer {
        self.protocols.push(protocol);
        self
    }

    /// Whether there is nothing behind it.
    pub fn is_empty(&self) -> bool {
        self.protocols.is_empty() && self.mounts.is_empty() && self.fallback.is_none()
    }

    /// Adds a name or address by which others reach this server, beside those of
    /// [`HttpConfig::hosts`].
    #[must_use]
    pub fn advertised(mut self, address: impl Into<String>) -> HttpServer {
        self.advertised.push(address.into());
        self
    }

    /// Mounts an HTTP service, an axum router for example, for all requests at `prefix` and below
    /// that no protocol claims. The longest prefix that fits gets the request, its path unchanged.
    #[must_use]
    pub fn mount<S, B>(mut self, prefix: &str, service: S) -> HttpServer
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: http_body::Body + Send + 'static,
        B::Data: Buf,
        B::Error: Into<BoxError>,
    {
        self.mounts.push((prefix.trim_end_matches('/').to_owned(), mounted(service)));
        self
    }

    /// Mounts an HTTP service for all requests that nobody else takes.
    #[must_use]
    pub fn fallback<S, B>(mut self, service: S) -> HttpServer
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: http_body::Body + Send + 'static,
        B::Data: Buf,
        B::Error: Into<BoxError>,
    {
        self.fallback = Some(mounted(service));
        self
    }

    /// Whether a service that is mounted gets requests at this path that no protocol claims.
    pub fn has_mounted(&self, path: &str) -> bool {
        let under =
            |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.fallback.is_some() || self.mounts.iter().any(|(prefix, _)| under(prefix))
    }

    fn front(mut self) -> Arc<Front> {
        self.mounts.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        let hosts = Hosts::new(&self.config, &self.advertised);
        Arc::new(Front {
            config: Arc::new(self.config),
            protocols: self.protocols,
            mounts: self.mounts,
            fallback: self.fallback,
            hosts,
            memory: self.memory,
        })
    }

    /// What a listener needs: HTTP/2 and HTTP/1.1, each with its ALPN name.
    pub fn server_protocols(self) -> Vec<Arc<dyn ServerProtocol>> {
        let front = self.front();
        vec![Arc::new(Http2(front.clone())), Arc::new(Http1(front))]
    }

    /// The whole door as a service to mount in another HTTP server. Calls enter `dispatcher`; `drain`
    /// owns what outlives its request.
    pub fn into_service(self, dispatcher: Dispatcher, drain: Drain) -> DoorService {
        DoorService::new(self.front(), dispatcher, drain)
    }
}

impl Default for HttpServer {
    fn default() -> HttpServer {
        HttpServer::new(HttpConfig::default())
    }
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.protocols.iter().map(|protocol| protocol.name()).collect();
        f.debug_struct("HttpServer").field("protocols", &names).field("config", &self.config).finish_non_exhaustive()
    }
}

/// HTTP/2, with prior knowledge or by ALPN.
struct Http2(Arc<Front>);

/// What an HTTP/2 connection begins with (RFC 9113 §3.4), up to where no other protocol does.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

impl ServerProtocol for Http2 {
    fn name(&self) -> &str {
        "h2"
    }

    fn speaks(&self) -> Vec<String> {
        self.0.speaks("h2")
    }

    fn alpn(&self) -> Option<&str> {
        Some("h2")
    }

    fn recognise(&self, first: &[u8], _: bool) -> Recognition {
        const ENOUGH: usize = "PRI * HTTP/2.0".len();
        let compared = first.len().min(ENOUGH);
        match first[..compared] == PREFACE[..compared] {
            true if compared == ENOUGH => Recognition::Yes,
            true => Recognition::NeedMore(ENOUGH),
            false => Recognition::No,
        }
    }

    fn serve(&self, incoming: Incoming) -> BoxFuture<'static, ()> {
        Box::pin(connection::serve_h2(self.0.clone(), incoming))
    }
}

/// HTTP/1.1 and 1.0.
struct Http1(Arc<Front>);

/// Methods of HTTP (RFC 9110 §9, RFC 5789; QUERY of draft-ietf-httpbis-safe-method-w-body), each with the
/// space behind it.
const METHODS: [&[u8]; 10] =
    [b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"CONNECT ", b"OPTIONS ", b"TRACE ", b"PATCH ", b"QUERY "];

impl ServerProtocol for Http1 {
    fn name(&self) -> &str {
        "http/1.1"
    }

    fn speaks(&self) -> Vec<String> {
        self.0.speaks("http/1.1")
    }

    fn alpn(&self) -> Option<&str> {
        Some("http/1.1")
    }

    fn recognise(&self, first: &[u8], _: bool) -> Recognition {
        let begins = |method: &[u8]| first.starts_with(method);
        let may = METHODS.iter().filter(|method| method.starts_with(first)).map(|method| method.len()).min();
        match may {
            _ if METHODS.into_iter().any(begins) => Recognition::Yes,
            Some(total) => Recognition::NeedMore(total),
            None => Recognition::No,
        }
    }

    fn serve(&self, incoming: Incoming) -> BoxFuture<'static, ()> {
        connection::serve_h1(self.0.clone(), incoming)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_told_from_their_first_bytes_at_every_split() {
        let all = HttpServer::new(HttpConfig::default()).server_protocols();
        for (bytes, h2, h1) in [
            (PREFACE, Recognition::Yes, Recognition::No),
            (b"PRINT / HTTP/1.1", Recognition::No, Recognition::No),
            (b"GET / HTTP/1.1", Recognition::No, Recognition::Yes),
            (b"PATCH / HTTP/1.1", Recognition::No, Recognition::Yes),
            (b"PO\r\n", Recognition::No, Recognition::No),
            (b"\xab\xba\x01\x00", Recognition::No, Recognition::No),
        ] {
            for (protocol, expected) in all.iter().zip([h2, h1]) {
                let mut answers = (1..=bytes.len()).map(|n| (n, protocol.recognise(&bytes[..n], false)));
                let decided = answers.by_ref().find(|(n, answer)| match answer {
                    Recognition::NeedMore(total) => {
                        assert!(total > n, "{} wants what it has", protocol.name());
                        false
                    }
                    _ => true,
                });
                assert_eq!(decided.expect("decided").1, expected, "{} on {bytes:?}", protocol.name());
                assert!(answers.all(|(_, answer)| answer == expected), "a decision is never taken back");
            }
        }
    }
}
