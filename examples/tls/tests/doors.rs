//! Who gets in.

use motet::{App, ClientCertificates, ClientTls, Code, Config, Context, Executed, Result, RunningApp, ServerTls};
use tls::{Authority, Door, DoorClient, DoorServer, Issued, MyDoor};

struct World {
    authority: Authority,
    ada: Issued,
}

impl World {
    fn new() -> World {
        let authority = Authority::new().expect("a key");
        let ada = authority.issue(&["ada"]).expect("a name");
        World { authority, ada }
    }

    async fn serve(&self, asked: Option<ClientCertificates>) -> RunningApp {
        let host = self.authority.issue(&["localhost", "127.0.0.1"]).expect("names");
        let mut tls = ServerTls::from_pem(host.chain, host.key).expect("they belong together");
        if let Some(asked) = asked {
            tls = tls.with_client_ca(self.authority.pem(), asked).expect("an authority");
        }
        let door = DoorServer::new(MyDoor::default().knowing("Ada", &self.ada));
        App::builder().server_tls(tls).service(door).start().await.expect("starts")
    }

    fn trusting(&self) -> ClientTls {
        ClientTls::from_pem(self.authority.pem()).expect("an authority")
    }

    fn as_ada(&self) -> ClientTls {
        self.trusting().with_identity(&self.ada.chain, &self.ada.key).expect("they belong together")
    }
}

/// Knocks, and tries to enter.
async fn visit(server: &RunningApp, tls: Option<ClientTls>) -> (Result<String>, Result<String>) {
    let mut app = App::builder();
    if let Some(tls) = tls {
        app = app.client_tls(tls);
    }
    let app = app.start().await.expect("starts");
    let door = DoorClient::new(app.client().to(&server.endpoints()[0]).expect("an address"));
    let cx = &Context::new();
    let outcome = (door.knock(cx).await, door.enter(cx).await);
    app.stop().await;
    outcome
}

#[tokio::test]
async fn tls_hides_and_a_certificate_identifies() {
    let world = World::new();
    let server = world.serve(Some(ClientCertificates::Optional)).await;
    let (knock, enter) = visit(&server, Some(world.trusting())).await;
    assert_eq!(knock.as_deref(), Ok("somebody by tcp, TLS, from this machine"));
    assert_eq!(enter.expect_err("unknown").code(), Code::Unauthenticated);
    let (knock, enter) = visit(&server, Some(world.as_ada())).await;
    assert_eq!(knock.as_deref(), Ok("somebody by tcp, mutual TLS, from this machine"));
    assert_eq!(enter.as_deref(), Ok("welcome, Ada"));
    server.stop().await;
}

#[tokio::test]
async fn where_certificates_are_required_none_is_not_enough() {
    let world = World::new();
    let server = world.serve(Some(ClientCertificates::Required)).await;
    assert!(visit(&server, Some(world.as_ada())).await.1.is_ok());
    let refused = visit(&server, Some(world.trusting())).await.0.expect_err("no certificate");
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    // A certificate of an authority that the server does not know.
    let other = World::new();
    let stranger = world.trusting().with_identity(&other.ada.chain, &other.ada.key).expect("they belong together");
    assert!(visit(&server, Some(stranger)).await.0.is_err());
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_is_not_trusted_is_not_called() {
    let world = World::new();
    let server = world.serve(None).await;
    let error = visit(&server, Some(World::new().trusting())).await.0.expect_err("another authority");
    assert_eq!((error.code(), error.executed()), (Code::Unavailable, Executed::No));
    assert!(error.message().contains("client.tls.ca"), "{error}");
    let error = visit(&server, None).await.0.expect_err("no trust at all");
    assert!(error.message().contains("set client.tls.ca"), "{error}");
    server.stop().await;
}

#[tokio::test]
async fn a_port_without_tls_is_said_to_be_one() {
    let world = World::new();
    let server = App::builder().service(DoorServer::new(MyDoor::default())).start().await.expect("starts");
    let client = App::builder().client_tls(world.trusting()).start().await.expect("starts");
    let address = format!("tcp+tls://{}", server.endpoints()[0].address);
    let door = DoorClient::new(client.client().to(&address).expect("an address"));
    let error = door.knock(&Context::new()).await.expect_err("no TLS there");
    assert_eq!((error.code(), error.executed()), (Code::Unavailable, Executed::No));
    assert!(error.message().starts_with(&format!("cannot connect to {address}: the TLS handshake")), "{error}");
    assert!(error.message().contains("leave +tls out"), "{error}");
    client.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn files_do_the_same_as_values() {
    let (world, folder) = (World::new(), tempfile::tempdir().expect("a folder"));
    let host = world.authority.issue(&["localhost", "127.0.0.1"]).expect("names");
    for (name, text) in [("cert.pem", &host.chain), ("key.pem", &host.key), ("ca.pem", &world.authority.pem())] {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    let file = |name: &str| folder.path().join(name).display().to_string();
    let config = Config::new()
        .with("tls.cert", file("cert.pem"))
        .with("tls.key", file("key.pem"))
        .with("tls.ca", file("ca.pem"))
        .with("tls.client_ca", file("ca.pem"));
    let server = App::builder().config(config.clone()).service(DoorServer::new(MyDoor::default()));
    let server = server.start().await.expect("starts");
    let client = App::builder().config(config).start().await.expect("starts");
    let door = DoorClient::new(client.client().to(&server.endpoints()[0]).expect("an address"));
    assert_eq!(door.knock(&Context::new()).await.as_deref(), Ok("somebody by tcp, mutual TLS, from this machine"));
    client.stop().await;
    server.stop().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_is_this_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = format!("unix://{}/door.sock", folder.path().display());
    let server = App::builder().listen(address).service(DoorServer::new(MyDoor::default())).start().await;
    let server = server.expect("starts");
    let (knock, _) = visit(&server, None).await;
    assert_eq!(knock.as_deref(), Ok("somebody by unix, no TLS, from this machine"));
    server.stop().await;
}

#[test]
fn the_program_knocks_in_three_ways() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_tls")).output().expect("runs");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    let unknown = "  UNAUTHENTICATED: no certificate that this door knows";
    let mut expected = vec![
        "somebody by tcp, TLS, from this machine",
        unknown,
        "somebody by tcp, mutual TLS, from this machine",
        "  welcome, Ada",
    ];
    if cfg!(unix) {
        expected.extend(["somebody by unix, no TLS, from this machine", unknown]);
    }
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
}
