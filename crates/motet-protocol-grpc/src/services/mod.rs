//! The services that every gRPC server is expected to have: health and reflection.

pub(crate) mod health;
pub(crate) mod reflection;

use std::sync::Arc;

use bytes::Bytes;
use motet_core::{
    BoxFuture, Call, Family, Handler, Kind, MethodDescriptor, MethodOptions, Reply, Result, Service, ServiceDescriptor,
};

/// A method and its handler.
type Method = (&'static str, Kind, Arc<dyn Handler>);

/// A service of prost messages, declared in a `.proto` file of ours: `files` is its descriptor set.
fn service(proto_name: &'static str, files: &'static [u8], methods: Vec<Method>) -> Service {
    let (_, ident) = proto_name.rsplit_once('.').unwrap_or(("", proto_name));
    let mut descriptor =
        ServiceDescriptor::new(proto_name, env!("CARGO_PKG_VERSION")).ident(ident).proto_name(proto_name);
    let mut handlers = Vec::new();
    for (name, kind, handler) in methods {
        let mut options = MethodOptions::default();
        options.safe = true;
        descriptor.add(MethodDescriptor::new(proto_name, name).kind(kind).family(Family::Proto).options(options));
        handlers.push(handler);
    }
    descriptor.protobuf = Bytes::from_static(files);
    Service::new(descriptor, handlers).expect("a descriptor of our own is valid")
}

/// A handler from a function.
fn handler<F>(f: impl Fn(Call) -> F + Send + Sync + 'static) -> Arc<dyn Handler>
where
    F: Future<Output = Result<Reply>> + Send + 'static,
{
    Arc::new(move |call: Call| -> BoxFuture<'static, Result<Reply>> { Box::pin(f(call)) })
}
