//! `services`, `nodes`, `stats`, `health`.

use std::{process::Stdio, time::Duration};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::lab::{Lab, finish};

#[tokio::test]
async fn services_are_listed() {
    let (lab, _app, _hear) = Lab::serving().await;
    assert_eq!(
        lab.run(&["services"]).await.done(),
        "SERVICE   VERSION   NODES   METHODS\n\
         greeter   1.2.0     1       hello, find, add, forget, hang, count, sum, double, whoami\n\
         tools     0.3.0     1       /say/hi, mirror\n"
    );
    let json = lab.run(&["services", "--json"]).await.json();
    assert_eq!(json["place"], lab.url());
    let tools =
        json!({"name": "tools", "versions": ["0.3.0"], "nodes": 1, "active": 1, "methods": ["/say/hi", "mirror"]});
    assert_eq!(json["services"][1], tools);
}

#[tokio::test]
async fn an_empty_registry_is_no_error_and_says_how_to_fill_it() {
    let lab = Lab::new();
    let ended = lab.run(&["services"]).await;
    assert_eq!((ended.code, &*ended.out), (0, ""));
    assert!(ended.err.contains("No service is registered in file:///") && ended.err.contains("motet demo"));
    assert_eq!(lab.run(&["services", "--json"]).await.json()["services"], json!([]));
    assert_eq!(lab.run(&["nodes", "--json"]).await.json()["nodes"], json!([]));
}

#[tokio::test]
async fn looking_registers_nothing() {
    let (lab, app, _hear) = Lab::serving().await;
    for command in
        [&["services"][..], &["health"], &["stats"], &["describe", "greeter"], &["call", "greeter", "forget"]]
    {
        assert_eq!(lab.run(command).await.code, 0, "{command:?}");
    }
    let nodes = lab.run(&["nodes", "--json"]).await.json();
    assert_eq!(nodes["nodes"].as_array().map(Vec::len), Some(app.nodes().len()));
}

#[tokio::test]
async fn nodes_are_listed_as_they_are_registered() {
    let (lab, app, _hear) = Lab::serving().await;
    let (other, _hear) = lab.serve().await;
    let out = lab.run(&["nodes", "greeter"]).await.done();
    assert_eq!(out.lines().count(), 3, "{out}");
    for endpoint in [&app.endpoints()[0], &other.endpoints()[0]] {
        assert!(out.contains(&endpoint.to_string()), "{out}");
    }
    let json = lab.run(&["nodes", "--json"]).await.json();
    let nodes: Vec<motet::Node> = serde_json::from_value(json["nodes"].clone()).expect("records");
    assert_eq!(nodes.len(), 4);
    assert!(app.nodes().iter().all(|node| nodes.contains(node)));
}

#[tokio::test]
async fn one_address_can_be_asked_without_a_registry() {
    let (_, app, _hear) = Lab::serving().await;
    let elsewhere = Lab::new();
    let address = app.endpoints()[0].address.clone();
    let ask = |command: &'static str| {
        let (address, elsewhere) = (address.clone(), &elsewhere);
        async move { elsewhere.run(&[command, "--address", &address, "--json"]).await.json() }
    };
    assert_eq!(ask("services").await["services"][0]["name"], "greeter");
    assert_eq!(ask("nodes").await["nodes"].as_array().map(Vec::len), Some(2));
    assert_eq!(ask("health").await["healthy"], true);
    assert_eq!(ask("stats").await["methods"], json!([]));
    let meta = elsewhere.run(&["call", "motet.meta", "nodes", "--address", &address]).await.done();
    assert!(meta.contains("greeter"), "{meta}");
    let nowhere = elsewhere.run(&["call", "motet.meta", "nodes"]).await.failed(3);
    assert!(nowhere.contains("--address"), "{nowhere}");
    let missing = elsewhere.run(&["nodes", "greter", "--address", &address]).await.failed(3);
    assert!(missing.contains("did you mean `greeter`?"), "{missing}");
}

