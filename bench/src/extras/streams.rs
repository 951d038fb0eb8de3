//! Messages of one stream and of a hundred, towards the client, towards the server, and both ways.

use ::tonic::transport::server::TcpIncoming;
use ::tonic::transport::{Channel, Endpoint};
use ::tonic::{Request, Response, Status};
use anyhow::{Result, bail};
use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt as _, stream};
use motet::{Context, Streaming};
use tokio::task::JoinSet;

use super::{Extra, Meter, Outcome, Scratch, Target};
use crate::message::generated::streams_client::StreamsClient as TonicClient;
use crate::message::generated::streams_server::{Streams as TonicStreams, StreamsServer as TonicServer};
use crate::message::{Big, Sample, Small};
use crate::net;
use crate::systems::motet as over_motet;

macro_rules! both {
    ($($way:literal $streams:literal $motet:ident $tonic:ident),* $(,)?) => {
        pub(super) const ALL: &[Extra] = &[$(
            Extra {
                group: "streams",
                case: concat!("motet ", $way, " ", $streams),
                unit: "messages/s",
                serve: |scratch| Box::pin(serve_motet(scratch)),
                load: |target| Box::pin(load_motet(target, $streams, $motet)),
            },
            Extra {
                group: "streams",
                case: concat!("tonic ", $way, " ", $streams),
                unit: "messages/s",
                serve: |scratch| Box::pin(serve_tonic(scratch)),
                load: |target| Box::pin(load_tonic(target, $streams, $tonic)),
            },
        )*];
    };
}

both! {
    "down" 1 motet_down tonic_down,
    "down" 100 motet_down tonic_down,
    "up" 1 motet_up tonic_up,
    "up" 100 motet_up tonic_up,
    "both" 1 motet_both tonic_both,
    "both" 100 motet_both tonic_both,
}

/// Messages without end, counted as they are taken.
fn endless(meter: Meter) -> impl Stream<Item = Big> + Send + Unpin + 'static {
    let message = Big::sample();
    stream::repeat_with(move || {
        meter.add(1);
        message.clone()
    })
}

#[motet::service(name = "streams", codec = "proto")]
pub(crate) trait Streams {
    async fn down(&self, cx: &Context, request: Small) -> motet::Result<Streaming<Big>>;
    async fn up(&self, cx: &Context, messages: Streaming<Big>) -> motet::Result<Small>;
    async fn both(&self, cx: &Context, messages: Streaming<Big>) -> motet::Result<Streaming<Big>>;
}

struct Handlers;

impl Streams for Handlers {
    async fn down(&self, _: &Context, _: Small) -> motet::Result<Streaming<Big>> {
        Ok(Streaming::new(endless(Meter::default()).map(Ok)))
    }

    async fn up(&self, _: &Context, mut messages: Streaming<Big>) -> motet::Result<Small> {
        let mut last = Small::sample();
        while let Some(message) = messages.next().await {
            last.second = message?.field2 as u64;
        }
        Ok(last)
    }

    async fn both(&self, _: &Context, messages: Streaming<Big>) -> motet::Result<Streaming<Big>> {
        Ok(messages.map(|message| Ok(message.handle())))
    }
}

async fn serve_motet(scratch: Scratch) -> Result<()> {
    let listener = net::listen()?;
    let address = listener.local_addr()?;
    let serving = over_motet::serve(listener, StreamsServer::new(Handlers), motet::Stats::new());
    tokio::select! {
        ended = serving => ended,
        announced = super::after_start(&scratch, address) => announced,
    }
}

async fn load_motet(
    target: Target,
    streams: usize,
    each: fn(StreamsClient, Meter) -> BoxFuture<'static, Result<()>>,
) -> Result<Outcome> {
    let client = StreamsClient::new(over_motet::client(&target.address, motet::Stats::new())?);
    run(&target, streams, |meter| each(client.clone(), meter)).await
}

