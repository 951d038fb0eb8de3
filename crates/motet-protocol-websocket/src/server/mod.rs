//! The server side, behind the HTTP door.

mod call;
mod connection;
mod plain;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header, request::Parts};
use motet_core::{BoxFuture, BoxIo, Context, Executed, Kind, Metadata, Result, Route, Status};
use motet_http::{Body, Door, HttpProtocol, metadata_from, refusal, upgrade};
use motet_rpc::native::MemoryBudget;
use motet_websocket::{
    WebSocket,
    handshake::{self, Agreed},
};

use crate::{WebSocketConfig, pages};

/// The subprotocol of JSON-RPC, for clients that offer one.
pub(crate) const SUBPROTOCOL: &str = "jsonrpc";

/// Says whether a caller may ask what runs here, and what it takes if not.
pub type MayAsk = Arc<dyn Fn(&Context) -> Result<()> + Send + Sync>;

/// JSON-RPC 2.0 and plain streams over WebSocket, and the client for browsers, behind the HTTP door. It
/// must stand before HTTP/JSON there, which knows the same paths.
#[derive(Clone, Default)]
pub struct WebSocketServer {
    config: Arc<WebSocketConfig>,
    budget: MemoryBudget,
    may_ask: Option<MayAsk>,
}

impl WebSocketServer {
    /// A server side with these settings, whose connections share a budget of their own (512 MiB).
    pub fn new(config: WebSocketConfig) -> WebSocketServer {
        WebSocketServer { config: Arc::new(config), budget: MemoryBudget::default(), may_ask: None }
    }

    /// The same within a budget that others share.
    #[must_use]
    pub fn with_budget(mut self, budget: MemoryBudget) -> WebSocketServer {
        self.budget = budget;
        self
    }

    /// Serves the types of services too, `/greeter.d.ts`, to those who may ask.
    #[must_use]
    pub fn with_introspection(mut self, may_ask: MayAsk) -> WebSocketServer {
        self.may_ask = Some(may_ask);
        self
    }
}

/// What a request wants here.
enum Wanted {
    /// JSON-RPC.
    Calls,
    /// One call of this method.
    Call(Route),
    /// The client for browsers, or types for it.
    Page(pages::Page),
}

impl WebSocketServer {
    /// What a request wants, and whether nobody else may have it.
    fn wanted(&self, head: &Parts, door: &Door) -> Option<(Wanted, bool)> {
        let path = head.uri.path();
        let (short, own) = match path.strip_prefix("/-") {
            Some(short) => (short, true),
            None => (path, false),
        };
        if short == "/ws" {
            return (own || is_upgrade(&head.headers)).then_some((Wanted::Calls, own));
        }
        if head.method == Method::GET && is_upgrade(&head.headers) {
            let path = path.trim_start_matches('/');
            let dispatcher = door.dispatcher();
            let route = dispatcher.find(path).or_else(|| dispatcher.find_proto(path));
            return route.filter(|route| route.method().kind != Kind::Unary).map(|route| (Wanted::Call(route), true));
        }
        let page = pages::page(short, door.dispatcher(), self.may_ask.is_some())?;
        Some((Wanted::Page(page), own))
    }
}

impl HttpProtocol for WebSocketServer {
    fn name(&self) -> &str {
        "ws"
    }

    fn claims(&self, head: &Parts, door: &Door) -> bool {
        self.wanted(head, door).is_some_and(|(_, own)| own)
    }

    fn offers(&self, head: &Parts, door: &Door) -> bool {
        self.wanted(head, door).is_some()
    }

    fn handle(&self, request: Request<Body>, door: &Door) -> BoxFuture<'static, Response<Body>> {
        let (head, body) = request.into_parts();
        let wanted = self.wanted(&head, door);
        let request = Request::from_parts(head, body);
        let answer = match wanted {
            Some((Wanted::Page(page), _)) => pages::answer(page, &request, door, self.may_ask.as_ref()),
            Some((Wanted::Calls, _)) => self.open(request, door, None),
            Some((Wanted::Call(route), _)) => self.open(request, door, Some(route)),
            None => refusal(&Status::internal("claimed and not found")),
        };
        Box::pin(std::future::ready(answer))
    }
}

impl WebSocketServer {
    fn open(&self, mut request: Request<Body>, door: &Door, route: Option<Route>) -> Response<Body> {
        if door.drain().is_draining() {
            return refusal(&Status::unavailable("this server stops").with_executed(Executed::No));
        }
        let framing = Arc::new(self.config.framing());
        let accepted = match handshake::accept(&request, &[SUBPROTOCOL], framing.compression.as_ref()) {
            Ok(accepted) => accepted,
            Err(refused) => return refused.to_response().map(|text| Body::from(Bytes::from_static(text.as_bytes()))),
        };
        let metadata = match own_metadata(request.headers()) {
            Ok(metadata) => metadata,
            Err(status) => return refusal(&status.with_executed(Executed::No)),
        };
        let upgraded = match upgrade(&mut request) {
            Ok(upgraded) => upgraded,
            Err(status) => return refusal(&status.with_executed(Executed::No)),
        };
        let (server, of_task, agreed) = (self.clone(), door.clone(), accepted.agreed);
        // What is needed to begin is let go of once it has begun: a connection is to cost little.
        let begin: Box<dyn FnOnce(BoxIo) -> BoxFuture<'static, ()> + Send> = Box::new(move |io| {
            let socket = WebSocket::server(io, Bytes::new(), &Agreed { protocol: None, ..agreed }, framing);
            match route {
                None => connection::serve(server, socket, of_task, metadata),
                Some(route) => Box::pin(plain::serve(server, socket, of_task, metadata, route)),
            }
        });
        door.spawn(async move {
            if let Ok(io) = upgraded.await {
                begin(io).await;
            }
        });
        accepted.response.map(|()| Body::empty())
    }
}

/// Whether a request asks for WebSocket.
fn is_upgrade(headers: &HeaderMap) -> bool {
    let asks = |value: &http::HeaderValue| {
        let text = value.to_str().unwrap_or_default();
        text.split(',').any(|name| name.trim().eq_ignore_ascii_case("websocket"))
    };
    headers.get_all(header::UPGRADE).iter().any(asks)
}

/// What the request says for all calls of its connection: who asks, above all. Nothing of the browser's.
fn own_metadata(headers: &HeaderMap) -> Result<Metadata> {
    let browsers = ["accept-language", "cache-control", "pragma", "user-agent"];
    metadata_from(headers, |name| name.starts_with("sec-") || browsers.contains(&name))
}

impl std::fmt::Debug for WebSocketServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebSocketServer").field("config", &self.config).finish_non_exhaustive()
    }
}
