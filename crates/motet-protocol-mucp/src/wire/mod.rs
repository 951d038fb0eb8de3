//! mucp as bytes: HTTP messages, their fields, bodies and errors. Pure functions, no socket, no clock.

mod body;
mod chunks;
mod error;
mod fields;
mod parser;
mod write;

pub use body::{Envelope, Form, Said};
pub use error::{read_error, write_error};
pub(crate) use fields::timeout;
pub use fields::{Fields, metadata_of};
pub use parser::{Broken, Event, First, Head, Parser, Refused, Side};
pub use write::Writer;
pub(crate) use write::{refusal, too_long};

/// The text of a message that ends a stream.
pub const EOS: &str = "EOS";

/// The names of the fields that mucp adds to HTTP's.
pub mod name {
    /// The service, as registries know it.
    pub const SERVICE: &str = "Micro-Service";
    /// The method, `Type.Method`.
    pub const METHOD: &str = "Micro-Method";
    /// The same again.
    pub const ENDPOINT: &str = "Micro-Endpoint";
    /// The number of a call.
    pub const ID: &str = "Micro-Id";
    /// The number of a stream, in each of its messages.
    pub const STREAM: &str = "Micro-Stream";
    /// What went wrong, or [`EOS`](super::EOS).
    pub const ERROR: &str = "Micro-Error";
    /// Makes a message an event.
    pub const TOPIC: &str = "Micro-Topic";
    /// Says that bodies are not in the form of old versions.
    pub const PROTOCOL: &str = "Micro-Protocol";
    /// Says that bodies are in the form of old versions.
    pub const TARGET: &str = "Micro-Target";
    /// The time that a caller gives a call, in nanoseconds.
    pub const TIMEOUT: &str = "Timeout";
    /// The form of the body.
    pub const CONTENT_TYPE: &str = "Content-Type";
    /// Motet's own: no reply is wanted.
    pub const ONE_WAY: &str = "Motet-One-Way";
    /// Motet's own: whether the handler ran.
    pub const EXECUTED: &str = "Motet-Executed";
}
