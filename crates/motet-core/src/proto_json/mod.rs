//! Messages that were generated from `.proto` files as JSON and MessagePack: proto3's JSON mapping
//! (<https://protobuf.dev/programming-guides/json/>), as a serde format.
//!
//! In JSON, 64-bit integers are text, bytes base64, enums their names, and fields have their JSON
//! names; what is unset is left out. Read is what the mapping allows: numbers as text or numbers,
//! enums as numbers, either kind of base64, fields by their names in the `.proto` as well, `null` for
//! what is unset. Unknown fields are passed over, as in all of Motet's JSON. In MessagePack numbers
//! are numbers and bytes are bytes.
//!
//! The generator writes a table for each message, of which [`proto_json!`](crate::__proto_json) makes
//! `Serialize`, `Deserialize` and `JsonSchema`.

mod any;
mod collection;
mod field;
mod macros;
mod scalar;
mod well_known;

use schemars::{Schema, SchemaGenerator};
use serde::{Deserializer, Serializer};

pub use field::{As, Auto, Enum, Field, Key, NamedEnum, Null, Value, expect_object};

/// A value of a message: how it is written, read and described.
pub trait ProtoJson: Sized {
    /// Writes it.
    ///
    /// # Errors
    /// The serializer's, and values that have no form in JSON.
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    /// Reads it.
    ///
    /// # Errors
    /// The deserializer's, without quoting the input.
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;

    /// Its JSON schema.
    fn schema(generator: &mut SchemaGenerator) -> Schema;

    /// Whether a field with it is left out.
    fn is_absent(&self) -> bool {
        false
    }

    /// What `null` stands for; `None` is what the field has when it is absent.
    fn null() -> Option<Self> {
        None
    }
}
