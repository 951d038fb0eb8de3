//! The PROXY protocol: who is behind a proxy, in the first bytes that the proxy sends.
//!
//! The format is that of HAProxy's `proxy-protocol.txt`, versions 1 and 2. What version 2 may hold
//! beside the addresses is skipped.

mod network;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

pub use self::network::Network;

/// The longest header that is read; those of proxies have 16 to 536 bytes.
const MAX_HEADER: usize = 4096;
/// The longest line of version 1, with its end.
const MAX_LINE: usize = 107;

const LINE: &[u8] = b"PROXY ";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, version and command, family, and the length of what follows.
const FIXED: usize = SIGNATURE.len() + 4;

/// What the first bytes of a connection say of a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// There is no header.
    Absent,
    /// More bytes are needed to tell.
    More,
    /// A header of so many bytes.
    Read(usize, ProxySource),
    /// A header that breaks a rule.
    Wrong(&'static str),
}

/// Whom a connection is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxySource {
    /// The proxy itself, such as its health checks.
    Proxy,
    /// Somebody behind the proxy, which does not say who.
    Unknown,
    /// Who is at this address.
    At(SocketAddr),
}

impl ProxyHeader {
    /// Reads the header, if there is one.
    pub fn read(first: &[u8]) -> ProxyHeader {
        match (begins(first, LINE), begins(first, SIGNATURE)) {
            (Some(true), _) => line(first),
            (_, Some(true)) => binary(first),
            (None, None) => ProxyHeader::Absent,
            _ => ProxyHeader::More,
        }
    }
}

/// Whether the bytes begin so; `None` if they do not, and `Some(false)` if they may yet.
fn begins(first: &[u8], start: &[u8]) -> Option<bool> {
    let known = first.len().min(start.len());
    (first[..known] == start[..known]).then_some(known == start.len())
}

/// `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n`
fn line(first: &[u8]) -> ProxyHeader {
    let within = &first[..first.len().min(MAX_LINE)];
    let Some(end) = within.windows(2).position(|pair| pair == b"\r\n") else {
        return match within.len() {
            MAX_LINE => ProxyHeader::Wrong("its line is longer than 107 bytes"),
            _ => ProxyHeader::More,
        };
    };
    let Ok(text) = std::str::from_utf8(&within[LINE.len()..end]) else {
        return ProxyHeader::Wrong("its line is no text");
    };
    let source = match *text.split(' ').collect::<Vec<_>>() {
        ["UNKNOWN", ..] => Some(ProxySource::Unknown),
        ["TCP4", from, to, port, to_port] => endpoint::<Ipv4Addr>(from, to, port, to_port),
        ["TCP6", from, to, port, to_port] => endpoint::<Ipv6Addr>(from, to, port, to_port),
        _ => return ProxyHeader::Wrong("after PROXY come TCP4, TCP6 or UNKNOWN, two addresses and two ports"),
    };
    match source {
        Some(source) => ProxyHeader::Read(end + 2, source),
        None => ProxyHeader::Wrong("an address or a port of its line cannot be read"),
    }
}

fn endpoint<A: FromStr + Into<IpAddr>>(from: &str, to: &str, port: &str, to_port: &str) -> Option<ProxySource> {
    let address: A = from.parse().ok()?;
    to.parse::<A>().ok()?;
    self::port(to_port)?;
    Some(ProxySource::At(SocketAddr::new(address.into(), self::port(port)?)))
}

/// A port in decimal digits, without zeros before it.
fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

/// The signature, then `21 11 00 0c` and the addresses.
fn binary(first: &[u8]) -> ProxyHeader {
    // What is wrong is told as soon as it is there.
    let command = match first.get(SIGNATURE.len()) {
        None => return ProxyHeader::More,
        Some(byte) if byte >> 4 != 2 => return ProxyHeader::Wrong("its version is neither 1 nor 2"),
        Some(byte) => byte & 0xf,
    };
    if command > 1 {
        return ProxyHeader::Wrong("its command is neither LOCAL nor PROXY");
    }
    let Some(&[family, high, low]) = first.get(SIGNATURE.len() + 1..FIXED) else { return ProxyHeader::More };
    let length = FIXED + usize::from(u16::from_be_bytes([high, low]));
    if length > MAX_HEADER {
        return ProxyHeader::Wrong("it is longer than 4,096 bytes");
    }
    let Some(rest) = first.get(FIXED..length) else { return ProxyHeader::More };
    let source = match (command, family) {
        (0, _) => Some(ProxySource::Proxy),
        (_, 0x00) => Some(ProxySource::Unknown),
        (_, 0x11 | 0x12) => inet::<4>(rest),
        (_, 0x21 | 0x22) => inet::<16>(rest),
        // Two paths of Unix sockets: where they are is another machine's business.
        (_, 0x31 | 0x32) => rest.get(..216).map(|_| ProxySource::Unknown),
        _ => return ProxyHeader::Wrong("its address family is none that there is"),
    };
    match source {
        Some(source) => ProxyHeader::Read(length, source),
        None => ProxyHeader::Wrong("it is too short for its addresses"),
    }
}

