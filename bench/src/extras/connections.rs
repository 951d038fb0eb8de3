//! New connections a second, each with one call, and what an idle one takes on the server.

use std::time::Duration;

use ::tonic::transport::Endpoint;
use anyhow::Result;
use tokio::task::JoinSet;

use super::{Extra, Meter, Outcome, Scratch, Target};
use crate::closed_loop::Caller as _;
use crate::message::generated::bench_client::BenchClient as TonicClient;
use crate::message::{Message, Sample, Small};
use crate::systems::motet::{self as over_motet, InContext, Motet};
use crate::systems::motet_websocket::{self, MotetWebSocket};
use crate::systems::{System, motet_serde, tonic::Tonic};
use crate::{net, plain, process};

/// So many are opened before the server's memory is read.
const IDLE: u64 = 10_000;
/// Those who open connections at the same time.
const OPENERS: usize = 16;

pub(super) const ALL: &[Extra] = &[
    Extra {
        group: "connections",
        case: "motet, one call each",
        unit: "connections/s",
        serve: |scratch| Box::pin(serve::<Motet>(scratch)),
        load: |target| Box::pin(open_motet(target)),
    },
    Extra {
        group: "connections",
        case: "tonic, one call each",
        unit: "connections/s",
        serve: |scratch| Box::pin(serve::<Tonic>(scratch)),
        load: |target| Box::pin(open_tonic(target)),
    },
    Extra {
        group: "idle",
        case: "motet, 10,000 idle",
        unit: "bytes each",
        serve: |scratch| Box::pin(serve::<Motet>(scratch)),
        load: |target| Box::pin(idle_motet(target)),
    },
    Extra {
        group: "idle",
        case: "motet, after 20 calls each",
        unit: "bytes each",
        serve: |scratch| Box::pin(serve::<Motet>(scratch)),
        load: |target| Box::pin(rested_motet(target)),
    },
    Extra {
        group: "idle",
        case: "motet by WebSocket, 10,000 idle",
        unit: "bytes each",
        serve: |scratch| Box::pin(serve::<MotetWebSocket>(scratch)),
        load: |target| Box::pin(idle_websocket(target)),
    },
    Extra {
        group: "idle",
        case: "tonic, 10,000 idle",
        unit: "bytes each",
        serve: |scratch| Box::pin(serve::<Tonic>(scratch)),
        load: |target| Box::pin(idle_tonic(target)),
    },
];

async fn serve<S: System>(scratch: Scratch) -> Result<()> {
    let listener = net::listen()?;
    let address = listener.local_addr()?;
    tokio::select! {
        ended = S::serve(listener, Message::Small) => ended,
        announced = super::after_start(&scratch, address) => announced,
    }
}

async fn call_motet(address: &str) -> Result<InContext> {
    let mut client = over_motet::calling(&over_motet::client(address, motet::Stats::disabled())?);
    client.call(Small::sample()).await?.check_reply()?;
    Ok(client)
}

async fn call_tonic(address: &str) -> Result<TonicClient<::tonic::transport::Channel>> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
    let mut client = TonicClient::new(channel);
    client.small(Small::sample()).await?.get_ref().check_reply()?;
    Ok(client)
}

async fn open_motet(target: Target) -> Result<Outcome> {
    let (meter, mut tasks) = (Meter::default(), JoinSet::new());
    for _ in 0..OPENERS {
        let (address, meter) = (target.address.clone(), meter.clone());
        tasks.spawn(async move {
            loop {
                call_motet(&address).await?;
                meter.add(1);
            }
        });
    }
    target.rate(&meter, tasks).await
}

async fn open_tonic(target: Target) -> Result<Outcome> {
    let (meter, mut tasks) = (Meter::default(), JoinSet::new());
    for _ in 0..OPENERS {
        let (address, meter) = (target.address.clone(), meter.clone());
        tasks.spawn(async move {
            loop {
                call_tonic(&address).await?;
                meter.add(1);
            }
        });
    }
    target.rate(&meter, tasks).await
}

async fn idle_motet(target: Target) -> Result<Outcome> {
    let before = process::rss_kb(target.pid)?;
    let mut clients = Vec::new();
    for _ in 0..IDLE {
        clients.push(call_motet(&target.address).await?);
    }
    idle(&target, before).await
}

/// The same when each was in use before: what that needed must be given back.
async fn rested_motet(target: Target) -> Result<Outcome> {
    let before = process::rss_kb(target.pid)?;
    let mut clients = Vec::new();
    for _ in 0..IDLE {
        let mut client = call_motet(&target.address).await?;
        for _ in 1..20 {
            client.call(Small::sample()).await?.check_reply()?;
        }
        clients.push(client);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    idle(&target, before).await
}

async fn idle_websocket(target: Target) -> Result<Outcome> {
    let before = process::rss_kb(target.pid)?;
    let mut clients = Vec::new();
    for _ in 0..IDLE {
        let client = motet_websocket::client(&target.address, motet::Stats::disabled())?;
        let mut client = motet_serde::calling(&client);
        client.call(plain::Small::sample()).await?.check_reply()?;
        clients.push(client);
    }
    idle(&target, before).await
}

async fn idle_tonic(target: Target) -> Result<Outcome> {
    let before = process::rss_kb(target.pid)?;
    let mut clients = Vec::new();
    for _ in 0..IDLE {
        clients.push(call_tonic(&target.address).await?);
    }
    idle(&target, before).await
}

/// What each connection added to the server's memory, a moment after the last call.
async fn idle(target: &Target, before_kb: u64) -> Result<Outcome> {
    tokio::time::sleep(target.warm_up + Duration::from_millis(500)).await;
    let grown = process::rss_kb(target.pid)?.saturating_sub(before_kb);
    Ok(Outcome { value: grown as f64 * 1024.0 / IDLE as f64, cpu_us: None })
}
