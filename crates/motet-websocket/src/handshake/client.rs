//! The client's side.

use std::{error, fmt};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header, uri::PathAndQuery};

use super::{Agreed, accept_key, extensions::Params, headers};
use crate::{config::CompressionConfig, masks::Masks};

/// A request that awaits its response.
#[derive(Debug)]
pub struct ClientHandshake {
    key: String,
    protocols: Vec<String>,
    offer: Option<(Params, CompressionConfig)>,
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The address has no host, or a subprotocol is no token: what is wrong, and how it should be.
    Request(&'static str),
    /// The server refused, with this status.
    Refused(StatusCode),
    /// The server accepted in a way that breaks this rule.
    Response(&'static str),
}

impl ClientHandshake {
    /// The request to send over a byte stream to the host of this address, and what to check its
    /// response with. Headers, such as `Authorization`, can be added to the request.
    ///
    /// # Errors
    /// The address has no host, or a subprotocol cannot stand in a header.
    pub fn new(
        uri: &Uri,
        protocols: &[impl AsRef<str>],
        compression: Option<&CompressionConfig>,
        masks: &mut Masks,
    ) -> Result<(Request<()>, ClientHandshake), HandshakeError> {
        let authority = uri.authority().ok_or(HandshakeError::Request("the address has no host: write ws://host/"))?;
        let host = authority.as_str().rsplit('@').next().unwrap_or_default();
        let mut key = [0; 16];
        key[..8].copy_from_slice(&masks.next_u64().to_ne_bytes());
        key[8..].copy_from_slice(&masks.next_u64().to_ne_bytes());
        let key = STANDARD.encode(key);

        let mut request = Request::new(());
        *request.uri_mut() = Uri::from(uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")));
        let all = request.headers_mut();
        all.insert(header::HOST, value(host, "the host of the address cannot stand in a header")?);
        all.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        all.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        all.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        all.insert(header::SEC_WEBSOCKET_KEY, value(&key, "unreachable: base64 is text")?);
        let protocols: Vec<String> = protocols.iter().map(|protocol| protocol.as_ref().into()).collect();
        if !protocols.is_empty() {
            let list = value(&token_list(&protocols)?, "a subprotocol is no token")?;
            all.insert(header::SEC_WEBSOCKET_PROTOCOL, list);
        }
        let offer = compression.map(|config| (Params::offer(config), config.clone()));
        if let Some((offer, _)) = &offer {
            all.insert(header::SEC_WEBSOCKET_EXTENSIONS, value(&offer.to_element(), "unreachable: an offer is text")?);
        }
        Ok((request, ClientHandshake { key, protocols, offer }))
    }

    /// Checks the response. If it is good the connection speaks WebSocket from the next byte on.
    ///
    /// # Errors
    /// The server refused, or broke a rule: the byte stream is to be closed.
    pub fn check<B>(&self, response: &Response<B>) -> Result<Agreed, HandshakeError> {
        let all = response.headers();
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(HandshakeError::Refused(response.status()));
        }
        let broken = |rule| Err(HandshakeError::Response(rule));
        if !headers::has_token(all, &header::UPGRADE, "websocket") {
            return broken("the Upgrade header must be websocket");
        }
        if !headers::has_token(all, &header::CONNECTION, "upgrade") {
            return broken("the Connection header must have Upgrade");
        }
        if headers::only(all, &header::SEC_WEBSOCKET_ACCEPT) != Some(&accept_key(self.key.as_bytes())) {
            return broken("the Sec-WebSocket-Accept does not belong to the key");
        }
        Ok(Agreed { protocol: self.protocol(all)?, compression: self.compression(all)? })
    }

    fn protocol(&self, all: &HeaderMap) -> Result<Option<String>, HandshakeError> {
        if !all.contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
            return Ok(None);
        }
        match headers::only(all, &header::SEC_WEBSOCKET_PROTOCOL) {
            Some(chosen) if self.protocols.iter().any(|offered| offered == chosen) => Ok(Some(chosen.into())),
            _ => Err(HandshakeError::Response("the subprotocol must be one of those offered")),
        }
    }

    fn compression(&self, all: &HeaderMap) -> Result<Option<crate::Agreement>, HandshakeError> {
        let mut elements = headers::list(all, &header::SEC_WEBSOCKET_EXTENSIONS);
        let Some(element) = elements.next() else { return Ok(None) };
        let answer = match (Params::parse(element), elements.next()) {
            (Some(answer), None) => answer.map_err(HandshakeError::Response)?,
            _ => return Err(HandshakeError::Response("the extension must be one of those offered, once")),
        };
        let (offer, config) =
            self.offer.as_ref().ok_or(HandshakeError::Response("the extension must be one of those offered, once"))?;
        offer.agree(&answer, config).map(Some).map_err(HandshakeError::Response)
    }
}

fn value(text: &str, otherwise: &'static str) -> Result<HeaderValue, HandshakeError> {
    HeaderValue::from_str(text).map_err(|_| HandshakeError::Request(otherwise))
}

/// Subprotocols as a list; each must be a token (RFC 9110, section 5.6.2).
fn token_list(protocols: &[String]) -> Result<String, HandshakeError> {
    let is_token = |text: &String| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    if protocols.iter().all(is_token) {
        Ok(protocols.join(", "))
    } else {
        Err(HandshakeError::Request("a subprotocol is no token: letters, digits and !#$%&'*+-.^_`|~"))
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandshakeError::Request(what) => f.write_str(what),
            HandshakeError::Refused(status) => write!(f, "the server refused the WebSocket connection: {status}"),
            HandshakeError::Response(rule) => write!(f, "the server's answer for a WebSocket connection: {rule}"),
        }
    }
}

impl error::Error for HandshakeError {}
