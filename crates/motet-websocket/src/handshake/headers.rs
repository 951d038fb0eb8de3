//! Lists in headers.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// The parts of all values of a header that are separated by commas outside of quotes, trimmed; what is
/// no text is left out.
pub(super) fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().filter_map(text).flat_map(|value| split(value, ','))
}

/// Whether a list has this token, in upper or lower case.
pub(super) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    list(headers, name).any(|part| part.eq_ignore_ascii_case(token))
}

/// The only value of a header; `None` if it is missing, repeated or no text.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().and_then(text)?;
    values.next().is_none().then(|| value.trim())
}

/// The subprotocols that a client offers, in its order of preference.
pub fn offered_protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    list(headers, &header::SEC_WEBSOCKET_PROTOCOL)
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

/// The parts between separators outside of quotes, trimmed and without empty ones.
pub(super) fn split(value: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = value.split(move |c| {
        let was_escaped = std::mem::take(&mut escaped);
        match c {
            '\\' if quoted => escaped = !was_escaped,
            '"' if !was_escaped => quoted = !quoted,
            _ => {}
        }
        c == separator && !quoted
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}
