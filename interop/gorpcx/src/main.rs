//! Runs Motet against live peers of rpcx and go-rpc, both ways, and says what passed.
//!
//! Run with: `interop/gorpcx/run`, which builds the peers.

mod calls;
mod peer;
mod served;
mod table;
#[path = "../../../crates/motet-framed/tests/unary/mod.rs"]
mod unary;

use std::process::ExitCode;

use motet_protocol_gorpc::{GoRpcConfig, Serialize};
use peer::Peers;
use table::Table;

/// The serializers of go-rpc and their names for its peer.
const SERIALIZERS: [(Serialize, &str); 2] = [(Serialize::Json, "json"), (Serialize::MsgPack, "msgpack")];

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(folder) = arguments.next() else {
        eprintln!("run interop/gorpcx/run, which builds the peers");
        return ExitCode::FAILURE;
    };
    let given: Vec<_> = arguments.collect();
    let peers = Peers::new(folder.into(), given.iter().any(|flag| flag == "--full"));
    let mut table = Table::default();

    served::rpcx(&peers, &mut table).await;
    calls::rpcx(&peers, &mut table).await;
    for (serialize, name) in SERIALIZERS {
        served::gorpc(&peers, &mut table, name).await;
        calls::gorpc(&peers, &mut table, serialize, name).await;
    }

    if given.iter().any(|flag| flag == "--write") {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/interop-rpcx.md");
        let page = table.page("Interoperability with rpcx and go-rpc", "interop/gorpcx/run", peers.silence);
        if let Err(error) = std::fs::write(path, page) {
            eprintln!("{path}: {error}");
            return ExitCode::FAILURE;
        }
    }
    println!("{}", table.summary());
    if table.all_passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Settings of go-rpc in one of its serializers.
fn config(serialize: Serialize) -> GoRpcConfig {
    let mut config = GoRpcConfig::default();
    config.serialize = serialize;
    config
}