#[tokio::test]
async fn stats_show_calls_errors_and_times_per_method_and_node() {
    let (lab, app, _hear) = Lab::serving().await;
    assert_eq!(lab.run(&["stats", "--json"]).await.json()["methods"], json!([]));
    for name in ["Ada", "Bob"] {
        lab.run(&["call", "greeter", "find", &json!({"name": name}).to_string()]).await;
    }
    let json = lab.run(&["stats", "greeter", "--json"]).await.json();
    let row = &json["methods"][0];
    assert_eq!(json["methods"].as_array().map(Vec::len), Some(1));
    assert_eq!(row["method"], "greeter/find");
    assert_eq!(row["node"], app.nodes()[0].id);
    assert_eq!((&row["calls"], &row["errors"], &row["in_flight"]), (&json!(2), &json!(1), &json!(0)));
    assert_eq!(row["errors_by_code"], json!({"NOT_FOUND": 1}));
    assert!(row["p50_us"].as_f64() > Some(0.0) && row["p99_us"].as_f64() >= row["p50_us"].as_f64());
    let table = lab.run(&["stats"]).await.done();
    assert!(table.contains("greeter/find") && table.contains("1 (50%)") && table.contains("NOT_FOUND"), "{table}");
    assert_eq!(lab.run(&["stats", "tools", "--json"]).await.json()["methods"], json!([]));
}

