//! The one error of this crate.

use std::fmt;

use serde::de::{Expected, Unexpected};

/// Why a message could not be written or read.
///
/// It names the field and the expected type and never holds a byte of the input: neither what a
/// peer sent nor what a type's own serde code said about it.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    /// Innermost first: errors travel outwards.
    path: Vec<Segment>,
    expected: String,
}

enum Segment {
    Field(&'static str),
    Item(usize),
    Entry,
}

/// Whose fault an [`Error`] is, and of which sort.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input ends inside a value.
    Truncated,
    /// The input is not protobuf.
    Malformed,
    /// The input is protobuf, but a value does not fit the type that stands here.
    Mismatch,
    /// The input nests deeper, or would take more memory, than the limits allow.
    Limit,
    /// A type's serde format does not follow its descriptor: a mistake in the program.
    Unsupported,
    /// Not an error: fields stand out of order, so that the message is put in order and read again.
    #[doc(hidden)]
    Disorder,
}

impl Error {
    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The field it happened in, such as `items[3].name`; empty for the message itself.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = String::new();
        for segment in self.0.path.iter().rev() {
            match segment {
                Segment::Field(name) if path.is_empty() => path.push_str(name),
                Segment::Field(name) => path.extend([".", name]),
                Segment::Item(index) => path.push_str(&format!("[{index}]")),
                Segment::Entry => path.push_str("[_]"),
            }
        }
        path
    }

    /// What should have stood there.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.0.expected
    }

    #[cold]
    pub(crate) fn new(kind: ErrorKind, expected: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, path: Vec::new(), expected: expected.into() }))
    }

    #[cold]
    pub(crate) fn truncated() -> Self {
        Self::new(ErrorKind::Truncated, "more bytes")
    }

    #[cold]
    pub(crate) fn malformed(expected: &'static str) -> Self {
        Self::new(ErrorKind::Malformed, expected)
    }

    #[cold]
    pub(crate) fn mismatch(expected: impl Into<String>) -> Self {
        Self::new(ErrorKind::Mismatch, expected)
    }

    #[cold]
    pub(crate) fn too_deep() -> Self {
        Self::new(ErrorKind::Limit, "fewer nested messages")
    }

    #[cold]
    pub(crate) fn too_large() -> Self {
        Self::new(ErrorKind::Limit, "less memory for the decoded message")
    }

    #[cold]
    pub(crate) fn unsupported(expected: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, expected)
    }

    #[cold]
    pub(crate) fn disorder() -> Self {
        Self::new(ErrorKind::Disorder, String::new())
    }

    #[cold]
    pub(crate) fn in_field(mut self, name: &'static str) -> Self {
        self.0.path.push(Segment::Field(name));
        self
    }

    #[cold]
    pub(crate) fn in_item(mut self, index: usize) -> Self {
        self.0.path.push(Segment::Item(index));
        self
    }

    #[cold]
    pub(crate) fn in_entry(mut self) -> Self {
        self.0.path.push(Segment::Entry);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path();
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        match self.0.kind {
            ErrorKind::Truncated => write!(f, "the input ends too early"),
            ErrorKind::Malformed => write!(f, "not protobuf: expected {}", self.0.expected),
            ErrorKind::Mismatch => write!(f, "expected {}", self.0.expected),
            ErrorKind::Limit => write!(f, "over the limit: expected {}", self.0.expected),
            ErrorKind::Unsupported => {
                write!(f, "the type does not follow its descriptor: {}", self.0.expected)
            }
            ErrorKind::Disorder => write!(f, "fields are out of order"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("path", &self.path())
            .field("expected", &self.0.expected)
            .finish()
    }
}

impl std::error::Error for Error {}

// What serde passes as "unexpected", and any custom text, may quote the input: both are dropped.
impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::mismatch("a value that the type accepts")
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::mismatch(expected.to_string())
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::mismatch(expected.to_string())
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::mismatch(expected.to_string())
    }

    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self::mismatch("a known variant")
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self::mismatch("a known field")
    }

    fn missing_field(field: &'static str) -> Self {
        Self::mismatch("a value").in_field(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::mismatch("one value").in_field(field)
    }
}

impl serde::ser::Error for Error {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::unsupported("its Serialize implementation reports an error")
    }
}