/// Source address, destination address, source port, destination port.
fn inet<const N: usize>(rest: &[u8]) -> Option<ProxySource>
where
    [u8; N]: Into<IpAddr>,
{
    let address: [u8; N] = *rest.first_chunk()?;
    let ports: [u8; 4] = *rest.get(2 * N..)?.first_chunk()?;
    Some(ProxySource::At(SocketAddr::new(address.into(), u16::from_be_bytes([ports[0], ports[1]]))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> ProxySource {
        ProxySource::At(address.parse().expect("an address"))
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
        [SIGNATURE, &[command, family], &length, rest].concat()
    }

    /// From 192.0.2.1:56324 to 198.51.100.1:443.
    const INET: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb];

    fn inet6() -> Vec<u8> {
        let address = |text: &str| text.parse::<Ipv6Addr>().expect("an address").octets();
        [&address("2001:db8::1")[..], &address("2001:db8::2"), &[0xdc, 0x04, 0x01, 0xbb]].concat()
    }

    /// Headers as the specification writes them, and whom they are from.
    fn golden() -> Vec<(Vec<u8>, ProxySource)> {
        let longest = "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
        // A checksum, an authority, and an SSL structure behind the addresses.
        let extra = [&INET[..], &[3, 0, 4, 1, 2, 3, 4, 2, 0, 1, b'a', 0x20, 0, 5, 1, 0, 0, 0, 0]].concat();
        vec![
            (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n".to_vec(), at("255.255.255.255:65535")),
            (b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n".to_vec(), at("192.168.0.1:56324")),
            (longest.as_bytes().to_vec(), at("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535")),
            (b"PROXY UNKNOWN\r\n".to_vec(), ProxySource::Unknown),
            (longest.replace("TCP6", "UNKNOWN").into_bytes(), ProxySource::Unknown),
            (v2(0x20, 0x00, b""), ProxySource::Proxy),
            (v2(0x20, 0xff, b"what LOCAL brings is not looked at"), ProxySource::Proxy),
            (v2(0x21, 0x00, b"addresses of another kind"), ProxySource::Unknown),
            (v2(0x21, 0x11, &INET), at("192.0.2.1:56324")),
            (v2(0x21, 0x12, &INET), at("192.0.2.1:56324")),
            (v2(0x21, 0x11, &extra), at("192.0.2.1:56324")),
            (v2(0x21, 0x21, &inet6()), at("[2001:db8::1]:56324")),
            (v2(0x21, 0x31, &[b'/'; 216]), ProxySource::Unknown),
            (v2(0x21, 0x11, &[&INET[..], &[0; MAX_HEADER - FIXED - 12]].concat()), at("192.0.2.1:56324")),
        ]
    }

    #[test]
    fn the_specification_s_headers_are_read_whole_and_cut_anywhere_wait_for_more() {
        for (bytes, source) in golden() {
            let whole = ProxyHeader::Read(bytes.len(), source);
            assert_eq!(ProxyHeader::read(&bytes), whole, "{bytes:?}");
            assert_eq!(ProxyHeader::read(&[&bytes[..], b"\r\n{}"].concat()), whole, "the rest is not looked at");
            for cut in 0..bytes.len() {
                assert_eq!(ProxyHeader::read(&bytes[..cut]), ProxyHeader::More, "{cut} of {bytes:?}");
            }
        }
        assert_eq!(golden()[4].0.len(), MAX_LINE, "the longest line");
    }

    #[test]
    fn what_breaks_a_rule_is_named() {
        let long = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; MAX_LINE]].concat();
        for (bytes, problem) in [
            (long, "longer than 107"),
            (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n".to_vec(), "two addresses"),
            (b"PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n".to_vec(), "TCP4, TCP6 or UNKNOWN"),
            (b"PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n".to_vec(), "TCP4, TCP6 or UNKNOWN"),
            (b"PROXY UNKNOWNS\r\n".to_vec(), "TCP4, TCP6 or UNKNOWN"),
            (b"PROXY \r\n".to_vec(), "TCP4, TCP6 or UNKNOWN"),
            (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n".to_vec(), "cannot be read"),
            (b"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n".to_vec(), "cannot be read"),
            (b"PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n".to_vec(), "cannot be read"),
            (b"PROXY TCP4 1.2.3.4 1.2.3.4  2\r\n".to_vec(), "cannot be read"),
            (b"PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n".to_vec(), "cannot be read"),
            (b"PROXY TCP4 ::1 ::1 1 2\r\n".to_vec(), "cannot be read"),
            (b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n".to_vec(), "cannot be read"),
            (b"PROXY \xff\r\n".to_vec(), "no text"),
            (v2(0x11, 0x11, &INET), "version"),
            (v2(0x22, 0x11, &INET), "command"),
            (v2(0x21, 0x41, &INET), "family"),
            (v2(0x21, 0x10, &INET), "family"),
            (v2(0x21, 0x11, &INET[..11]), "too short"),
            (v2(0x21, 0x21, &inet6()[..35]), "too short"),
            (v2(0x21, 0x31, &[0; 215]), "too short"),
            (v2(0x20, 0x00, &[0; MAX_HEADER - FIXED + 1]), "longer than 4,096"),
        ] {
            let ProxyHeader::Wrong(why) = ProxyHeader::read(&bytes) else { panic!("{bytes:?}") };
            assert!(why.contains(problem), "{bytes:?}: {why}");
        }
    }

    #[test]
    fn other_protocols_are_told_apart_at_their_first_difference() {
        for bytes in [&b"POST / HTTP/1.1\r\n"[..], b"PRI * HTTP/2.0", b"PROXYING", b"{}", b"\r\n\r\n{", b"\xab\xba\x01"]
        {
            assert_eq!(ProxyHeader::read(bytes), ProxyHeader::Absent, "{bytes:?}");
        }
    }
}
