//! What is wrong with a body that could not be decoded, said without quoting it.
//!
//! Codec libraries put the offending value into their error texts. Here the body is read a second
//! time, on the error path only, by a deserializer whose error type keeps nothing but the path of
//! field names, the kind of value found and the type expected.

/// The problem with a JSON body of type `T`.
pub(crate) fn json(bytes: &[u8]) -> String {
    match serde_json::from_slice::<serde::de::IgnoredAny>(bytes) {
        Err(error) => format!("malformed at line {} column {}", error.line(), error.column()),
        Ok(_) => "a field has the wrong type or is missing".to_owned(),
    }
}

/// The problem with a MessagePack body of type `T`.
pub(crate) fn msgpack() -> String {
    "malformed, or a field has the wrong type or is missing".to_owned()
}
