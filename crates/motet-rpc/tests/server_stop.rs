//! Stopping: nothing is lost that can be finished, and it always ends.

mod server_support;

use std::{sync::Arc, time::Duration};

use motet_core::{
    BoxFuture, Codec, Dispatcher, Drain, Endpoint, Entrance, MemoryTransport, Payload, Reply, Result, Status,
};
use motet_rpc::{Server, ServerConfig};
use server_support::{Caller, builder};
use tokio::time::Instant;

async fn started() -> (Server, MemoryTransport, Endpoint) {
    let memory = MemoryTransport::new();
    let mut config = ServerConfig::default();
    config.default_timeout = Duration::from_secs(120);
    let server = builder(&memory).config(config).build().expect("valid");
    let endpoint = server.listen("memory://a").await.expect("free");
    (server, memory, endpoint)
}

#[tokio::test(start_paused = true)]
async fn running_calls_finish_and_the_address_is_free() {
    let (server, memory, endpoint) = started().await;
    let mut running = Caller::dial(&memory, &endpoint).await;
    running.send("greeter/slow {}\n").await;
    let mut idle = Caller::dial(&memory, &endpoint).await;
    assert_eq!(idle.call("greeter/hello {}").await, "ok {}");
    let mut silent = Caller::dial(&memory, &endpoint).await;
    tokio::time::sleep(Duration::from_millis(1)).await;

    let start = Instant::now();
    let (report, answer, nothing, quiet) =
        tokio::join!(server.shutdown(Duration::from_secs(100)), running.line(), idle.rest(), silent.rest());
    assert_eq!((answer.as_str(), nothing.as_str(), quiet.as_str()), ("ok late", "", ""));
    assert!(report.drained && report.abandoned.is_empty() && report.stuck == 0, "{report:?}");
    assert!(start.elapsed() < Duration::from_secs(61), "it ends with the last call, {:?}", start.elapsed());
    assert!(memory_is_free(&memory).await);
    assert!(server.listen("memory://b").await.is_err(), "a stopped server does not listen again");
}

async fn memory_is_free(memory: &MemoryTransport) -> bool {
    motet_core::Transport::listen(memory, "a").await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_is_abandoned_and_named() {
    let (server, memory, endpoint) = started().await;
    let mut running = Caller::dial(&memory, &endpoint).await;
    running.send("greeter/slow {}\n").await;
    let mut one_way = Caller::dial(&memory, &endpoint).await;
    one_way.send("!greeter/slow {}\n").await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let start = Instant::now();
    let report = server.shutdown(Duration::from_secs(5)).await;
    assert_eq!(start.elapsed().as_secs(), 5);
    assert!(!report.drained);
    assert_eq!(report.abandoned, [("greeter/slow".to_owned(), 2)]);
    assert_eq!(report.stuck, 0);
    assert_eq!(running.rest().await, "");
    assert_eq!(server.shutdown(Duration::from_secs(5)).await.stuck, 0, "repeating it is fine");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_arrives_while_stopping_is_refused_by_its_protocol() {
    let (server, memory, endpoint) = started().await;
    let mut running = Caller::dial(&memory, &endpoint).await;
    running.send("greeter/slow {}\ngreeter/hello {}\n").await;
    let mut late = Caller::dial(&memory, &endpoint).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let (report, first, refused) =
        tokio::join!(server.shutdown(Duration::from_secs(100)), running.line(), late.call("greeter/hello {}"));
    assert_eq!(first, "ok late");
    assert_eq!(running.line().await, "error UNAVAILABLE stopping");
    assert_eq!(refused, "error UNAVAILABLE stopping", "who had connected before is told");
    assert!(report.drained);
}

#[tokio::test]
async fn dropping_the_last_server_ends_its_connections() {
    let (server, memory, endpoint) = started().await;
    let mut caller = Caller::dial(&memory, &endpoint).await;
    assert_eq!(caller.call("greeter/hello {}").await, "ok {}");
    drop(server.clone());
    assert_eq!(caller.call("greeter/hello {}").await, "ok {}");
    drop(server);
    assert_eq!(caller.rest().await, "");
}

#[tokio::test]
async fn calls_enter_through_an_entrance_as_well() {
    /// Makes one call, then waits for the drain.
    struct Door;

    impl Entrance for Door {
        fn open(&self, dispatcher: Dispatcher, drain: Drain) -> BoxFuture<'_, Result<Vec<Endpoint>>> {
            Box::pin(async move {
                let reply = call(&dispatcher, "greeter/hello").await?;
                assert!(reply.body.one().is_ok());
                let stopping = drain.clone();
                drain.spawn(async move { stopping.draining().await });
                Ok(vec![Endpoint::new("door", "front")])
            })
        }
    }

    async fn call(dispatcher: &Dispatcher, path: &str) -> Result<Reply> {
        let route = dispatcher.resolve(path)?;
        let body = motet_core::Body::One(Payload::encoded("{}", Codec::JSON));
        let cx = motet_core::Context::incoming(route.deadline(None), Default::default(), None, None);
        route.call(motet_core::Call::new(route.method().clone(), cx, body, Codec::JSON, Arc::default())).await
    }

    let (server, ..) = started().await;
    server.open(Arc::new(Door)).await.expect("opens");
    assert!(server.endpoints().iter().any(|endpoint| endpoint.transport == "door"));
    assert!(server.shutdown(Duration::from_secs(5)).await.drained);
    assert_eq!(
        server.open(Arc::new(Door)).await.map_err(|status: Status| status.code()),
        Err(motet_core::Code::FailedPrecondition)
    );
}

#[tokio::test]
async fn a_service_can_be_taken_away_and_added_again() {
    let (server, memory, endpoint) = started().await;
    let mut caller = Caller::dial(&memory, &endpoint).await;
    assert_eq!(caller.call("greeter/hello {}").await, "ok {}");
    server.remove("greeter");
    assert!(caller.call("greeter/hello {}").await.starts_with("error UNIMPLEMENTED"));
    server.add(server_support::greeter()).expect("free");
    assert_eq!(caller.call("greeter/hello {}").await, "ok {}");
    assert!(server.add(server_support::greeter()).is_err());
    assert_eq!(server.services().len(), 1);
}
