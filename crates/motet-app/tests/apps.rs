//! Apps as a whole: calls, drain, isolation, `motet.meta`, the short form.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{Diarist, Diary, call, call_in, echo};
use motet_app::{
    App, Config, HealthReport, Service, StatsReport,
    meta::{self, DescribeReply, NodesReply},
};
use motet_core::{Call, Code, Codec, Context, Executed, MemoryRegistry, Next, Node, StaticRegistry, Status};
use motet_rpc::Client;
use serde::de::DeserializeOwned;

const SAY: (&str, &str) = ("echo", "say");
const WAIT: (&str, &str) = ("echo", "wait");

fn config(toml: &str) -> Config {
    Config::toml(toml).expect("valid TOML")
}

fn stranger(app: &motet_app::RunningApp) -> Client {
    common::stranger(&app.endpoints()[0].to_string())
}

async fn ask<T: DeserializeOwned>(client: &Client, method: &str, body: &str) -> motet_core::Result<T> {
    let reply = call(client, (meta::SERVICE, method), body, Codec::JSON).await?;
    Ok(serde_json::from_str(&reply).expect("the reply's type"))
}

#[tokio::test]
async fn two_apps_in_one_process_share_nothing() {
    let app = |name: &'static str| App::builder().name(name).service(echo("echo")).start();
    let (a, b) = (app("a").await.expect("starts"), app("b").await.expect("starts"));
    assert_ne!(a.endpoints(), b.endpoints());
    assert_ne!(a.nodes()[0].id, b.nodes()[0].id);
    let seen = a.registry().lookup("echo").await.expect("memory");
    assert_eq!(seen, a.nodes(), "its own node alone");
    call(a.client(), SAY, "{}", Codec::JSON).await.expect("in process");
    let count = |app: &motet_app::RunningApp| app.stats().server.iter().map(|method| method.count).sum::<u64>();
    assert_eq!((count(&a), count(&b)), (1, 0));
    a.stop().await;
    assert!(b.health().ready);
    assert_eq!(call(b.client(), SAY, "{}", Codec::JSON).await.expect("goes on"), "{}");
}

