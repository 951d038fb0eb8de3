//! TLS on the listener and on the transports that dial it.

mod server_support;

use std::{sync::Arc, time::Duration};

use motet_core::{BoxFuture, Call, Code, Endpoint, Executed, Incoming, MemoryTransport, Next, Recognition, Transport};
use motet_rpc::{
    ClientTls, Server, ServerConfig, ServerTls, TcpTransport, UnixTransport, transport::ClientCertificates,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use server_support::{Caller, Line, builder};

struct Authority(CertifiedIssuer<'static, KeyPair>);

struct Issued {
    chain: String,
    key: String,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Authority(CertifiedIssuer::self_signed(params, key).expect("signed"))
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn issue(&self, names: &[&str]) -> Issued {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let params = CertificateParams::new(names).expect("valid names");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("signed");
        Issued { chain: certificate.pem(), key: key.serialize_pem() }
    }

    fn server(&self) -> ServerTls {
        let issued = self.issue(&["localhost", "127.0.0.1"]);
        ServerTls::from_pem(issued.chain, issued.key).expect("they belong together")
    }

    fn trusted(&self) -> ClientTls {
        ClientTls::from_pem(self.pem()).expect("an authority")
    }
}

async fn listening(tls: ServerTls, line: Line) -> (Server, Endpoint) {
    let server =
        Server::builder().protocol(Arc::new(line)).service(server_support::greeter()).tls(tls).build().expect("valid");
    let endpoint = server.listen("tls://127.0.0.1:0").await.expect("free");
    (server, endpoint)
}

const MOTET: Line = Line { alpn: Some("motet/1") };

#[tokio::test]
async fn a_call_over_tls_is_answered_and_knows_what_was_agreed() {
    let authority = Authority::new();
    let (server, endpoint) = listening(authority.server(), MOTET).await;
    assert!(endpoint.tls);
    let transport = TcpTransport::new().with_tls(authority.trusted());
    let mut caller = Caller::dial(&transport, &endpoint).await;
    assert_eq!(caller.call("greeter/hello {}").await, "ok {}");
    assert!(server.shutdown(Duration::from_secs(5)).await.drained);
}

#[tokio::test]
async fn a_unix_socket_speaks_tls_too() {
    let authority = Authority::new();
    let (server, _) = listening(authority.server(), MOTET).await;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let endpoint = server.listen(&format!("unix://{}", directory.path().join("s").display())).await.expect("free");
    let mut caller = Caller::dial(&UnixTransport::new().with_tls(authority.trusted()), &endpoint).await;
    assert_eq!(caller.call("greeter/hello {}").await, "ok {}");
}

#[tokio::test]
async fn plaintext_is_refused_where_tls_is_configured_unless_allowed() {
    let authority = Authority::new();
    let (server, mut endpoint) = listening(authority.server(), MOTET).await;
    endpoint.tls = false;
    let mut caller = Caller::dial(&TcpTransport::new(), &endpoint).await;
    assert_eq!(caller.call("greeter/hello {}").await, "");
    let mut browser = Caller::dial(&TcpTransport::new(), &endpoint).await;
    browser.send("GET / HTTP/1.1\r\n\r\n").await;
    let answer = browser.rest().await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("speaks TLS only"), "{answer}");
    assert_eq!(server.connections().plaintext_refused, 2);

    let mut config = ServerConfig::default();
    config.allow_plaintext = true;
    let both = builder(&MemoryTransport::new()).config(config).tls(authority.server()).build().expect("valid");
    let mut endpoint = both.listen("127.0.0.1:0").await.expect("free");
    let tls = TcpTransport::new().with_tls(authority.trusted());
    let mut encrypted = Caller::on(tls.dial_alpn(&endpoint, &["x"]).await.expect("the server offers no names"));
    assert_eq!(encrypted.call("greeter/hello {}").await, "ok {}");
    endpoint.tls = false;
    let mut plain = Caller::dial(&tls, &endpoint).await;
    assert_eq!(plain.call("greeter/hello {}").await, "ok {}");
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_explained() {
    let authority = Authority::new();
    let (_server, endpoint) = listening(authority.server(), MOTET).await;
    let dial = async |transport: TcpTransport| {
        let error = transport.dial(&endpoint).await.err().expect("refused");
        assert_eq!(error.executed(), Executed::No);
        error
    };
    let error = dial(TcpTransport::new().with_tls(Authority::new().trusted())).await;
    assert_eq!(error.code(), Code::Unavailable);
    assert!(
        error.message().contains("certificate is rejected") && error.message().contains("client.tls.ca"),
        "{error}"
    );

    let error = dial(TcpTransport::new().with_tls(authority.trusted().with_server_name("db.internal"))).await;
    assert!(error.message().contains("client.tls.server_name"), "{error}");

    let error = dial(TcpTransport::new()).await;
    assert_eq!(error.message(), "no TLS roots configured: set client.tls.ca");
}

#[tokio::test]
async fn a_server_without_tls_is_told_from_a_bad_certificate() {
    let server = builder(&MemoryTransport::new()).build().expect("valid");
    let mut endpoint = server.listen("127.0.0.1:0").await.expect("free");
    endpoint.tls = true;
    let error = TcpTransport::new().with_tls(Authority::new().trusted()).dial(&endpoint).await.err().expect("no TLS");
    assert!(error.message().contains("handshake"), "{error}");
    assert_eq!(server.connections().unrecognised, 1);
}

#[tokio::test]
async fn mutual_tls_shows_the_handler_who_calls() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let required = servers.server().with_client_ca(clients.pem(), ClientCertificates::Required).expect("an authority");
    let server = Server::builder()
        .protocol(Arc::new(MOTET))
        .service(server_support::greeter())
        .middleware(|call: Call, next: Next| async move {
            let tls = call.cx.peer().and_then(|peer| peer.tls.clone()).unwrap_or_default();
            match tls.certificates.len() {
                1 if tls.alpn.as_deref() == Some("motet/1") => next.run(call).await,
                _ => Err(motet_core::Status::unauthenticated("no certificate")),
            }
        })
        .tls(required)
        .build()
        .expect("valid");
    let endpoint = server.listen("tcp://127.0.0.1:0").await.expect("free");

    let identity = clients.issue(&["worker"]);
    let known = servers.trusted().with_identity(identity.chain, identity.key).expect("they belong together");
    let mut caller = Caller::dial(&TcpTransport::new().with_tls(known), &endpoint).await;
    assert_eq!(caller.call("greeter/hello {}").await, "ok {}");

    // In TLS 1.3 the client's side of the handshake is over before the server refuses.
    let nobody = TcpTransport::new().with_tls(servers.trusted()).dial(&endpoint).await;
    if let Ok(io) = nobody {
        assert_eq!(Caller::on(io).call("greeter/hello {}").await, "");
    }
    assert_eq!(server.connections().tls_failed, 1);
}

#[tokio::test]
async fn an_optional_client_certificate_may_be_missing() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let optional = servers.server().with_client_ca(clients.pem(), ClientCertificates::Optional).expect("an authority");
    let (_server, endpoint) = listening(optional, MOTET).await;
    let mut caller = Caller::dial(&TcpTransport::new().with_tls(servers.trusted()), &endpoint).await;
    assert_eq!(caller.call("greeter/hello {}").await, "ok {}");
}

