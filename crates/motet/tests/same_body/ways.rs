//! The ways to the service.

use std::sync::Arc;

use motet::{AppBuilder, ClientTls, RunningApp, ServerTls, Service};
use motet_http::{HttpConfig, HttpServer};
use motet_protocol_grpc::{ConnectClient, GrpcClient, GrpcConfig, GrpcServer, GrpcWebClient};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::{
    line::Line,
    line_client::LineClient,
    service::{Me, SameClient, SameServer},
};

/// One way to one instance of the service.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    pub(crate) client: SameClient,
    pub(crate) service: Me,
    app: Option<RunningApp>,
    /// Where its socket is.
    folder: Option<TempDir>,
}

impl Way {
    /// All of them, each to an instance of its own.
    pub(crate) async fn all() -> Vec<Way> {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = format!("unix://{}", folder.path().join("same.sock").display());
        let (server_tls, client_tls) = tls();
        let (grpc_server_tls, grpc_client_tls) = (server_tls.clone(), client_tls.clone());
        let plain = |app: AppBuilder| app;
        let tls = move |app: AppBuilder| app.server_tls(server_tls).client_tls(client_tls);
        let line = |app: AppBuilder| {
            app.server_protocol(Arc::new(Line::default())).client_protocol(Arc::new(LineClient::default()))
        };
        let grpc_tls = move |app: AppBuilder| grpc(app.server_tls(grpc_server_tls).client_tls(grpc_client_tls));
        let http = |app: AppBuilder| app.config(motet::Config::new().with("protocols.http_client.http2", true));
        let mut all = vec![
            Way::local(),
            Way::same_app().await,
            Way::to("memory", "memory://same", plain, |address| address).await,
            Way::to("tcp", "tcp://127.0.0.1:0", plain, |address| address).await,
            Way::to("unix", &socket, plain, |address| address).await,
            Way::to("tls", "tls://127.0.0.1:0", tls, |address| address).await,
            Way::to("http", "tcp://127.0.0.1:0", http, |address| address.replace("tcp://", "http://")).await,
            Way::to("line", "tcp://127.0.0.1:0", line, |address| address.replace("tcp://", "line://")).await,
            Way::to("grpc", "tcp://127.0.0.1:0", grpc, |address| address.replace("tcp://", "grpc://")).await,
            Way::to("grpc-web", "tcp://127.0.0.1:0", grpc, |address| address.replace("tcp://", "grpc-web://")).await,
            Way::to("connect", "tcp://127.0.0.1:0", grpc, |address| address.replace("tcp://", "connect://")).await,
            Way::to("grpc+tls", "tls://127.0.0.1:0", grpc_tls, |address| address.replace("tcp+", "grpc+")).await,
        ];
        all[0].folder = Some(folder);
        all
    }

    fn local() -> Way {
        let service = Me::default();
        Way { name: "local", client: SameClient::local(service.clone()), service, app: None, folder: None }
    }

    async fn same_app() -> Way {
        let service = Me::default();
        let app = Service::new("same").serve(SameServer::new(service.clone())).start().await.expect("starts");
        Way { name: "same App", client: SameClient::new(app.client()), service, app: Some(app), folder: None }
    }

    async fn to(
        name: &'static str,
        listen: &str,
        change: impl FnOnce(AppBuilder) -> AppBuilder,
        address: fn(String) -> String,
    ) -> Way {
        let service = Me::default();
        let serves = Service::new("same").serve(SameServer::new(service.clone())).listen(listen).app(change);
        let app = serves.start().await.expect("starts");
        let client = app.client().to(address(app.endpoints()[0].to_string())).expect("an address");
        Way { name, client: SameClient::new(client), service, app: Some(app), folder: None }
    }

    pub(crate) async fn stop(self) {
        if let Some(app) = self.app {
            assert!(app.stop().await.is_clean(), "{}", self.name);
        }
    }
}

/// HTTP/2 with gRPC and its kin behind it, and clients that speak them.
fn grpc(mut app: AppBuilder) -> AppBuilder {
    let door = HttpServer::new(HttpConfig::default()).protocol(Arc::new(GrpcServer::new(GrpcConfig::default())));
    for protocol in door.server_protocols() {
        app = app.server_protocol(protocol);
    }
    app.client_protocol(Arc::new(GrpcClient::default()))
        .client_protocol(Arc::new(GrpcWebClient::default()))
        .client_protocol(Arc::new(ConnectClient::default()))
}

fn tls() -> (ServerTls, ClientTls) {
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &issuer).expect("signed");
    let server = ServerTls::from_pem(certificate.pem(), key.serialize_pem()).expect("they belong together");
    (server, ClientTls::from_pem(issuer.pem()).expect("an authority"))
}
