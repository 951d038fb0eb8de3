//! Keys and values that travel beside a body.

use std::fmt;

use bytes::Bytes;

use crate::{Result, Status};

/// Keys and values that travel beside a body, in the order they were added; a key may repeat.
///
/// Keys are lower case, `[a-z0-9_.-]{1,128}`; those that end in `-bin` hold bytes, all others text
/// without control characters. A set holds at most [`Metadata::MAX_VALUES`] values and
/// [`Metadata::MAX_BYTES`] bytes of keys and values together. Keys that start with `motet-` are
/// reserved for the framework.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    entries: Vec<(Box<str>, Bytes)>,
    bytes: usize,
}

/// One value of a [`Metadata`] set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataValue<'a> {
    /// Text.
    Text(&'a str),
    /// The bytes of a key that ends in `-bin`.
    Binary(&'a Bytes),
}

impl Metadata {
    /// The most values one set holds.
    pub const MAX_VALUES: usize = 128;
    /// The most bytes of keys and values one set holds.
    pub const MAX_BYTES: usize = 16 * 1024;
    /// The longest key in bytes.
    pub const MAX_KEY: usize = 128;

    /// An empty set; it allocates nothing.
    pub const fn new() -> Metadata {
        Metadata { entries: Vec::new(), bytes: 0 }
    }

    /// Whether the set holds nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many values the set holds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds a text value behind those that the key has already.
    ///
    /// # Errors
    /// InvalidArgument for a key or value outside the rules above, ResourceExhausted past a limit.
    pub fn append(&mut self, key: &str, value: &str) -> Result<()> {
        if key.len() > 4 && key.ends_with("-bin") {
            return Err(Status::invalid_argument(format!(
                "metadata key {key:?} ends in -bin and holds bytes: use append_bin"
            )));
        }
        self.push(key, Bytes::copy_from_slice(value.as_bytes()))
    }

    /// Adds a value of bytes under a key that ends in `-bin`.
    ///
    /// # Errors
    /// As [`Metadata::append`], and InvalidArgument for a key without the ending.
    pub fn append_bin(&mut self, key: &str, value: impl Into<Bytes>) -> Result<()> {
        if !key.ends_with("-bin") {
            return Err(Status::invalid_argument(format!("metadata key {key:?} holds bytes and must end in -bin")));
        }
        self.push(key, value.into())
    }

    /// Sets a text value, in place of those that the key has.
    ///
    /// # Errors
    /// As [`Metadata::append`].
    pub fn insert(&mut self, key: &str, value: &str) -> Result<()> {
        check(key, value.as_bytes())?;
        self.remove(key);
        self.append(key, value)
    }

    /// Adds a value as it came from the wire: `-bin` keys take bytes, others text.
    ///
    /// # Errors
    /// As [`Metadata::append`].
    pub fn push(&mut self, key: &str, value: Bytes) -> Result<()> {
        check(key, &value)?;
        let bytes = self.bytes + key.len() + value.len();
        if bytes > Self::MAX_BYTES || self.entries.len() == Self::MAX_VALUES {
            return Err(Status::resource_exhausted(format!(
                "metadata holds at most {} values and {} bytes; {key:?} is past that",
                Self::MAX_VALUES,
                Self::MAX_BYTES
            )));
        }
        let mut key: Box<str> = key.into();
        key.make_ascii_lowercase();
        self.entries.push((key, value));
        self.bytes = bytes;
        Ok(())
    }

    /// Removes all values of a key and says whether there were any.
    pub fn remove(&mut self, key: &str) -> bool {
        let before = self.entries.len();
        self.entries.retain(|(k, _)| !k.eq_ignore_ascii_case(key));
        self.bytes = self.entries.iter().map(|(k, v)| k.len() + v.len()).sum();
        before != self.entries.len()
    }

    /// The first text value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter_raw().filter(|(k, _)| k.eq_ignore_ascii_case(key)).find_map(|(_, v)| std::str::from_utf8(v).ok())
    }

    /// All text values of a key.
    pub fn get_all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        let of_key = self.iter_raw().filter(move |(k, _)| k.eq_ignore_ascii_case(key));
        of_key.filter_map(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// The first bytes of a key that ends in `-bin`.
    pub fn get_bin(&self, key: &str) -> Option<&Bytes> {
        self.iter_raw().find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, v)| v)
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, MetadataValue<'_>)> {
        self.entries.iter().map(|(key, value)| {
            let value = match std::str::from_utf8(value) {
                Ok(text) if !key.ends_with("-bin") => MetadataValue::Text(text),
                _ => MetadataValue::Binary(value),
            };
            (&**key, value)
        })
    }

    /// Keys and raw values in order, as a protocol writes them.
    pub fn iter_raw(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.entries.iter().map(|(key, value)| (&**key, value))
    }

    /// Adds all values of another set.
    ///
    /// # Errors
    /// ResourceExhausted past a limit; values added before it stay.
    pub fn extend(&mut self, other: &Metadata) -> Result<()> {
        for (key, value) in &other.entries {
            self.push(key, value.clone())?;
        }
        Ok(())
    }
}

