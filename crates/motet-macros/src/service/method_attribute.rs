//! `#[method(…)]` on the methods of a service trait.

use proc_macro2::Span;
use syn::{Attribute, LitInt, LitStr, meta::ParseNestedMeta};

/// A verb and a path, checked.
pub(super) struct Http {
    pub(super) verb: String,
    pub(super) path: String,
    pub(super) span: Span,
}

/// What `#[method(…)]` says.
#[derive(Default)]
pub(super) struct MethodAttribute {
    pub(super) name: Option<LitStr>,
    pub(super) proto_name: Option<LitStr>,
    pub(super) idempotent: bool,
    pub(super) safe: bool,
    pub(super) blocking: Option<Span>,
    pub(super) serial: Option<Span>,
    pub(super) deprecated: bool,
    pub(super) optional: Option<Span>,
    pub(super) max_in_flight: Option<u32>,
    pub(super) timeout_ms: Option<u64>,
    pub(super) http: Vec<Http>,
}

impl MethodAttribute {
    pub(super) fn read(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut read = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("method")) {
            attribute.parse_nested_meta(|meta| read.add(&meta))?;
        }
        read.deprecated |= attributes.iter().any(|attribute| attribute.path().is_ident("deprecated"));
        let unsafe_get = read.http.iter().find(|http| matches!(http.verb.as_str(), "GET" | "HEAD"));
        match unsafe_get {
            Some(http) if !read.safe => Err(syn::Error::new(
                http.span,
                "a GET route is for a method that changes nothing: add `safe`, or use POST",
            )),
            _ => Ok(read),
        }
    }

    fn add(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        let span = meta.path.get_ident().map_or_else(Span::call_site, syn::Ident::span);
        let key = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
        match key.as_str() {
            "idempotent" => self.idempotent = true,
            "safe" => self.safe = true,
            "blocking" => self.blocking = Some(span),
            "serial" => self.serial = Some(span),
            "deprecated" => self.deprecated = true,
            "optional" => self.optional = Some(span),
            "name" => self.name = Some(name(meta.value()?.parse()?)?),
            "proto_name" => self.proto_name = Some(proto_name(meta.value()?.parse()?)?),
            "timeout" => self.timeout_ms = Some(timeout(&meta.value()?.parse()?)?),
            "max_in_flight" => self.max_in_flight = Some(count(&meta.value()?.parse()?)?),
            "http" => self.http.push(http(&meta.value()?.parse()?)?),
            _ => {
                return Err(meta.error(
                    "expected `name = \"…\"`, `proto_name = \"…\"`, `timeout = \"5s\"`, `http = \"GET /path\"`, `max_in_flight = 10`, \
                     `idempotent`, `safe`, `blocking`, `serial`, `deprecated` or `optional`",
                ));
            }
        }
        Ok(())
    }
}

fn name(name: LitStr) -> syn::Result<LitStr> {
    let text = name.value();
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'/');
    if !text.is_empty() && text.len() <= 256 && text.bytes().all(allowed) {
        return Ok(name);
    }
    Err(syn::Error::new(name.span(), "a method's name is 1 to 256 of letters, digits, `_`, `.`, `-` and `/`"))
}

fn proto_name(name: LitStr) -> syn::Result<LitStr> {
    let text = name.value();
    let letters = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if letters && !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(name);
    }
    Err(syn::Error::new(name.span(), "a method's name in protobuf is an identifier, such as \"AddItem\""))
}

fn count(number: &LitInt) -> syn::Result<u32> {
    let rule = || syn::Error::new(number.span(), "max_in_flight is a whole number from 1, such as 10");
    number.base10_parse().ok().filter(|count| *count > 0).ok_or_else(rule)
}

fn timeout(text: &LitStr) -> syn::Result<u64> {
    let value = text.value();
    let digits = value.trim_end_matches(|c: char| !c.is_ascii_digit());
    let factor = match &value[digits.len()..] {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let number = digits.parse::<u64>().ok().filter(|number| *number > 0);
    factor
        .zip(number)
        .and_then(|(factor, number)| number.checked_mul(factor))
        .ok_or_else(|| syn::Error::new(text.span(), "a timeout is a number and `ms`, `s`, `m` or `h`, such as \"5s\""))
}

fn http(text: &LitStr) -> syn::Result<Http> {
    let value = text.value();
    let wrong = |what: &str| Err(syn::Error::new(text.span(), what));
    let Some((verb, path)) = value.split_once(' ').filter(|(_, path)| path.starts_with('/')) else {
        return wrong("a route is a verb and a path, such as \"GET /hello/{name}\"");
    };
    if !["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].contains(&verb) {
        return wrong("the verb is GET, HEAD, POST, PUT, PATCH or DELETE");
    }
    if path.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#')) {
        return wrong("the path has no white space, query or fragment");
    }
    let good = |segment: &str| match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(parameter) => !parameter.is_empty() && !parameter.contains(['{', '}']),
        None => !segment.contains(['{', '}']),
    };
    if !path.split('/').all(good) {
        return wrong("a parameter is a whole segment of the path, such as `{name}`");
    }
    Ok(Http { verb: verb.to_owned(), path: path.to_owned(), span: text.span() })
}
