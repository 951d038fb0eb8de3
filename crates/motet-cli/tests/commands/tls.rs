//! TLS, mutual TLS and Unix sockets.

use std::path::PathBuf;

use motet::{App, ServerTls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::{fixture::tools, lab::Lab};

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Authority(CertifiedIssuer::self_signed(params, key).expect("signed"))
    }

    fn issue(&self, name: &str) -> (String, String) {
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("signed");
        (certificate.pem(), key.serialize_pem())
    }
}

fn file(lab: &Lab, name: &str, text: &str) -> String {
    let path: PathBuf = lab.path().join(name);
    std::fs::write(&path, text).expect("written");
    path.display().to_string()
}

const CALL: [&str; 4] = ["call", "tools", "/say/hi", r#"{"name":"Ada"}"#];
const ANSWER: &str = "{\"value\": \"hi Ada\"}\n";

#[tokio::test]
async fn a_server_with_tls_is_called_with_its_authority() {
    let (lab, authority) = (Lab::new(), Authority::new());
    let (chain, key) = authority.issue("127.0.0.1");
    let app = App::builder().registry(lab.url()).service(tools()).listen("tls://127.0.0.1:0");
    let app = app.server_tls(ServerTls::from_pem(chain, key).expect("valid")).start().await.expect("starts");
    let ca = file(&lab, "ca.pem", &authority.0.pem());
    let address = app.endpoints()[0].address.clone();

    assert_eq!(lab.run(&[&CALL[..], &["--ca", &ca]].concat()).await.done(), ANSWER);
    assert_eq!(lab.run(&[&CALL[..], &["--ca", &ca, "--address", &address]].concat()).await.done(), ANSWER);
    assert_eq!(lab.run(&["health", "--ca", &ca]).await.code, 0);

    let text = lab.run(&CALL).await.failed(3);
    assert!(text.contains("it speaks TLS: name the authority that signed its certificate with --ca FILE"), "{text}");
    let other = file(&lab, "other.pem", &Authority::new().0.pem());
    let text = lab.run(&[&CALL[..], &["--ca", &other]].concat()).await.failed(3);
    assert!(text.contains("no authority of --ca has signed it"), "{text}");
    let text = lab.run(&[&CALL[..], &["--address", &address]].concat()).await.failed(3);
    assert!(text.contains(&address) && text.contains("if it speaks TLS"), "{text}");
}

#[tokio::test]
async fn a_certificate_for_another_name_needs_the_name() {
    let (lab, authority) = (Lab::new(), Authority::new());
    let (chain, key) = authority.issue("greeter.internal");
    let app = App::builder().registry(lab.url()).service(tools()).listen("tls://127.0.0.1:0");
    let _app = app.server_tls(ServerTls::from_pem(chain, key).expect("valid")).start().await.expect("starts");
    let ca = file(&lab, "ca.pem", &authority.0.pem());
    let text = lab.run(&[&CALL[..], &["--ca", &ca]].concat()).await.failed(3);
    assert!(text.contains("--server-name"), "{text}");
    let named = [&CALL[..], &["--ca", &ca, "--server-name", "greeter.internal"]].concat();
    assert_eq!(lab.run(&named).await.done(), ANSWER);
}

#[tokio::test]
async fn a_server_that_asks_for_certificates_is_shown_one() {
    let (lab, authority) = (Lab::new(), Authority::new());
    let (chain, key) = authority.issue("127.0.0.1");
    let tls = ServerTls::from_pem(chain, key).expect("valid");
    let tls = tls.with_client_ca(authority.0.pem(), motet::ClientCertificates::Required).expect("an authority");
    let app = App::builder().registry(lab.url()).service(tools()).listen("tls://127.0.0.1:0").server_tls(tls);
    let _app = app.start().await.expect("starts");
    let ca = file(&lab, "ca.pem", &authority.0.pem());
    let (chain, key) = authority.issue("motet-cli");
    let (cert, key) = (file(&lab, "cert.pem", &chain), file(&lab, "key.pem", &key));
    let shown = [&CALL[..], &["--ca", &ca, "--cert", &cert, "--key", &key]].concat();
    assert_eq!(lab.run(&shown).await.done(), ANSWER);
    assert_eq!(lab.run(&[&CALL[..], &["--ca", &ca]].concat()).await.code, 3, "without one it is refused");
    let text = lab.run(&[&CALL[..], &["--ca", &ca, "--cert", &cert]].concat()).await.failed(2);
    assert!(text.contains("--cert is set but --key is not"), "{text}");
}

#[tokio::test]
async fn a_unix_socket_is_an_address_too() {
    let lab = Lab::new();
    let path = lab.path().join("tools.sock");
    let app = App::builder().registry(lab.url()).service(tools()).listen(format!("unix://{}", path.display()));
    let _app = app.start().await.expect("starts");
    for address in [format!("unix:{}", path.display()), format!("unix://{}", path.display())] {
        assert_eq!(lab.run(&[&CALL[..], &["--address", &address]].concat()).await.done(), ANSWER, "{address}");
    }
    assert_eq!(lab.run(&CALL).await.done(), ANSWER, "the registry knows it as well");
}
