//! Motet calls tonic, and tonic calls Motet: every case but the one that ends a process.

use std::sync::Arc;

use motet::{Client, Server, TcpTransport};
use motet_http::{HttpConfig, HttpServer};
use motet_interop::{cases, service::test_service};
use motet_interop_tonic::{cases::ALL, cases::Peer, server};
use motet_protocol_grpc::{GrpcClient, GrpcConfig, GrpcServer};
use tokio::net::TcpListener;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn motet_calls_tonic() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("free");
    let address = listener.local_addr().expect("bound");
    let serving = tokio::spawn(server::serve(listener, None));
    let builder = Client::builder().transport(Arc::new(TcpTransport::new())).protocol(Arc::new(GrpcClient::default()));
    let client = builder.build().to(format!("grpc://{address}")).expect("an address");
    let peer = cases::Peer { client, pid: None };
    // tonic's handlers cannot set trailing metadata of a success, as custom_metadata asks for.
    let skipped = ["custom_metadata", "silent_for_30_s", "peer_killed"];
    for case in cases::STANDARD.iter().chain(&cases::MORE).filter(|case| !skipped.contains(*case)) {
        peer.run(case).await.unwrap_or_else(|error| panic!("{case}: {error:#}"));
    }
    serving.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tonic_calls_motet() {
    let mut builder = Server::builder().service(test_service().expect("valid"));
    let door = HttpServer::new(HttpConfig::default()).protocol(Arc::new(GrpcServer::new(GrpcConfig::default())));
    for protocol in door.server_protocols() {
        builder = builder.protocol(protocol);
    }
    let motet = builder.build().expect("valid");
    let endpoint = motet.listen("tcp://127.0.0.1:0").await.expect("free");
    let peer = Peer::connect(&endpoint.address, None).await.expect("listening");
    for case in ALL.iter().filter(|case| **case != "peer_killed") {
        peer.run(case).await.unwrap_or_else(|error| panic!("{case}: {error:#}"));
    }
    // Calls that their caller dropped are over here as well.
    for method in ["streaming_input_call", "full_duplex_call"] {
        let path = format!("grpc.testing.TestService/{method}");
        while motet.stats().method(&path).snapshot().in_flight > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}
