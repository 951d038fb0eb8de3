//! Addresses that people write.

use motet_core::{Endpoint, Executed, Result, Status};

/// The endpoint of an address, and the protocol it names: `host:port`, `tcp://host:port`,
/// `tcp+tls://host:port`, `unix:///path`, `memory://name`, or with a protocol in front,
/// `grpc://host:port`, which means TCP. `known` are the protocols of the client, the preferred
/// first; an address that names none gets that one.
pub(crate) fn parse(address: &str, known: &[&str], transports: &dyn Fn(&str) -> bool) -> Result<Endpoint> {
    let bad = |what: &str| {
        let shown: String = address.chars().filter(|c| !c.is_control()).take(256).collect();
        Err(Status::invalid_argument(format!(
            "address {shown:?}: {what}; write host:port, tcp://host:port, tcp+tls://host:port, unix:///path or memory://name"
        ))
        .with_executed(Executed::No))
    };
    let Some(preferred) = known.first() else {
        return Err(Status::failed_precondition("this client speaks no protocol; give its builder one")
            .with_executed(Executed::No));
    };
    let (scheme, rest) = address.split_once("://").unwrap_or(("tcp", address));
    let (scheme, tls) = match scheme.strip_suffix("+tls") {
        Some(scheme) => (scheme, true),
        None if scheme == "tls" => ("tcp", true),
        // `wss://` and `https://`, as everyone writes them.
        None if !known.contains(&scheme) && scheme.strip_suffix('s').is_some_and(|plain| known.contains(&plain)) => {
            (&scheme[..scheme.len() - 1], true)
        }
        None => (scheme, false),
    };
    let (transport, protocol) = match scheme {
        // TCP needs no transport of that name where the protocol brings its own.
        scheme if scheme == "tcp" || transports(scheme) => (scheme, *preferred),
        scheme if known.contains(&scheme) => ("tcp", scheme),
        scheme => {
            return bad(&format!(
                "{scheme:?} is neither a transport nor a protocol of this client, which speaks {}",
                known.join(", ")
            ));
        }
    };
    let rest = if transport == "tcp" { rest.trim_end_matches('/') } else { rest };
    if rest.is_empty() {
        return bad("nothing follows the scheme");
    }
    if transport == "tcp"
        && !rest.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    {
        return bad("a port from 0 to 65535 is missing");
    }
    let mut endpoint = Endpoint::new(transport, rest);
    endpoint.tls = tls;
    endpoint.protocols = vec![protocol.to_owned()];
    Ok(endpoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(address: &str) -> Result<(String, String)> {
        let transports = |scheme: &str| matches!(scheme, "tcp" | "unix" | "memory");
        let endpoint = parse(address, &["motet", "grpc"], &transports)?;
        Ok((endpoint.to_string(), endpoint.protocols.join(",")))
    }

    #[test]
    fn every_form_is_read() {
        for (address, endpoint, protocol) in [
            ("127.0.0.1:80", "tcp://127.0.0.1:80", "motet"),
            ("[::1]:80", "tcp://[::1]:80", "motet"),
            ("tcp://a.b:80/", "tcp://a.b:80", "motet"),
            ("tcp+tls://a.b:80", "tcp+tls://a.b:80", "motet"),
            ("tls://a.b:80", "tcp+tls://a.b:80", "motet"),
            ("unix:///tmp/x.sock", "unix:///tmp/x.sock", "motet"),
            ("memory://one", "memory://one", "motet"),
            ("grpc://a.b:80", "tcp://a.b:80", "grpc"),
            ("grpc+tls://a.b:80", "tcp+tls://a.b:80", "grpc"),
            ("grpcs://a.b:80", "tcp+tls://a.b:80", "grpc"),
        ] {
            assert_eq!(read(address).expect(address), (endpoint.to_owned(), protocol.to_owned()));
        }
    }

    #[test]
    fn others_are_refused_with_the_forms_that_are_read() {
        for address in ["", "a.b", "a.b:http", ":80", "http://a:80", "tcp://", "unix://", "a:99999"] {
            let error = read(address).expect_err(address);
            assert!(error.message().contains("host:port"), "{error}");
        }
    }
}
