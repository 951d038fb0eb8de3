use http::{HeaderMap, Method, Request, Response, StatusCode, Version, header};

use super::{Agreed, ClientHandshake, HandshakeError, accept, accept_key, offered_protocols};
use crate::{Agreement, CompressionConfig, Masks};

const NO_PROTOCOLS: [&str; 0] = [];

/// The request of RFC 6455, section 1.2.
fn request() -> http::request::Builder {
    Request::builder()
        .uri("/chat")
        .header("Host", "server.example.com")
        .header("Upgrade", "websocket")
        .header("Connection", "Upgrade")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("Origin", "http://example.com")
        .header("Sec-WebSocket-Version", "13")
}

fn with(headers: &[(&'static str, &str)]) -> Request<()> {
    let mut request = request().body(()).expect("a request");
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().expect("a value"));
    }
    request
}

fn without(name: &str) -> Request<()> {
    let mut request = with(&[]);
    request.headers_mut().remove(name);
    request
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().expect("text"))
}

/// What a server answers to this offer, as a header and as an agreement.
fn answered(offer: &str, config: &CompressionConfig) -> Option<(String, Agreement)> {
    let accepted =
        accept(&with(&[("sec-websocket-extensions", offer)]), &NO_PROTOCOLS, Some(config)).expect("accepted");
    let answer = header(accepted.response.headers(), "sec-websocket-extensions").map(Into::into);
    answer.zip(accepted.agreed.compression)
}

fn remembering() -> CompressionConfig {
    CompressionConfig {
        own_no_context_takeover: false,
        peer_no_context_takeover: false,
        ..CompressionConfig::default()
    }
}

