//! What HTTP carries.

use http::{Request, Response, request::Parts};
use motet_core::{BoxFuture, Status};

use crate::{Body, Door};

/// A protocol that HTTP carries: gRPC, HTTP/JSON, JSON-RPC, WebSocket and their like.
pub trait HttpProtocol: Send + Sync + 'static {
    /// The name, such as `grpc`: calls see it as their peer's protocol, and requests that nobody
    /// claims are told of it.
    fn name(&self) -> &str;

    /// Whether this request is the protocol's. Protocols are asked in the order in which they were
    /// added; the first Yes gets the request. It must be quick: it is asked for every request.
    fn claims(&self, head: &Parts, door: &Door) -> bool;

    /// Whether it answers this request where nobody else does: asked after services that are mounted.
    /// For paths that a user's own service may want.
    fn offers(&self, head: &Parts, door: &Door) -> bool {
        let _ = (head, door);
        false
    }

    /// Answers a request. The future is polled first on the connection's own task, where others
    /// wait for it; what takes longer gets a task of its own that the connection owns. It is
    /// dropped when the caller resets the stream, the connection ends or the server's patience does,
    /// and so is the body that it returned: all work for the call must end with them, except one-way
    /// calls, which [`Drain::spawn`](motet_core::Drain::spawn) owns. [`run`](crate::run) runs a
    /// route as the pipeline wants it.
    fn handle(&self, request: Request<Body>, door: &Door) -> BoxFuture<'static, Response<Body>>;

    /// What to say of a request that nobody claims, where this protocol knows better than "not
    /// found": a misspelt method for example. The first that says something is heard.
    fn unclaimed(&self, head: &Parts, door: &Door) -> Option<Status> {
        let _ = (head, door);
        None
    }
}
