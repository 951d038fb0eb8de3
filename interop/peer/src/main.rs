//! Motet as the other side of gRPC's interoperability tests: `serve` is the server of
//! `grpc.testing.TestService`, `call` the client that runs the cases. `interop/run` runs both against
//! gRPC of other languages.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use motet::{Client, ClientTls, Server, ServerTls, TcpTransport};
use motet_http::{HttpConfig, HttpServer};
use motet_interop::{cases, rows, service};
use motet_protocol_grpc::{ConnectClient, GrpcClient, GrpcConfig, GrpcServer, GrpcWebClient, HealthSource};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves until it is killed; prints its port.
    Serve {
        /// The PEM file of the certificate; with it TLS is spoken.
        #[arg(long, requires = "key")]
        cert: Option<PathBuf>,
        /// The PEM file of its key.
        #[arg(long)]
        key: Option<PathBuf>,
    },
    /// Runs cases against a server and prints a line for each; fails if one does.
    Call {
        /// Such as `grpc://127.0.0.1:10000`, `connect://…`, `grpc-web+tls://localhost:10000`.
        address: String,
        /// The cases; all of gRPC's own if none is named.
        cases: Vec<String>,
        /// The PEM file of the authority that is trusted.
        #[arg(long)]
        ca: Option<PathBuf>,
        /// The server's process, for `peer_killed`.
        #[arg(long)]
        pid: Option<u32>,
    },
    /// Lists the cases.
    Cases,
    /// Calls a server of the service that is a trait, [`rows`]; prints a line for each case.
    Rows {
        /// As of `call`.
        address: String,
    },
    /// Writes that service's files: `rows.proto`, and `rows.binpb` with their descriptors.
    Proto {
        /// Where to.
        folder: PathBuf,
    },
    /// Writes `ca.pem`, and `cert.pem` with `key.pem` for localhost and 127.0.0.1.
    Certificates {
        /// Where to.
        folder: PathBuf,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Serve { cert, key } => serve(cert.zip(key)).await,
        Command::Call { address, cases, ca, pid } => call(&address, cases, ca, pid).await,
        Command::Cases => {
            cases::STANDARD.iter().chain(&cases::MORE).for_each(|case| println!("{case}"));
            Ok(())
        }
        Command::Rows { address } => {
            let outcomes = rows::call(&client(None)?.to(&address)?).await;
            ended(outcomes.iter().map(|(case, outcome)| tell(case, outcome)).sum())
        }
        Command::Proto { folder } => rows::write_files(&folder),
        Command::Certificates { folder } => certificates(&folder),
    }
}

fn certificates(folder: &Path) -> Result<()> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    // Who is signed by one of its own name counts as self-signed.
    params.distinguished_name.push(DnType::CommonName, "Motet interop authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let certificate =
        CertificateParams::new(["localhost", "127.0.0.1"].map(str::to_owned))?.signed_by(&key, &issuer)?;
    std::fs::write(folder.join("ca.pem"), issuer.pem())?;
    std::fs::write(folder.join("cert.pem"), certificate.pem())?;
    std::fs::write(folder.join("key.pem"), key.serialize_pem())?;
    Ok(())
}

/// Everything is well.
struct Well;

impl HealthSource for Well {
    fn is_serving(&self, service: &str) -> Option<bool> {
        matches!(service, "" | service::SERVICE).then_some(true)
    }

    fn names(&self) -> Vec<String> {
        vec![String::new(), service::SERVICE.to_owned()]
    }
}

async fn serve(tls: Option<(PathBuf, PathBuf)>) -> Result<()> {
    let mut builder = Server::builder().service(service::test_service()?).service(rows::service()?);
    if let Some((cert, key)) = tls {
        builder = builder.tls(ServerTls::from_pem(std::fs::read_to_string(cert)?, std::fs::read_to_string(key)?)?);
    }
    let grpc = GrpcServer::new(GrpcConfig::default()).with_health(Arc::new(Well)).with_reflection(Arc::new(|_| Ok(())));
    let door = HttpServer::new(HttpConfig::default()).protocol(Arc::new(grpc));
    for protocol in door.server_protocols() {
        builder = builder.protocol(protocol);
    }
    let server = builder.build()?;
    let endpoint = server.listen("tcp://127.0.0.1:0").await?;
    println!("{}", endpoint.address.rsplit(':').next().unwrap_or_default());
    std::future::pending().await
}

/// A client of all that is spoken.
fn client(ca: Option<PathBuf>) -> Result<Client> {
    let mut tcp = TcpTransport::new();
    if let Some(ca) = ca {
        tcp = tcp.with_tls(ClientTls::from_pem(std::fs::read_to_string(ca)?)?);
    }
    let builder = Client::builder().transport(Arc::new(tcp)).protocol(Arc::new(GrpcClient::default()));
    let builder = builder.protocol(Arc::new(GrpcWebClient::default())).protocol(Arc::new(ConnectClient::default()));
    Ok(builder.build())
}

async fn call(address: &str, mut cases: Vec<String>, ca: Option<PathBuf>, pid: Option<u32>) -> Result<()> {
    if cases.is_empty() {
        cases = cases::STANDARD.map(str::to_owned).to_vec();
    }
    let peer = cases::Peer { client: client(ca)?.to(address)?, pid };
    let mut failed = 0;
    for case in &cases {
        failed += tell(case, &peer.run(case).await);
    }
    ended(failed)
}

/// Prints a line; how many failed.
fn tell(case: &str, outcome: &Result<()>) -> usize {
    match outcome {
        Ok(()) => println!("{case} ok"),
        Err(error) => println!("{case} FAILED {}", format!("{error:#}").replace('\n', " ")),
    }
    usize::from(outcome.is_err())
}

fn ended(failed: usize) -> Result<()> {
    if failed > 0 {
        bail!("{failed} cases failed");
    }
    Ok(())
}
