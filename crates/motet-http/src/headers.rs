//! Metadata as header fields.

use ::base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use motet_core::{Metadata, Result, Status};

/// As gRPC wants it: written without padding, read with and without.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Fields that belong to one hop or to the message itself, and are no metadata of a call.
const NO_METADATA: [&str; 22] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "expect",
    "host",
    "keep-alive",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "retry-after",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "www-authenticate",
];

pub(crate) fn base64(bytes: &[u8]) -> String {
    ENGINE.encode(bytes)
}

pub(crate) fn unbase64(text: &[u8]) -> Option<Vec<u8>> {
    ENGINE.decode(text).ok()
}

/// The metadata in header fields: those of HTTP itself, those for which `own` says that they are the
/// protocol's, and those with the reserved prefix `motet-` are left out. `-bin` fields are base64,
/// several in one field set apart by commas.
///
/// # Errors
/// ResourceExhausted past the limits of [`Metadata`], InvalidArgument for a `-bin` field that is no
/// base64. Fields that metadata cannot hold, such as those that are not UTF-8, are left out.
pub fn metadata_from(headers: &HeaderMap, own: impl Fn(&str) -> bool) -> Result<Metadata> {
    let mut metadata = Metadata::new();
    for (name, value) in headers {
        let name = name.as_str();
        if NO_METADATA.binary_search(&name).is_ok() || name.starts_with("motet-") || own(name) {
            continue;
        }
        if name.len() > 4 && name.ends_with("-bin") {
            for part in value.as_bytes().split(|byte| *byte == b',') {
                let bytes = unbase64(part.trim_ascii())
                    .ok_or_else(|| Status::invalid_argument(format!("header {name}: -bin fields hold base64")))?;
                metadata.push(name, bytes.into())?;
            }
            continue;
        }
        match metadata.push(name, Bytes::copy_from_slice(value.as_bytes())) {
            Err(status) if status.code() == motet_core::Code::ResourceExhausted => return Err(status),
            _ => {}
        }
    }
    Ok(metadata)
}

/// Adds metadata to header fields, each name behind `prefix`; `-bin` values as base64. What HTTP
/// itself means something by is left out where there is no prefix.
pub fn put_metadata(metadata: &Metadata, prefix: &str, headers: &mut HeaderMap) {
    for (key, value) in metadata.iter_raw() {
        if prefix.is_empty() && NO_METADATA.binary_search(&key).is_ok() {
            continue;
        }
        let value = match key.ends_with("-bin") {
            true => HeaderValue::try_from(base64(value)),
            false => HeaderValue::from_bytes(value),
        };
        let name = match prefix.is_empty() {
            true => HeaderName::try_from(key),
            false => HeaderName::try_from(format!("{prefix}{key}")),
        };
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use motet_core::Code;

    use super::*;

    fn none(_: &str) -> bool {
        false
    }

    #[test]
    fn the_list_is_sorted() {
        assert!(NO_METADATA.is_sorted());
    }

    #[test]
    fn metadata_survives_as_headers() {
        let mut metadata = Metadata::new();
        metadata.append("a", "1").expect("valid");
        metadata.append("a", "grüß").expect("valid");
        metadata.append_bin("b-bin", vec![0, 255, 1]).expect("valid");
        let mut headers = HeaderMap::new();
        put_metadata(&metadata, "", &mut headers);
        headers.insert("content-type", HeaderValue::from_static("text/plain"));
        headers.insert("motet-own", HeaderValue::from_static("reserved"));
        assert_eq!(headers["b-bin"], "AP8B");
        assert_eq!(metadata_from(&headers, none).expect("within limits"), metadata);
        assert_eq!(metadata_from(&headers, |name| name == "a").expect("within limits").len(), 1);
    }

    #[test]
    fn bytes_may_be_padded_and_several() {
        let mut headers = HeaderMap::new();
        headers.insert("a-bin", HeaderValue::from_static("AA==, AQ"));
        let metadata = metadata_from(&headers, none).expect("base64");
        let values: Vec<_> = metadata.iter_raw().map(|(_, value)| value.to_vec()).collect();
        assert_eq!(values, [vec![0], vec![1]]);
        headers.insert("a-bin", HeaderValue::from_static("!"));
        assert_eq!(metadata_from(&headers, none).expect_err("no base64").code(), Code::InvalidArgument);
    }

    #[test]
    fn too_much_is_refused_and_what_no_metadata_can_hold_is_left_out() {
        let mut headers = HeaderMap::new();
        headers.insert("a", HeaderValue::from_bytes(b"\xff").expect("opaque"));
        assert!(metadata_from(&headers, none).expect("left out").is_empty());
        for _ in 0..129 {
            headers.append("b", HeaderValue::from_static("1"));
        }
        assert_eq!(metadata_from(&headers, none).expect_err("129").code(), Code::ResourceExhausted);
    }
}
