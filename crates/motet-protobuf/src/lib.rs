//! Binary protobuf for serde types, driven by a static message descriptor.
//!
//! A type that implements serde's traits and [`Describe`] is written and read as the protobuf
//! message that its descriptor states, byte for byte what prost and protoc's generated code write.
//! In Motet the `#[motet::message]` macro gives a type all of it.
//!
//! [`ServiceFile`] writes what a descriptor says as a protobuf file, for other languages and for reflection.
//!
//! It has no JSON mapping and no `.proto` parser. Types need owned fields, and
//! their serde format must follow the descriptor: `flatten`, `untagged` and internal or adjacent
//! tags do not fit.
//!
//! ```
//! use bytes::BytesMut;
//! use motet_protobuf::{Card, Describe, FieldDesc, FieldType, Shape, decode, encode, order, single};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, PartialEq, Debug)]
//! struct Greeting {
//!     name: String,
//!     times: u32,
//! }
//!
//! impl Describe for Greeting {
//!     const NAME: &'static str = "Greeting";
//!     const FIELDS: &'static [FieldDesc] =
//!         &[FieldDesc::of::<String>("name", 1), FieldDesc::of::<u32>("times", 2)];
//!     const ORDER: &'static [u16] = &order::<2>(Self::FIELDS);
//! }
//!
//! impl Shape for Greeting {
//!     type Card = single::One;
//!     const TYPE: FieldType = FieldType::message::<Self>();
//! }
//!
//! let greeting = Greeting { name: "Ada".into(), times: 3 };
//! let mut bytes = BytesMut::new();
//! encode(&greeting, &mut bytes)?;
//! assert_eq!(&bytes[..], b"\x0a\x03Ada\x10\x03");
//! assert_eq!(decode::<Greeting>(&bytes)?, greeting);
//! # assert_eq!(<Greeting as Shape>::TYPE.card(), Card::One);
//! # Ok::<(), motet_protobuf::Error>(())
//! ```
//!
//! # On the wire
//!
//! | Rust | protobuf |
//! |---|---|
//! | `i8` `i16` `i32` | `int32` |
//! | `i64` `isize` | `int64` |
//! | `u8` `u16` `u32` `char` | `uint32` |
//! | `u64` `usize` | `uint64` |
//! | `f32` `f64` `bool` `String` | `float` `double` `bool` `string` |
//! | `Bytes`, `Vec<u8>`, `[u8; N]` | `bytes` |
//! | a struct, a tuple | a message; a tuple's fields are 1, 2, … |
//! | an enum without data | an enum |
//! | an enum with data | a message holding a oneof |
//! | `Vec<T>`, `[T; N]`, sets | `repeated`, packed where that exists |
//! | maps | `map` |
//! | `Option<T>` | `optional` |
//! | `()` | a message without fields |
//! | IP and socket addresses | `string` |
//!
//! The entries of a hash map come in its own order: equal maps may differ in bytes.
//!
//! A field that is absent reads as zero, empty or `None`. A single message is always written, so
//! that a peer sees it; other single values are written unless they are zero.
//!
//! Start with [`encode`] and [`decode`], then [`Shape`] and [`Describe`], then [`MessageDesc`].

#[doc(hidden)]
pub mod byte_array;
mod de;
mod desc;
mod error;
mod file;
mod normalize;
mod ser;
mod shape;
mod wire;

pub use de::{Limits, decode, decode_with};
pub use desc::{
    Card, Encoding, EnumDesc, FieldDesc, FieldType, Leaf, MessageDesc, MessageKind, Scalar, VariantDesc, order,
};
pub use error::{Error, ErrorKind};
pub use file::{Body, Idempotency, MethodFile, ServiceFile};
pub use ser::encode;
pub use shape::{Describe, DescribeEnum, Shape, single};