fn check(key: &str, value: &[u8]) -> Result<()> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if key.is_empty() || key.len() > Metadata::MAX_KEY || !key.bytes().all(allowed) {
        let shown: String = key.chars().take(32).collect();
        return Err(Status::invalid_argument(format!(
            "metadata key {shown:?} must be 1 to {} of a-z 0-9 _ . -",
            Metadata::MAX_KEY
        )));
    }
    let control = |c: char| c.is_control() && c != '\t';
    if !key.ends_with("-bin") && std::str::from_utf8(value).map_or(true, |text| text.contains(control)) {
        return Err(Status::invalid_argument(format!(
            "the value of metadata key {key:?} must be UTF-8 without control characters; bytes go under a key that ends in -bin"
        )));
    }
    Ok(())
}

/// Shows keys only: values may be credentials.
impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.iter().map(|(key, _)| key)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_lower_cased_on_entry() {
        let mut metadata = Metadata::new();
        metadata.append("X-Request-Id", "7").expect("valid");
        assert_eq!(metadata.get("x-request-id"), Some("7"));
        assert_eq!(metadata.iter().next(), Some(("x-request-id", MetadataValue::Text("7"))));
    }

    #[test]
    fn a_key_may_repeat_and_keeps_its_order() {
        let mut metadata = Metadata::new();
        metadata.append("a", "1").expect("valid");
        metadata.append("a", "2").expect("valid");
        assert_eq!(metadata.get_all("a").collect::<Vec<_>>(), ["1", "2"]);
        metadata.insert("a", "3").expect("valid");
        assert_eq!(metadata.get_all("a").collect::<Vec<_>>(), ["3"]);
    }

    #[test]
    fn bad_keys_and_values_are_refused() {
        let mut metadata = Metadata::new();
        for (key, value) in [("", "v"), ("a b", "v"), ("é", "v"), ("a", "line\nbreak"), ("a-bin", "text")] {
            assert_eq!(metadata.append(key, value).expect_err("refused").code(), crate::Code::InvalidArgument, "{key}");
        }
        assert!(metadata.push("text", Bytes::from_static(&[0xff])).is_err());
        assert!(metadata.append_bin("a-bin", vec![0xff]).is_ok());
    }

    #[test]
    fn the_limits_hold() {
        let mut metadata = Metadata::new();
        for n in 0..Metadata::MAX_VALUES {
            metadata.append("k", &n.to_string()).expect("within the limit");
        }
        assert_eq!(metadata.append("k", "x").expect_err("129th").code(), crate::Code::ResourceExhausted);
        let mut metadata = Metadata::new();
        metadata.append("k", &"x".repeat(Metadata::MAX_BYTES - 1)).expect("exactly full");
        assert!(metadata.append("k", "").is_err());
    }

    #[test]
    fn values_are_not_shown() {
        let mut metadata = Metadata::new();
        metadata.append("authorization", "Bearer secret").expect("valid");
        assert_eq!(format!("{metadata:?}"), r#"{"authorization"}"#);
    }
}
