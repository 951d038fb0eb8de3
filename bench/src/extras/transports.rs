//! The same call over each transport: one at a time, and a hundred on one connection.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use motet::core::MemoryTransport;
use motet::{Client, ClientTls, NativeClient, NativeServer, Server, ServerTls, Stats, TcpTransport, UnixTransport};
use tokio::task::JoinSet;

use super::{Extra, Meter, Outcome, Scratch, Target};
use crate::closed_loop::Caller as _;
use crate::message::{Big, Sample};
use crate::systems::motet::{BenchServer, Handlers, calling};

macro_rules! transports {
    ($($name:literal $transport:ident),* $(,)?) => {
        pub(super) const ALL: &[Extra] = &[$(
            Extra {
                group: "transports",
                case: concat!($name, " 1:1"),
                unit: "calls/s",
                serve: |scratch| Box::pin(serve(scratch, Transport::$transport)),
                load: |target| Box::pin(load(target, Transport::$transport, 1)),
            },
            Extra {
                group: "transports",
                case: concat!($name, " 1:100"),
                unit: "calls/s",
                serve: |scratch| Box::pin(serve(scratch, Transport::$transport)),
                load: |target| Box::pin(load(target, Transport::$transport, 100)),
            },
        )*];
    };
}

transports! { "tcp" Tcp, "tls" Tls, "unix" Unix, "memory" Memory }

#[derive(Clone, Copy, PartialEq)]
enum Transport {
    Tcp,
    Tls,
    Unix,
    /// Both sides in the client's process and on its core.
    Memory,
}

fn server(transport: Transport, scratch: &Scratch) -> Result<motet::ServerBuilder> {
    let builder = Server::builder().protocol(Arc::new(NativeServer::default()));
    let builder = builder.service(BenchServer::new(Handlers).into_service()?);
    Ok(match transport {
        Transport::Tcp => builder.transport(Arc::new(TcpTransport::default())),
        Transport::Unix => builder.transport(Arc::new(UnixTransport::default())),
        Transport::Memory => builder,
        Transport::Tls => {
            let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
            std::fs::write(scratch.file("ca.pem"), made.cert.pem())?;
            let tls = ServerTls::from_pem(made.cert.pem(), made.signing_key.serialize_pem())?;
            builder.transport(Arc::new(TcpTransport::default())).tls(tls)
        }
    })
}

async fn serve(scratch: Scratch, transport: Transport) -> Result<()> {
    if transport == Transport::Memory {
        scratch.announce("memory")?;
        return std::future::pending().await;
    }
    let address = match transport {
        Transport::Unix => format!("unix://{}", scratch.file("socket").display()),
        Transport::Tls => "tcp+tls://127.0.0.1:0".to_owned(),
        _ => "tcp://127.0.0.1:0".to_owned(),
    };
    let server = server(transport, &scratch)?.build()?;
    scratch.announce(server.listen(&address).await?)?;
    std::future::pending().await
}

async fn load(target: Target, transport: Transport, in_flight: usize) -> Result<Outcome> {
    let memory = MemoryTransport::new();
    let mut keep = None;
    let mut address = target.address.clone();
    let wire: Arc<dyn motet::core::Transport> = match transport {
        Transport::Tcp => Arc::new(TcpTransport::default()),
        Transport::Unix => Arc::new(UnixTransport::default()),
        Transport::Tls => {
            let ca = std::fs::read(target.scratch.file("ca.pem")).context("the server's certificate")?;
            Arc::new(TcpTransport::default().with_tls(ClientTls::from_pem(ca)?))
        }
        Transport::Memory => {
            let server = server(transport, &target.scratch)?.transport(Arc::new(memory.clone())).build()?;
            address = server.listen("memory://bench").await?.to_string();
            keep = Some(server);
            Arc::new(memory)
        }
    };
    let mut config = motet::ClientConfig::default();
    config.connections_per_node = Some(1);
    let client = Client::builder().stats(Stats::new()).config(config).transport(wire);
    let client = client.protocol(Arc::new(NativeClient::default())).build().to(&address)?;
    let (meter, mut tasks) = (Meter::default(), JoinSet::new());
    for _ in 0..in_flight {
        let (mut client, meter) = (calling(&client), meter.clone());
        tasks.spawn(async move {
            let mut message = Big::sample();
            loop {
                message = client.call(message).await?;
                message.check_reply()?;
                message.again();
                meter.add(1);
            }
        });
    }
    let outcome = target.rate(&meter, tasks).await;
    drop(keep);
    outcome
}
