//! Connect: errors as JSON, and the message that ends a stream
//! (<https://connectrpc.com/docs/protocol>).

use std::{collections::BTreeMap, time::Duration};

use base64::Engine;
use http::{HeaderMap, HeaderName, HeaderValue};
use motet_core::{Codec, Codecs, Metadata, Result, Status};
use serde::{Deserialize, Serialize};

use super::{
    connect_code, connect_name,
    metadata::{self, BASE64},
    rpc::Any,
    status::{MAX_DETAILS, details, read_hints, with_details, write_hints},
};

/// What stands before the keys of trailing metadata in the head of a unary answer.
pub const TRAILER: &str = "trailer-";

/// The most keys of metadata that an end of stream may have.
const MAX_KEYS: usize = 256;

/// An error as JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Error {
    code: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<Detail>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Detail {
    #[serde(rename = "type")]
    name: String,
    value: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct End {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Error>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, Vec<String>>,
}

/// The body of a unary error. `codec` is the call's: it carries the details.
pub fn write_error(status: &Status, codec: &Codec) -> Vec<u8> {
    json(&Error::of(status, codec))
}

/// The status in the body of a unary error; `None` where it is none.
pub fn read_error(body: &[u8], codecs: &Codecs) -> Option<Status> {
    let error: Error = serde_json::from_slice(body).ok()?;
    (!error.code.is_empty()).then(|| error.status(codecs))
}

/// The body of the frame that ends a stream.
pub fn write_end(status: Option<&Status>, trailing: &Metadata, codec: &Codec) -> Vec<u8> {
    let mut headers = HeaderMap::new();
    metadata::write(trailing, &mut headers);
    if let Some(status) = status {
        write_hints(status, &mut headers);
    }
    let mut all = BTreeMap::<String, Vec<String>>::new();
    for (name, value) in &headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        all.entry(name.as_str().to_owned()).or_default().push(value);
    }
    json(&End { error: status.map(|status| Error::of(status, codec)), metadata: all })
}

/// What the frame that ends a stream says: the error, if any, and trailing metadata.
///
/// # Errors
/// Internal when it is not what it has to be.
pub fn read_end(body: &[u8], codecs: &Codecs) -> Result<(Option<Status>, Metadata)> {
    let bad = || Status::internal("the end of the stream is not the JSON that Connect has there");
    // A list would be read as an object, field by field: an empty one as success.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(bad());
    }
    let end: End = serde_json::from_slice(body).map_err(|_| bad())?;
    let mut headers = HeaderMap::new();
    for (name, values) in end.metadata.iter().take(MAX_KEYS) {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        for value in values.iter().take(MAX_KEYS) {
            headers.append(name.clone(), HeaderValue::from_str(value).map_err(|_| bad())?);
        }
    }
    let metadata = metadata::read(&headers)?;
    Ok((end.error.map(|error| read_hints(error.status(codecs), &headers)), metadata))
}

/// The metadata in the head of a unary answer: initial, and trailing.
///
/// # Errors
/// As [`metadata::read`].
pub fn read_metadata(headers: &HeaderMap) -> Result<(Metadata, Metadata)> {
    let initial = metadata::read_keys(headers, |name| (!name.starts_with(TRAILER)).then_some(name))?;
    Ok((initial, metadata::read_keys(headers, |name| name.strip_prefix(TRAILER))?))
}

/// Reads `connect-timeout-ms`: at most ten digits.
///
/// # Errors
/// InvalidArgument when it has another form.
pub fn parse_timeout(text: &str) -> Result<Duration> {
    let digits = !text.is_empty() && text.len() <= 10 && text.bytes().all(|b| b.is_ascii_digit());
    let millis = digits.then(|| text.parse().ok()).flatten();
    millis
        .map(Duration::from_millis)
        .ok_or_else(|| Status::invalid_argument("malformed connect-timeout-ms: it is 1 to 10 digits"))
}

/// Writes `connect-timeout-ms`: whole milliseconds and never less than is left, so that the caller's own
/// clock runs out first; at most ten digits.
pub fn format_timeout(timeout: Duration) -> String {
    const MOST: u128 = 9_999_999_999;
    timeout.as_nanos().div_ceil(1_000_000).clamp(1, MOST).to_string()
}

