//! Constraints declared on a type, checked before a handler sees a value of it.
//!
//! `#[motet::message]` implements [`Validate`] from `#[garde(…)]` attributes; here is what its
//! expansion calls. Nothing is allocated and no path is kept while a value keeps its rules: paths
//! are put together from the inside out, once a rule is broken.
//!
//! ```
//! use motet_core::validate::{Report, Validate, check};
//!
//! struct Name(String);
//!
//! impl Validate for Name {
//!     fn validate(&self, report: &mut Report) {
//!         report.field("name", |report| report.length(&self.0, Some(1), Some(40)));
//!     }
//! }
//!
//! assert!(check(&Name("Ada".into())).is_ok());
//! let status = check(&Name(String::new())).unwrap_err();
//! assert_eq!(status.message(), "name: length is below 1");
//! ```

#![expect(clippy::disallowed_types, reason = "users' own maps and sets are checked whatever their hasher")]

use std::{collections, error::Error, fmt};

use motet_protobuf::{Describe, FieldDesc, FieldType, Shape, order, single};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Code, Codec, MessageType, Payload, Result, Status};

/// How many violations a report holds; those beyond are counted.
pub const MAX_VIOLATIONS: usize = 32;

/// A type whose values can be checked. `#[motet::message]` implements it from `#[garde(…)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be checked for constraints",
    note = "a type of your own gets the check from `#[motet::message]`",
    note = "a type without constraints needs only `impl motet::Validate for T {{}}`; `#[garde(skip)]` passes a field over"
)]
pub trait Validate {
    /// Adds what is wrong with the value to the report; by default nothing is.
    #[inline]
    fn validate(&self, report: &mut Report) {
        let _ = report;
    }
}

/// One rule that a value breaks. It never holds the value.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Violation {
    /// The path of the field, such as `items[3].name`; empty for the value itself.
    pub field: String,
    /// What the rule asks for, in words.
    #[serde(rename = "description")]
    pub message: String,
    /// The rule's name, such as `length`.
    #[serde(rename = "reason")]
    pub rule: String,
}

/// What is wrong with a value, at most [`MAX_VIOLATIONS`] of it. On the wire it is
/// `google.rpc.BadRequest`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    #[serde(rename = "field_violations")]
    violations: Vec<Violation>,
    #[serde(skip)]
    omitted: usize,
}

/// Checks a value.
///
/// # Errors
/// InvalidArgument listing field and rule, with the [`Report`] as details and as source.
#[inline]
pub fn check<T: Validate + ?Sized>(value: &T) -> Result<()> {
    let mut report = Report::default();
    value.validate(&mut report);
    if report.is_empty() { Ok(()) } else { Err(report.into_status()) }
}

impl Report {
    /// Whether no rule is broken.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.violations.is_empty()
    }

    /// The rules that are broken, in the order of the type's fields.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// How many more there are.
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    /// Takes the outcome of a rule; its error says what the rule asks for and never quotes the value.
    #[inline]
    pub fn rule<E: fmt::Display>(&mut self, rule: &'static str, outcome: std::result::Result<(), E>) {
        if let Err(message) = outcome {
            self.push(rule, &message);
        }
    }

    /// Checks a length: characters of text, elements of a collection.
    #[inline]
    pub fn length<T: Length + ?Sized>(&mut self, value: &T, min: Option<usize>, max: Option<usize>) {
        let Some(length) = value.length() else { return };
        match (min, max) {
            (Some(min), _) if length < min => self.push("length", &format_args!("length is below {min}")),
            (_, Some(max)) if length > max => self.push("length", &format_args!("length is above {max}")),
            _ => {}
        }
    }

    /// Checks a part of the value; what it finds is at `name`.
    #[inline]
    pub fn field(&mut self, name: &'static str, check: impl FnOnce(&mut Report)) {
        let known = self.violations.len();
        check(self);
        if self.violations.len() > known {
            self.prefix(known, &name);
        }
    }

    /// Checks an element or an entry; what it finds is at `[key]`.
    #[inline]
    pub fn item(&mut self, key: impl fmt::Display, check: impl FnOnce(&mut Report)) {
        let known = self.violations.len();
        check(self);
        if self.violations.len() > known {
            let key = key.to_string();
            // What is inside an option has no key.
            if !key.is_empty() {
                self.prefix(known, &format_args!("[{key}]"));
            }
        }
    }

    /// What a status says of broken constraints, on the caller's side as well; `None` where it says
    /// nothing of the kind.
    ///
    /// ```
    /// # use motet_core::{Status, validate::Report};
    /// assert!(Report::of(&Status::invalid_argument("which one?")).is_none());
    /// ```
    pub fn of(status: &Status) -> Option<Report> {
        // The details of a typed error are its own fields, whatever they look like.
        let own = status.code() == Code::InvalidArgument && status.reason().is_none();
        let details = status.details().filter(|_| own)?.clone();
        details.take(&MessageType::serde()).ok().filter(|report: &Report| !report.is_empty())
    }

    /// InvalidArgument with what was found.
    pub fn into_status(self) -> Status {
        let details = Payload::typed(self.clone(), &MessageType::serde(), Codec::PROTOBUF);
        Status::invalid_argument(self.to_string()).with_details(details).with_source(self)
    }

    #[cold]
    fn push(&mut self, rule: &'static str, message: &dyn fmt::Display) {
        if self.violations.len() == MAX_VIOLATIONS {
            self.omitted += 1;
            return;
        }
        let (field, message) = (String::new(), message.to_string());
        self.violations.push(Violation { field, message, rule: rule.into() });
    }

    #[cold]
    fn prefix(&mut self, known: usize, prefix: &dyn fmt::Display) {
        for Violation { field, .. } in &mut self.violations[known..] {
            let dot = if field.is_empty() || field.starts_with('[') { "" } else { "." };
            *field = format!("{prefix}{dot}{field}");
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Violation { field, message, .. }) in self.violations.iter().enumerate() {
            let semicolon = if index == 0 { "" } else { "; " };
            let colon = if field.is_empty() { "" } else { ": " };
            write!(f, "{semicolon}{field}{colon}{message}")?;
        }
        match self.omitted {
            0 => Ok(()),
            omitted => write!(f, "; and {omitted} more"),
        }
    }
}

