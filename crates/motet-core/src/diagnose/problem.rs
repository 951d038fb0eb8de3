//! The error that knows where it happened and holds nothing of the input.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

/// What is wrong with a value: the path to it, what should have stood there, and what kind of thing
/// stood there instead. Texts come from the program's types, never from the input.
#[derive(Debug)]
pub(crate) struct Problem {
    /// Innermost first: errors travel outwards.
    path: Vec<Segment>,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// A field that the type declares.
    Field(&'static str),
    /// An element of a list.
    Item(usize),
    /// An entry of a map, or a field that the type does not declare: its key is input.
    Entry,
}

/// How many of the names that would have been right are listed.
const NAMES: usize = 16;

impl Problem {
    fn new(text: impl Into<String>) -> Problem {
        Problem { path: Vec::new(), text: text.into() }
    }

    /// A value that the format itself refused, of which nothing may be shown.
    pub(super) fn unknown() -> Problem {
        Problem::new("")
    }

    pub(super) fn is_unknown(&self) -> bool {
        self.text.is_empty()
    }

    /// Something other than what was expected, of which no more is known.
    pub(super) fn expected(expected: &str) -> Problem {
        Problem::new(format!("expected {expected}"))
    }

    pub(super) fn inside(mut self, segment: Segment) -> Problem {
        self.path.push(segment);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.path.iter().rev().enumerate() {
            match segment {
                Segment::Field(name) if at == 0 => f.write_str(name)?,
                Segment::Field(name) => write!(f, ".{name}")?,
                Segment::Item(index) => write!(f, "[{index}]")?,
                Segment::Entry => f.write_str("[_]")?,
            }
        }
        if !self.path.is_empty() {
            f.write_str(": ")?;
        }
        f.write_str(&self.text)
    }
}

impl std::error::Error for Problem {}

impl de::Error for Problem {
    fn custom<T: fmt::Display>(_: T) -> Problem {
        Problem::new("expected a value that the type accepts")
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Problem {
        Problem::new(format!("expected {}, found {}", wanted(expected), kind(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Problem {
        Problem::new(format!("expected {}, found {} that does not fit", wanted(expected), kind(found)))
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Problem {
        Problem::new(format!("expected {}, found another number of elements", wanted(expected)))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Problem {
        Problem::new(format!("expected {}, found another name", one_of(expected)))
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Problem {
        Problem::new(format!("expected {}, found a field of another name", one_of(expected)))
    }

    fn missing_field(field: &'static str) -> Problem {
        Problem::new("is missing").inside(Segment::Field(field))
    }

    fn duplicate_field(field: &'static str) -> Problem {
        Problem::new("stands there twice").inside(Segment::Field(field))
    }
}

/// What a visitor expects, without the names of Rust types.
fn wanted(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    match text.split_once(' ') {
        Some(("struct", _)) => "an object".to_owned(),
        Some(("tuple" | "newtype" | "unit" | "internally" | "adjacently" | "enum", _)) => {
            if text.starts_with("unit") {
                "null".to_owned()
            } else {
                "its value".to_owned()
            }
        }
        _ => text,
    }
}

fn kind(found: Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
        Unexpected::Char(_) | Unexpected::Str(_) => "a string",
        Unexpected::Bytes(_) => "a byte string",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "a list",
        Unexpected::Map => "an object",
        Unexpected::Enum
        | Unexpected::NewtypeStruct
        | Unexpected::NewtypeVariant
        | Unexpected::UnitVariant
        | Unexpected::TupleVariant
        | Unexpected::StructVariant => "a variant",
        Unexpected::Other(_) => "something else",
    }
}

fn one_of(names: &[&str]) -> String {
    let shown = names.iter().take(NAMES).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => "nothing".to_owned(),
        1 => shown,
        count if count > NAMES => format!("one of {shown} and {} more", count - NAMES),
        _ => format!("one of {shown}"),
    }
}
