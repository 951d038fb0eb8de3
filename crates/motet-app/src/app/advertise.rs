//! The rule for addresses that others cannot reach.

use std::net::IpAddr;

use motet_core::{Endpoint, Result, Status};

/// What nodes announce: the endpoints that those who read the registry can reach. Where the
/// registry is of this machine that is all of them; where it is not, loopback addresses, Unix
/// sockets and memory are left out.
///
/// # Errors
/// FailedPrecondition when nothing is left; `advertise` silences it.
pub(super) fn announced(endpoints: Vec<Endpoint>, advertise: Option<&str>, registry: &str) -> Result<Vec<Endpoint>> {
    if advertise.is_some() || is_local(registry) {
        return Ok(endpoints);
    }
    let (near, far): (Vec<_>, Vec<_>) = endpoints.into_iter().partition(is_near);
    if far.is_empty() {
        let shown: Vec<_> = near.iter().map(Endpoint::to_string).collect();
        return Err(Status::failed_precondition(format!(
            "this App would announce {} in a registry of other machines, which cannot reach it: set server.listen to \
             an address of the network, such as tcp://0.0.0.0:4000, or set server.advertise to the address that others \
             are to use",
            shown.join(", ")
        )));
    }
    Ok(far)
}

/// Whether only this machine reaches an endpoint.
fn is_near(endpoint: &Endpoint) -> bool {
    match endpoint.transport.as_str() {
        "unix" | "memory" => true,
        _ => is_loopback(host(&endpoint.address)),
    }
}

/// Whether only this machine sees a registry.
fn is_local(url: &str) -> bool {
    let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
    if matches!(scheme, "memory" | "file" | "static") {
        return true;
    }
    let authority = rest.trim_start_matches('/').split(['/', '?']).next().unwrap_or_default();
    // A URL may list several hosts.
    !authority.is_empty() && authority.split(',').all(|one| is_loopback(host(one.rsplit('@').next().unwrap_or(one))))
}

/// The host of `host:port`, `[v6]:port` or a host alone.
fn host(address: &str) -> &str {
    match address.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None if address.matches(':').count() > 1 => address,
        None => address.split(':').next().unwrap_or(address),
    }
}

fn is_loopback(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(endpoints: &[(&str, &str)], advertise: Option<&str>, registry: &str) -> Result<Vec<String>> {
        let endpoints = endpoints.iter().map(|(transport, address)| Endpoint::new(*transport, *address)).collect();
        announced(endpoints, advertise, registry).map(|left| left.iter().map(Endpoint::to_string).collect())
    }

    const BOTH: [(&str, &str); 2] = [("tcp", "127.0.0.1:4000"), ("unix", "/run/a.sock")];

    #[test]
    fn loopback_is_fine_where_the_registry_is_of_this_machine() {
        for registry in [
            "memory:",
            "file:///tmp/motet-0",
            "static:",
            "consul://localhost:8500",
            "nats://u:p@127.0.0.1",
            "etcd://[::1]:1/x",
        ] {
            assert_eq!(shown(&BOTH, None, registry).expect(registry).len(), 2, "{registry}");
        }
    }

    #[test]
    fn loopback_is_an_error_where_the_registry_is_of_others() {
        for registry in ["consul://10.0.0.1:8500", "nats://demo.nats.io", "etcd://127.0.0.1,10.0.0.2", "kubernetes:"] {
            for near in [("tcp", "127.0.0.1:4000"), ("tcp", "[::1]:4000"), ("tcp", "localhost:4000"), ("memory", "x")] {
                let error = shown(&[near], None, registry).expect_err(registry);
                assert!(error.message().contains("server.advertise"), "{error}");
            }
            assert_eq!(shown(&BOTH, Some("shop.example"), registry).expect("silenced").len(), 2);
        }
    }

    #[test]
    fn what_others_reach_is_announced_alone() {
        let all = [BOTH[0], BOTH[1], ("tcp", "10.0.0.7:4000")];
        assert_eq!(shown(&all, None, "consul://10.0.0.1").expect("one is left"), ["tcp://10.0.0.7:4000"]);
    }
}
