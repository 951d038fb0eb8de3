//! Motet services from `.proto` files: the same trait, server and client as `#[motet::service]` makes
//! of a trait written by hand. It needs no `protoc`.
//!
//! ```no_run
//! // build.rs
//! fn main() -> Result<(), motet_build::Error> {
//!     motet_build::compile(&["proto/shop.proto"], &["proto"])
//! }
//! ```
//!
//! ```ignore
//! // src/lib.rs
//! motet::include_proto!();
//! ```
//!
//! Of a file with `package acme.shop.v1` this makes the module `acme::shop::v1`. In it are the messages,
//! as prost writes them, which also have serde in proto3's JSON form; and for each `service Cart` the
//! trait `Cart`, `CartServer` and `CartClient`. Methods that an implementation leaves out answer
//! Unimplemented, so that it compiles on when the file grows.
//!
//! - A service is called by its full name, `acme.shop.v1.Cart`, unless [`Builder::service_name`] says
//!   otherwise; a method by its name in snake case, `add_item`; both by gRPC's names on gRPC.
//! - `google.api.http` options become HTTP routes; `idempotency_level` becomes `safe` or `idempotent`.
//! - `google.protobuf` types are those of prost: wrappers are the values they hold, `Empty` is `()`.
//!
//! Start with [`compile`], or with [`Builder`] for more.

mod builder;
mod error;
mod format;
mod generate;
mod http;
mod json;
mod names;
mod service;
mod source;

pub use builder::{Builder, compile, descriptor_set};
pub use error::Error;
