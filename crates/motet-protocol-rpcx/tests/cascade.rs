//! Deadlines over three hops: A calls B, B calls C, all by rpcx.

#[path = "../../motet-framed/tests/unary/mod.rs"]
mod unary;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use motet::{Client, ClientConfig, Code, Context, Result, Server, TcpTransport};
use motet_protocol_rpcx::{RpcxClient, RpcxServer};
use tokio::time::Instant;
use unary::{Arith, ArithClient, LONG, Rig, until};

#[motet::service(name = "relay")]
trait Relay {
    /// Waits at the next hop.
    async fn on(&self, cx: &Context, millis: u64) -> Result<u64>;
}

struct Hop {
    next: ArithClient,
    gone: Arc<AtomicUsize>,
}

struct Gone(Arc<AtomicUsize>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Relay for Hop {
    async fn on(&self, cx: &Context, millis: u64) -> Result<u64> {
        let _gone = Gone(self.gone.clone());
        self.next.wait(cx, millis).await
    }
}

#[tokio::test]
async fn a_call_that_is_out_of_time_at_its_caller_ends_at_the_third_hop() {
    let third = Rig::new(RpcxServer::default(), RpcxClient::default()).await;
    let gone = Arc::new(AtomicUsize::new(0));
    let service =
        motet::IntoService::into_service(RelayServer::new(Hop { next: third.arith.clone(), gone: gone.clone() }));
    let second = Server::builder().protocol(Arc::new(RpcxServer::default())).service(service.expect("good"));
    let second = second.build().expect("valid");
    let endpoint = second.listen("tcp://127.0.0.1:0").await.expect("free");
    let mut config = ClientConfig::default();
    config.timeout = LONG;
    let transport = Arc::new(TcpTransport::new());
    let client =
        Client::builder().config(config).transport(transport).protocol(Arc::new(RpcxClient::default())).build();
    let first = RelayClient::new(client.to(format!("rpcx://{}", endpoint.address)).expect("an address"));

    assert_eq!(first.on(&Context::new(), 1).await.expect("answered"), 1);
    let begun = Instant::now();
    let cx = Context::new().with_timeout(Duration::from_millis(100));
    let status = first.on(&cx, 60_000).await.expect_err("out of time");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    until("both handlers are gone", || gone.load(SeqCst) == 2 && third.seen.ended.load(SeqCst) == 2).await;
    assert!(begun.elapsed() < Duration::from_secs(30), "long before they would have ended");
}
