//! The port that a service keeps while it is built and started again.

use std::net::{Ipv4Addr, TcpListener};

/// A port of this machine that nobody used when it was picked.
#[derive(Debug, Default)]
pub(super) struct Port(Option<u16>);

impl Port {
    /// The address to listen at: the same as last time, unless somebody else has taken it since.
    /// Nothing where the machine has no free port: the service then says so itself.
    pub(super) fn address(&mut self) -> Option<String> {
        let kept = self.0.filter(|port| free(*port).is_some());
        self.0 = kept.or_else(|| free(0));
        self.0.map(|port| format!("tcp://{}:{port}", Ipv4Addr::LOCALHOST))
    }
}

/// The port, or any for 0, if it is free.
fn free(port: u16) -> Option<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
    listener.local_addr().ok().map(|address| address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_kept_unless_it_is_taken() {
        let mut port = Port::default();
        let first = port.address().expect("a port");
        assert_eq!(port.address().as_ref(), Some(&first));
        let taken = TcpListener::bind(first.strip_prefix("tcp://").expect("TCP")).expect("free");
        assert_ne!(port.address().expect("another"), first);
        drop(taken);
    }
}
