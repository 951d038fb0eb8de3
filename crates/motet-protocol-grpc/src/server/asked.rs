//! How a request asks.

use http::{header::CONTENT_TYPE, request::Parts};

use crate::{
    content::{GRPC, subtype},
    flavour::{CONNECT_STREAM, CONNECT_VERSION, Flavour, WEB, WEB_TEXT},
};

fn begins(content_type: &[u8], with: &str) -> bool {
    content_type.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()))
}

/// In messages with prefixes, or as one body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// In messages with prefixes.
    Stream(Flavour),
    /// Connect, unary: the body is the message.
    Connect,
}

/// Whose path it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// A method's name as gRPC has it.
    Ours,
    /// That, and the path at which HTTP/JSON has the method: closures have one name for both.
    Shared,
    /// Not ours.
    Others,
}

impl Asked {
    /// Whether a POST of this content type is gRPC's or Connect's, whoever serves it.
    pub(super) fn speaks(content_type: &[u8]) -> bool {
        let begins = |with: &str| begins(content_type, with);
        begins(GRPC) || begins(CONNECT_STREAM)
    }

    /// Whether a POST of this content type is for us. `application/json` and those of other codecs may be
    /// anyone's: they are ours where they say so, the two that Connect names also where the path is one of
    /// ours and of nobody else. With services of the user's own beside, a gRPC server may be among them: what
    /// has none of our paths is not claimed.
    pub(super) fn claims(content_type: &[u8], head: &Parts, has_mounts: bool, whose: impl FnOnce() -> Whose) -> bool {
        if Asked::speaks(content_type) {
            return !has_mounts || whose() != Whose::Others;
        }
        let begins = |with: &str| begins(content_type, with);
        (begins("application/") && head.headers.contains_key(CONNECT_VERSION))
            || ((begins("application/proto") || begins("application/json")) && whose() == Whose::Ours)
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
            assert!(
                Asked::claims(content_type.as_bytes(), &head(content_type), false, || Whose::Ours),
                "{content_type}"
            );
        }
    }

    #[test]
    fn json_to_paths_that_are_not_ours_is_left_to_others() {
        let mut head = head("application/json");
        assert!(!Asked::claims(b"application/json", &head, false, || Whose::Others));
        assert!(
            !Asked::claims(b"application/json", &head, false, || Whose::Shared),
            "HTTP/JSON answers in its own way"
        );
        head.headers.insert(CONNECT_VERSION, http::HeaderValue::from_static("1"));
        assert!(Asked::claims(b"application/json", &head, false, || Whose::Others));
        assert!(Asked::claims(b"application/json", &head, false, || Whose::Shared));
        assert!(!Asked::claims(b"text/html", &head, false, || Whose::Ours));
    }

    #[test]
    fn beside_services_that_are_mounted_only_what_is_ours_is_claimed() {
        let head = head("application/grpc");
        for (mounted, whose, claimed) in [
            (false, Whose::Others, true),
            (true, Whose::Others, false),
            (true, Whose::Ours, true),
            (true, Whose::Shared, true),
        ] {
            assert_eq!(Asked::claims(b"application/grpc", &head, mounted, || whose), claimed);
        }
    }
}
