//! Content types: `application/grpc`, `+proto`, `+json`, and those of other codecs; of bare bodies
//! `application/proto` and `application/json`.

use std::borrow::Cow;

use http::HeaderValue;
use motet_core::{Codec, Codecs, Executed, Result, Status};

/// What stands before the codec's own name.
pub(crate) const GRPC: &str = "application/grpc";

/// The codec of a content type that begins with `flavour`, such as `application/grpc+json`.
///
/// # Errors
/// Unimplemented, naming those that are accepted.
pub(crate) fn codec(content_type: &str, flavour: &str, codecs: &Codecs) -> Result<Codec> {
    match subtype(content_type, flavour) {
        Some("") => Ok(Codec::PROTOBUF),
        Some(suffix) => of_suffix(suffix, flavour, codecs),
        None => Err(unknown(content_type, flavour, codecs)),
    }
}

/// What follows the `+`: empty where there is nothing, `None` for another content type.
pub(crate) fn subtype<'a>(content_type: &'a str, flavour: &str) -> Option<&'a str> {
    let rest =
        content_type.get(..flavour.len())?.eq_ignore_ascii_case(flavour).then(|| &content_type[flavour.len()..])?;
    let rest = rest.split(';').next().unwrap_or_default().trim();
    match rest.strip_prefix('+') {
        Some(suffix) => Some(suffix),
        None => rest.is_empty().then_some(""),
    }
}

fn of_suffix(suffix: &str, flavour: &str, codecs: &Codecs) -> Result<Codec> {
    match suffix {
        "proto" => Ok(Codec::PROTOBUF),
        "json" => Ok(Codec::JSON),
        // go-micro's name.
        "bytes" => Ok(Codec::RAW),
        _ => codecs.find(&format!("application/{suffix}")).map_err(|_| unknown(suffix, flavour, codecs)),
    }
}

fn unknown(name: &str, flavour: &str, codecs: &Codecs) -> Status {
    let shown: String = name.chars().filter(char::is_ascii_graphic).take(64).collect();
    let mut accepted = vec![flavour.to_owned(), format!("{flavour}+proto")];
    let known = codecs.content_types();
    let suffixes = known.iter().filter_map(|name| name.strip_prefix("application/"));
    accepted.extend(suffixes.filter(|name| *name != "protobuf").map(|name| format!("{flavour}+{name}")));
    Status::unimplemented(format!("{shown:?} is not spoken here; accepted: {}", accepted.join(", ")))
        .with_executed(Executed::No)
}

/// The content type of messages in this codec.
pub(crate) fn name(codec: &Codec, flavour: &'static str) -> Cow<'static, str> {
    if *codec == Codec::PROTOBUF {
        return Cow::Borrowed(flavour);
    }
    let own = codec.content_type();
    Cow::Owned(format!("{flavour}+{}", own.strip_prefix("application/").unwrap_or(own)))
}

/// As [`name`], for gRPC itself and as a header's value.
pub(crate) fn value(codec: &Codec) -> HeaderValue {
    match *codec == Codec::PROTOBUF {
        true => HeaderValue::from_static(GRPC),
        false => HeaderValue::from_str(&name(codec, GRPC)).unwrap_or(HeaderValue::from_static(GRPC)),
    }
}

/// The codec of a body that is one message, as Connect's unary calls have it: `application/proto` is its
/// name for protobuf.
///
/// # Errors
/// Unimplemented, naming those that are accepted.
pub(crate) fn bare_codec(content_type: &str, codecs: &Codecs) -> Result<Codec> {
    let name = content_type.split(';').next().unwrap_or_default().trim();
    match name.eq_ignore_ascii_case("application/proto") {
        true => Ok(Codec::PROTOBUF),
        false => codecs.find(name),
    }
}

/// What [`bare_codec`] reads.
pub(crate) fn bare_value(codec: &Codec) -> HeaderValue {
    match *codec == Codec::PROTOBUF {
        true => HeaderValue::from_static("application/proto"),
        false => {
            HeaderValue::from_str(codec.content_type()).unwrap_or(HeaderValue::from_static("application/octet-stream"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_read() {
        let codecs = Codecs::default();
        for (name, expected) in [
            ("application/grpc", Codec::PROTOBUF),
            ("application/grpc; charset=utf-8", Codec::PROTOBUF),
            ("Application/grpc+proto", Codec::PROTOBUF),
            ("application/grpc+protobuf", Codec::PROTOBUF),
            ("application/grpc+json", Codec::JSON),
            ("application/grpc+msgpack", Codec::MSGPACK),
        ] {
            assert_eq!(codec(name, GRPC, &codecs), Ok(expected), "{name}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for known in [Codec::PROTOBUF, Codec::JSON, Codec::MSGPACK, Codec::RAW] {
            let written = value(&known);
            assert_eq!(codec(written.to_str().expect("text"), GRPC, &Codecs::default()), Ok(known.clone()));
            let written = bare_value(&known);
            assert_eq!(bare_codec(written.to_str().expect("text"), &Codecs::default()), Ok(known));
        }
    }

    #[test]
    fn unknown_ones_are_answered_with_those_accepted() {
        for name in ["application/grpc+thrift", "application/grpc-web", "text/plain", ""] {
            let error = codec(name, GRPC, &Codecs::default()).expect_err("unknown");
            assert!(error.message().contains("application/grpc+json"), "{error}");
            assert_eq!(error.executed(), Executed::No);
        }
    }
}
