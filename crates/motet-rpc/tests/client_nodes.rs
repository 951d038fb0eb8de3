//! Which nodes a client knows, and which of them a call reaches.

mod client_fake;

use std::{sync::Arc, time::Duration};

use client_fake::*;
use motet_core::{
    Abilities, BoxFuture, Call, Code, ConnectionState, Endpoint, Executed, MemoryRegistry, Node, NodeState,
    Registration, Registry, RegistryEvent, Result, ServiceSummary, Status, Streaming, Watch, WatchAbility,
};
use motet_rpc::{Client, ClientConfig, RoundRobin};
use tokio::{sync::mpsc, time::Instant};

#[tokio::test(start_paused = true)]
async fn a_service_without_nodes_says_what_runs_and_what_was_meant() {
    let (fakes, registry) = (Fakes::new(), MemoryRegistry::new());
    let client = fakes.client(&registry).build();
    let error = hello(&client.service("greter")).await.expect_err("nothing runs");
    assert_eq!(error.message(), "no node of `greter` is registered in memory:; no service is running");
    let _greeter = register(&registry, "a").await;
    let error = hello(&client.service("greter")).await.expect_err("misspelt");
    assert_eq!((error.code(), error.executed()), (Code::Unavailable, Executed::No));
    assert_eq!(
        error.message(),
        "no node of `greter` is registered in memory:; running services: greeter; did you mean `greeter`?"
    );
}

#[tokio::test(start_paused = true)]
async fn nodes_come_and_go_without_the_client_being_asked() {
    let (fakes, registry) = (Fakes::new(), MemoryRegistry::new());
    let client = fakes.client(&registry).build().service("greeter");
    let a = register(&registry, "a").await;
    hello(&client).await.expect("a is found");
    let _b = register(&registry, "b").await;
    a.close().await.expect("memory does not fail");
    sleep_ms(1).await;
    hello(&client).await.expect("b is found");
    assert_eq!((fakes.node("a").called(), fakes.node("b").called()), (1, 1));
    assert_eq!(fakes.node("a").closed.load(std::sync::atomic::Ordering::SeqCst), 1, "nobody needs the connection");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_starting_is_waited_for_and_a_draining_one_is_left_alone() {
    let (fakes, registry) = (Fakes::new(), MemoryRegistry::new());
    let mut node = Node::new("greeter", "a");
    node.state = NodeState::Starting;
    let a = register_node(&registry, node).await;
    let client = fakes.client(&registry).build().service("greeter");
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { hello(&client).await }
    });
    sleep_ms(500).await;
    a.activate().await.expect("memory does not fail");
    waiting.await.expect("no panic").expect("a is ready");

    let _b = register(&registry, "b").await;
    let mut draining = a.node();
    draining.state = NodeState::Draining;
    a.update(draining).await.expect("memory does not fail");
    sleep_ms(1).await;
    for _ in 0..20 {
        hello(&client).await.expect("b answers");
    }
    assert_eq!((fakes.node("a").called(), fakes.node("b").called()), (1, 20));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_never_gets_ready_is_named_as_such() {
    let (fakes, registry) = (Fakes::new(), MemoryRegistry::new());
    let mut node = Node::new("greeter", "a");
    node.state = NodeState::Starting;
    let _a = register_node(&registry, node).await;
    let began = Instant::now();
    let error = hello(&fakes.client(&registry).build().service("greeter")).await.expect_err("not ready");
    assert_eq!(error.message(), "no node of `greeter` is ready yet; starting: 1");
    assert_eq!(began.elapsed(), Duration::from_secs(2));
}