impl Error for Report {}

/// What the `length` rule counts: as in JSON Schema, characters of text and elements of collections.
pub trait Length {
    /// The length; `None` when there is nothing to measure.
    fn length(&self) -> Option<usize>;
}

impl Length for str {
    #[inline]
    fn length(&self) -> Option<usize> {
        Some(self.chars().count())
    }
}

impl Length for String {
    #[inline]
    fn length(&self) -> Option<usize> {
        self.as_str().length()
    }
}

impl<T: Length> Length for Option<T> {
    #[inline]
    fn length(&self) -> Option<usize> {
        self.as_ref().and_then(T::length)
    }
}

macro_rules! lengths {
    ($([$($generics:tt)*] $ty:ty;)+) => {$(
        impl<$($generics)*> Length for $ty {
            #[inline]
            fn length(&self) -> Option<usize> {
                Some(self.len())
            }
        }
    )+};
}

lengths! {
    [T] Vec<T>;
    [T] [T];
    [T, const N: usize] [T; N];
    [T] collections::VecDeque<T>;
    [T] collections::LinkedList<T>;
    [T] collections::BTreeSet<T>;
    [T, S] collections::HashSet<T, S>;
    [K, V] collections::BTreeMap<K, V>;
    [K, V, S] collections::HashMap<K, V, S>;
    [] bytes::Bytes;
}

macro_rules! unchecked {
    ($($ty:ty),+ $(,)?) => {$(impl Validate for $ty {})+};
}

unchecked! {
    (), bool, char, i8, i16, i32, i64, isize, u8, u16, u32, u64, usize, f32, f64, str, String,
    bytes::Bytes, bytes::BytesMut, serde_bytes::ByteBuf,
    std::borrow::Cow<'_, str>,
    std::net::IpAddr, std::net::Ipv4Addr, std::net::Ipv6Addr,
    std::net::SocketAddr, std::net::SocketAddrV4, std::net::SocketAddrV6,
}

impl<const N: usize> Validate for serde_bytes::ByteArray<N> {}

macro_rules! through {
    ($($pointer:ty),+) => {$(
        impl<T: Validate + ?Sized> Validate for $pointer {
            #[inline]
            fn validate(&self, report: &mut Report) {
                (**self).validate(report);
            }
        }
    )+};
}

through!(&T, Box<T>, std::sync::Arc<T>, std::rc::Rc<T>);

impl<T: Validate> Validate for Option<T> {
    #[inline]
    fn validate(&self, report: &mut Report) {
        if let Some(value) = self {
            value.validate(report);
        }
    }
}

macro_rules! elements {
    ($([$($generics:tt)*] $ty:ty;)+) => {$(
        impl<T: Validate, $($generics)*> Validate for $ty {
            #[inline]
            fn validate(&self, report: &mut Report) {
                for (index, element) in self.iter().enumerate() {
                    report.item(index, |report| element.validate(report));
                }
            }
        }
    )+};
}

elements! {
    [] Vec<T>;
    [] [T];
    [const N: usize] [T; N];
    [] collections::VecDeque<T>;
    [] collections::LinkedList<T>;
    [] collections::BTreeSet<T>;
    [S] collections::HashSet<T, S>;
}

