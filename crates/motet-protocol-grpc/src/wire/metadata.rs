//! Between headers and metadata.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use motet_core::{Metadata, Result, Status};

/// Base64 as gRPC has it: written without padding, read with and without.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Says that no reply is wanted.
pub(crate) const ONE_WAY: HeaderName = HeaderName::from_static("motet-one-way");

/// Whether a header is the protocol's own business or the connection's, and no metadata.
fn is_reserved(name: &str) -> bool {
    if name.starts_with("grpc-") {
        // Traces and tags that libraries have always sent under gRPC's own prefix.
        return !matches!(name, "grpc-trace-bin" | "grpc-tags-bin" | "grpc-previous-rpc-attempts");
    }
    matches!(
        name,
        "content-type"
            | "te"
            | "user-agent"
            | "content-length"
            | "date"
            | "accept-encoding"
            | "content-encoding"
            | "host"
            | "connection"
            | "keep-alive"
            | "proxy-connection"
            | "transfer-encoding"
            | "upgrade"
            | "trailer"
    ) || name.starts_with("connect-")
        || name.starts_with("motet-")
        || name == "x-grpc-web"
}

/// The metadata among headers or trailers. What is no metadata key is passed over.
///
/// # Errors
/// Internal for bad base64, InvalidArgument for text that is no UTF-8, ResourceExhausted past the
/// limits of [`Metadata`].
pub fn read(headers: &HeaderMap) -> Result<Metadata> {
    read_keys(headers, Some)
}

/// As [`read`], of the headers for which `key_of` has a key.
pub(crate) fn read_keys<'a>(headers: &'a HeaderMap, key_of: impl Fn(&'a str) -> Option<&'a str>) -> Result<Metadata> {
    let mut metadata = Metadata::new();
    for (name, value) in headers {
        let Some(key) = key_of(name.as_str()) else { continue };
        if is_reserved(key) || !is_key(key) {
            continue;
        }
        if !key.ends_with("-bin") {
            metadata.push(key, Bytes::copy_from_slice(value.as_bytes()))?;
            continue;
        }
        // Several values may stand in one header.
        for value in value.as_bytes().split(|b| *b == b',') {
            let bytes = BASE64
                .decode(value.trim_ascii())
                .map_err(|_| Status::internal(format!("metadata key {key:?}: its value is no base64")))?;
            metadata.push(key, bytes.into())?;
        }
    }
    Ok(metadata)
}

fn is_key(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'-');
    !name.is_empty() && name.len() <= Metadata::MAX_KEY && name.bytes().all(allowed)
}

/// Adds metadata to headers or trailers. Keys that are the protocol's own stay behind.
pub fn write(metadata: &Metadata, headers: &mut HeaderMap) {
    write_prefixed(metadata, headers, "");
}

/// As [`write`], with a prefix in front of each key.
pub(crate) fn write_prefixed(metadata: &Metadata, headers: &mut HeaderMap, prefix: &str) {
    for (key, value) in metadata.iter_raw() {
        if is_reserved(key) {
            continue;
        }
        let name = match prefix {
            "" => HeaderName::from_bytes(key.as_bytes()),
            _ => HeaderName::from_bytes(format!("{prefix}{key}").as_bytes()),
        };
        let value = match key.ends_with("-bin") {
            true => HeaderValue::from_str(&BASE64.encode(value)).ok(),
            false => HeaderValue::from_maybe_shared(value.clone()).ok(),
        };
        // Keys and values of `Metadata` are valid in headers.
        if let (Ok(name), Some(value)) = (name, value) {
            headers.append(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use motet_core::{Code, MetadataValue};

    use super::*;

    fn headers(all: &[(&'static str, &[u8])]) -> HeaderMap {
        let value = |value: &[u8]| HeaderValue::from_bytes(value).expect("valid");
        all.iter().map(|(name, bytes)| (HeaderName::from_static(name), value(bytes))).collect()
    }

    #[test]
    fn metadata_survives() {
        let mut metadata = Metadata::new();
        metadata.append("x-one", "1").expect("valid");
        metadata.append("x-one", "zwei").expect("valid");
        metadata.append("x-utf8", "žluťoučký").expect("valid");
        metadata.append_bin("x-bytes-bin", vec![0, 0xff, 7]).expect("valid");
        let mut headers = HeaderMap::new();
        write(&metadata, &mut headers);
        assert_eq!(headers["x-bytes-bin"], "AP8H");
        assert_eq!(read(&headers).expect("valid"), metadata);
    }

    #[test]
    fn padded_unpadded_and_joined_bytes_are_read() {
        let read = read(&headers(&[("a-bin", b"AA==,AQ"), ("a-bin", b"Ag")])).expect("valid");
        let bytes: Vec<_> =
            read.iter().map(|(_, value)| matches!(value, MetadataValue::Binary(b) if b.len() == 1)).collect();
        assert_eq!(bytes, [true; 3]);
        assert_eq!(read.get_bin("a-bin").map(|b| b[0]), Some(0));
    }

    #[test]
    fn the_protocol_s_own_headers_are_no_metadata() {
        let all = headers(&[
            ("content-type", b"application/grpc"),
            ("te", b"trailers"),
            ("grpc-timeout", b"1S"),
            ("grpc-status", b"0"),
            ("user-agent", b"x"),
            ("x~odd", b"1"),
            ("mine", b"yes"),
        ]);
        assert_eq!(read(&all).expect("valid").iter().map(|(key, _)| key).collect::<Vec<_>>(), ["mine"]);
        let mut metadata = Metadata::new();
        metadata.append("grpc-status", "0").expect("a key");
        metadata.append("content-type", "text/html").expect("a key");
        let mut out = HeaderMap::new();
        write(&metadata, &mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn bad_base64_bad_text_and_too_much_are_errors() {
        for (all, code) in [
            (headers(&[("a-bin", b"!!")]), Code::Internal),
            (headers(&[("a", b"\xff\xfe")]), Code::InvalidArgument),
            (headers(&[("a", &[b'x'; 20_000])]), Code::ResourceExhausted),
        ] {
            assert_eq!(read(&all).expect_err("refused").code(), code);
        }
    }
}
