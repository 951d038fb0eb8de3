//! A network by its address and the length of its prefix.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use motet_core::Status;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Addresses that begin alike: `10.0.0.0/8`, `2001:db8::/32`, or one address, `192.0.2.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether an address is in it. An IPv4 address is the same in its IPv6 form, `::ffff:10.0.0.1`.
    ///
    /// ```
    /// let network: motet_rpc::server::Network = "10.0.0.0/8".parse()?;
    /// assert!(network.contains([10, 1, 2, 3].into()));
    /// # Ok::<(), motet_core::Status>(())
    /// ```
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.prefix) == self.address
    }
}

/// The address with nothing behind its first `prefix` bits.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4((u32::from(address) & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(address) & mask))
        }
    }
}

impl FromStr for Network {
    type Err = Status;

    fn from_str(text: &str) -> Result<Network, Status> {
        let bad = |fix: &str| {
            let shown: String = text.chars().filter(|c| !c.is_control()).take(64).collect();
            Status::invalid_argument(format!("{shown:?} is no network: {fix}"))
        };
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| bad("write 10.0.0.0/8, 2001:db8::/32 or one address"))?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix =
            match prefix {
                None => bits,
                Some(prefix) => prefix.parse().ok().filter(|prefix| *prefix <= bits).ok_or_else(|| {
                    bad(&format!("behind the slash stands how many bits are the network's, 0 to {bits}"))
                })?,
            };
        match masked(address, prefix) {
            network if network == address => Ok(Network { address, prefix }),
            network => Err(bad(&format!("write {network}/{prefix}"))),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Network, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error: Status| D::Error::custom(error.message()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_what_begins_like_it() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.2"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::ffff:11.0.0.1"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "2001:db8::1", "10.0.0.1"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
            ("::1", "::1", "::2"),
        ] {
            let read: Network = network.parse().expect(network);
            assert!(read.contains(inside.parse().expect("an address")), "{network} {inside}");
            assert!(!read.contains(outside.parse().expect("an address")), "{network} {outside}");
            assert_eq!(read.to_string().parse::<Network>().expect("its own text"), read);
        }
    }

    #[test]
    fn what_is_no_network_is_told_how_to_write_one() {
        for (text, fix) in [
            ("10.0.0.0/33", "0 to 32"),
            ("10.0.0.0/", "0 to 32"),
            ("::/129", "0 to 128"),
            ("10.0.0.1/8", "write 10.0.0.0/8"),
            ("proxy.internal", "write 10.0.0.0/8, 2001:db8::/32 or one address"),
            ("", "one address"),
        ] {
            let error = text.parse::<Network>().expect_err(text);
            assert!(error.message().contains(fix), "{error}");
        }
        assert!(serde_json::from_str::<Network>("\"x\"").expect_err("none").to_string().contains("no network"));
    }
}
