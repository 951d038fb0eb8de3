//! gob, Go's encoding of values (<https://pkg.go.dev/encoding/gob>): a stream of messages, each the
//! definition of a type or a value of a type defined before.
//!
//! [`wire`] reads and writes numbers, [`types`] the definitions, [`de`] drives serde from a value as
//! its sender's types describe it, [`ser`] finds the types of a serde value and writes it, and [`plan`]
//! writes further values of the same types without finding them again. [`one`] is a value with its own
//! definitions, which [`table`] keeps ready, and [`GobCodec`] makes a codec of that.

mod codec;
mod de;
mod one;
mod plan;
mod ser;
mod shape;
mod table;
mod types;
mod wire;

pub use codec::GobCodec;
pub(crate) use one::{MAX_PARTS, One, write_message, write_value};
pub(crate) use plan::Plans;
pub(crate) use table::Table;
#[cfg(test)]
pub(crate) use types::INT;
pub(crate) use types::{FIRST_ID, STRING, Type, Types, UINT};
pub(crate) use wire::{MAX_DEPTH, Reader, put_int, put_uint};

use std::fmt;

use bytes::BytesMut;

/// Reads a whole value.
pub(crate) fn read<T: serde::de::DeserializeOwned>(types: &Types, id: i64, value: &[u8]) -> Result<T, Error> {
    let mut input = Reader::new(value);
    let read = T::deserialize(de::De::top(types, id, &mut input)?)?;
    if input.is_empty() { Ok(read) } else { Err(Error::new("something follows the value")) }
}

/// Writes a value that was JSON with the types that it has or its schema knows.
pub(crate) fn write(value: &serde_json::Value, schema: &serde_json::Value) -> Result<One, Error> {
    ser::shaped(&ser::to_node(value)?, shape::Hint::new(schema).of_json()).map(|(_, one)| one)
}

/// Appends the message in which a value goes on: behind its length, as if it were one with the first.
pub(crate) fn join(value: &mut BytesMut, message: &[u8]) {
    wire::put_bytes(message, value);
}

/// Appends text behind its length.
pub(crate) fn put_text(text: &str, out: &mut BytesMut) {
    wire::put_bytes(text.as_bytes(), out);
}

/// Why bytes are no gob, or a value cannot be one. It never quotes input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// The value goes on in the next message.
    GoesOn,
    /// The value has another shape than the one before it.
    OtherShape,
    /// Anything else.
    Other(String),
}

impl Error {
    pub(crate) fn new(text: impl Into<String>) -> Error {
        Error::Other(text.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::GoesOn => f.write_str("the value is cut short"),
            Error::OtherShape => f.write_str("the value has another shape"),
            Error::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(text: T) -> Error {
        Error::Other(text.to_string())
    }
}

impl serde::ser::Error for Error {
    fn custom<T: fmt::Display>(text: T) -> Error {
        Error::Other(text.to_string())
    }
}

/// Whether two names of a field are one: Go spells `UserID` what is `user_id` here.
pub(crate) fn same_name(a: &str, b: &str) -> bool {
    fn letters(name: &str) -> impl Iterator<Item = u8> + '_ {
        name.bytes().filter(|b| *b != b'_').map(|b| b.to_ascii_lowercase())
    }
    a == b || (a.is_ascii() && b.is_ascii() && letters(a).eq(letters(b)))
}

/// `user_name` as Go exports it: `UserName`.
pub(crate) fn go_name(name: &str) -> String {
    let words = name.split('_').filter(|word| !word.is_empty());
    words
        .map(|word| {
            word.chars().next().into_iter().flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect::<String>()
        })
        .collect()
}

/// `UserID` as Rust spells it: `user_id`.
pub(crate) fn rust_name(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 4);
    for (at, c) in chars.iter().enumerate() {
        let after_small = at > 0 && !chars[at - 1].is_uppercase() && chars[at - 1] != '_';
        let before_small = at > 0 && chars[at - 1] != '_' && chars.get(at + 1).is_some_and(|next| next.is_lowercase());
        if c.is_uppercase() && (after_small || before_small) {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_over_and_come_back() {
        for (rust, go) in [("name", "Name"), ("user_name", "UserName"), ("a", "A"), ("x2", "X2")] {
            assert_eq!((go_name(rust).as_str(), rust_name(go).as_str()), (go, rust));
        }
        for (go, rust) in [("UserID", "user_id"), ("HTTPServer", "http_server"), ("ID", "id"), ("A1B", "a1_b")] {
            assert_eq!(rust_name(go), rust);
            assert!(same_name(go, rust));
        }
        assert!(!same_name("Name", "Nam") && same_name("userName", "user_name"));
    }
}
