//! The header of the PROXY protocol.

use motet_rpc::server::ProxyHeader;

/// However the bytes arrive, a decision is never taken back, comes within 4,096 bytes, and covers no
/// more bytes than there are.
pub fn proxy_header(data: &[u8]) {
    let mut decided = None;
    for length in 0..=data.len().min(5000) {
        let header = ProxyHeader::read(&data[..length]);
        if let ProxyHeader::Read(covered, _) = header {
            assert_eq!(covered, decided.as_ref().map_or(length, |_| covered));
            assert!(covered <= length.min(4096));
        }
        match &decided {
            Some(decided) => assert_eq!(*decided, header),
            None if header != ProxyHeader::More => decided = Some(header),
            None => assert!(length < 4096, "undecided"),
        }
    }
}
