//! The server side: gRPC, gRPC-Web and Connect behind the HTTP door.

mod asked;
mod built_in;
mod call;
mod connect;
mod head;
mod respond;
mod writer;

use std::{fmt, sync::Arc};

use http::{Method, Request, Response, header::CONTENT_TYPE, request::Parts};
use motet_core::{BoxFuture, Dispatcher, Executed, Result, Route, Service, Status};
use motet_http::{Body, Door, HttpProtocol};

use crate::{
    GrpcConfig,
    budget::Budget,
    services::{
        health::{self, HealthSource},
        reflection::{self, Described, MayAsk},
    },
};
use asked::{Asked, Whose};

/// The server side of gRPC, gRPC-Web and Connect: everything that the App serves, under its protobuf
/// names such as `/greeter.Greeter/Hello`.
///
/// It goes behind an [`HttpServer`](motet_http::HttpServer).
#[derive(Clone)]
pub struct GrpcServer {
    pub(crate) config: Arc<GrpcConfig>,
    /// What is served beside the App's services: health, reflection.
    own: Dispatcher,
    /// What half messages may take of memory.
    budget: Arc<Budget>,
}

impl GrpcServer {
    /// A server side with these settings.
    pub fn new(config: GrpcConfig) -> GrpcServer {
        let budget = Arc::new(Budget::new(config.max_unfinished));
        GrpcServer { config: Arc::new(config), own: Dispatcher::new(Default::default()), budget }
    }

    /// Serves `grpc.health.v1.Health`: anyone may ask. A service of the App of that name goes before it.
    #[must_use]
    pub fn with_health(self, source: Arc<dyn HealthSource>) -> GrpcServer {
        self.with(&[health::service_of(source)])
    }

    /// Serves `grpc.reflection.v1.ServerReflection` and its `v1alpha`, by which tools such as grpcurl
    /// learn what there is to call. `may_ask` says who may use it.
    #[must_use]
    pub fn with_reflection(self, may_ask: MayAsk) -> GrpcServer {
        self.with(&reflection::services(&may_ask))
    }

    fn with(self, services: &[Service]) -> GrpcServer {
        for service in services {
            self.own.remove(service.name());
            let added = self.own.add(service.descriptor(), built_in::routes(service));
            added.expect("those of its name were just taken away");
        }
        self
    }

    /// What reflection describes: what calls can enter by this dispatcher, and what is served beside.
    fn described(&self, dispatcher: &Dispatcher) -> Described {
        Described([dispatcher.clone(), self.own.clone()])
    }

    /// Whether a route is one of those beside the App's.
    fn is_own(&self, route: &Route) -> bool {
        self.own.services().iter().any(|service| service.name == route.method().service())
    }

    /// The route of a path such as `/greeter.Greeter/Hello`; with another package in front also where
    /// only one service has a method of these names, for go-micro.
    fn route(&self, path: &str, dispatcher: &Dispatcher) -> Result<Route> {
        let name = path.strip_prefix('/').unwrap_or(path);
        let own = || self.own.find_proto(name);
        // Callers without a descriptor know a method by its path: `greeter/hello`.
        if let Some(route) = dispatcher.find_proto(name).or_else(own).or_else(|| dispatcher.find(name)) {
            return Ok(route);
        }
        if let Some((service, method)) = name.split_once('/') {
            let last = service.rsplit('.').next().unwrap_or_default();
            if let Some(route) = dispatcher.find_dotted(&format!("{last}.{method}")) {
                return Ok(route);
            }
        }
        Err(unknown(name, dispatcher))
    }
}

/// The status of a call to a method that is not served here.
fn unknown(name: &str, dispatcher: &Dispatcher) -> Status {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(256).collect();
    let service = name.split_once('/').map_or(name, |(service, _)| service);
    let known = dispatcher.services().iter().any(|served| served.proto_name == service || served.name == service);
    let what = if known { "this service has no such method" } else { "no such service here" };
    Status::unimplemented(format!("{shown}: {what}")).with_executed(Executed::No)
}

impl HttpProtocol for GrpcServer {
    fn name(&self) -> &str {
        "grpc"
    }

    fn claims(&self, head: &Parts, door: &Door) -> bool {
        if head.method == Method::GET {
            return connect::is_get(head);
        }
        let content_type = head.headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
        match content_type {
            Some(name) if head.method == Method::POST => Asked::claims(name, head, door.has_mounts(), || {
                let path = head.uri.path().strip_prefix('/').unwrap_or_default();
                match door.dispatcher().find_proto(path).or_else(|| self.own.find_proto(path)) {
                    Some(route) if route.method().path == path => Whose::Shared,
                    Some(_) => Whose::Ours,
                    None => Whose::Others,
                }
            }),
            _ => false,
        }
    }

    /// What no service that is mounted took is refused as gRPC refuses it.
    fn offers(&self, head: &Parts, _: &Door) -> bool {
        let content_type = head.headers.get(CONTENT_TYPE);
        head.method == Method::POST && content_type.is_some_and(|name| Asked::speaks(name.as_bytes()))
    }

    fn handle(&self, request: Request<Body>, door: &Door) -> BoxFuture<'static, Response<Body>> {
        let (head, body) = request.into_parts();
        let (server, door) = (self.clone(), door.clone());
        match Asked::of(&head) {
            Asked::Stream(flavour) => Box::pin(call::serve(server, flavour, head, body, door)),
            Asked::Connect => Box::pin(connect::serve(server, head, body, door)),
        }
    }
}

impl fmt::Debug for GrpcServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcServer").field("config", &self.config).field("own", &self.own).finish()
    }
}