// A key comes from the input and may be secret, so that paths through maps do not name it.
macro_rules! entries {
    ($([$($generics:tt)*] $ty:ty;)+) => {$(
        impl<K, V: Validate, $($generics)*> Validate for $ty {
            #[inline]
            fn validate(&self, report: &mut Report) {
                for value in self.values() {
                    report.item("_", |report| value.validate(report));
                }
            }
        }
    )+};
}

entries! {
    [] collections::BTreeMap<K, V>;
    [S] collections::HashMap<K, V, S>;
}

macro_rules! tuples {
    ($($($name:ident $index:tt),+;)+) => {$(
        impl<$($name: Validate),+> Validate for ($($name,)+) {
            #[inline]
            fn validate(&self, report: &mut Report) {
                $(report.item($index, |report| self.$index.validate(report));)+
            }
        }
    )+};
}

tuples! {
    A 0;
    A 0, B 1;
    A 0, B 1, C 2;
    A 0, B 1, C 2, D 3;
    A 0, B 1, C 2, D 3, E 4;
    A 0, B 1, C 2, D 3, E 4, F 5;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7;
}

impl Validate for Report {}

impl Describe for Report {
    const NAME: &'static str = "BadRequest";
    const FIELDS: &'static [FieldDesc] = &[FieldDesc::of::<Vec<Violation>>("field_violations", 1)];
    const ORDER: &'static [u16] = &order::<1>(Self::FIELDS);
}

impl Shape for Report {
    type Card = single::One;
    const TYPE: FieldType = FieldType::message::<Self>();
}

impl Describe for Violation {
    const NAME: &'static str = "FieldViolation";
    const FIELDS: &'static [FieldDesc] = &[
        FieldDesc::of::<String>("field", 1),
        FieldDesc::of::<String>("description", 2),
        FieldDesc::of::<String>("reason", 3),
    ];
    const ORDER: &'static [u16] = &order::<3>(Self::FIELDS);
}

impl Shape for Violation {
    type Card = single::One;
    const TYPE: FieldType = FieldType::message::<Self>();
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    struct Name(&'static str);

    impl Validate for Name {
        fn validate(&self, report: &mut Report) {
            report.field("name", |report| report.length(self.0, Some(1), Some(3)));
        }
    }

    fn fields(value: &impl Validate) -> Vec<String> {
        let mut report = Report::default();
        value.validate(&mut report);
        report.violations().iter().map(|violation| violation.field.clone()).collect()
    }

    #[test]
    fn a_path_names_every_step_from_the_outside_in() {
        let value = vec![Box::new(Name("ok")), Box::new(Name("")), Box::new(Name("long"))];
        assert_eq!(fields(&value), ["[1].name", "[2].name"]);
        let mut report = Report::default();
        report.field("items", |report| value.validate(report));
        assert_eq!(report.violations()[0].field, "items[1].name");
        assert_eq!(report.to_string(), "items[1].name: length is below 1; items[2].name: length is above 3");
    }

    #[test]
    fn a_path_through_a_map_does_not_quote_the_key() {
        let value = BTreeMap::from([("hunter2", Name(""))]);
        assert_eq!(fields(&value), ["[_].name"]);
    }

    #[test]
    fn length_counts_characters_not_bytes() {
        assert!(fields(&Name("äöü")).is_empty());
    }

    #[test]
    fn an_absent_value_breaks_no_rule() {
        assert!(fields(&None::<Name>).is_empty());
        assert_eq!(fields(&Some(Name(""))), ["name"]);
    }

    #[test]
    fn a_report_is_bounded_and_counts_the_rest() {
        let value: Vec<_> = (0..40).map(|_| Name("")).collect();
        let mut report = Report::default();
        value.validate(&mut report);
        assert_eq!((report.violations().len(), report.omitted()), (MAX_VIOLATIONS, 8));
        assert!(report.to_string().ends_with("; and 8 more"));
    }

    #[test]
    fn the_report_is_found_again_in_the_status_in_every_codec() {
        let status = check(&Name("")).expect_err("too short");
        for codec in [Codec::PROTOBUF, Codec::JSON, Codec::MSGPACK] {
            let details = status.details().expect("details").clone().with_codec(codec.clone());
            let sent = Payload::encoded(details.bytes().expect("encodes"), codec);
            let report = Report::of(&status.clone().with_details(sent)).expect("a report");
            assert_eq!(report.violations()[0].field, "name");
        }
        let typed = status.with_reason("SomeError.Variant");
        assert_eq!(Report::of(&typed), None, "another error's details");
        assert_eq!(Report::of(&Status::invalid_argument("no details")), None);
    }

    #[test]
    fn the_status_carries_a_bad_request() {
        let status = check(&Name("")).expect_err("too short");
        assert_eq!(status.code(), crate::Code::InvalidArgument);
        let bytes = status.details().expect("details").bytes().expect("encodes");
        assert_eq!(&bytes[..], b"\x0a\x21\x0a\x04name\x12\x11length is below 1\x1a\x06length");
    }
}
