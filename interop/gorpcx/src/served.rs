//! Go clients call a Motet service.

use std::{collections::BTreeMap, sync::atomic::Ordering::SeqCst, time::Duration};

use motet::core::{ClientProtocol, ServerProtocol};
use motet_protocol_gorpc::{GoRpcClient, GoRpcConfig, GoRpcServer};
use motet_protocol_rpcx::{RpcxClient, RpcxConfig, RpcxServer};

use crate::{
    peer::Peers,
    table::Table,
    unary::{Rig, until},
};

pub(crate) async fn rpcx(peers: &Peers, table: &mut Table) {
    let way = "rpcx 1.9.1 → Motet";
    let guarded = || {
        let mut config = RpcxConfig::default();
        config.accept_tokens = vec!["hello01".to_owned()];
        RpcxServer::new(config)
    };
    cases(peers, table, way, ("rpcx", &["client"]), RpcxServer::default(), RpcxClient::default()).await;
    cases(peers, table, way, ("rpcx", &["token"]), guarded(), RpcxClient::default()).await;
    lost(peers, table, way, ("rpcx", &["lost"]), RpcxServer::default(), RpcxClient::default()).await;
}

pub(crate) async fn gorpc(peers: &Peers, table: &mut Table, codec: &str) {
    let way = format!("go-rpc, {codec} → Motet");
    let with = |change: fn(&mut GoRpcConfig)| {
        let mut config = GoRpcConfig::default();
        change(&mut config);
        GoRpcServer::new(config)
    };
    for (command, server) in [
        ("client", GoRpcServer::default()),
        ("token", with(|config| config.accept_tokens = vec!["hello01".to_owned()])),
        ("tags", with(|config| config.tags = BTreeMap::from([("idc".to_owned(), "lf".to_owned())]))),
    ] {
        cases(peers, table, &way, ("gorpc", &[codec, command]), server, GoRpcClient::default()).await;
    }
    lost(peers, table, &way, ("gorpc", &[codec, "lost"]), GoRpcServer::default(), GoRpcClient::default()).await;
}

async fn cases(
    peers: &Peers,
    table: &mut Table,
    way: &str,
    (program, arguments): (&str, &[&str]),
    server: impl ServerProtocol,
    client: impl ClientProtocol,
) {
    let rig = Rig::new(server, client).await;
    for (case, outcome) in peers.cases(program, &[arguments, &[&rig.endpoint.address[..]]].concat()).await {
        let noted = || rig.seen.notes.lock().is_ok_and(|notes| notes.iter().any(|note| note == "from rpcx"));
        match case == "one-way" && outcome.is_ok() {
            true => table.note(way, &case, if noted() { Ok(()) } else { Err("it did not run".to_owned()) }),
            false => table.note(way, &case, outcome),
        }
    }
}

/// The server goes away while a client's call runs.
async fn lost(
    peers: &Peers,
    table: &mut Table,
    way: &str,
    (program, arguments): (&str, &[&str]),
    server: impl ServerProtocol,
    client: impl ClientProtocol,
) {
    let rig = Rig::new(server, client).await;
    let arguments = [arguments, &[&rig.endpoint.address[..]]].concat();
    let leaving = async {
        until("the call runs", || rig.seen.begun.load(SeqCst) == 1).await;
        rig.server.shutdown(Duration::ZERO).await;
    };
    let (cases, ()) = tokio::join!(peers.cases(program, &arguments), leaving);
    for (case, outcome) in cases {
        table.note(way, &case, outcome);
    }
}
