//! HTTP services of one's own on Motet's port, and Motet's door in servers of one's own.

use std::{
    convert::Infallible,
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Buf;
use http::{Request, Response};
use motet_core::{BoxFuture, Dispatcher, Drain, Offences, Peer, Status};
use tower_service::Service;

use crate::{Body, connection::Tasks, door::ConnectionParts, front::Front, status::refusal};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A service of the user's own.
pub(crate) type Mounted = Arc<dyn Fn(Request<Body>) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

/// Makes a service one that can be called from many tasks: each call has a clone.
pub(crate) fn mounted<S, B>(service: S) -> Mounted
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: http_body::Body + Send + 'static,
    B::Data: Buf,
    B::Error: Into<BoxError>,
{
    let service = Mutex::new(service);
    Arc::new(move |request| {
        let mut service = service.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async move {
            let answer = async {
                poll_fn(|cx| service.poll_ready(cx)).await?;
                service.call(request).await
            };
            match answer.await {
                Ok(answer) => answer.map(Body::new),
                Err(error) => refusal(&Status::internal_from(error)),
            }
        })
    })
}

/// Motet's HTTP door as a service to mount in another HTTP server, such as an axum router: see
/// [`HttpServer::into_service`](crate::HttpServer::into_service). Clones share it. Limits on connections are those of
/// that server, and callers are whom it says: requests whose extensions hold a [`Peer`] are from that
/// peer, others from one that is not on this machine.
#[derive(Clone)]
pub struct DoorService {
    front: Arc<Front>,
    dispatcher: Dispatcher,
    drain: Drain,
    tasks: Tasks,
}

impl DoorService {
    pub(crate) fn new(front: Arc<Front>, dispatcher: Dispatcher, drain: Drain) -> DoorService {
        DoorService { front, dispatcher, drain, tasks: Tasks::default() }
    }
}

impl<B> Service<Request<B>> for DoorService
where
    B: http_body::Body + Send + 'static,
    B::Data: Buf,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let peer = request.extensions().get::<Peer>().cloned();
        let parts = ConnectionParts {
            dispatcher: self.dispatcher.clone(),
            peer: peer.unwrap_or_else(|| Peer::new("http", "", false)),
            loopback: false,
            drain: self.drain.clone(),
            offences: Offences::new(),
            config: self.front.config().clone(),
            memory: self.front.memory.clone(),
            tasks: self.tasks.clone(),
            mounted: self.front.has_mounts(),
        };
        let answer = self.front.answer(request.map(Body::new), &self.front.doors(parts));
        Box::pin(async move { Ok(answer.await) })
    }
}

impl std::fmt::Debug for DoorService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DoorService")
    }
}
