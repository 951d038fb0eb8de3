//! JSON-RPC 2.0 over HTTP: the examples of the specification
//! (<https://www.jsonrpc.org/specification#examples>), methods being of a service `math`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use motet::{App, Context, Result, Router, RunningApp, Status, Streaming};
use serde_json::{Value as Json, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

#[motet::service(name = "ticker", version = "1.0.0")]
trait Ticker {
    async fn ticks(&self, cx: &Context) -> Result<Streaming<u32>>;
    async fn fail(&self, cx: &Context) -> Result<()>;
}

struct Ticks;

impl Ticker for Ticks {
    async fn ticks(&self, _: &Context) -> Result<Streaming<u32>> {
        Ok(Streaming::from_iter([1]))
    }

    async fn fail(&self, _: &Context) -> Result<()> {
        Err(Status::not_found("no such thing").with_reason("Shop.Gone"))
    }
}

/// The service of the examples, and how many notifications came.
async fn start() -> (RunningApp, Arc<AtomicUsize>) {
    let notified = Arc::new(AtomicUsize::new(0));
    let (update, hello) = (notified.clone(), notified.clone());
    let math = Router::new()
        .named("math", "1.0.0")
        .args("subtract", ["minuend", "subtrahend"], |_: Context, minuend: i64, subtrahend: i64| async move {
            Ok::<i64, Status>(minuend - subtrahend)
        })
        .args("sum", ["a", "b", "c"], |_: Context, a: i64, b: i64, c: i64| async move { Ok::<i64, Status>(a + b + c) })
        .args("update", ["a", "b"], move |_: Context, _: i64, _: i64| {
            update.fetch_add(1, SeqCst);
            async { Ok::<(), Status>(()) }
        })
        .args("notify_hello", ["a"], move |_: Context, _: i64| {
            hello.fetch_add(1, SeqCst);
            async { Ok::<(), Status>(()) }
        })
        .args("get_data", [], |_: Context| async {
            Ok::<Vec<String>, Status>(vec!["hello".to_owned(), "5".to_owned()])
        });
    let app = App::builder().service(math).service(TickerServer::new(Ticks)).start().await.expect("starts");
    (app, notified)
}

/// Posts text, and gives status, content type and body of the answer.
async fn post(app: &RunningApp, path: &str, kind: &str, text: &str) -> (u16, String, String) {
    let mut socket = TcpStream::connect(&app.endpoints()[0].address).await.expect("listening");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        text.len()
    );
    socket.write_all(format!("{head}{text}").as_bytes()).await.expect("open");
    let mut answer = String::new();
    timeout(Duration::from_secs(20), socket.read_to_string(&mut answer)).await.expect("in time").expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let kind = head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default();
    (status, kind.to_owned(), body.to_owned())
}

async fn call(app: &RunningApp, text: &str) -> Option<Json> {
    let (status, kind, body) = post(app, "/-/jsonrpc", "application/json", text).await;
    if status == 204 {
        assert_eq!(body, "");
        return None;
    }
    assert_eq!((status, &*kind), (200, "application/json"), "{body}");
    Some(serde_json::from_str(&body).expect("JSON"))
}

fn error(code: i64, message: &str, id: Json) -> Json {
    json!({ "jsonrpc": "2.0", "error": { "code": code, "message": message }, "id": id })
}

