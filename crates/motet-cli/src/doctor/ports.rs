//! The addresses at which a service would listen: whether they are free, and who has them if not.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs},
};

use motet::Endpoint;

use super::{Limit, finding::Finding, process};

const AREA: &str = "ports";

/// Tries the configured addresses, and whether there are free ports at all. An address at which a
/// registered node is counts as well used.
pub(super) async fn check(listen: Vec<String>, registered: Vec<Endpoint>, limit: Limit) -> Vec<Finding> {
    let work = move || {
        let configured = listen.iter().filter_map(|address| try_address(address, &registered));
        [free_port()].into_iter().chain(configured).collect()
    };
    match limit.on_blocking(AREA, "looking whether addresses are free", work).await {
        Ok(found) => found,
        Err(finding) => vec![finding],
    }
}

/// Without an address in its configuration, a service takes a free port of this machine.
fn free_port() -> Finding {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, 0)) {
        Ok(_) => Finding::ok(AREA, "a free port of 127.0.0.1 can be had"),
        Err(error) => Finding::problem(
            AREA,
            format!("no port of 127.0.0.1 can be had: {error}"),
            "see that the interface lo is up",
        ),
    }
}

/// Nothing for an address that is no TCP port of its own.
fn try_address(address: &str, registered: &[Endpoint]) -> Option<Finding> {
    let host = match address.split_once("://") {
        None => address,
        Some(("tcp" | "tls" | "tcp+tls", host)) => host,
        Some(_) => return None,
    };
    let wrong = |what: String| Finding::problem(AREA, what, "correct server.listen in the configuration");
    let all: Vec<SocketAddr> = match host.to_socket_addrs() {
        Ok(all) => all.collect(),
        Err(error) => return Some(wrong(format!("{address} is no address: {error}"))),
    };
    let first = all.first().filter(|first| first.port() != 0)?;
    let port = first.port();
    let error = match TcpListener::bind(&all[..]) {
        Ok(_) => return Some(Finding::ok(AREA, format!("{address} is free"))),
        Err(error) => error,
    };
    let is_there = |endpoint: &&Endpoint| endpoint.address.parse().is_ok_and(|at: SocketAddr| at.port() == port);
    Some(match error.kind() {
        ErrorKind::AddrInUse => match registered.iter().find(is_there) {
            Some(endpoint) => {
                Finding::ok(AREA, format!("{address} is used by a service that is registered at {endpoint}"))
            }
            None => {
                let who = process::listens_at(port).unwrap_or_else(|| "another program".to_owned());
                let fix = "end that program, or listen elsewhere: server.listen, or MOTET_LISTEN=tcp://127.0.0.1:0";
                Finding::problem(AREA, format!("{address} is used by {who}"), fix)
            }
        },
        ErrorKind::PermissionDenied => {
            Finding::problem(AREA, format!("{address} may not be used: {error}"), "take a port of 1024 or above")
        }
        _ => wrong(format!("{address} cannot be used: {error}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::State;

    #[test]
    fn an_address_is_free_or_somebody_has_it() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("free");
        let address = listener.local_addr().expect("bound").to_string();
        let used = try_address(&format!("tcp://{address}"), &[]).expect("a port");
        assert_eq!(used.state, State::Problem);
        let who =
            if cfg!(target_os = "linux") { format!("(process {})", std::process::id()) } else { "another".into() };
        assert!(used.what.contains(&address) && used.what.contains(&who), "{used:?}");
        let own = [Endpoint::new("tcp", &address)];
        assert_eq!(try_address(&address, &own).map(|found| found.state), Some(State::Ok), "a service has it");
        drop(listener);
        assert!(try_address(&address, &[]).is_some_and(|found| found.what.ends_with("is free")));
    }

    #[test]
    fn what_needs_no_port_is_passed_over_and_what_is_wrong_is_not() {
        for address in ["tcp://127.0.0.1:0", "unix:///run/x.sock", "memory://x"] {
            assert_eq!(try_address(address, &[]), None, "{address}");
        }
        for (address, says) in [("127.0.0.1", "is no address"), ("tcp://203.0.113.9:4000", "cannot be used")] {
            let found = try_address(address, &[]).expect("a finding");
            assert!(found.state == State::Problem && found.what.contains(says), "{found:?}");
        }
    }
}
