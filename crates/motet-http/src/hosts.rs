//! Whose pages may call: the rules of `Host`, `Origin` and CORS.
//!
//! A web page can send requests to servers on its reader's machine, and with a name of its own that
//! resolves to 127.0.0.1 (DNS rebinding) it can read the answers too. So a loopback listener is asked
//! for by loopback names, IP addresses or configured names only, and so is any listener by requests
//! that carry `Origin`; whose `Origin` must be the server's own or on the list.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, Method, header, request::Parts};
use motet_core::{Endpoint, Result, Status};

use crate::HttpConfig;

/// Which names and origins pass.
pub(crate) struct Hosts {
    names: Vec<String>,
    origins: Vec<String>,
    any_origin: bool,
    cors: bool,
}

impl Hosts {
    pub(crate) fn new(config: &HttpConfig, advertised: &[String]) -> Hosts {
        let names = config.hosts.iter().chain(advertised).map(|name| host_of(name).to_ascii_lowercase());
        Hosts {
            names: names.collect(),
            origins: config.origins.iter().map(|origin| origin.trim_end_matches('/').to_ascii_lowercase()).collect(),
            any_origin: config.origins.iter().any(|origin| origin == "*"),
            cors: config.cors,
        }
    }

    /// Checks a request to a listener that may be a loopback one.
    ///
    /// # Errors
    /// PermissionDenied naming the setting, InvalidArgument for a request without the one `Host` that
    /// HTTP/1.1 asks for.
    pub(crate) fn check(&self, head: &Parts, loopback: bool) -> Result<()> {
        let host = host(head)?;
        let mut origins = head.headers.get_all(header::ORIGIN).iter();
        let origin = origins.next();
        if origins.next().is_some() {
            return Err(Status::permission_denied("a request has one Origin at most"));
        }
        if (loopback || origin.is_some())
            && let Some(host) = host
            && !self.knows(host)
        {
            let shown: String = host.chars().filter(char::is_ascii_graphic).take(128).collect();
            return Err(Status::permission_denied(format!(
                "host {shown:?} is not served here: ask by a loopback name or an IP address, or add the name to \
                 protocols.http.hosts"
            )));
        }
        match origin {
            Some(origin) if !self.admits(origin, host) => Err(Status::permission_denied(
                "pages of this origin may not call here: add it to protocols.http.origins",
            )),
            _ => Ok(()),
        }
    }

    fn knows(&self, authority: &str) -> bool {
        let host = host_of(authority).to_ascii_lowercase();
        let host = host.trim_end_matches('.');
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        address || host == "localhost" || host.ends_with(".localhost") || self.names.iter().any(|name| name == host)
    }

    fn admits(&self, origin: &HeaderValue, host: Option<&str>) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        if self.any_origin || self.origins.iter().any(|known| known.eq_ignore_ascii_case(origin)) {
            return true;
        }
        // The server's own: the same host and port, whatever the scheme; TLS may end at a proxy.
        let own = origin.split_once("://").map(|(_, own)| own);
        own.is_some_and(|own| host.is_some_and(|host| same_authority(own, host)))
    }

    /// What a page may know of an answer: the fields that CORS adds, where it is on.
    pub(crate) fn cors(&self, origin: Option<&HeaderValue>) -> Option<Cors> {
        self.cors.then(|| origin.map(|origin| Cors(origin.clone()))).flatten()
    }
}

/// A page that may read answers.
pub(crate) struct Cors(HeaderValue);

impl Cors {
    /// Whether a request asks what the page may send, and is no call itself.
    pub(crate) fn is_preflight(head: &Parts) -> bool {
        head.method == Method::OPTIONS && head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// Adds what lets the page read an answer.
    pub(crate) fn put(self, asked: Option<&HeaderMap>, headers: &mut HeaderMap) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, self.0);
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        match asked {
            None => {
                headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
            }
            Some(asked) => {
                let pairs = [
                    (header::ACCESS_CONTROL_REQUEST_METHOD, header::ACCESS_CONTROL_ALLOW_METHODS),
                    (header::ACCESS_CONTROL_REQUEST_HEADERS, header::ACCESS_CONTROL_ALLOW_HEADERS),
                ];
                for (request, answer) in pairs {
                    if let Some(value) = asked.get(request) {
                        headers.insert(answer, value.clone());
                    }
                }
                headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
            }
        }
    }
}

/// The authority that a request asks for.
///
/// # Errors
/// InvalidArgument for an HTTP/1.1 request without exactly one.
fn host(head: &Parts) -> Result<Option<&str>> {
    let mut fields = head.headers.get_all(header::HOST).iter();
    let field = fields.next();
    if fields.next().is_some() || (field.is_none() && head.version == http::Version::HTTP_11) {
        return Err(Status::invalid_argument("a request has exactly one Host"));
    }
    let field =
        field.map(|value| value.to_str().map_err(|_| Status::invalid_argument("Host is no text"))).transpose()?;
    let Some(authority) = head.uri.authority().map(http::uri::Authority::as_str) else {
        return match field {
            Some(field) if !has_good_port(field) => Err(Status::invalid_argument("the port in Host is none")),
            field => Ok(field),
        };
    };
    // In HTTP/1.1 a whole URL counts, whatever Host says (RFC 9112 §3.2.2); in HTTP/2 both are one (RFC 9113 §8.3.1).
    match field {
        Some(field) if head.version == http::Version::HTTP_2 && !same_authority(field, authority) => {
            Err(Status::invalid_argument("Host is another than :authority"))
        }
        _ => Ok(Some(authority)),
    }
}

