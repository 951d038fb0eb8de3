//! The words of Motet: values, errors, the plug-in traits and their in-memory implementations.
//!
//! This crate opens no socket, reads no environment and names no backend. Users find everything
//! here through the `motet` facade; authors of protocols, registries and codecs depend on it
//! directly.
//!
//! Reading order: [`Status`] and [`Metadata`], [`Context`], [`Codec`] and [`Payload`],
//! [`Call`] and [`Reply`], [`ServiceDescriptor`] and [`Service`], then the seams
//! ([`ServerProtocol`], [`ClientProtocol`], [`Connection`], [`Transport`]) and the plug-in
//! traits ([`Registry`], [`Strategy`]).
//!
//! ```
//! use motet_core::{Code, Status};
//!
//! let status = Status::new(Code::NotFound, "no greeting in Klingon").with_reason("GreetError.Language");
//! assert_eq!(status.code(), Code::NotFound);
//! assert!(!status.may_retry());
//! ```

mod call;
mod codec;
mod context;
mod descriptor;
mod diagnose;
mod dispatcher;
mod drain;
mod entropy;
mod future;
mod map;
mod memory;
mod message;
mod metadata;
mod middleware;
mod node;
mod offences;
mod payload;
#[doc(hidden)]
pub mod proto_json;
mod protocol;
mod registry;
mod service;
mod spelling;
mod status;
mod strategy;
mod streaming;
mod trace;
mod transport;
pub mod validate;

pub use call::{Body, Call, CallEnd, CallOptions, Ends, FailMode, Reply, ReplyMeta};
pub use codec::{Codec, Codecs, Decode, Encode, Encoding};
pub use context::{Cancel, Context, Deadline, Entered, Limit, Peer, RunningCalls, TlsPeer};
pub use descriptor::{
    ArgumentDescriptor, BodyShape, Family, HttpRoute, Kind, MethodDescriptor, MethodOptions, ServiceDescriptor,
    check_service_name,
};
pub use dispatcher::{Dispatcher, Pace, Route, Timeouts};
pub use drain::{Drain, DrainSignal, Held};
pub use entropy::Entropy;
pub use future::BoxFuture;
pub use map::{Map, Set};
pub use memory::{MemoryRegistry, MemoryTransport};
pub use message::{
    ArgumentTuple, Arguments, Carried, Carry, Empty, Format, InValue, Lone, Message, MessageType, Named, Names, Plain,
    PlainFormat, Portable, ProtoFormat, ProtoSerdeFormat, RawCarry, SerdeFormat, Unit, Value, Whole,
};
pub use metadata::{Metadata, MetadataValue};
pub use middleware::{Middleware, Next};
pub use node::{Endpoint, Node, NodeState};
pub use offences::{Offence, Offences};
pub use payload::Payload;
pub use protocol::{
    BoxIo, ClientProtocol, Connecting, Connection, ConnectionState, Entrance, Incoming, Io, Recognition, ServerProtocol,
};
pub use registry::{
    Abilities, Registration, Registry, RegistryEvent, ServiceSummary, StaticRegistry, Watch, WatchAbility, check_node,
    follow_nodes,
};
pub use service::{Handler, Service, Started};
pub use status::{Code, Executed, Fault, Result, RpcError, Status};
pub use strategy::{Candidate, Strategy};
pub use streaming::Streaming;
pub use trace::TraceParent;
pub use transport::{Accepted, Listener, Transport, Transports};

/// What the macros' expansions name; not for use by hand, and free to change in any release.
#[doc(hidden)]
pub mod __private {
    pub use crate::{__proto_json as proto_json, Message, proto_json as proto, validate};
    pub use garde;
    pub use motet_protobuf as protobuf;
    pub use prost;
    pub use prost_types;
    pub use schemars;
    pub use serde;
    pub use serde_bytes;
    pub use serde_json;
}
