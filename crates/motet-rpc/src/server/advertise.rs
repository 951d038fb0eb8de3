//! The address that others reach a server at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use motet_core::Endpoint;

/// The endpoint as others reach it: with the configured host, or host and port, else the bound
/// address, for a wildcard the address of this machine that the default route leaves from.
pub(super) fn advertised(bound: &Endpoint, advertise: Option<&str>) -> Endpoint {
    let Ok(address) = bound.address.parse::<SocketAddr>() else { return bound.clone() };
    let address = match advertise {
        Some(host) if has_port(host) => host.to_owned(),
        Some(host) if host.contains(':') && !host.starts_with('[') => format!("[{host}]:{}", address.port()),
        Some(host) => format!("{host}:{}", address.port()),
        None if address.ip().is_unspecified() => SocketAddr::new(outward(address.ip()), address.port()).to_string(),
        None => address.to_string(),
    };
    let mut endpoint = bound.clone();
    endpoint.address = address;
    endpoint
}

fn has_port(host: &str) -> bool {
    let port = match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => port,
        _ => return false,
    };
    port.parse::<u16>().is_ok()
}

/// Connecting a UDP socket sends nothing; it only makes the system choose a source address. The
/// targets are of the blocks for documentation (RFC 5737, RFC 3849).
fn outward(wildcard: IpAddr) -> IpAddr {
    let v4 = || source((Ipv4Addr::UNSPECIFIED, 0).into(), (Ipv4Addr::new(192, 0, 2, 1), 9).into());
    let v6 = || source((Ipv6Addr::UNSPECIFIED, 0).into(), (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9).into());
    let (found, loopback) = match wildcard {
        IpAddr::V4(_) => (v4(), IpAddr::V4(Ipv4Addr::LOCALHOST)),
        // A socket on :: takes IPv4 as well.
        IpAddr::V6(_) => (v6().or_else(v4), IpAddr::V6(Ipv6Addr::LOCALHOST)),
    };
    found.unwrap_or(loopback)
}

fn source(from: SocketAddr, to: SocketAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind(from).ok()?;
    socket.connect(to).ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bound: &str, advertise: Option<&str>) -> String {
        advertised(&Endpoint::new("tcp", bound), advertise).address
    }

    #[test]
    fn the_configured_host_replaces_the_bound_one() {
        assert_eq!(check("127.0.0.1:4000", None), "127.0.0.1:4000");
        assert_eq!(check("0.0.0.0:4000", Some("db.internal")), "db.internal:4000");
        assert_eq!(check("0.0.0.0:4000", Some("db.internal:80")), "db.internal:80");
        assert_eq!(check("[::]:4000", Some("2001:db8::7")), "[2001:db8::7]:4000");
        assert_eq!(check("[::]:4000", Some("[2001:db8::7]:80")), "[2001:db8::7]:80");
    }

    #[test]
    fn a_wildcard_is_never_advertised() {
        for bound in ["0.0.0.0:4000", "[::]:4000"] {
            let address: SocketAddr = check(bound, None).parse().expect("an address");
            assert!(!address.ip().is_unspecified() && address.port() == 4000);
        }
    }

    #[test]
    fn paths_and_names_stay() {
        let unix = Endpoint::new("unix", "/run/a.sock");
        assert_eq!(advertised(&unix, Some("db.internal")), unix);
    }
}
