//! Which of the three is spoken.

use http::{HeaderName, header::CONTENT_TYPE, request::Parts};

use crate::content::{GRPC, subtype};

/// `application/grpc-web`.
pub(super) const WEB: &str = "application/grpc-web";
/// `application/grpc-web-text`.
pub(super) const WEB_TEXT: &str = "application/grpc-web-text";
/// What Connect's streams begin with; the codec's name follows.
pub(super) const CONNECT_STREAM: &str = "application/connect";
/// What Connect's clients say on unary calls.
pub(super) const CONNECT_VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");

/// What a body of messages with prefixes looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flavour {
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
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Flavour::Grpc => GRPC,
            Flavour::Web => WEB,
            Flavour::WebText => WEB_TEXT,
            Flavour::Connect => CONNECT_STREAM,
        }
    }
}

/// How a request asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// In messages with prefixes.
    Stream(Flavour),
    /// Connect, unary: the body is the message.
    Connect,
}

impl Asked {
    /// Whether a POST of this content type is for us. `application/json` may be anyone's: it is ours
    /// where it says so, or where the path is one of ours.
    pub(super) fn claims(content_type: &[u8], head: &Parts, is_ours: impl FnOnce() -> bool) -> bool {
        let begins =
            |with: &str| content_type.get(..with.len()).is_some_and(|c| c.eq_ignore_ascii_case(with.as_bytes()));
        begins(GRPC)
            || begins(CONNECT_STREAM)
            || ((begins("application/proto") || begins("application/json"))
                && (head.headers.contains_key(CONNECT_VERSION) || is_ours()))
    }

    pub(super) fn of(head: &Parts) -> Asked {
        let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is = |flavour| subtype(content_type, flavour).is_some();
        match () {
            () if is(WEB_TEXT) => Asked::Stream(Flavour::WebText),
            () if is(WEB) => Asked::Stream(Flavour::Web),
            () if content_type.get(..GRPC.len()).is_some_and(|c| c.eq_ignore_ascii_case(GRPC)) => {
                Asked::Stream(Flavour::Grpc)
            }
            () if is(CONNECT_STREAM) => Asked::Stream(Flavour::Connect),
            () => Asked::Connect,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(content_type: &str) -> Parts {
        http::Request::post("/a.B/C").header(CONTENT_TYPE, content_type).body(()).expect("valid").into_parts().0
    }

    #[test]
    fn the_content_type_tells_them_apart() {
        for (content_type, asked) in [
            ("application/grpc", Asked::Stream(Flavour::Grpc)),
            ("application/grpc+json; x=1", Asked::Stream(Flavour::Grpc)),
            ("Application/gRPC-Web+proto", Asked::Stream(Flavour::Web)),
            ("application/grpc-web-text+proto", Asked::Stream(Flavour::WebText)),
            ("application/grpc-web-text", Asked::Stream(Flavour::WebText)),
            ("application/connect+proto", Asked::Stream(Flavour::Connect)),
            ("application/proto", Asked::Connect),
            ("application/json; charset=utf-8", Asked::Connect),
        ] {
            assert_eq!(Asked::of(&head(content_type)), asked, "{content_type}");
            assert!(Asked::claims(content_type.as_bytes(), &head(content_type), || true), "{content_type}");
        }
    }

    #[test]
    fn json_to_paths_that_are_not_ours_is_left_to_others() {
        let mut head = head("application/json");
        assert!(!Asked::claims(b"application/json", &head, || false));
        head.headers.insert(CONNECT_VERSION, http::HeaderValue::from_static("1"));
        assert!(Asked::claims(b"application/json", &head, || false));
        assert!(!Asked::claims(b"text/html", &head, || true));
    }
}
