//! Addresses as URLs: which protocol, where, and what stands behind it.

use crate::failure::{Failure, Outcome};

/// What a URL names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// The address as the client reads it: `grpc://host:port`, `http+tls://host:443`.
    pub(crate) address: String,
    /// What follows it, by slashes: `greeter`, `hello`.
    pub(crate) path: Vec<String>,
}

/// Schemes that people write, and what the client calls them.
const SHORT: [(&str, &str); 3] = [("https", "http+tls"), ("grpcs", "grpc+tls"), ("wss", "ws+tls")];

impl Url {
    /// Takes a URL apart; `None` for what is none, such as the name of a service. With `tls` those that
    /// do not say so speak TLS as well.
    ///
    /// # Errors
    /// When it names nobody, or asks for more than an address and a path.
    pub(crate) fn read(text: &str, tls: bool) -> Option<Outcome<Url>> {
        let (scheme, rest) = text.split_once("://")?;
        Some(Url::split(text, scheme, rest, tls))
    }

    fn split(text: &str, scheme: &str, rest: &str, tls: bool) -> Outcome<Url> {
        let bad = |what: &str| {
            Err(Failure::usage(format!("{text}: {what}"))
                .hint("write grpc://HOST:PORT, http://HOST/SERVICE or tcp://HOST:PORT"))
        };
        let scheme = scheme.to_ascii_lowercase();
        let scheme = SHORT.iter().find(|(short, _)| *short == scheme).map_or(&*scheme, |(_, long)| long);
        if scheme == "unix" || scheme == "memory" {
            // What follows is a name of its own kind.
            return Ok(Url { address: text.to_owned(), path: Vec::new() });
        }
        if rest.contains(['?', '#', '@']) {
            return bad("a query, a fragment or a user has no place in an address");
        }
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if host.is_empty() {
            return bad("it names no host");
        }
        let encrypted = scheme.ends_with("+tls") || scheme == "tls";
        let scheme = if tls && !encrypted { format!("{scheme}+tls") } else { scheme.to_owned() };
        let port = host.trim_start_matches(|c| c != ']').contains(':') || !host.contains(']') && host.contains(':');
        let address = match (port, &*scheme) {
            (false, "http" | "ws") => format!("{scheme}://{host}:80"),
            (false, "http+tls" | "ws+tls") => format!("{scheme}://{host}:443"),
            (false, _) => return bad("it names no port"),
            (true, _) => format!("{scheme}://{host}"),
        };
        let path = path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        Ok(Url { address, path })
    }
}

/// The protocol that an address names; `motet` if it names none.
pub(crate) fn protocol(address: &str) -> &str {
    let scheme = address.split_once("://").map_or("tcp", |(scheme, _)| scheme);
    match scheme.trim_end_matches("+tls") {
        "tcp" | "tls" | "unix" | "memory" => "motet",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_an_address_and_a_path() {
        for (text, tls, address, path) in [
            ("grpc://a:1", false, "grpc://a:1", ""),
            ("grpcs://a:1/greeter.Greeter/Hello", false, "grpc+tls://a:1", "greeter.Greeter Hello"),
            ("http://a/greeter", false, "http://a:80", "greeter"),
            ("HTTPS://a/api/greeter/", false, "http+tls://a:443", "api greeter"),
            ("http://[::1]/x", false, "http://[::1]:80", "x"),
            ("http://[::1]:8080/x", false, "http://[::1]:8080", "x"),
            ("grpc://a:1", true, "grpc+tls://a:1", ""),
            ("tcp://a:1", true, "tcp+tls://a:1", ""),
            ("tls://a:1", true, "tls://a:1", ""),
            ("unix:///run/x", true, "unix:///run/x", ""),
        ] {
            let url = Url::read(text, tls).expect("a URL").expect(text);
            assert_eq!((&*url.address, &*url.path.join(" ")), (address, path), "{text}");
        }
        assert!(Url::read("greeter", false).is_none() && Url::read("greeter//say/hi", false).is_none());
    }

    #[test]
    fn what_is_no_address_is_told_how_to_write_one() {
        for text in ["grpc://", "grpc://a", "http://a?x=1", "http://me@a/", "http:///x"] {
            let failure = Url::read(text, false).expect("a URL").expect_err(text);
            assert!(failure.to_string().contains("write grpc://HOST:PORT"), "{failure}");
        }
    }

    #[test]
    fn the_protocol_stands_in_the_scheme() {
        for (address, name) in [
            ("a:1", "motet"),
            ("tcp+tls://a:1", "motet"),
            ("unix:///x", "motet"),
            ("grpc+tls://a:1", "grpc"),
            ("http://a:80", "http"),
            ("jsonrpc2://a:1", "jsonrpc2"),
        ] {
            assert_eq!(protocol(address), name);
        }
    }
}
