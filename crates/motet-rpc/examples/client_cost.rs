//! Run with: `cargo run --release -p motet-rpc --example client_cost`
//!
//! What does the client add to a connection? Calls over a connection that answers at once, made
//! directly and through a client of one node and of ten: the difference is deadline, choice of the
//! node, counters, and what is kept for another attempt. The goal for one node is 250 ns.

use std::{sync::Arc, time::Duration};

use motet_core::{
    Body, BoxFuture, Call, CallOptions, ClientProtocol, Codec, Connecting, Connection, ConnectionState, Context,
    Endpoint, MethodDescriptor, Node, Payload, Reply, Result, StaticRegistry,
};
use motet_rpc::Client;
use tokio::time::Instant;

const CALLS: u32 = 300_000;
const ROUNDS: usize = 9;

/// A connection that answers with the request.
struct Echo;

impl Connection for Echo {
    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply>> {
        Box::pin(async move { Ok(Reply::new(call.body)) })
    }

    fn state(&self) -> ConnectionState {
        ConnectionState::Open
    }

    fn in_flight(&self) -> usize {
        0
    }

    fn close(&self) {}
}

impl ClientProtocol for Echo {
    fn name(&self) -> &str {
        "motet"
    }

    fn connect<'a>(&'a self, _: &'a Endpoint, _: &'a Connecting) -> BoxFuture<'a, Result<Arc<dyn Connection>>> {
        Box::pin(async { Ok(Arc::new(Echo) as Arc<dyn Connection>) })
    }
}

async fn median_ns(mut one: impl AsyncFnMut() -> Result<Reply>) -> Result<f64> {
    let mut rounds = [0.0; ROUNDS];
    for round in &mut rounds {
        let began = Instant::now();
        for _ in 0..CALLS {
            one().await?;
        }
        *round = began.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS);
    }
    rounds.sort_by(f64::total_cmp);
    Ok(rounds[ROUNDS / 2])
}

fn client(nodes: usize) -> Result<Client> {
    let nodes = (0..nodes).map(|n| Node::new("greeter", n.to_string()).endpoint(Endpoint::new("echo", n.to_string())));
    Ok(Client::builder().registry(Arc::new(StaticRegistry::new(nodes)?)).protocol(Arc::new(Echo)).build())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let method = Arc::new(MethodDescriptor::new("greeter", "hello"));
    let payload = Payload::encoded("hello", Codec::PROTOBUF);
    let body = || Body::One(payload.clone());
    let (cx, options) = (Context::new(), Arc::new(CallOptions::default()));
    let (plain, one, ten) = (Echo, client(1)?.service("greeter"), client(10)?.service("greeter"));
    let (cancellable, _cancel) = cx.cancellable();

    let direct = median_ns(async || {
        let call = Call::new(method.clone(), cx.clone(), body(), Codec::PROTOBUF, options.clone());
        plain.call(call).await
    })
    .await?;
    println!("{:<34}{direct:>8.0} ns", "the connection alone");
    for (what, client, cx) in [
        ("a client of one node", &one, &cx),
        ("a client of ten nodes", &ten, &cx),
        ("one node, a Context to cancel", &one, &cancellable),
    ] {
        let through =
            median_ns(async || client.call(client.prepare(&method, cx, Codec::PROTOBUF, body())?).await).await?;
        println!("{what:<34}{through:>8.0} ns, {:>5.0} more", through - direct);
    }
    // Nothing of the clients outlives this: their tasks end with the runtime.
    tokio::time::sleep(Duration::from_millis(1)).await;
    Ok(())
}