/// Claims what begins with `#`, by its name and its ALPN name.
struct Sharp(&'static str, &'static str);

impl motet_core::ServerProtocol for Sharp {
    fn name(&self) -> &str {
        self.0
    }

    fn alpn(&self) -> Option<&str> {
        Some(self.1)
    }

    fn recognise(&self, first: &[u8], _: bool) -> Recognition {
        if first[0] == b'#' { Recognition::Yes } else { Recognition::No }
    }

    fn serve(&self, mut incoming: Incoming) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut incoming.io, b"sharp\n").await;
            let _ = tokio::io::AsyncWriteExt::shutdown(&mut incoming.io).await;
        })
    }
}

#[tokio::test]
async fn bytes_must_agree_with_alpn() {
    let authority = Authority::new();
    let server = Server::builder()
        .protocol(Arc::new(MOTET))
        .protocol(Arc::new(Sharp("sharp", "sharp/1")))
        .service(server_support::greeter())
        .tls(authority.server())
        .build()
        .expect("valid");
    let endpoint = server.listen("tls://127.0.0.1:0").await.expect("free");
    let transport = TcpTransport::new().with_tls(authority.trusted());
    for (alpn, bytes, answer) in [
        ("motet/1", "greeter/hello {}", "ok {}"),
        ("sharp/1", "#", "sharp"),
        ("sharp/1", "greeter/hello {}", ""),
        ("motet/1", "#", ""),
    ] {
        let mut caller = Caller::on(transport.dial_alpn(&endpoint, &[alpn]).await.expect("an ALPN name it offers"));
        assert_eq!(caller.call(bytes).await, answer, "{alpn} {bytes}");
    }
    assert_eq!(server.connections().tls_failed, 2);
    let error = transport.dial_alpn(&endpoint, &["h2"]).await.err().expect("not offered");
    assert!(error.message().contains("none of the protocols that ALPN offered"), "{error}");
}

