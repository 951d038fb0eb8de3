//! Motet's services as protobuf files.
//!
//! A [`ServiceDescriptor`](motet_core::ServiceDescriptor) holds its own file, whether it was made from
//! a trait, generated from a `.proto` file or fetched from a node. [`Files`] puts those of several
//! services together and finds files and symbols in them, as reflection asks;
//! [`file_descriptor_set`] is all of them as bytes, for programs that load descriptors. [`proto_files`]
//! writes them as `.proto` text for other languages to compile, and a [`Lock`]
//! keeps their numbers. [`breaking_changes`] compares two descriptions of services.
//!
//! With the feature `types`, [`Types`](https://docs.rs/motet-proto) turns JSON into messages and back for who has only their files.
//!
//! There are no services of [`Router`](https://docs.rs/motet) in it, which have no protobuf names.

mod compare;
mod files;
mod lock;
mod set;
mod symbols;
mod text;
#[cfg(feature = "types")]
mod types;
mod well_known;

pub use compare::{Change, breaking_changes};
pub use files::{Files, file_descriptor_set};
pub use lock::{Lock, Renumbered};
pub use text::{ProtoFile, proto_files};
#[cfg(feature = "types")]
pub use types::{MethodTypes, Types};
