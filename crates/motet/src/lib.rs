//! Motet: the microservice framework for Rust.
//!
//! Write a trait, get a service that others can find and call. This crate is the one that users
//! depend on; it re-exports what the others hold and has no logic of its own.
//!
//! ```
//! use motet::prelude::*;
//!
//! #[motet::message]
//! pub struct HelloRequest {
//!     #[garde(length(min = 1, max = 40))]
//!     pub name: String,
//! }
//!
//! #[motet::message]
//! pub struct HelloReply {
//!     pub text: String,
//! }
//!
//! #[motet::service(name = "greeter", version = "1.0.0")]
//! pub trait Greeter {
//!     /// Says hello.
//!     async fn hello(&self, cx: &Context, req: HelloRequest) -> Result<HelloReply>;
//! }
//!
//! struct MyGreeter;
//!
//! impl Greeter for MyGreeter {
//!     async fn hello(&self, _: &Context, req: HelloRequest) -> Result<HelloReply> {
//!         Ok(HelloReply { text: format!("Hello, {}!", req.name) })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let greeter = GreeterClient::local(MyGreeter);
//! let reply = greeter.hello(&Context::new(), HelloRequest { name: "Ada".into() }).await?;
//! assert_eq!(reply.text, "Hello, Ada!");
//! # Ok(())
//! # }
//! ```
//!
//! Served, it is `motet::Service::new("greeter").serve(GreeterServer::new(MyGreeter)).run()`, or one of
//! several in an [`App`]; called from elsewhere, `GreeterClient::new(client)` is the same type.
//!
//! # Three doors
//!
//! - A trait with [`macro@service`], as above: the compiler checks both sides.
//! - Closures: [`Router`].
//! - By hand: a [`ServiceDescriptor`] and one [`Handler`] per method make a [`core::Service`].
//!   Handlers see bodies as they came, so that a program can serve what it learns about at run time
//!   only:
//!
//! ```
//! use std::sync::Arc;
//!
//! use motet::{Call, MethodDescriptor, Reply, ServiceDescriptor, core::{BoxFuture, Service}};
//!
//! # fn main() -> motet::Result<()> {
//! let mut echo = ServiceDescriptor::new("echo", "1.0.0").docs("Gives back what it gets.");
//! echo.methods.push(Arc::new(MethodDescriptor::new("echo", "say")));
//! let say = |call: Call| -> BoxFuture<'static, motet::Result<Reply>> {
//!     Box::pin(async move { Ok(Reply::one(call.body.one()?)) })
//! };
//! let service = Service::new(echo, vec![Arc::new(say)])?;
//! assert_eq!(service.name(), "echo");
//! # Ok(())
//! # }
//! ```