async fn run(
    target: &Target,
    streams: usize,
    one: impl Fn(Meter) -> BoxFuture<'static, Result<()>>,
) -> Result<Outcome> {
    let (meter, mut tasks) = (Meter::default(), JoinSet::new());
    for _ in 0..streams {
        tasks.spawn(one(meter.clone()));
    }
    target.rate(&meter, tasks).await
}

fn motet_down(client: StreamsClient, meter: Meter) -> BoxFuture<'static, Result<()>> {
    Box::pin(async move {
        let mut messages = client.down(&Context::new(), Small::sample()).await?;
        while let Some(message) = messages.next().await {
            message?;
            meter.add(1);
        }
        Ok(())
    })
}

fn motet_up(client: StreamsClient, meter: Meter) -> BoxFuture<'static, Result<()>> {
    Box::pin(async move {
        client.up(&Context::new(), Streaming::new(endless(meter).map(Ok))).await?;
        Ok(())
    })
}

fn motet_both(client: StreamsClient, meter: Meter) -> BoxFuture<'static, Result<()>> {
    Box::pin(async move {
        let messages = Streaming::new(endless(Meter::default()).map(Ok));
        let mut replies = client.both(&Context::new(), messages).await?;
        while let Some(message) = replies.next().await {
            message?.check_reply()?;
            meter.add(1);
        }
        Ok(())
    })
}

#[::tonic::async_trait]
impl TonicStreams for Handlers {
    type DownStream = std::pin::Pin<Box<dyn Stream<Item = Result<Big, Status>> + Send>>;
    type BothStream = Self::DownStream;

    async fn down(&self, _: Request<Small>) -> Result<Response<Self::DownStream>, Status> {
        Ok(Response::new(Box::pin(endless(Meter::default()).map(Ok))))
    }

    async fn up(&self, request: Request<::tonic::Streaming<Big>>) -> Result<Response<Small>, Status> {
        let (mut messages, mut last) = (request.into_inner(), Small::sample());
        while let Some(message) = messages.next().await {
            last.second = message?.field2 as u64;
        }
        Ok(Response::new(last))
    }

    async fn both(&self, request: Request<::tonic::Streaming<Big>>) -> Result<Response<Self::BothStream>, Status> {
        Ok(Response::new(Box::pin(request.into_inner().map(|message| Ok(message?.handle())))))
    }
}

async fn serve_tonic(scratch: Scratch) -> Result<()> {
    let listener = net::listen()?;
    scratch.announce(listener.local_addr()?)?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let mut server = ::tonic::transport::Server::builder();
    Ok(server.add_service(TonicServer::new(Handlers)).serve_with_incoming(incoming).await?)
}

async fn load_tonic(
    target: Target,
    streams: usize,
    each: fn(TonicClient<Channel>, Meter) -> BoxFuture<'static, Result<()>>,
) -> Result<Outcome> {
    let channel = Endpoint::from_shared(format!("http://{}", target.address))?.connect().await?;
    let client = TonicClient::new(channel);
    run(&target, streams, |meter| each(client.clone(), meter)).await
}

fn tonic_down(mut client: TonicClient<Channel>, meter: Meter) -> BoxFuture<'static, Result<()>> {
    Box::pin(async move {
        let mut messages = client.down(Small::sample()).await?.into_inner();
        while let Some(message) = messages.next().await {
            message?;
            meter.add(1);
        }
        Ok(())
    })
}

fn tonic_up(mut client: TonicClient<Channel>, meter: Meter) -> BoxFuture<'static, Result<()>> {
    Box::pin(async move {
        client.up(endless(meter)).await?;
        bail!("the server answered")
    })
}

fn tonic_both(mut client: TonicClient<Channel>, meter: Meter) -> BoxFuture<'static, Result<()>> {
    Box::pin(async move {
        let mut replies = client.both(endless(Meter::default())).await?.into_inner();
        while let Some(message) = replies.next().await {
            message?.check_reply()?;
            meter.add(1);
        }
        Ok(())
    })
}
