//! Which protocol a connection speaks, from its first bytes.

use std::sync::Arc;

use motet_core::{Recognition, ServerProtocol};

/// How many first bytes are looked at; a protocol that cannot tell by then is not spoken.
pub(super) const MAX_FIRST: usize = 4096;

/// The methods of HTTP/1.1 (RFC 9110 §9, RFC 5789; QUERY of draft-ietf-httpbis-safe-method-w-body) and the
/// preface of HTTP/2.
const HTTP_METHODS: [&[u8]; 10] =
    [b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"CONNECT ", b"OPTIONS ", b"TRACE ", b"PATCH ", b"QUERY "];

/// What the first bytes of a connection say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognised<'a> {
    /// The protocol of this name is spoken.
    Speaks(&'a str),
    /// More bytes are needed to tell.
    NeedMore,
    /// No protocol claims it.
    Nobody,
}

/// What the first bytes say, by the number of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The protocol of this number speaks.
    Speaks(usize),
    /// More bytes are needed to tell.
    More,
    /// No protocol claims it.
    Nobody,
}

/// Asks the protocols in order. A Yes counts only if nobody before it waits; with `last`, no more
/// bytes will come, and who still waits does not get the connection.
pub(super) fn recognise(protocols: &[Arc<dyn ServerProtocol>], first: &[u8], tls: bool, last: bool) -> Verdict {
    let last = last || first.len() >= MAX_FIRST;
    let mut verdict = Verdict::Nobody;
    for (n, protocol) in protocols.iter().enumerate() {
        match protocol.recognise(first, tls) {
            Recognition::Yes if verdict == Verdict::Nobody => return Verdict::Speaks(n),
            Recognition::NeedMore(total) if !last && total <= MAX_FIRST => verdict = Verdict::More,
            _ => {}
        }
    }
    verdict
}

/// The same by the protocol's name.
pub(in crate::server) fn recognised<'a>(
    protocols: &'a [Arc<dyn ServerProtocol>],
    first: &[u8],
    tls: bool,
) -> Recognised<'a> {
    match recognise(protocols, first, tls, false) {
        Verdict::Speaks(number) => Recognised::Speaks(protocols[number].name()),
        Verdict::More => Recognised::NeedMore,
        Verdict::Nobody => Recognised::Nobody,
    }
}

/// Whether these bytes begin a TLS record that holds a handshake (RFC 8446 §5.1).
pub(super) fn is_tls(first: &[u8]) -> Verdict {
    begins_with(first, &[0x16, 0x03])
}

/// Whether these bytes begin an HTTP/1.1 request.
pub(super) fn is_http(first: &[u8]) -> Verdict {
    let all = HTTP_METHODS.map(|method| begins_with(first, method));
    match all {
        _ if all.contains(&Verdict::Speaks(0)) => Verdict::Speaks(0),
        _ if all.contains(&Verdict::More) => Verdict::More,
        _ => Verdict::Nobody,
    }
}

fn begins_with(first: &[u8], start: &[u8]) -> Verdict {
    if first.starts_with(start) {
        Verdict::Speaks(0)
    } else if start.starts_with(first) {
        Verdict::More
    } else {
        Verdict::Nobody
    }
}

#[cfg(test)]
mod tests {
    use motet_core::{BoxFuture, Incoming};

    use super::*;

    /// Recognises a fixed beginning.
    struct Begins(&'static [u8]);

    impl ServerProtocol for Begins {
        fn name(&self) -> &str {
            "begins"
        }

        fn recognise(&self, first: &[u8], _: bool) -> Recognition {
            match begins_with(first, self.0) {
                Verdict::Speaks(_) => Recognition::Yes,
                Verdict::More => Recognition::NeedMore(self.0.len()),
                Verdict::Nobody => Recognition::No,
            }
        }

        fn serve(&self, _: Incoming) -> BoxFuture<'static, ()> {
            Box::pin(async {})
        }
    }

    fn protocols(all: &[&'static [u8]]) -> Vec<Arc<dyn ServerProtocol>> {
        all.iter().map(|start| Arc::new(Begins(start)) as _).collect()
    }

    #[test]
    fn the_answer_is_the_same_at_every_split() {
        let all = protocols(&[b"\xab\xba\x00", b"\xab\xba", b"{"]);
        for (bytes, expected) in [
            (&b"\xab\xba\x00rest"[..], Verdict::Speaks(0)),
            (b"\xab\xba\x01rest", Verdict::Speaks(1)),
            (b"{\"a\":1}", Verdict::Speaks(2)),
            (b"\xabx", Verdict::Nobody),
            (b"nothing", Verdict::Nobody),
        ] {
            let decided = (1..=bytes.len()).map(|n| recognise(&all, &bytes[..n], false, false));
            let mut decided = decided.skip_while(|verdict| *verdict == Verdict::More);
            assert_eq!(decided.next(), Some(expected), "{bytes:?}");
            assert!(decided.all(|verdict| verdict == expected), "{bytes:?}: a decision is never taken back");
        }
    }

    #[test]
    fn a_yes_waits_for_an_earlier_protocol() {
        let all = protocols(&[b"ab", b"a"]);
        assert_eq!(recognise(&all, b"a", false, false), Verdict::More);
        assert_eq!(recognise(&all, b"a", false, true), Verdict::Speaks(1), "no more bytes will come");
        assert_eq!(recognise(&all, b"ac", false, false), Verdict::Speaks(1));
    }

    #[test]
    fn who_wants_more_than_there_is_room_for_does_not_hold_up_the_others() {
        struct Greedy;
        impl ServerProtocol for Greedy {
            fn name(&self) -> &str {
                "greedy"
            }

            fn recognise(&self, first: &[u8], _: bool) -> Recognition {
                Recognition::NeedMore(first.len() + 1)
            }

            fn serve(&self, _: Incoming) -> BoxFuture<'static, ()> {
                Box::pin(async {})
            }
        }
        let all: Vec<Arc<dyn ServerProtocol>> = vec![Arc::new(Greedy), Arc::new(Begins(b"a"))];
        assert_eq!(recognise(&all, b"aaaa", false, false), Verdict::More);
        assert_eq!(recognise(&all, &[b'a'; MAX_FIRST], false, false), Verdict::Speaks(1));
    }

    #[test]
    fn requests_and_handshakes_are_told_from_other_bytes() {
        assert_eq!(is_http(b"PO"), Verdict::More);
        assert_eq!(is_http(b"POST /a HTTP/1.1"), Verdict::Speaks(0));
        assert_eq!(is_http(b"POSTER"), Verdict::Nobody);
        assert_eq!(is_tls(b"\x16"), Verdict::More);
        assert_eq!(is_tls(b"\x16\x03\x01"), Verdict::Speaks(0));
        assert_eq!(is_tls(b"\x16\x02"), Verdict::Nobody);
    }
}