pub use bytes::Bytes;
pub use motet_app::{
    App, AppBuilder, AppContext, Config, ConfigSource, ConfigView, Health, HealthReport, Module, ModuleHealth,
    ModuleState, Phase, Registries, RegistrySource, RunningApp, Service, ServiceHealth, StatsReport, StopReport, meta,
};
pub use motet_core::{
    ArgumentDescriptor, Body, BoxFuture, Call, CallEnd, CallOptions, Cancel, Candidate, Code, Codec, Codecs, Context,
    Deadline, Drain, Empty, Endpoint, Entropy, Executed, FailMode, Fault, Handler, Kind, Limit, MemoryRegistry,
    Message, Metadata, MetadataValue, MethodDescriptor, MethodOptions, Middleware, Next, Node, NodeState, Payload,
    Peer, Plain, Registry, Reply, ReplyMeta, Result, RpcError, ServiceDescriptor, StaticRegistry, Status, Strategy,
    Streaming, TlsPeer, Value, validate::Validate,
};
pub use motet_macros::{RpcError, main, message, service};
#[cfg(feature = "gorpc")]
pub use motet_protocol_gorpc::{GoRpcClient, GoRpcConfig, GoRpcServer};
#[cfg(feature = "jsonrpc")]
pub use motet_protocol_jsonrpc::{JsonRpcClient, JsonRpcConfig, JsonRpcServer, Version as JsonRpcVersion};
#[cfg(feature = "mucp")]
pub use motet_protocol_mucp::{MucpClient, MucpConfig, MucpServer};
#[cfg(feature = "netrpc")]
pub use motet_protocol_netrpc::{GobCodec, NetRpcClient, NetRpcConfig, NetRpcServer};
#[cfg(feature = "rpcx")]
pub use motet_protocol_rpcx::{RpcxClient, RpcxConfig, RpcxServer};
#[cfg(feature = "websocket")]
pub use motet_protocol_websocket::{WebSocketClient, WebSocketConfig, WebSocketServer};
pub use motet_registry_file::{FileConfig, FileRegistry};
pub use motet_rpc::{
    Client, ClientBuilder, ClientConfig, ClientTls, Filter, MethodSnapshot, MethodStats, NativeClient, NativeConfig,
    NativeServer, P2c, Random, RoundRobin, Router, Selector, Server, ServerBuilder, ServerConfig, ServerTls,
    ServiceClient, Stats, StrategyName, TcpTransport, UnixTransport,
    server::{OverloadConfig, Recognised},
    transport::{ClientCertificates, ClientTlsConfig, ServerTlsConfig},
    typed::IntoService,
};

/// HTTP on an App's port: settings, what is mounted there, and the client of HTTP/JSON.
#[cfg(feature = "http")]
pub mod http {
    pub use motet_http::{
        Body, Door, DoorService, HttpConfig, HttpProtocol, HttpServer, IntoAnswer, Params, Routes, RoutesService,
        refusal, upgrade,
    };
    pub use motet_protocol_http::{HttpClient, HttpClientConfig, HttpJson, openapi, scrubbed};
}

/// gRPC on an App's port, and its client.
#[cfg(feature = "grpc")]
pub mod grpc {
    pub use motet_protocol_grpc::{
        CompressionName, ConnectClient, GrpcClient, GrpcConfig, GrpcServer, GrpcWebClient, HealthSource, MayAsk,
        wire::reflection,
    };
}

/// The traits that plug-ins implement, and the values they exchange.
pub use motet_core as core;

/// What almost every service needs.
pub mod prelude {
    pub use crate::{Code, Context, IntoService, Result, RpcError, Status, Streaming};
}

/// What the macros' expansions name; not for use by hand, and free to change in any release.
#[doc(hidden)]
pub mod __private {
    pub use motet_app::runtime::{End, EndsAsItIs, block_on};
    pub use motet_core as core;
    pub use motet_core::__private::*;
    pub use motet_rpc::{Client, typed};
}

/// What code generated by motet-build is made of: prost and protobuf's own types, such as
/// `motet::proto::prost_types::Timestamp`, of the versions that it was generated for.
pub mod proto {
    pub use motet_core::__private::{prost, prost_types};
    #[doc(hidden)]
    pub use motet_core::{
        __private::proto_json as json,
        proto_json::{Auto, Enum, Null},
    };
}

/// Takes in the code that motet-build has generated in `build.rs`: the modules of the packages of the
/// `.proto` files, where this stands. With an argument, a file of `OUT_DIR` other than `motet.rs`.
///
/// ```ignore
/// motet::include_proto!();
///
/// use acme::shop::v1::{Cart, CartClient, CartServer};
/// ```
#[macro_export]
macro_rules! include_proto {
    () => {
        $crate::include_proto!("motet.rs");
    };
    ($file:literal) => {
        include!(concat!(env!("OUT_DIR"), "/", $file));
    };
}

/// The code on the pages of the repository, compiled.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../README.md")]
    mod readme {}
    #[doc = include_str!("../../../docs/guide.md")]
    mod guide {}
}