#[tokio::test]
async fn watched_stats_show_what_happened_since_the_last_look() {
    let (lab, _app, mut hear) = Lab::serving().await;
    lab.run(&["call", "greeter", "hello", r#"{"name": "Ada"}"#]).await.done();
    crate::lab::told(&mut hear).await;
    let mut child = lab.command(&["stats", "--watch", "--every", "300ms", "--json"]).spawn().expect("runs");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut next = async || -> Value {
        let line = tokio::time::timeout(Duration::from_secs(10), lines.next_line()).await.expect("in time");
        serde_json::from_str(&line.expect("read").expect("a line")).expect("JSON")
    };
    let first = next().await;
    assert_eq!(first["methods"][0]["calls"], 0, "the call before is not counted: {first}");
    assert!(first["seconds"].as_f64() > Some(0.2));
    let second = lab.run(&["call", "greeter", "hello", r#"{"name": "Ada"}"#]);
    let (ended, seen) = tokio::join!(second, async {
        for _ in 0..50 {
            let line = next().await;
            if line["methods"][0]["calls"] == 1 {
                return line;
            }
        }
        panic!("the call was not seen");
    });
    ended.done();
    assert!(seen["methods"][0]["per_second"].as_f64() > Some(0.5), "{seen}");
    interrupt(&child);
    assert_eq!(finish(child).await.code, 0, "Ctrl-C is how watching ends");
}

/// Works that are limited, and works that hold their thread.
#[motet::service(name = "works", version = "1.0.0")]
trait Works {
    /// Waits until it is let go; one at a time.
    #[method(max_in_flight = 1)]
    async fn wait(&self, cx: &motet::Context) -> motet::Result<()>;
    /// Waits without awaiting.
    async fn burn(&self, cx: &motet::Context) -> motet::Result<()>;
}

struct Worker(tokio::sync::Semaphore);

impl Works for Worker {
    async fn wait(&self, _: &motet::Context) -> motet::Result<()> {
        drop(self.0.acquire().await);
        Ok(())
    }

    async fn burn(&self, _: &motet::Context) -> motet::Result<()> {
        std::thread::sleep(Duration::from_millis(2));
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stats_show_limits_queues_refusals_and_slow_polls_where_there_are_any() {
    let lab = Lab::new();
    let config = motet::Config::default().with("server.overload.queue", 1).with("server.overload.queue_time", "30s");
    let worker = std::sync::Arc::new(Worker(tokio::sync::Semaphore::new(0)));
    let app = motet::App::builder().registry(lab.url()).config(config).service(WorksServer::new(worker.clone()));
    let _app = app.start().await.expect("starts");
    // Over the network, as others would.
    let caller = motet::App::builder().registry(lab.url()).start().await.expect("starts");
    let client = WorksClient::new(caller.client());
    for _ in 0..4 {
        client.burn(&motet::Context::new()).await.expect("answered");
    }
    let table = lab.run(&["stats", "works"]).await.done();
    let columns = |table: &str| {
        table.lines().next().expect("a head").split("  ").map(str::trim).map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(columns(&table).contains(&"SLOW POLLS".to_owned()), "{table}");
    assert!(!columns(&table).iter().any(|name| ["LIMIT", "QUEUED", "REFUSED"].contains(&&**name)), "{table}");

    let wait = || {
        let client = client.clone();
        tokio::spawn(async move { client.wait(&motet::Context::new().with_timeout(Duration::from_secs(60))).await })
    };
    let (first, second) = (wait(), wait());
    let row = async |so: fn(&Value) -> bool| -> Value {
        for _ in 0..200 {
            let json = lab.run(&["stats", "works", "--json"]).await.json();
            let rows = json["methods"].as_array().expect("rows").clone();
            if let Some(row) = rows.into_iter().find(|row| row["method"] == "works/wait" && so(row)) {
                return row;
            }
        }
        panic!("{:?}", lab.run(&["stats", "works", "--json"]).await);
    };
    let full = row(|row| row["queued"] == 1).await;
    assert_eq!((&full["in_flight"], &full["limit"], full.get("refused")), (&json!(1), &json!(1), None), "{full}");
    let mut options = motet::CallOptions::default();
    options.fail_mode = Some(motet::FailMode::Fast);
    let refused =
        client.clone().with_options(options).wait(&motet::Context::new()).await.expect_err("there is no room");
    assert_eq!(refused.code(), motet::Code::ResourceExhausted);
    assert_eq!(row(|row| row["refused"] == 1).await["errors_by_code"], json!({"RESOURCE_EXHAUSTED": 1}));
    let table = lab.run(&["stats", "works"]).await.done();
    for name in ["LIMIT", "QUEUED", "REFUSED", "SLOW POLLS"] {
        assert!(columns(&table).contains(&name.to_owned()), "{name}: {table}");
    }
    worker.0.add_permits(2);
    for call in [first, second] {
        call.await.expect("no panic").expect("answered");
    }
    let burnt = lab.run(&["stats", "works", "--json"]).await.json();
    let burnt =
        burnt["methods"].as_array().and_then(|rows| rows.iter().find(|row| row["method"] == "works/burn")).cloned();
    assert!(burnt.is_some_and(|row| row["slow_polls"].as_u64() >= Some(1)));
}

pub(crate) fn interrupt(child: &tokio::process::Child) {
    let id = child.id().expect("it runs").to_string();
    assert!(
        std::process::Command::new("kill").args(["-INT", &id]).stderr(Stdio::null()).status().expect("kill").success()
    );
}

#[tokio::test]
async fn health_is_in_the_table_and_in_the_exit_code() {
    let (lab, app, _hear) = Lab::serving().await;
    let address = app.endpoints()[0].to_string();
    let table = lab.run(&["health"]).await.done();
    assert!(table.contains(&address) && table.contains("greeter, tools") && table.contains("running"), "{table}");
    let json = lab.run(&["health", "greeter", "--json"]).await.json();
    assert_eq!((&json["healthy"], &json["processes"][0]["report"]["phase"]), (&json!(true), &json!("running")));
}

/// A module that is not ready.
#[derive(Debug)]
pub(crate) struct Cold;

impl motet::Module for Cold {
    fn name(&self) -> &str {
        "cold"
    }

    fn init<'a>(&'a self, cx: &'a motet::AppContext) -> motet::BoxFuture<'a, motet::Result<()>> {
        cx.health().not_ready("the cache is cold");
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn what_is_not_ready_is_live_and_says_why() {
    let lab = Lab::new();
    let app = motet::App::builder().registry(lab.url()).service(crate::fixture::tools()).module(Cold);
    let app = app.start().await.expect("starts");
    let address = app.endpoints()[0].address.clone();
    let ended = lab.run(&["health", "--address", &address]).await;
    assert_eq!(ended.code, 6, "{ended:?}");
    assert!(ended.out.contains("cold: the cache is cold"), "{}", ended.out);
    assert_eq!(lab.run(&["health", "--live", "--address", &address]).await.code, 0);
    let json = lab.run(&["health", "--address", &address, "--json"]).await;
    assert_eq!(json.code, 6);
    assert_eq!(serde_json::from_str::<Value>(&json.out).expect("JSON")["healthy"], false);
}

#[tokio::test]
async fn a_node_that_does_not_answer_is_not_healthy() {
    let (lab, _app, _hear) = Lab::serving().await;
    let nobody = format!("static:greeter=127.0.0.1:{}", free_port());
    let ended = lab.run(&["health", "--registry", &nobody]).await;
    assert_eq!(ended.code, 6, "{ended:?}");
    assert!(ended.out.contains("unreachable") && ended.out.contains("refused"), "{}", ended.out);
    let asked = lab.run(&["health", "--address", &format!("127.0.0.1:{}", free_port())]).await.failed(3);
    assert!(asked.contains("refused"), "{asked}");
    assert_eq!(lab.run(&["health", "--registry", "static:x=127.0.0.1:1", "y"]).await.code, 3);
}

/// A port at which nobody listens.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("free");
    listener.local_addr().expect("bound").port()
}