/// Checks that a body's end is where every reader finds it: chunks are the only coding, said once.
///
/// # Errors
/// InvalidArgument for any other `Transfer-Encoding`.
pub(crate) fn check_framing(head: &Parts) -> Result<()> {
    let mut codings = head.headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(one), None) if one.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Status::invalid_argument("the only Transfer-Encoding here is chunked, once")),
    }
}

fn host_of(authority: &str) -> &str {
    let authority = authority.rsplit('@').next().unwrap_or_default();
    if authority.starts_with('[') {
        return authority.split_inclusive(']').next().unwrap_or_default();
    }
    authority.split(':').next().unwrap_or_default()
}

/// Whether nothing but a port follows the host.
fn has_good_port(authority: &str) -> bool {
    let rest = authority.strip_prefix(host_of(authority)).unwrap_or_default();
    rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.is_empty() || port.parse::<u16>().is_ok())
}

fn same_authority(a: &str, b: &str) -> bool {
    let plain = |text: &str| {
        let text = text.to_ascii_lowercase();
        text.strip_suffix(":80").or(text.strip_suffix(":443")).unwrap_or(&text).to_owned()
    };
    plain(a) == plain(b)
}

/// Whether only callers of this machine reach a listener that browsers can reach.
pub(crate) fn is_loopback(listener: &Endpoint) -> bool {
    let host = host_of(&listener.address).trim_start_matches('[').trim_end_matches(']');
    let loopback = || host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    listener.transport == "tcp" && loopback()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const LOOPBACK: &str = "127.0.0.1:4000";
    const OPEN: &str = "0.0.0.0:4000";

    fn asked(config: &HttpConfig, listener: &str, fields: &[(&str, &str)]) -> Result<()> {
        let mut request = Request::builder().uri("/greeter/hello");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).expect("a request").into_parts();
        let hosts = Hosts::new(config, &["greeter.example:80".to_owned()]);
        hosts.check(&head, is_loopback(&Endpoint::new("tcp", listener)))
    }

    #[test]
    fn a_loopback_listener_answers_names_of_its_own_only() {
        let config = HttpConfig { hosts: vec!["my.test".to_owned()], ..HttpConfig::default() };
        for host in ["localhost:4000", "LOCALHOST", "a.localhost", "127.0.0.1", "[::1]:4000", "10.0.0.1:80"] {
            assert_eq!(asked(&config, LOOPBACK, &[("host", host)]), Ok(()), "{host}");
        }
        for host in ["my.test:4000", "greeter.example", "greeter.example."] {
            assert_eq!(asked(&config, LOOPBACK, &[("host", host)]), Ok(()), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "my.test.evil", ""] {
            let status = asked(&config, LOOPBACK, &[("host", host)]).expect_err(host);
            assert!(status.message().contains("protocols.http.hosts"), "{status}");
        }
    }

    #[test]
    fn any_other_listener_answers_probes_by_any_name() {
        let config = HttpConfig::default();
        assert_eq!(asked(&config, OPEN, &[("host", "whatever.example")]), Ok(()));
        assert_eq!(asked(&config, OPEN, &[("host", "10.1.2.3:4000")]), Ok(()));
        let rebound = [("host", "evil.example"), ("origin", "http://evil.example")];
        assert!(asked(&config, OPEN, &rebound).is_err(), "a page with a name of its own");
    }

    #[test]
    fn pages_of_other_origins_may_not_call() {
        let mut config = HttpConfig::default();
        let from = |config: &HttpConfig, origin| asked(config, LOOPBACK, &[("host", LOOPBACK), ("origin", origin)]);
        assert_eq!(from(&config, "http://127.0.0.1:4000"), Ok(()));
        for origin in ["http://127.0.0.1:5000", "https://app.example", "null", "http://localhost:4000"] {
            let status = from(&config, origin).expect_err(origin);
            assert!(status.message().contains("protocols.http.origins"), "{status}");
        }
        config.origins = vec!["https://app.example".to_owned()];
        assert_eq!(from(&config, "https://app.example"), Ok(()));
        assert!(from(&config, "https://app.example.evil").is_err());
        config.origins = vec!["*".to_owned()];
        assert_eq!(from(&config, "null"), Ok(()));
    }

    #[test]
    fn a_request_has_one_host() {
        let config = HttpConfig::default();
        assert!(asked(&config, OPEN, &[]).is_err());
        assert!(asked(&config, OPEN, &[("host", "a"), ("host", "a")]).is_err());
    }
}