/// As mucp has the name of HTTP/1.1, is asked before HTTP/2, and keeps nobody from HTTP/2.
#[tokio::test]
async fn an_alpn_name_of_two_protocols_stands_where_the_last_of_them_does() {
    let authority = Authority::new();
    let server = Server::builder()
        .protocol(Arc::new(Line { alpn: Some("old/1") }))
        .protocol(Arc::new(Sharp("sharp", "sharp/1")))
        .protocol(Arc::new(Sharp("other", "old/1")))
        .service(server_support::greeter())
        .tls(authority.server())
        .build()
        .expect("valid");
    let endpoint = server.listen("tls://127.0.0.1:0").await.expect("free");
    let transport = TcpTransport::new().with_tls(authority.trusted());
    for (names, bytes, answer) in [(&["old/1", "sharp/1"][..], "#", "sharp"), (&["old/1"], "greeter/hello {}", "ok {}")]
    {
        let mut caller = Caller::on(transport.dial_alpn(&endpoint, names).await.expect("names it offers"));
        assert_eq!(caller.call(bytes).await, answer, "{names:?}");
    }
    assert_eq!(server.connections().tls_failed, 0);
}

#[tokio::test]
async fn tls_inside_tls_is_refused() {
    let authority = Authority::new();
    let (server, endpoint) = listening(authority.server(), MOTET).await;
    let mut caller = Caller::dial(&TcpTransport::new().with_tls(authority.trusted()), &endpoint).await;
    caller.send(b"\x16\x03\x01\x00\x05hello").await;
    assert_eq!(caller.rest().await, "");
    assert_eq!(server.connections().tls_failed, 1);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_never_ends_is_closed_at_ten_seconds() {
    let authority = Authority::new();
    let memory = MemoryTransport::new();
    let server = builder(&memory).tls(authority.server()).build().expect("valid");
    let endpoint = server.listen("memory+tls://a").await.expect("free");
    let mut caller = Caller::dial(&memory, &endpoint).await;
    caller.send(b"\x16\x03\x01\x02\x00").await;
    let start = tokio::time::Instant::now();
    assert_eq!(caller.rest().await, "");
    assert_eq!(start.elapsed().as_secs(), 10);
    assert_eq!(server.connections().too_slow, 1);
}

#[test]
fn keys_are_never_shown() {
    let authority = Authority::new();
    let issued = authority.issue(&["localhost"]);
    let server = ServerTls::from_pem(issued.chain.as_bytes(), &issued.key).expect("they belong together");
    let client = authority.trusted().with_identity(&issued.chain, &issued.key).expect("they belong together");
    let shown = format!("{server:?} {client:?} {:?}", TcpTransport::new().with_tls(client.clone()));
    assert!(!shown.contains("PRIVATE") && !shown.contains("BEGIN") && shown.len() < 400, "{shown}");
    let wrong = ServerTls::from_pem(issued.chain.as_bytes(), authority.issue(&["localhost"]).key);
    let error = wrong.expect_err("another's key");
    assert!(error.message().starts_with("server.tls.cert and server.tls.key"), "{error}");
    let error = ServerTls::from_pem(issued.chain, "no key").expect_err("no key");
    assert!(error.message().starts_with("server.tls.key"), "{error}");
}
