//! Which member of the family is spoken.

use http::{HeaderName, HeaderValue};
use motet_core::Codec;

use crate::{
    content::{self, GRPC},
    wire::{CONNECT_END, WEB_TRAILERS},
};

/// `application/grpc-web`.
pub(crate) const WEB: &str = "application/grpc-web";
/// `application/grpc-web-text`.
pub(crate) const WEB_TEXT: &str = "application/grpc-web-text";
/// What Connect's streams begin with; the codec's name follows.
pub(crate) const CONNECT_STREAM: &str = "application/connect";
/// What Connect's clients say on all calls.
pub(crate) const CONNECT_VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");

/// What a body of messages with prefixes looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// Trailers are HTTP's.
    Grpc,
    /// Trailers are the last frame.
    Web,
    /// As [`Flavour::Web`], in base64.
    WebText,
    /// A JSON object is the last frame.
    Connect,
}

impl Flavour {
    /// What its content types begin with.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Flavour::Grpc => GRPC,
            Flavour::Web => WEB,
            Flavour::WebText => WEB_TEXT,
            Flavour::Connect => CONNECT_STREAM,
        }
    }

    /// Its content type for messages in this codec.
    pub(crate) fn content_type_of(self, codec: &Codec) -> HeaderValue {
        match self {
            Flavour::Grpc => content::value(codec),
            // Connect has no name without a codec, and its own for protobuf.
            Flavour::Connect if *codec == Codec::PROTOBUF => HeaderValue::from_static("application/connect+proto"),
            Flavour::Web if *codec == Codec::PROTOBUF => HeaderValue::from_static("application/grpc-web+proto"),
            Flavour::WebText if *codec == Codec::PROTOBUF => {
                HeaderValue::from_static("application/grpc-web-text+proto")
            }
            flavour => HeaderValue::from_str(&content::name(codec, flavour.content_type()))
                .unwrap_or(HeaderValue::from_static("application/octet-stream")),
        }
    }

    /// The flag of the frame that ends a reply; none where trailers are HTTP's.
    pub(crate) const fn end_flag(self) -> u8 {
        match self {
            Flavour::Grpc => 0,
            Flavour::Web | Flavour::WebText => WEB_TRAILERS,
            Flavour::Connect => CONNECT_END,
        }
    }

    /// The header that says how messages are compressed.
    pub(crate) const fn encoding(self) -> HeaderName {
        match self {
            Flavour::Connect => HeaderName::from_static("connect-content-encoding"),
            _ => HeaderName::from_static("grpc-encoding"),
        }
    }

    /// The header that says how the other side's messages may be compressed.
    pub(crate) const fn accept_encoding(self) -> HeaderName {
        match self {
            Flavour::Connect => HeaderName::from_static("connect-accept-encoding"),
            _ => HeaderName::from_static("grpc-accept-encoding"),
        }
    }

    /// The header of the time that is left.
    pub(crate) const fn timeout(self) -> HeaderName {
        match self {
            Flavour::Connect => HeaderName::from_static("connect-timeout-ms"),
            _ => HeaderName::from_static("grpc-timeout"),
        }
    }

    /// What it is called in errors.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Flavour::Grpc => "gRPC",
            Flavour::Web | Flavour::WebText => "gRPC-Web",
            Flavour::Connect => "Connect",
        }
    }
}
