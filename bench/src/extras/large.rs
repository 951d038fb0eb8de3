//! Large messages there and back on one connection, four at a time: bytes a second in each direction.

use std::sync::Arc;

use ::tonic::transport::server::TcpIncoming;
use ::tonic::transport::{Channel, Endpoint};
use ::tonic::{Request, Response, Status};
use anyhow::{Result, ensure};
use futures_util::future::BoxFuture;
use motet::Context;
use tokio::task::JoinSet;

use super::{Extra, Meter, Outcome, Scratch, Target};
use crate::histogram::Histogram;
use crate::message::generated::Block;
use crate::message::generated::blocks_client::BlocksClient as TonicClient;
use crate::message::generated::blocks_server::{Blocks as TonicBlocks, BlocksServer as TonicServer};
use crate::net;
use crate::systems::{floor_raw::Opaque, framed, motet as over_motet};

const IN_FLIGHT: usize = 4;
const KB_64: usize = 64 << 10;
/// Four MiB with room for what surrounds them: Motet's default limit of a message is 4 MiB, as tonic's.
const MB_4: usize = (4 << 20) - 1024;

macro_rules! sizes {
    ($($name:literal $size:ident),* $(,)?) => {
        pub(super) const ALL: &[Extra] = &[$(
            Extra {
                group: "large",
                case: concat!("floor-raw ", $name),
                unit: "bytes/s",
                serve: |scratch| Box::pin(serve_floor(scratch)),
                load: |target| Box::pin(load_floor(target, $size)),
            },
            Extra {
                group: "large",
                case: concat!("motet ", $name),
                unit: "bytes/s",
                serve: |scratch| Box::pin(serve_motet(scratch)),
                load: |target| Box::pin(load_motet(target, $size)),
            },
            Extra {
                group: "large",
                case: concat!("tonic ", $name),
                unit: "bytes/s",
                serve: |scratch| Box::pin(serve_tonic(scratch)),
                load: |target| Box::pin(load_tonic(target, $size)),
            },
        )*];
    };
}

sizes! { "64 KiB" KB_64, "4 MiB" MB_4 }

fn block(size: usize) -> Block {
    Block { data: vec![b'm'; size] }
}

fn check(reply: &Block, size: usize) -> Result<()> {
    ensure!(reply.data.len() == size, "a reply of {} bytes", reply.data.len());
    Ok(())
}

async fn run(target: &Target, one: impl Fn(Meter) -> BoxFuture<'static, Result<()>>) -> Result<Outcome> {
    let (meter, mut tasks) = (Meter::default(), JoinSet::new());
    for _ in 0..IN_FLIGHT {
        tasks.spawn(one(meter.clone()));
    }
    target.rate(&meter, tasks).await
}

async fn serve_floor(scratch: Scratch) -> Result<()> {
    let listener = net::listen()?;
    scratch.announce(listener.local_addr()?)?;
    framed::serve(listener, Opaque::new(Vec::new(), |_| {})).await
}

async fn load_floor(target: Target, size: usize) -> Result<Outcome> {
    let meter = Meter::default();
    let counted = meter.clone();
    let echo = Opaque::new(vec![b'm'; size], move |bytes| counted.add(bytes as u64));
    let mut tasks = JoinSet::new();
    let stream = net::connect(target.address.parse()?).await?;
    tasks.spawn(framed::keep_in_flight(stream, echo, IN_FLIGHT, Arc::new(Histogram::new())));
    target.rate(&meter, tasks).await
}

#[motet::service(name = "blocks", codec = "proto")]
pub(crate) trait Blocks {
    async fn echo(&self, cx: &Context, block: Block) -> motet::Result<Block>;
}

struct Handlers;

impl Blocks for Handlers {
    async fn echo(&self, _: &Context, block: Block) -> motet::Result<Block> {
        Ok(block)
    }
}

async fn serve_motet(scratch: Scratch) -> Result<()> {
    let listener = net::listen()?;
    let address = listener.local_addr()?;
    let serving = over_motet::serve(listener, BlocksServer::new(Handlers), motet::Stats::new());
    tokio::select! {
        ended = serving => ended,
        announced = super::after_start(&scratch, address) => announced,
    }
}

async fn load_motet(target: Target, size: usize) -> Result<Outcome> {
    let client = BlocksClient::new(over_motet::client(&target.address, motet::Stats::new())?);
    let one = |meter: Meter| -> BoxFuture<'static, Result<()>> {
        let client = client.clone();
        Box::pin(async move {
            let request = block(size);
            loop {
                check(&client.echo(&Context::new(), request.clone()).await?, size)?;
                meter.add(size as u64);
            }
        })
    };
    run(&target, one).await
}

#[::tonic::async_trait]
impl TonicBlocks for Handlers {
    async fn echo(&self, request: Request<Block>) -> Result<Response<Block>, Status> {
        Ok(Response::new(request.into_inner()))
    }
}

async fn serve_tonic(scratch: Scratch) -> Result<()> {
    let listener = net::listen()?;
    scratch.announce(listener.local_addr()?)?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let mut server = ::tonic::transport::Server::builder();
    Ok(server.add_service(TonicServer::new(Handlers)).serve_with_incoming(incoming).await?)
}

async fn load_tonic(target: Target, size: usize) -> Result<Outcome> {
    let channel: Channel = Endpoint::from_shared(format!("http://{}", target.address))?.connect().await?;
    let client = TonicClient::new(channel);
    let one = |meter: Meter| -> BoxFuture<'static, Result<()>> {
        let mut client = client.clone();
        Box::pin(async move {
            let request = block(size);
            loop {
                check(client.echo(request.clone()).await?.get_ref(), size)?;
                meter.add(size as u64);
            }
        })
    };
    run(&target, one).await
}