#[tokio::test]
async fn the_examples_of_the_specification_are_answered_as_it_says() {
    let (app, notified) = start().await;
    let invalid = || error(-32600, "Invalid Request", Json::Null);
    let parse = || error(-32700, "Parse error", Json::Null);
    let result = |result: Json, id: Json| json!({ "jsonrpc": "2.0", "result": result, "id": id });
    for (request, expected) in [
        (
            r#"{"jsonrpc": "2.0", "method": "math.subtract", "params": [42, 23], "id": 1}"#,
            Some(result(json!(19), json!(1))),
        ),
        (
            r#"{"jsonrpc": "2.0", "method": "math.subtract", "params": [23, 42], "id": 2}"#,
            Some(result(json!(-19), json!(2))),
        ),
        (
            r#"{"jsonrpc": "2.0", "method": "math.subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}"#,
            Some(result(json!(19), json!(3))),
        ),
        (
            r#"{"jsonrpc": "2.0", "method": "math.subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}"#,
            Some(result(json!(19), json!(4))),
        ),
        (r#"{"jsonrpc": "2.0", "method": "math.update", "params": [1,2]}"#, None),
        (r#"{"jsonrpc": "2.0", "method": "foobar"}"#, None),
        (r#"{"jsonrpc": "2.0", "method": "foobar", "id": "1"}"#, Some(error(-32601, "Method not found", json!("1")))),
        (r#"{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]"#, Some(parse())),
        (r#"{"jsonrpc": "2.0", "method": 1, "params": "bar"}"#, Some(invalid())),
        (
            r#"[{"jsonrpc": "2.0", "method": "math.sum", "params": [1,2,4], "id": "1"}, {"jsonrpc": "2.0", "method"]"#,
            Some(parse()),
        ),
        ("[]", Some(invalid())),
        ("[1]", Some(json!([invalid()]))),
        ("[1,2,3]", Some(json!([invalid(), invalid(), invalid()]))),
        (
            r#"[{"jsonrpc": "2.0", "method": "math.notify_hello", "params": [7]},
                {"jsonrpc": "2.0", "method": "math.update", "params": [1,2]}]"#,
            None,
        ),
    ] {
        assert_eq!(call(&app, request).await, expected, "{request}");
    }
    let batch = r#"[
        {"jsonrpc": "2.0", "method": "math.sum", "params": [1,2,4], "id": "1"},
        {"jsonrpc": "2.0", "method": "math.notify_hello", "params": [7]},
        {"jsonrpc": "2.0", "method": "math.subtract", "params": [42,23], "id": "2"},
        {"foo": "boo"},
        {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
        {"jsonrpc": "2.0", "method": "math.get_data", "id": "9"}
    ]"#;
    let Some(Json::Array(mut answers)) = call(&app, batch).await else { panic!("no batch") };
    for expected in [
        result(json!(7), json!("1")),
        result(json!(19), json!("2")),
        invalid(),
        error(-32601, "Method not found", json!("5")),
        result(json!(["hello", "5"]), json!("9")),
    ] {
        let at = answers.iter().position(|answer| *answer == expected);
        answers.remove(at.unwrap_or_else(|| panic!("{expected} is not in {answers:?}")));
    }
    assert!(answers.is_empty(), "{answers:?}");
    let waiting = async {
        while notified.load(SeqCst) < 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), waiting).await.expect("each notification runs");
}

#[tokio::test]
async fn errors_carry_what_a_status_says() {
    let (app, _) = start().await;
    let failed = call(&app, r#"{"jsonrpc":"2.0","method":"Ticker.Fail","id":1}"#).await.expect("an answer");
    let expected =
        json!({ "code": -32005, "message": "no such thing", "data": { "reason": "Shop.Gone", "executed": "yes" } });
    assert_eq!(failed["error"], expected);
    let wrong =
        call(&app, r#"{"jsonrpc":"2.0","method":"math.subtract","params":["x",1],"id":1}"#).await.expect("an answer");
    assert_eq!(wrong["error"]["code"], -32003);
    let many =
        call(&app, r#"{"jsonrpc":"2.0","method":"math.subtract","params":[1,2,3],"id":1}"#).await.expect("an answer");
    assert_eq!(many["error"]["code"], -32602);
    let stream = call(&app, r#"{"jsonrpc":"2.0","method":"Ticker.Ticks","id":1}"#).await.expect("an answer");
    assert_eq!(stream["error"]["code"], -32012);
    let old = call(&app, r#"{"method":"math.subtract","params":"x","id":1}"#).await.expect("an answer");
    assert!(old["error"].is_object() || old["error"].is_string(), "{old}");
}

#[tokio::test]
async fn a_batch_has_a_limit_and_of_a_larger_one_nothing_runs() {
    let (app, notified) = start().await;
    let one = r#"{"jsonrpc":"2.0","method":"math.update","params":[1,2]}"#;
    let batch = |count| format!("[{}]", vec![one; count].join(","));
    let refused = call(&app, &batch(101)).await.expect("an answer");
    assert_eq!(refused["error"]["code"], -32600);
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(call(&app, &deep).await.is_some_and(|answer| answer.to_string().contains("-32")));
    assert_eq!(call(&app, &batch(100)).await, None);
    let waiting = async {
        while notified.load(SeqCst) < 100 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), waiting).await.expect("all of them run");
    assert_eq!(notified.load(SeqCst), 100);
}

#[tokio::test]
async fn it_is_asked_at_its_paths_as_json() {
    let (app, _) = start().await;
    let request = r#"{"jsonrpc":"2.0","method":"math.sum","params":[1,2,3],"id":1}"#;
    for path in ["/-/jsonrpc", "/jsonrpc", "/"] {
        for kind in ["application/json", "application/json-rpc; charset=utf-8"] {
            let (status, _, body) = post(&app, path, kind, request).await;
            assert_eq!((status, &*body), (200, r#"{"jsonrpc":"2.0","result":6,"id":1}"#), "{path}");
        }
    }
    assert_eq!(post(&app, "/jsonrpc", "text/plain", request).await.0, 415);
}