#[test]
fn the_key_of_the_rfc_is_accepted_by_its_answer() {
    assert_eq!(accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let accepted = accept(&with(&[("sec-websocket-protocol", "chat, superchat")]), &["chat"], None).expect("accepted");
    assert_eq!(accepted.response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let headers = accepted.response.headers();
    assert_eq!(header(headers, "sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(header(headers, "upgrade"), Some("websocket"));
    assert_eq!(header(headers, "connection"), Some("Upgrade"));
    assert_eq!(header(headers, "sec-websocket-protocol"), Some("chat"));
}

#[test]
fn every_request_that_breaks_a_rule_is_refused_with_its_status() {
    let mut post = with(&[]);
    *post.method_mut() = Method::POST;
    let mut old = with(&[]);
    *old.version_mut() = Version::HTTP_10;
    let mut version_8 = with(&[]);
    version_8.headers_mut().insert("sec-websocket-version", "8".parse().expect("a value"));
    let mut short_key = with(&[]);
    short_key.headers_mut().insert("sec-websocket-key", "c2hvcnQ=".parse().expect("a value"));
    let cases = [
        (post, StatusCode::METHOD_NOT_ALLOWED, "a WebSocket connection begins with GET"),
        (old, StatusCode::HTTP_VERSION_NOT_SUPPORTED, "a WebSocket connection begins with HTTP/1.1"),
        (
            without("upgrade"),
            StatusCode::UPGRADE_REQUIRED,
            "this is a WebSocket endpoint: the Upgrade header must be websocket",
        ),
        (without("connection"), StatusCode::BAD_REQUEST, "the Connection header must have Upgrade"),
        (without("sec-websocket-version"), StatusCode::UPGRADE_REQUIRED, "the Sec-WebSocket-Version must be 13"),
        (version_8, StatusCode::UPGRADE_REQUIRED, "the Sec-WebSocket-Version must be 13"),
        (
            without("sec-websocket-key"),
            StatusCode::BAD_REQUEST,
            "the Sec-WebSocket-Key must be 16 bytes in base64, once",
        ),
        (short_key, StatusCode::BAD_REQUEST, "the Sec-WebSocket-Key must be 16 bytes in base64, once"),
        (
            with(&[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")]),
            StatusCode::BAD_REQUEST,
            "the Sec-WebSocket-Key must be 16 bytes in base64, once",
        ),
    ];
    for (request, status, reason) in cases {
        let refusal = accept(&request, &NO_PROTOCOLS, None).expect_err(reason);
        assert_eq!((refusal.status(), refusal.reason()), (status, reason));
        let response = refusal.to_response();
        assert_eq!(response.status(), status);
        let upgrade = (status == StatusCode::UPGRADE_REQUIRED).then_some("13");
        assert_eq!(header(response.headers(), "sec-websocket-version"), upgrade);
    }
}

#[test]
fn tokens_are_found_in_lists_whatever_their_case() {
    let mut request = with(&[]);
    request.headers_mut().insert("connection", "keep-alive, UPGRADE".parse().expect("a value"));
    request.headers_mut().insert("upgrade", "WebSocket".parse().expect("a value"));
    assert!(accept(&request, &NO_PROTOCOLS, None).is_ok());
}

#[test]
fn the_client_s_favourite_of_the_known_subprotocols_is_taken() {
    let request = with(&[("sec-websocket-protocol", "a, b"), ("sec-websocket-protocol", "c")]);
    assert_eq!(offered_protocols(request.headers()).collect::<Vec<_>>(), ["a", "b", "c"]);
    let chosen = |known: &[&str]| accept(&request, known, None).expect("accepted").agreed.protocol;
    assert_eq!(chosen(&["c", "b"]).as_deref(), Some("b"));
    assert_eq!(chosen(&["d"]), None);
    // Not even an empty header, which clients refuse.
    let accepted = accept(&request, &["d"], None).expect("accepted");
    assert_eq!(header(accepted.response.headers(), "sec-websocket-protocol"), None);
}

#[test]
fn offers_of_compression_are_answered_as_rfc_7692_says() {
    let cases = [
        ("permessage-deflate", "permessage-deflate", (false, false, 15, 15)),
        ("permessage-deflate; client_max_window_bits", "permessage-deflate", (false, false, 15, 15)),
        (
            "permessage-deflate; client_max_window_bits=10",
            "permessage-deflate; client_max_window_bits=10",
            (false, false, 15, 10),
        ),
        (
            "permessage-deflate; server_max_window_bits=9; server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=9",
            (true, false, 9, 15),
        ),
        (
            "permessage-deflate; server_max_window_bits=\"8\"",
            "permessage-deflate; server_max_window_bits=8",
            (false, false, 8, 15),
        ),
        (
            "permessage-deflate; client_no_context_takeover, permessage-deflate",
            "permessage-deflate; client_no_context_takeover",
            (false, true, 15, 15),
        ),
        ("x-other; a=\"b, permessage-deflate\", permessage-deflate", "permessage-deflate", (false, false, 15, 15)),
        ("permessage-deflate; unknown, permessage-deflate", "permessage-deflate", (false, false, 15, 15)),
    ];
    for (offer, expected, (own_forgets, peer_forgets, own, peer)) in cases {
        let (answer, agreement) = answered(offer, &remembering()).expect(offer);
        assert_eq!(answer, expected, "to {offer}");
        let expected = Agreement {
            own_no_context_takeover: own_forgets,
            peer_no_context_takeover: peer_forgets,
            own_window_bits: own,
            peer_window_bits: peer,
        };
        assert_eq!(agreement, expected, "to {offer}");
    }
}

#[test]
fn a_server_asks_for_less_where_its_settings_say_so() {
    let config =
        CompressionConfig { own_max_window_bits: 12, peer_max_window_bits: 11, ..CompressionConfig::default() };
    let answer = |offer| answered(offer, &config).map(|(answer, _)| answer);
    let both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12";
    assert_eq!(answer("permessage-deflate").as_deref(), Some(both));
    let asked = format!("{both}; client_max_window_bits=11");
    assert_eq!(answer("permessage-deflate; client_max_window_bits").as_deref(), Some(asked.as_str()));
}

#[test]
fn every_offer_of_compression_that_breaks_a_rule_is_declined() {
    for params in [
        "server_max_window_bits",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=08",
        "server_max_window_bits=",
        "client_max_window_bits=x",
        "client_max_window_bits; client_max_window_bits",
        "server_max_window_bits=9; server_max_window_bits=10",
        "server_no_context_takeover=true",
        "client_no_context_takeover; client_no_context_takeover",
        "something_else",
    ] {
        assert_eq!(answered(&format!("permessage-deflate; {params}"), &remembering()), None, "{params}");
    }
}

fn open(
    protocols: &[&str],
    compression: Option<&CompressionConfig>,
) -> Result<(Request<()>, ClientHandshake), HandshakeError> {
    let uri = "ws://user:secret@example.com:8080/chat?a=b".parse().expect("an address");
    ClientHandshake::new(&uri, protocols, compression, &mut Masks::seeded(1))
}

#[test]
fn a_client_and_a_server_come_to_an_agreement() {
    let config = CompressionConfig { peer_max_window_bits: 10, ..remembering() };
    let (request, handshake) = open(&["a", "b"], Some(&config)).expect("a request");
    assert_eq!(request.uri(), "/chat?a=b");
    assert_eq!(header(request.headers(), "host"), Some("example.com:8080"));
    let accepted = accept(&request, &["b"], Some(&CompressionConfig::default())).expect("accepted");
    let agreed = handshake.check(&accepted.response).expect("agreed");
    let expected = Agreement {
        own_no_context_takeover: true,
        peer_no_context_takeover: true,
        own_window_bits: 15,
        peer_window_bits: 10,
    };
    assert_eq!(agreed, Agreed { protocol: Some("b".into()), compression: Some(expected) });
    let turned = Agreement { own_window_bits: 10, peer_window_bits: 15, ..expected };
    assert_eq!(accepted.agreed.compression, Some(turned));
}

#[test]
fn every_response_that_breaks_a_rule_is_refused() {
    type Change = fn(&mut Response<()>);
    fn set(response: &mut Response<()>, name: header::HeaderName, value: &'static str) {
        response.headers_mut().insert(name, value.parse().expect("a value"));
    }
    fn extension(response: &mut Response<()>, value: &'static str) {
        set(response, header::SEC_WEBSOCKET_EXTENSIONS, value);
    }
    const OFFERED: &str = "the extension must be one of those offered, once";
    let cases: [(Change, &str); 12] = [
        (|r| drop(r.headers_mut().remove("upgrade")), "the Upgrade header must be websocket"),
        (|r| set(r, header::CONNECTION, "close"), "the Connection header must have Upgrade"),
        (
            |r| set(r, header::SEC_WEBSOCKET_ACCEPT, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            "the Sec-WebSocket-Accept does not belong to the key",
        ),
        (|r| set(r, header::SEC_WEBSOCKET_PROTOCOL, "c"), "the subprotocol must be one of those offered"),
        (|r| extension(r, "x-other"), OFFERED),
        (|r| extension(r, "permessage-deflate; server_no_context_takeover, permessage-deflate"), OFFERED),
        (|r| extension(r, "permessage-deflate"), "the server does not promise server_no_context_takeover"),
        (
            |r| extension(r, "permessage-deflate; server_no_context_takeover"),
            "the server does not promise server_max_window_bits as offered",
        ),
        (
            |r| extension(r, "permessage-deflate; server_no_context_takeover; server_max_window_bits=13"),
            "the server does not promise server_max_window_bits as offered",
        ),
        (
            |r| {
                let answer = "permessage-deflate; server_no_context_takeover; server_max_window_bits=9; \
                              client_max_window_bits";
                extension(r, answer);
            },
            "the server's client_max_window_bits has no value",
        ),
        (
            |r| extension(r, "permessage-deflate; server_max_window_bits=16"),
            "a window of permessage-deflate is not from 8 to 15",
        ),
        (|r| extension(r, "permessage-deflate; more"), "a parameter of permessage-deflate is unknown"),
    ];
    let config = CompressionConfig { peer_max_window_bits: 12, ..CompressionConfig::default() };
    let (request, handshake) = open(&["a", "b"], Some(&config)).expect("a request");
    for (change, rule) in cases {
        let mut response = accept(&request, &["a"], Some(&config)).expect("accepted").response;
        assert!(handshake.check(&response).is_ok());
        change(&mut response);
        assert_eq!(handshake.check(&response), Err(HandshakeError::Response(rule)));
    }
    let mut response = accept(&request, &["a"], Some(&config)).expect("accepted").response;
    *response.status_mut() = StatusCode::FORBIDDEN;
    assert_eq!(handshake.check(&response), Err(HandshakeError::Refused(StatusCode::FORBIDDEN)));
    let (_, without) = open(&[], None).expect("a request");
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().remove("sec-websocket-protocol");
    assert_eq!(without.check(&response), Err(HandshakeError::Response(OFFERED)));
}

#[test]
fn a_request_that_cannot_be_is_an_error_that_says_how_to_write_it() {
    let failure = open(&["no token"], None).expect_err("a space");
    assert!(failure.to_string().contains("letters, digits"), "{failure}");
    let uri = "/no-host".parse().expect("an address");
    let failure = ClientHandshake::new(&uri, &NO_PROTOCOLS, None, &mut Masks::seeded(1)).expect_err("no host");
    assert!(failure.to_string().contains("ws://host/"), "{failure}");
}
