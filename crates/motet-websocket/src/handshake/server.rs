//! The server's side.

use std::{error, fmt};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};

use super::{Agreed, accept_key, extensions::Params, headers};
use crate::config::CompressionConfig;

/// A request that is accepted. Once the response is sent the connection speaks WebSocket.
#[derive(Debug)]
pub struct Accepted {
    /// The response, 101.
    pub response: Response<()>,
    /// What both sides agreed on.
    pub agreed: Agreed,
}

/// A request that does not begin a WebSocket connection, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    status: StatusCode,
    reason: &'static str,
}

/// Answers the request for a WebSocket connection. Of `protocols`, the client's favourite is taken;
/// where it offers none of them there is no subprotocol. The client's first offer of compression that
/// can be kept is taken, unless `compression` is `None`.
///
/// # Errors
/// The request asks for something else or breaks a rule: the [`Refusal`] is the answer.
pub fn accept<B>(
    request: &Request<B>,
    protocols: &[impl AsRef<str>],
    compression: Option<&CompressionConfig>,
) -> Result<Accepted, Refusal> {
    let key = check(request)?;
    let offered = headers::offered_protocols(request.headers());
    let protocol = { offered }.find(|offered| protocols.iter().any(|known| known.as_ref() == *offered));
    let mut elements = headers::list(request.headers(), &header::SEC_WEBSOCKET_EXTENSIONS);
    // An offer that breaks a rule is declined like any other that cannot be kept.
    let deflate =
        compression.and_then(|config| Some(elements.find_map(|element| Params::parse(element)?.ok())?.answer(config)));

    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let all = response.headers_mut();
    all.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    all.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    insert(all, header::SEC_WEBSOCKET_ACCEPT, &accept_key(key.as_bytes()));
    if let Some(protocol) = protocol {
        insert(all, header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    if let Some((answer, _)) = deflate {
        insert(all, header::SEC_WEBSOCKET_EXTENSIONS, &answer.to_element());
    }
    let compression = deflate.map(|(_, agreement)| agreement);
    Ok(Accepted { response, agreed: Agreed { protocol: protocol.map(Into::into), compression } })
}

fn insert(headers: &mut http::HeaderMap, name: http::HeaderName, value: &str) {
    // What is written here, and what was read from a header, can stand in one.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The key of a request that keeps the rules.
fn check<B>(request: &Request<B>) -> Result<&str, Refusal> {
    let refuse = |status, reason| Err(Refusal { status, reason });
    let all = request.headers();
    if request.method() != Method::GET {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "a WebSocket connection begins with GET");
    }
    if request.version() != Version::HTTP_11 {
        return refuse(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "a WebSocket connection begins with HTTP/1.1");
    }
    if !headers::has_token(all, &header::UPGRADE, "websocket") {
        return refuse(
            StatusCode::UPGRADE_REQUIRED,
            "this is a WebSocket endpoint: the Upgrade header must be websocket",
        );
    }
    if !headers::has_token(all, &header::CONNECTION, "upgrade") {
        return refuse(StatusCode::BAD_REQUEST, "the Connection header must have Upgrade");
    }
    if headers::only(all, &header::SEC_WEBSOCKET_VERSION) != Some("13") {
        return refuse(StatusCode::UPGRADE_REQUIRED, "the Sec-WebSocket-Version must be 13");
    }
    match headers::only(all, &header::SEC_WEBSOCKET_KEY) {
        Some(key) if STANDARD.decode(key).is_ok_and(|key| key.len() == 16) => Ok(key),
        _ => refuse(StatusCode::BAD_REQUEST, "the Sec-WebSocket-Key must be 16 bytes in base64, once"),
    }
}

impl Refusal {
    /// The status to answer with.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The rule that the request broke.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// The response: the reason as its body, and the headers that the status asks for.
    pub fn to_response(&self) -> Response<&'static str> {
        let mut response = Response::new(self.reason);
        *response.status_mut() = self.status;
        let all = response.headers_mut();
        all.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        match self.status {
            StatusCode::METHOD_NOT_ALLOWED => {
                all.insert(header::ALLOW, HeaderValue::from_static("GET"));
            }
            StatusCode::UPGRADE_REQUIRED => {
                all.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                all.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
                all.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            _ => {}
        }
        response
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no WebSocket connection: {} ({})", self.reason, self.status)
    }
}

impl error::Error for Refusal {}