#[tokio::test]
async fn apps_that_share_a_registry_call_each_other_over_the_network() {
    let registry = MemoryRegistry::new();
    let server = App::builder().service(echo("echo")).registry(registry.clone()).start().await.expect("starts");
    let caller = App::builder().registry(registry).start().await.expect("starts");
    assert_eq!(call(caller.client(), SAY, r#"{"a":1}"#, Codec::JSON).await.expect("answers"), r#"{"a":1}"#);
    assert_eq!(server.stats().server.iter().find(|m| m.path == "echo/say").map(|m| m.count), Some(1));
    assert_eq!(caller.stats().client.iter().find(|m| m.path == "echo/say").map(|m| m.count), Some(1));
    server.stop().await;
    let error = call(caller.client(), SAY, "{}", Codec::JSON).await.expect_err("nobody left");
    assert_eq!((error.code(), error.executed()), (Code::Unavailable, Executed::No));
}

#[tokio::test]
async fn a_fixed_list_of_nodes_needs_no_registration() {
    let server = App::builder().service(echo("echo")).start().await.expect("starts");
    let url = format!("static:echo={}", server.endpoints()[0]);
    let caller = App::builder().registry(url).service(echo("other")).start().await.expect("starts");
    assert!(caller.health().ready && caller.nodes().is_empty());
    call(caller.client(), SAY, "{}", Codec::JSON).await.expect("answers");
    let empty = App::builder().registry(StaticRegistry::default()).start().await.expect("starts");
    assert_eq!(call(empty.client(), SAY, "{}", Codec::JSON).await.expect_err("nobody").code(), Code::Unavailable);
}

#[tokio::test]
async fn a_stop_lets_calls_finish_and_refuses_new_ones() {
    let app = App::builder().service(echo("echo")).start().await.expect("starts");
    let client = stranger(&app);
    let running = tokio::spawn({
        let client = client.clone();
        async move { call(&client, WAIT, "300", Codec::RAW).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let stopping = tokio::spawn(async move { app.stop().await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let refused = call(&client, SAY, "x", Codec::RAW).await.expect_err("stopping");
    assert_eq!((refused.code(), refused.executed()), (Code::Unavailable, Executed::No), "{refused}");
    assert_eq!(running.await.expect("joined").expect("finished"), "300");
    let report = stopping.await.expect("joined");
    assert!(report.is_clean() && report.took < Duration::from_secs(2), "{report:?}");
}

#[tokio::test]
async fn calls_that_do_not_end_are_dropped_and_reported() {
    let app = App::builder().service(echo("echo")).config(config("[app]\nstop_timeout = '500ms'"));
    let app = app.start().await.expect("starts");
    let client = stranger(&app);
    let running = tokio::spawn(async move { call(&client, WAIT, "60000", Codec::RAW).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let report = app.stop().await;
    assert_eq!(report.abandoned, [("echo/wait".to_owned(), 1)]);
    assert!(report.took < Duration::from_secs(3), "{report:?}");
    assert!(running.await.expect("joined").is_err());
}

#[tokio::test]
async fn modules_serve_and_call_services() {
    let diary = Diary::default();
    let app = App::builder().module(Diarist::new("a", &diary).serves("echo")).start().await.expect("starts");
    assert_eq!(call(&stranger(&app), SAY, "hi", Codec::RAW).await.expect("answers"), "hi");
    assert!(app.stop().await.is_clean());
    let taken = App::builder()
        .module(Diarist::new("a", &diary).serves("echo"))
        .module(Diarist::new("b", &diary).serves("echo"))
        .start()
        .await;
    assert_eq!(taken.expect_err("one path, two handlers").code(), Code::AlreadyExists);
}

#[tokio::test]
async fn middleware_stands_around_calls_on_both_sides() {
    let (served, made) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counting = |counter: &Arc<AtomicUsize>| {
        let counter = counter.clone();
        move |call: Call, next: Next| {
            counter.fetch_add(1, Ordering::Relaxed);
            async move { next.run(call).await }
        }
    };
    let app = App::builder().service(echo("echo")).middleware(counting(&served)).client_middleware(counting(&made));
    let app = app.start().await.expect("starts");
    call(app.client(), SAY, "{}", Codec::JSON).await.expect("answers");
    call(&stranger(&app), SAY, "{}", Codec::JSON).await.expect("answers");
    assert_eq!((served.load(Ordering::Relaxed), made.load(Ordering::Relaxed)), (2, 1));
}

#[tokio::test]
async fn the_middleware_of_a_service_is_not_around_the_health_of_the_app() {
    let app = App::builder().service(echo("echo"));
    let app = app.middleware(|_: Call, _: Next| async move { Err(Status::unauthenticated("send a token")) });
    let app = app.start().await.expect("starts");
    for client in [app.client(), &stranger(&app)] {
        let error = call(client, SAY, "{}", Codec::JSON).await.expect_err("guarded");
        assert_eq!(error.code(), Code::Unauthenticated);
        let health: HealthReport = ask(client, "health", "{}").await.expect("answers everyone");
        assert!(health.ready);
    }
}

#[tokio::test]
async fn a_filter_takes_nodes_away() {
    let server = App::builder().service(echo("echo")).start().await.expect("starts");
    let registry = format!("static:echo={}", server.endpoints()[0].address);
    for (kept, expected) in [("echo-1", None), ("echo-2", Some("the client's filters"))] {
        let app = App::builder().registry(registry.as_str()).filter(move |node: &Node, _: &Call| node.id == kept);
        let app = app.start().await.expect("starts");
        let error = call(app.client(), SAY, "{}", Codec::JSON).await.err();
        assert_eq!(error.is_some(), expected.is_some(), "{error:?}");
        assert!(error.is_none_or(|error| expected.is_some_and(|text| error.message().contains(text))));
    }
}

#[tokio::test]
async fn meta_describes_counts_and_lists() {
    let app = App::builder().name("shop").service(echo("echo")).service(echo("other")).start().await.expect("starts");
    let client = stranger(&app);
    call(&client, SAY, "{}", Codec::JSON).await.expect("answers");

    let all: DescribeReply = ask(&client, "describe", "{}").await.expect("answers");
    let names: Vec<_> = all.services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["echo", "other"]);
    assert_eq!(all.services[0].hash(), app.nodes()[0].descriptor_hash);
    let own: DescribeReply = ask(&client, "describe", r#"{"service":"motet.meta"}"#).await.expect("answers");
    assert_eq!(own.services[0].methods.len(), 4);
    let missing = ask::<DescribeReply>(&client, "describe", r#"{"service":"nobody"}"#).await.expect_err("missing");
    assert_eq!(missing.code(), Code::NotFound);

    let stats: StatsReport = ask(&client, "stats", r#"{"service":"echo"}"#).await.expect("answers");
    let counted: Vec<_> = stats.server.iter().map(|method| (method.path.as_str(), method.count)).collect();
    assert_eq!(counted, [("echo/say", 1), ("echo/wait", 0)]);

    let nodes: NodesReply = ask(&client, "nodes", "").await.expect("an empty body will do");
    assert_eq!((&*nodes.app, &*nodes.registry, nodes.nodes.len()), ("shop", "memory:", 2));
    assert_eq!(nodes.endpoints, app.endpoints());
}

#[tokio::test]
async fn meta_speaks_messagepack_and_answers_in_process() {
    let app = App::builder().service(echo("echo")).start().await.expect("starts");
    for client in [&stranger(&app), app.client()] {
        for method in ["describe", "health", "stats", "nodes"] {
            // An empty map.
            let reply = call(client, (meta::SERVICE, method), "\u{0}", Codec::MSGPACK).await;
            assert_eq!(reply.expect_err("no map").code(), Code::InvalidArgument, "{method}");
            let reply = call(client, (meta::SERVICE, method), "", Codec::MSGPACK).await.expect("answers");
            assert!(!reply.is_empty(), "{method}");
        }
    }
}

#[tokio::test]
async fn the_introspection_token_travels_as_metadata() {
    let app = App::builder().service(echo("echo")).config(config("[server]\nintrospection_token = 'sesame'"));
    let app = app.start().await.expect("starts");
    let cx = Context::new().with_metadata(meta::TOKEN, "sesame").expect("a valid key");
    call_in(&stranger(&app), &cx, (meta::SERVICE, "nodes"), "{}", Codec::JSON).await.expect("answers");
}

#[tokio::test]
async fn health_follows_what_modules_say() {
    struct Database;
    impl motet_app::Module for Database {
        fn name(&self) -> &str {
            "database"
        }
        fn init<'a>(&'a self, cx: &'a motet_app::AppContext) -> motet_core::BoxFuture<'a, motet_core::Result<()>> {
            Box::pin(async move {
                cx.health().not_ready("connecting");
                Ok(())
            })
        }
        fn run(
            &self,
            cx: motet_app::AppContext,
            drain: motet_core::Drain,
        ) -> motet_core::BoxFuture<'_, motet_core::Result<()>> {
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(200)).await;
                cx.health().ready();
                drain.draining().await;
                Ok(())
            })
        }
    }
    let app = App::builder().module(Database).service(echo("echo")).start().await.expect("starts");
    let client = stranger(&app);
    let health: HealthReport = ask(&client, "health", "{}").await.expect("answers");
    assert!(health.live && !health.ready);
    assert_eq!(health.modules[0].reason.as_deref(), Some("connecting"));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let health: HealthReport = ask(&client, "health", "{}").await.expect("answers");
    assert!(health.ready && health.services[0].registered, "{health:?}");
}

#[tokio::test]
async fn the_short_form_names_and_versions_its_service() {
    let app = Service::new("echo-eu").serve(echo("echo")).version("2.1.0").start().await.expect("starts");
    assert_eq!((app.name(), &*app.nodes()[0].service, &*app.nodes()[0].version), ("echo-eu", "echo-eu", "2.1.0"));
    assert_eq!(call(&stranger(&app), ("echo-eu", "say"), "hi", Codec::RAW).await.expect("answers"), "hi");
    let nothing = Service::new("empty").start().await.expect_err("serves nothing");
    assert!(nothing.message().contains("call .serve("), "{nothing}");
}

#[tokio::test]
async fn what_an_app_held_is_freed_when_it_has_stopped() {
    let held = Arc::new(());
    let app = {
        let held = held.clone();
        // A handler that holds the client, which holds the dispatcher, which holds the handler.
        let slot: Arc<std::sync::OnceLock<Client>> = Arc::default();
        let (inner, kept) = (slot.clone(), held.clone());
        let mut descriptor = motet_core::ServiceDescriptor::new("loop", "1.0.0");
        descriptor.methods.push(Arc::new(motet_core::MethodDescriptor::new("loop", "say")));
        let say = move |call: Call| -> motet_core::BoxFuture<'static, motet_core::Result<motet_core::Reply>> {
            let _ = (&inner, &kept);
            Box::pin(async move { Ok(motet_core::Reply::one(call.body.one()?)) })
        };
        let service = motet_core::Service::new(descriptor, vec![Arc::new(say)]).expect("valid");
        let app = App::builder().service(service).start().await.expect("starts");
        slot.set(app.client().clone()).expect("once");
        app
    };
    assert!(app.stop().await.is_clean());
    drop(app);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(Arc::strong_count(&held), 1);
}

#[tokio::test]
async fn the_tls_section_secures_server_and_client() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    };
    let (cert, key) = (write("cert.pem", made.cert.pem()), write("key.pem", made.signing_key.serialize_pem()));
    let tls = config("").with("tls.cert", cert.to_str()).with("tls.key", key.to_str()).with("tls.ca", cert.to_str());
    let registry = MemoryRegistry::new();
    let server = App::builder().service(echo("echo")).registry(registry.clone()).config(tls.clone());
    let server = server.start().await.expect("starts");
    assert!(server.endpoints()[0].tls && server.nodes()[0].endpoints[0].tls);
    let caller = App::builder().registry(registry.clone()).config(tls).start().await.expect("starts");
    assert_eq!(call(caller.client(), SAY, "hi", Codec::RAW).await.expect("answers"), "hi");
    let distrusting = App::builder().registry(registry).start().await.expect("starts");
    assert!(call(distrusting.client(), SAY, "hi", Codec::RAW).await.is_err());
}

#[tokio::test]
async fn a_service_without_a_name_gets_the_app_s() {
    struct Nameless;
    impl motet_rpc::typed::IntoService for Nameless {
        fn into_service(self) -> motet_core::Result<motet_core::Service> {
            Err(motet_core::Status::invalid_argument("no name"))
        }
        fn into_service_or(self, name: &str, _: &str) -> motet_core::Result<motet_core::Service> {
            Ok(echo(name))
        }
    }
    let app = App::builder().service(Nameless).name("shop").start().await.expect("starts");
    assert_eq!(app.nodes()[0].service, "shop");
}