/// A registry whose watch is fed by hand; it may list services that the watch does not know.
struct Fed(std::sync::Mutex<Option<Watch>>, Option<&'static str>);

impl Fed {
    fn new() -> (mpsc::Sender<Result<RegistryEvent>>, Arc<Fed>) {
        Fed::listing(None)
    }

    fn listing(service: Option<&'static str>) -> (mpsc::Sender<Result<RegistryEvent>>, Arc<Fed>) {
        let (feed, watch) = Streaming::channel(16);
        (feed, Arc::new(Fed(std::sync::Mutex::new(Some(watch)), service)))
    }
}

impl Registry for Fed {
    fn url(&self) -> String {
        "fed:".to_owned()
    }

    fn abilities(&self) -> Abilities {
        Abilities::new(None, WatchAbility::Push)
    }

    fn register(&self, _: Node, _: Duration) -> BoxFuture<'_, Result<Box<dyn Registration>>> {
        Box::pin(async { Err(Status::unimplemented("fed by hand")) })
    }

    fn lookup<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<Node>>> {
        Box::pin(async { Err(Status::unavailable("away")) })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<ServiceSummary>>> {
        let listed = self.1.map(|name| {
            let mut summary = ServiceSummary::default();
            name.clone_into(&mut summary.name);
            vec![summary]
        });
        Box::pin(async { listed.ok_or_else(|| Status::unavailable("away")) })
    }

    fn watch<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Watch>> {
        let watch = self.0.lock().expect("no panic").take();
        Box::pin(async { watch.ok_or_else(|| Status::unavailable("away")) })
    }
}

fn node(id: &str) -> Node {
    Node::new("greeter", id).endpoint(Endpoint::new("fake", id))
}

fn fed_client(fakes: &Fakes, registry: Arc<Fed>) -> Client {
    Client::builder().registry(registry).protocol(Arc::new(fakes.clone())).strategy(Arc::new(RoundRobin)).build()
}

#[tokio::test(start_paused = true)]
async fn known_nodes_survive_an_outage_of_the_registry() {
    let (fakes, (feed, registry)) = (Fakes::new(), Fed::new());
    let client = fed_client(&fakes, registry).service("greeter");
    feed.send(Ok(RegistryEvent::Reset(vec![node("a")]))).await.expect("watched");
    hello(&client).await.expect("a answers");
    feed.send(Err(Status::unavailable("gone"))).await.expect("watched");
    sleep_ms(60_000).await;
    hello(&client).await.expect("a is still known");
    drop(feed);
    sleep_ms(60_000).await;
    hello(&client).await.expect("even when the watch has ended and cannot be started again");
}

#[tokio::test(start_paused = true)]
async fn a_node_in_use_that_an_outage_made_the_registry_forget_is_kept_for_a_while() {
    let (fakes, (feed, registry)) = (Fakes::new(), Fed::new());
    let client = fed_client(&fakes, registry).service("greeter");
    let reset = |ids: &[&str]| Ok(RegistryEvent::Reset(ids.iter().map(|id| node(id)).collect()));
    feed.send(reset(&["a", "b"])).await.expect("watched");
    hello(&client).await.expect("a");
    hello(&client).await.expect("b");
    fakes.node("b").set_state(ConnectionState::Closed);
    feed.send(Err(Status::unavailable("gone"))).await.expect("watched");
    feed.send(reset(&[])).await.expect("watched");
    sleep_ms(9_000).await;
    hello(&client).await.expect("a answers all the same");
    assert_eq!((fakes.node("a").called(), fakes.node("b").called()), (2, 1), "b had no connection: it is gone");
    sleep_ms(2_000).await;
    assert!(hello(&client).await.expect_err("forgotten").message().contains("no node of `greeter`"));
    // Without an outage the registry is believed at once.
    feed.send(reset(&["a"])).await.expect("watched");
    sleep_ms(1).await;
    hello(&client).await.expect("a is back");
    feed.send(reset(&[])).await.expect("watched");
    sleep_ms(1).await;
    hello(&client).await.expect_err("no outage, no grace");
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_does_not_answer_is_named_and_waited_for_no_longer_than_a_connection() {
    let (fakes, (feed, registry)) = (Fakes::new(), Fed::new());
    let client = fed_client(&fakes, registry).service("greeter");
    feed.send(Err(Status::unavailable("connection refused"))).await.expect("watched");
    let began = Instant::now();
    let error = hello(&client).await.expect_err("away");
    assert_eq!((error.code(), error.executed()), (Code::Unavailable, Executed::No));
    assert_eq!(error.message(), "the registry fed: has not said where `greeter` runs: connection refused");
    assert_eq!(began.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_listed_but_not_known_yet_is_waited_for() {
    let (fakes, (feed, registry)) = (Fakes::new(), Fed::listing(Some("greeter")));
    let client = fed_client(&fakes, registry).service("greeter");
    feed.send(Ok(RegistryEvent::Reset(vec![node("a")]))).await.expect("watched");
    hello(&client).await.expect("a answers");
    // A restart that this client sees in the wrong order: the old node is gone, the new one not there.
    feed.send(Ok(RegistryEvent::Remove("a".into()))).await.expect("watched");
    sleep_ms(1).await;
    let later = async {
        sleep_ms(200).await;
        feed.send(Ok(RegistryEvent::Put(node("b")))).await.expect("watched");
    };
    let (reply, ()) = tokio::join!(hello(&client), later);
    reply.expect("b answers");
    assert_eq!(fakes.node("b").called(), 1);
    feed.send(Ok(RegistryEvent::Remove("b".into()))).await.expect("watched");
    sleep_ms(1).await;
    let began = Instant::now();
    let error = hello(&client).await.expect_err("nobody comes");
    assert_eq!(error.message(), "the registry fed: lists `greeter`, but no node of it that takes calls");
    assert_eq!((error.executed(), began.elapsed()), (Executed::No, Duration::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_failed_once_is_used_again() {
    let (fakes, registry) = (Fakes::new(), MemoryRegistry::new());
    let (_a, _b) = (register(&registry, "a").await, register(&registry, "b").await);
    let client = fakes.client(&registry).build().service("greeter");
    fakes.node("a").answer(|nth, _| if nth == 0 { fails(Status::internal("once")) } else { ok() });
    let mut failed = 0;
    for _ in 0..40 {
        failed += usize::from(hello(&client).await.is_err());
    }
    assert_eq!((failed, fakes.node("a").called()), (1, 1), "it is left alone at first");
    for _ in 0..3_000 {
        hello(&client).await.expect("both answer");
        sleep_ms(10).await;
    }
    assert!(fakes.node("a").called() > 200, "{}", fakes.node("a").called());
}

#[tokio::test(start_paused = true)]
async fn a_client_without_registry_says_how_to_get_one() {
    let error = hello(&Client::builder().build().service("greeter")).await.expect_err("nowhere to look");
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert!(error.message().contains("Client::to(address)"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn options_choose_nodes_by_id_version_and_label() {
    let (fakes, registry) = (Fakes::new(), MemoryRegistry::new());
    let _a = register_node(&registry, Node::new("greeter", "a").version("1.0.0").label("tier", "gold")).await;
    let _b = register_node(&registry, Node::new("greeter", "b").version("2.0.0")).await;
    let client = fakes.client(&registry).build().service("greeter");
    for (chosen, by) in [
        ("a", options(|o| o.node = Some("a".into()))),
        ("a", options(|o| o.version = Some("1.0.0".into()))),
        ("a", options(|o| o.labels = vec![("tier".into(), "gold".into())])),
        ("b", options(|o| o.version = Some("2.0.0".into()))),
    ] {
        let before = fakes.node(chosen).called();
        for _ in 0..5 {
            hello(&client.with_options(by.clone())).await.expect(chosen);
        }
        assert_eq!(fakes.node(chosen).called(), before + 5, "{by:?}");
    }
    let error = hello(&client.with_options(options(|o| o.version = Some("3".into())))).await.expect_err("none");
    assert_eq!(error.message(), "no node of `greeter` matches version \"3\"; there are 2: a, b");
    assert_eq!((error.code(), error.executed()), (Code::Unavailable, Executed::No));
}

#[tokio::test(start_paused = true)]
async fn filters_see_node_and_call() {
    let (fakes, registry) = (Fakes::new(), MemoryRegistry::new());
    let (_a, _b) = (register(&registry, "a").await, register(&registry, "b").await);
    let not_a = |node: &Node, call: &Call| node.id != "a" || call.method.name != "hello";
    let client = fakes.client(&registry).filter(Arc::new(not_a)).build().service("greeter");
    for _ in 0..10 {
        hello(&client).await.expect("b answers");
    }
    assert_eq!((fakes.node("a").called(), fakes.node("b").called()), (0, 10));
}

#[tokio::test(start_paused = true)]
async fn nodes_of_other_protocols_are_named_as_such() {
    let (fakes, registry) = (Fakes::new(), MemoryRegistry::new());
    let mut endpoint = Endpoint::new("tcp", "127.0.0.1:1");
    endpoint.protocols = vec!["grpc".into()];
    let node = Node::new("greeter", "g").endpoint(endpoint);
    let _g = registry.register(node, Duration::from_secs(10)).await.expect("valid");
    let client = fakes.client(&registry).build().service("greeter");
    let error = hello(&client).await.expect_err("no common protocol");
    assert_eq!(error.message(), "the nodes of `greeter` speak grpc; this client speaks motet");
    let _a = register(&registry, "a").await;
    sleep_ms(1).await;
    hello(&client).await.expect("a is enough");
    let error = hello(&client.with_options(options(|o| o.protocol = Some("grpc".into())))).await.expect_err("grpc");
    assert!(error.message().contains("matches protocol \"grpc\""), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_client_to_an_address_asks_no_registry_and_shares_its_connections() {
    let fakes = Fakes::new();
    let base = fakes.client(&MemoryRegistry::new()).build();
    let pinned = base.to("10.0.0.1:4000").expect("an address");
    hello(&pinned.service("greeter")).await.expect("answers");
    hello(&pinned.service("other")).await.expect("answers");
    hello(&base.to("tcp://10.0.0.1:4000").expect("an address").service("greeter")).await.expect("answers");
    assert_eq!((fakes.node("10.0.0.1:4000").called(), fakes.node("10.0.0.1:4000").dialled()), (3, 1));
    assert!(base.to("10.0.0.1").expect_err("no port").message().contains("host:port"));
}

#[tokio::test(start_paused = true)]
async fn calls_prefer_the_faster_node_and_leave_one_that_fails_fast() {
    let (fakes, registry) = (Fakes::new(), MemoryRegistry::new());
    let (_a, _b, _c) = (register(&registry, "a").await, register(&registry, "b").await, register(&registry, "c").await);
    fakes.node("a").answer(|_, _| after(1, Ok(reply("quick"))));
    fakes.node("b").answer(|_, _| after(20, Ok(reply("slow"))));
    fakes.node("c").answer(|_, _| (Duration::ZERO, Err(Status::internal("broken"))));
    let client = fakes.client(&registry).build().service("greeter");
    let mut callers = Vec::new();
    for _ in 0..4 {
        let client = client.clone();
        callers.push(tokio::spawn(async move {
            for _ in 0..100 {
                let _ = hello(&client).await;
            }
        }));
    }
    for caller in callers {
        caller.await.expect("no panic");
    }
    let [a, b, c] = ["a", "b", "c"].map(|id| fakes.node(id).called());
    // A third of the draws offers only b and c.
    assert!(a > 240 && b < 160 && c < 20, "quick {a}, slow {b}, broken {c}");
}

#[tokio::test(start_paused = true)]
async fn two_services_of_one_process_share_a_connection() {
    let (fakes, registry) = (Fakes::new(), MemoryRegistry::new());
    let at = |service: &str, id: &str| Node::new(service, id).endpoint(Endpoint::new("fake", "one"));
    let _a = registry.register(at("greeter", "g"), Duration::from_secs(10)).await.expect("valid");
    let _b = registry.register(at("orders", "o"), Duration::from_secs(10)).await.expect("valid");
    let client = fakes.client(&registry).build();
    hello(&client.service("greeter")).await.expect("answers");
    hello(&client.service("orders")).await.expect("answers");
    assert_eq!((fakes.node("one").called(), fakes.node("one").dialled()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_changed_record_keeps_the_node_s_connection() {
    let (fakes, registry) = (Fakes::new(), MemoryRegistry::new());
    let a = register(&registry, "a").await;
    let client = fakes.client(&registry).config(ClientConfig::default()).build().service("greeter");
    hello(&client).await.expect("answers");
    a.update(a.node().label("weather", "fine")).await.expect("memory does not fail");
    sleep_ms(1).await;
    hello(&client.with_options(options(|o| o.labels = vec![("weather".into(), "fine".into())]))).await.expect("seen");
    assert_eq!((fakes.node("a").called(), fakes.node("a").dialled()), (2, 1));
}