impl Error {
    fn of(status: &Status, codec: &Codec) -> Error {
        let detail = |any: Any| Detail { name: any.name().to_owned(), value: BASE64.encode(&any.value) };
        let mut details: Vec<_> = details(status, codec).into_iter().map(detail).collect();
        details.retain(|detail| detail.value.len() <= MAX_DETAILS * 4);
        Error { code: connect_name(status.code()).to_owned(), message: status.message().to_owned(), details }
    }

    fn status(self, codecs: &Codecs) -> Status {
        let any = |detail: Detail| Some(Any::of(&detail.name, BASE64.decode(&detail.value).ok()?));
        let details = self.details.into_iter().filter_map(any).collect();
        with_details(Status::new(connect_code(&self.code), self.message), details, codecs)
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("strings and lists can be written as JSON")
}

#[cfg(test)]
mod tests {
    use motet_core::{Code, Payload};

    use super::*;

    fn status() -> Status {
        Status::not_found("nobody ☺").with_reason("GreetError.Nobody").with_details(Payload::encoded("{}", Codec::JSON))
    }

    #[test]
    fn an_error_survives() {
        let body = write_error(&status(), &Codec::JSON);
        assert!(body.starts_with(br#"{"code":"not_found","message":"nobody"#));
        let read = read_error(&body, &Codecs::default()).expect("an error");
        assert_eq!(read, status());
        assert_eq!(read.details().and_then(|details| details.bytes().ok()).as_deref(), Some(&b"{}"[..]));
    }

    #[test]
    fn what_is_no_error_is_none() {
        for body in [&b""[..], b"{}", b"null", b"[]", b"<html>", br#"{"code":7}"#] {
            assert_eq!(read_error(body, &Codecs::default()), None);
        }
    }

    #[test]
    fn an_end_of_stream_survives() {
        let mut trailing = Metadata::new();
        trailing.append("x-a", "1").expect("valid");
        trailing.append_bin("x-b-bin", vec![0xff]).expect("valid");
        let (error, metadata) =
            read_end(&write_end(Some(&status()), &trailing, &Codec::JSON), &Codecs::default()).expect("valid");
        assert_eq!((error, metadata), (Some(status()), trailing));
        assert_eq!(write_end(None, &Metadata::new(), &Codec::JSON), b"{}");
        assert_eq!(read_end(b"{}", &Codecs::default()), Ok((None, Metadata::new())));
        for body in [&b""[..], b"7", b"[]", b"null", br#"{"metadata":{"a b":["x"]}}"#] {
            assert_eq!(read_end(body, &Codecs::default()).expect_err("refused").code(), Code::Internal);
        }
    }

    #[test]
    fn whether_it_ran_travels_with_the_end_of_a_stream() {
        let refused = Status::unavailable("busy")
            .with_executed(motet_core::Executed::No)
            .with_retry_after(Duration::from_millis(70));
        let end = write_end(Some(&refused), &Metadata::new(), &Codec::JSON);
        let (error, metadata) = read_end(&end, &Codecs::default()).expect("valid");
        let error = error.expect("an error");
        assert_eq!((error.executed(), error.retry_after()), (refused.executed(), refused.retry_after()));
        assert_eq!(metadata, Metadata::new());
    }

    #[test]
    fn a_timeout_is_written_a_little_longer_and_never_as_none() {
        for (nanos, text) in [(0, "1"), (1, "1"), (1_000_000, "1"), (1_000_001, "2"), (1_500_000_000, "1500")] {
            assert_eq!(format_timeout(Duration::from_nanos(nanos)), text);
        }
        assert!(parse_timeout(&format_timeout(Duration::MAX)).is_ok());
    }

    #[test]
    fn a_timeout_is_digits() {
        assert_eq!(parse_timeout("1500").map(|d| d.as_millis()), Ok(1500));
        for text in ["", "-1", "1.5", "10000000000000", "1s"] {
            assert!(parse_timeout(text).is_err(), "{text:?}");
        }
    }
}
