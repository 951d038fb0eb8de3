//! Runs Motet against live peers of go-micro, both ways, and says what passed.
//!
//! Run with: `interop/gomicro/run`, which builds the peers.

mod calls;
mod cli;
#[path = "../../../crates/motet-protocol-mucp/tests/greeter/mod.rs"]
mod greeter;
#[path = "../../gorpcx/src/peer.rs"]
mod peer;
mod served;
#[path = "../../gorpcx/src/table.rs"]
mod table;

// What the Go programs' module knows the tests' patience by.
use greeter as unary;

use std::process::ExitCode;

use peer::Peers;
use table::Table;

/// Programs, what they speak, and their names in the table.
const PEERS: [(&str, &str, &str); 3] = [
    ("v4", "mucp", "go-micro 4.11, mucp"),
    ("v5", "mucp", "go-micro 5.3, mucp"),
    ("v4", "grpc", "go-micro 4.11, gRPC plugins"),
];

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(folder) = arguments.next() else {
        eprintln!("run interop/gomicro/run, which builds the peers");
        return ExitCode::FAILURE;
    };
    let given: Vec<_> = arguments.collect();
    let peers = Peers::new(folder.into(), given.iter().any(|flag| flag == "--full"));
    let mut table = Table::default();
    for (program, flavour, name) in PEERS {
        served::all(&peers, &mut table, program, flavour, name).await;
        calls::all(&peers, &mut table, program, flavour, name).await;
    }
    cli::all(&peers, &mut table).await;
    if given.iter().any(|flag| flag == "--write") {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/interop-go-micro.md");
        let page = table.page("Interoperability with go-micro", "interop/gomicro/run", peers.silence);
        if let Err(error) = std::fs::write(path, page) {
            eprintln!("{path}: {error}");
            return ExitCode::FAILURE;
        }
    }
    println!("{}", table.summary());
    if table.all_passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
