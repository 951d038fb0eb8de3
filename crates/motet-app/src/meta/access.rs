//! Who may ask what runs here.

use motet_core::{Context, Result, Status};

use crate::config::{Introspection, Settings};

/// The metadata key in which a caller sends the introspection token.
pub const TOKEN: &str = "introspection-token";

/// Lets callers on this machine pass, and callers with credentials.
///
/// # Errors
/// PermissionDenied naming the settings.
pub(super) fn check(settings: &Settings, cx: &Context) -> Result<()> {
    let ServerAccess { open, token, certificates } = ServerAccess::of(settings);
    let peer = cx.peer();
    let local = peer.is_some_and(|peer| peer.local);
    let certified =
        certificates && peer.and_then(|peer| peer.tls.as_ref()).is_some_and(|tls| !tls.certificates.is_empty());
    let knows = || cx.metadata().get(TOKEN).is_some_and(|sent| !token.is_empty() && same(sent, token));
    if open || local || certified || knows() {
        return Ok(());
    }
    Err(Status::permission_denied(
        "this answers callers on the same machine or with credentials: show a client certificate, or set \
         server.introspection_token there and send it as metadata introspection-token; or set \
         server.introspection = \"anyone\" there",
    ))
}

struct ServerAccess<'a> {
    open: bool,
    token: &'a str,
    /// Whether a client certificate says anything: beside plaintext it does not.
    certificates: bool,
}

impl ServerAccess<'_> {
    fn of(settings: &Settings) -> ServerAccess<'_> {
        ServerAccess {
            open: settings.introspection.introspection == Introspection::Anyone,
            token: &settings.introspection.introspection_token,
            certificates: !settings.server.allow_plaintext,
        }
    }
}

/// Compares in a time that says nothing about where two texts of one length differ.
fn same(a: &str, b: &str) -> bool {
    let difference = a.bytes().zip(b.bytes()).fold(0, |all, (a, b)| all | std::hint::black_box(a ^ b));
    a.len() == b.len() && difference == 0
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use motet_core::{Code, Metadata, Peer, TlsPeer};

    use super::*;
    use crate::Config;

    fn asked(toml: &str, peer: Option<Peer>, token: Option<&str>) -> Result<()> {
        let settings = Settings::read(&Config::toml(toml).expect("TOML")).expect("settings");
        let mut metadata = Metadata::new();
        if let Some(token) = token {
            metadata.append(TOKEN, token).expect("valid");
        }
        check(&settings, &Context::incoming(None, metadata, peer.map(Arc::new), None))
    }

    fn far() -> Option<Peer> {
        Some(Peer::new("tcp", "203.0.113.9:4000", false))
    }

    fn certified() -> Option<Peer> {
        let mut peer = far().expect("a peer");
        let mut tls = TlsPeer::default();
        tls.certificates = vec![vec![1]];
        peer.tls = Some(tls);
        Some(peer)
    }

    #[test]
    fn callers_on_this_machine_pass() {
        assert_eq!(asked("", Some(Peer::new("tcp", "127.0.0.1:4000", true)), None), Ok(()));
    }

    #[test]
    fn others_need_credentials() {
        let token = "[server]\nintrospection_token = 'open sesame'";
        for (toml, peer, sent, passes) in [
            ("", far(), None, false),
            ("", None, None, false),
            ("", far(), Some(""), false),
            (token, far(), None, false),
            (token, far(), Some("open sesamE"), false),
            (token, far(), Some("open"), false),
            (token, far(), Some("open sesame"), true),
            ("", certified(), None, true),
            ("[server]\nallow_plaintext = true", certified(), None, false),
            ("[server]\nintrospection = 'anyone'", far(), None, true),
        ] {
            let outcome = asked(toml, peer, sent);
            assert_eq!(outcome.is_ok(), passes, "{toml} {sent:?}");
            if let Err(status) = outcome {
                assert_eq!(status.code(), Code::PermissionDenied);
                assert!(status.message().contains("server.introspection_token"), "{status}");
            }
        }
    }
}
