//! HTTP/JSON as other programs speak it: requests as text, answers as text.

mod support;

use std::time::Duration;

use motet::{Code, Context, Result, RpcError, Status, Streaming};
use serde_json::{Value, json};
use support::{Answer, Line, ask, get, post};

#[motet::message]
#[derive(Debug, Clone)]
struct Hello {
    /// Whom to greet.
    #[garde(length(min = 1, max = 8))]
    name: String,
    /// How often.
    #[serde(default)]
    times: u32,
    #[serde(default)]
    tags: Vec<String>,
}

#[motet::message]
#[derive(Debug, Clone)]
struct Greeting {
    text: String,
}

#[motet::message]
#[derive(Debug, Clone)]
struct Number {
    value: u32,
}

#[derive(Debug, RpcError)]
enum GreetError {
    #[rpc(code = NotFound, message = "nobody is called {name}")]
    Nobody { name: String },
    #[rpc(other)]
    Other(Status),
}

#[motet::service(name = "greeter", version = "1.0.0")]
trait Greeter {
    /// Greets.
    #[method(safe, http = "GET /hello/{name}", http = "PUT /hello/{name}")]
    async fn say_hello(&self, cx: &Context, req: Hello) -> Result<Greeting, GreetError>;
    async fn about(&self, cx: &Context) -> Result<Vec<String>>;
    async fn wait(&self, cx: &Context) -> Result<()>;
    async fn count(&self, cx: &Context, to: u32) -> Result<Streaming<Number>>;
    async fn sum(&self, cx: &Context, numbers: Streaming<Number>) -> Result<u32>;
    async fn double(&self, cx: &Context, numbers: Streaming<Number>) -> Result<Streaming<Number>>;
}

struct Me;

impl Greeter for Me {
    async fn say_hello(&self, _: &Context, req: Hello) -> Result<Greeting, GreetError> {
        if req.name == "nobody" {
            return Err(GreetError::Nobody { name: req.name });
        }
        Ok(Greeting { text: format!("Hello, {}! {} {}", req.name, req.times, req.tags.join("+")) })
    }

    async fn about(&self, cx: &Context) -> Result<Vec<String>> {
        cx.reply().add_initial("x-head", "1")?;
        cx.reply().add_trailing("x-tail", "2")?;
        let metadata = cx.metadata();
        let mut all: Vec<_> = metadata.iter_raw().map(|(key, value)| format!("{key}={value:?}")).collect();
        all.sort();
        Ok(all)
    }

    async fn wait(&self, _: &Context) -> Result<()> {
        std::future::pending().await
    }

    async fn count(&self, cx: &Context, to: u32) -> Result<Streaming<Number>> {
        if to == 99 {
            return Err(Status::out_of_range("too far"));
        }
        if cx.metadata().get("x-tail").is_some() {
            cx.reply().add_trailing("x-tail", "2")?;
        }
        Ok(Streaming::from_iter(1..=to).map(|value| match value {
            4 => Err(Status::out_of_range("four is too far")),
            value => Ok(Number { value }),
        }))
    }

    async fn sum(&self, _: &Context, mut numbers: Streaming<Number>) -> Result<u32> {
        let mut sum = 0;
        while let Some(number) = numbers.next().await {
            sum += number?.value;
        }
        Ok(sum)
    }

    async fn double(&self, _: &Context, numbers: Streaming<Number>) -> Result<Streaming<Number>> {
        Ok(numbers.map(|number| Ok(Number { value: number.value * 2 })))
    }
}

async fn start() -> motet::RunningApp {
    start_with("").await
}

async fn start_with(toml: &str) -> motet::RunningApp {
    let config = motet::Config::toml(toml).expect("TOML");
    let app = motet::App::builder().name("shop").config(config).service(GreeterServer::new(Me));
    app.start().await.expect("starts")
}

const HELLO: &str = "Hello, Ada! 0 ";

#[tokio::test]
async fn a_call_goes_by_every_spelling_of_its_path() {
    let app = start().await;
    for path in ["/greeter/say_hello", "/greeter/SayHello", "/Greeter/SayHello", "/greeter.Greeter/SayHello"] {
        let answer = post(&app, path, "application/json", r#"{"name":"Ada"}"#).await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "text": HELLO })), "{path}");
        assert_eq!(answer.field("content-type"), Some("application/json"));
    }
    for kind in ["application/json; charset=utf-8", "application/x-www-form-urlencoded", ""] {
        let answer = post(&app, "/greeter/say_hello", kind, r#"{"name":"Ada"}"#).await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "text": HELLO })), "{kind:?}");
    }
    let form = post(&app, "/greeter/say_hello", "application/x-www-form-urlencoded", "name=Ada&times=2").await;
    assert_eq!(form.json(), json!({ "text": "Hello, Ada! 2 " }));
    // MessagePack: {"name": "Ada"}; the answer in the same.
    let answer = post(&app, "/greeter/say_hello", "application/msgpack", b"\x81\xa4name\xa3Ada").await;
    assert_eq!((answer.status, answer.field("content-type")), (200, Some("application/msgpack")));
    assert!(answer.body.ends_with(HELLO.as_bytes()));
    // Protobuf: field 1, "Ada"; the answer as JSON.
    let head = "POST /greeter/say_hello HTTP/1.1\r\nContent-Type: application/protobuf\r\nAccept: application/json\r\n";
    let answer = ask(&app, head, b"\x0a\x03Ada").await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "text": HELLO })));
}

#[tokio::test]
async fn declared_routes_bind_path_query_and_body() {
    let app = start().await;
    let text = |answer: Answer| answer.json()["text"].as_str().unwrap_or_default().to_owned();
    assert_eq!(text(get(&app, "/hello/Ada").await), HELLO);
    assert_eq!(text(get(&app, "/hello/A%20b?times=3&tags=x&tags=y&unknown=1").await), "Hello, A b! 3 x+y");
    assert_eq!(text(get(&app, "/greeter/say_hello?name=Ada").await), HELLO, "it is safe");
    let put = ask(&app, "PUT /hello/Ada?times=9 HTTP/1.1\r\n", br#"{"name":"Bob","tags":["z"]}"#).await;
    assert_eq!(text(put), "Hello, Ada! 9 z");
    let wrong = get(&app, "/hello/Ada?times=often").await;
    assert_eq!((wrong.status, wrong.json()["message"].as_str()), (400, Some("times: expected an integer")));
}

#[tokio::test]
async fn errors_are_objects_under_their_status() {
    let app = start().await;
    let nobody = get(&app, "/hello/nobody").await;
    assert_eq!(nobody.status, 404);
    let expected = json!({
        "code": "NOT_FOUND", "message": "nobody is called nobody", "reason": "GreetError.Nobody",
        "details": { "name": "nobody" }, "executed": "yes",
    });
    assert_eq!(nobody.json(), expected);
    let long = get(&app, "/hello/far-too-long-a-name").await;
    assert_eq!((long.status, long.json()["code"].as_str()), (400, Some("INVALID_ARGUMENT")));
    assert_eq!(long.json()["details"]["field_violations"][0]["field"], "name");
    for (head, body, status, part) in [
        ("POST /greeter/say_hell HTTP/1.1\r\n", "{}", 404, "this service has no such method"),
        ("POST /nobody/home HTTP/1.1\r\n", "{}", 404, "speaks over HTTP: "),
        ("GET /greeter/about HTTP/1.1\r\n", "", 405, "asked by POST"),
        ("POST /greeter/about HTTP/1.1\r\nContent-Type: text/xml\r\n", "<a/>", 415, "application/json"),
        ("POST /greeter/about HTTP/1.1\r\nAccept: text/xml\r\n", "", 406, "application/json"),
        ("POST /greeter/say_hello HTTP/1.1\r\n", "{\"name\": 7}", 400, "name"),
        ("POST /greeter/say_hello HTTP/1.1\r\n", "{\"name\": \"a\"", 400, "no valid application/json"),
        ("POST /greeter/about HTTP/1.1\r\nRequest-Timeout: soon\r\n", "", 400, "request-timeout"),
        ("POST /greeter/about HTTP/1.1\r\nA-Bin: !\r\n", "", 400, "base64"),
        ("POST /greeter/sum HTTP/1.1\r\nContent-Type: application/msgpack\r\n", "x", 415, "application/x-ndjson"),
    ] {
        let answer = ask(&app, head, body.as_bytes()).await;
        let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
        assert!(answer.status == status && message.contains(part), "{head} {}: {message}", answer.status);
        assert_eq!(answer.json()["executed"], "no", "{head}");
    }
}

#[tokio::test]
async fn the_deadline_is_the_caller_s() {
    let app = start().await;
    let answer = ask(&app, "POST /greeter/wait HTTP/1.1\r\nRequest-Timeout: 50ms\r\n", b"").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (504, Some("DEADLINE_EXCEEDED")));
    assert!(answer.json()["message"].as_str().is_some_and(|text| text.contains("caller's limit of 50ms")));
}

#[tokio::test]
async fn metadata_are_header_fields_both_ways() {
    let app = start().await;
    let head =
        "POST /greeter/about HTTP/1.1\r\nX-Color: blue\r\nX-Raw-Bin: AP8\r\nMotet-Own: x\r\nAuthorization: me\r\n";
    let answer = ask(&app, head, b"").await;
    let expected = json!({ "value": [r#"authorization=b"me""#, r#"x-color=b"blue""#, r#"x-raw-bin=b"\0\xff""#] });
    assert_eq!(answer.json(), expected);
    assert_eq!((answer.field("x-head"), answer.field("trailer-x-tail")), (Some("1"), Some("2")));
    let many: String = (0..60).map(|n| format!("X-{n}: {}\r\n", "v".repeat(300))).collect();
    let answer = ask(&app, &format!("POST /greeter/about HTTP/1.1\r\n{many}"), b"").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (429, Some("RESOURCE_EXHAUSTED")));
}

#[tokio::test]
async fn reply_streams_are_lines_or_events() {
    let app = start().await;
    let lines = post(&app, "/greeter/count", "application/json", r#"{"to":3}"#).await;
    assert_eq!(lines.field("content-type"), Some("application/x-ndjson"));
    assert_eq!(lines.text(), "{\"value\":1}\n{\"value\":2}\n{\"value\":3}\n");
    let broken = post(&app, "/greeter/count", "application/json", r#"{"to":5}"#).await;
    let last: Value = serde_json::from_str(broken.text().lines().last().expect("a line")).expect("JSON");
    assert_eq!((broken.text().lines().count(), &last["@error"]["code"]), (4, &json!("OUT_OF_RANGE")));
    let events = "POST /greeter/count HTTP/1.1\r\nAccept: text/event-stream\r\n";
    let all = ask(&app, events, br#"{"to":2}"#).await;
    assert_eq!(all.field("content-type"), Some("text/event-stream"));
    assert_eq!(all.text(), "data: {\"value\":1}\n\ndata: {\"value\":2}\n\nevent: end\ndata: {}\n\n");
    let broken = ask(&app, events, br#"{"to":4}"#).await;
    assert!(broken.text().contains("\n\nevent: error\ndata: {\"code\":\"OUT_OF_RANGE\""), "{}", broken.text());
    let refused = post(&app, "/greeter/count", "application/json", r#"{"to":99}"#).await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (400, Some("OUT_OF_RANGE")));
}

#[tokio::test]
async fn reply_streams_have_their_trailing_metadata_in_their_end() {
    let app = start().await;
    let lines = "POST /greeter/count HTTP/1.1\r\nX-Tail: 1\r\n";
    let events = "POST /greeter/count HTTP/1.1\r\nX-Tail: 1\r\nAccept: text/event-stream\r\n";
    let end = r#"{"metadata":{"x-tail":["2"]}}"#;
    let all = ask(&app, lines, br#"{"to":1}"#).await;
    assert_eq!(all.text(), format!("{{\"value\":1}}\n{{\"@end\":{end}}}\n"));
    let all = ask(&app, events, br#"{"to":1}"#).await;
    assert_eq!(all.text(), format!("data: {{\"value\":1}}\n\nevent: end\ndata: {end}\n\n"));
    let broken = ask(&app, lines, br#"{"to":4}"#).await;
    let last: Value = serde_json::from_str(broken.text().lines().last().expect("a line")).expect("JSON");
    assert_eq!(last["@error"]["metadata"], json!({ "x-tail": ["2"] }));
    let client = app.client().to(format!("http://{}", app.endpoints()[0].address)).expect("an address");
    let greeter = GreeterClient::new(client);
    for (to, outcome) in [(3, None), (4, Some(Code::OutOfRange))] {
        let (cx, seen) = Context::new().with_metadata("x-tail", "1").expect("valid").capture();
        let mut numbers = greeter.count(&cx, to).await.expect("a stream");
        let mut end = None;
        while let Some(number) = numbers.next().await {
            end = number.err().map(|status| status.code());
        }
        assert_eq!((end, seen.trailing().unwrap_or_default().get("x-tail")), (outcome, Some("2")));
    }
}

#[tokio::test]
async fn request_streams_are_lines() {
    let app = start().await;
    let lines = "{\"value\":1}\n\n {\"value\":2}\r\n{\"value\":39}";
    let answer = post(&app, "/greeter/sum", "application/x-ndjson", lines).await;
    assert_eq!(answer.json(), json!({ "value": 42 }));
    assert_eq!(post(&app, "/greeter/sum", "application/json", "{\n\"value\": 7}").await.json(), json!({ "value": 7 }));
    assert_eq!(post(&app, "/greeter/sum", "application/json", "").await.json(), json!({ "value": 0 }));
    let answer = post(&app, "/greeter/double", "application/x-ndjson", lines).await;
    assert_eq!(answer.text(), "{\"value\":2}\n{\"value\":4}\n{\"value\":78}\n");
    let wrong = post(&app, "/greeter/sum", "application/x-ndjson", "{\"value\":1}\n{\"value\":\"x\"}\n").await;
    assert_eq!((wrong.status, wrong.json()["code"].as_str()), (400, Some("INVALID_ARGUMENT")));
}

#[tokio::test]
async fn messages_pass_while_the_request_goes_on() {
    let app = start().await;
    let mut line = Line::to(&app).await;
    line.send("POST /greeter/double HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n").await;
    line.send("Content-Type: application/x-ndjson\r\n\r\n").await;
    for n in 1..4 {
        line.send(&format!("c\r\n{{\"value\":{n}}}\n\r\n")).await;
        line.until(&format!("{{\"value\":{}}}", 2 * n)).await;
    }
    line.send("0\r\n\r\n").await;
    line.until("0\r\n\r\n").await;
}

#[tokio::test]
async fn nobody_waits_for_what_is_asked_one_way() {
    let app = start().await;
    let answer =
        ask(&app, "POST /greeter/wait HTTP/1.1\r\nPrefer: respond-async\r\nRequest-Timeout: 1ms\r\n", b"").await;
    assert_eq!((answer.status, answer.text()), (202, String::new()));
}

#[tokio::test]
async fn bodies_have_limits_in_length_and_time() {
    let config = "[server]\nmessage_limit = 1000\n[protocols.http]\nbody_timeout = '100ms'";
    let app = start_with(config).await;
    let long = format!("{{\"name\":\"{}\"}}", "x".repeat(1000));
    let answer = post(&app, "/greeter/say_hello", "application/json", &long).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (413, Some("RESOURCE_EXHAUSTED")));
    let answer = post(&app, "/greeter/sum", "application/x-ndjson", &long).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (429, Some("RESOURCE_EXHAUSTED")));
    let mut line = Line::to(&app).await;
    line.send("POST /greeter/say_hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{").await;
    let answer = line.until("protocols.http.body_timeout").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    let deep = format!("{{\"name\":{}", "[".repeat(900));
    assert_eq!(post(&app, "/greeter/say_hello", "application/json", &deep).await.status, 400);
}

#[tokio::test]
async fn a_node_says_what_it_is() {
    let app = start().await;
    for path in ["/-/health/live", "/-/health/ready", "/health"] {
        let health = get(&app, path).await;
        assert_eq!((health.status, &health.json()["live"]), (200, &json!(true)), "{path}");
    }
    get(&app, "/hello/Ada").await;
    let metrics = get(&app, "/metrics").await;
    assert!(metrics.text().contains("motet_server_calls_total{method=\"greeter/say_hello\"} 1"), "{}", metrics.text());
    let services = get(&app, "/-/services").await.json();
    assert_eq!((&services["app"], &services["services"][0]["name"]), (&json!("shop"), &json!("greeter")));
    assert_eq!(services["services"].as_array().map(Vec::len), Some(1), "motet.meta is no service of the user's");
    let openapi = get(&app, "/openapi.json").await.json();
    assert_eq!((&openapi["openapi"], &openapi["info"]["title"]), (&json!("3.1.0"), &json!("shop")));
    let name = &openapi["paths"]["/hello/{name}"]["get"]["parameters"][0];
    assert_eq!((&name["schema"]["maxLength"], &name["schema"]["description"]), (&json!(8), &json!("Whom to greet.")));
    let page = get(&app, "/-/try").await;
    assert!(page.field("content-security-policy").is_some() && page.text().contains("<!doctype html>"));
    assert_eq!(post(&app, "/-/metrics", "", "").await.status, 405);
}

#[tokio::test]
async fn a_service_may_have_the_name_of_a_built_in_path() {
    let router = motet::Router::new();
    let router = router.method("/metrics", |_: Context, req: motet::Value<u32>| async move { Ok::<_, Status>(req) });
    let app = motet::App::builder().name("own").service(router).start().await.expect("starts");
    let own = post(&app, "/metrics", "application/json", "{\"value\":7}").await;
    assert_eq!((own.status, own.json()), (200, json!({ "value": 7 })));
    assert!(get(&app, "/-/metrics").await.text().contains("motet_server_calls_total"));
}

#[tokio::test]
async fn the_client_calls_routes_of_services_that_know_nothing_of_motet() {
    let server = support::Canned::start(vec![
        (
            "GET /hello/A%20b?times=2",
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"text\":\"hi\"}",
        ),
        ("GET /hello/x?times=0", "HTTP/1.1 404 Not Found\r\nContent-Length: 17\r\n\r\n{\"message\":\"no\"}\n"),
        ("GET /hello/x?times=0", "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"),
        ("GET /hello/x?times=0", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
    ])
    .await;
    let once = motet::Config::new().with("client.retries", 0);
    let app = motet::App::builder().config(once).start().await.expect("starts");
    let client = GreeterClient::new(app.client().to(format!("http://{}", server.address)).expect("an address"));
    let cx = Context::new();
    let hello = |name: &str, times| Hello { name: name.to_owned(), times, tags: Vec::new() };
    assert_eq!(client.say_hello(&cx, hello("A b", 2)).await.expect("an answer").text, "hi");
    let told = |error: GreetError| error.into_status();
    let missing = told(client.say_hello(&cx, hello("x", 0)).await.expect_err("404"));
    assert_eq!((missing.code(), missing.executed()), (motet::Code::NotFound, motet::Executed::Unknown));
    assert!(missing.message().contains("404") && missing.message().contains(": no"), "{missing}");
    let busy = told(client.say_hello(&cx, hello("x", 0)).await.expect_err("503"));
    assert_eq!((busy.code(), busy.retry_after()), (motet::Code::Unavailable, Some(Duration::from_secs(7))));
    let cut = told(client.say_hello(&cx, hello("x", 0)).await.expect_err("cut off"));
    assert_eq!((cut.code(), cut.executed()), (motet::Code::Unavailable, motet::Executed::Unknown), "{cut}");
}

#[tokio::test]
async fn the_client_keeps_connections_and_notices_closed_ones() {
    let app = start_with("[protocols.http]\nidle_timeout = '50ms'").await;
    let caller = motet::App::builder().start().await.expect("starts");
    let address = app.endpoints()[0].to_string().replace("tcp://", "http://");
    let client = GreeterClient::new(caller.client().to(address).expect("an address"));
    let hello = || Hello { name: "Ada".to_owned(), times: 0, tags: Vec::new() };
    for pause in [0, 0, 200, 0] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        assert_eq!(client.say_hello(&Context::new(), hello()).await.expect("an answer").text, HELLO);
    }
    let numbers = client.count(&Context::new(), 3).await.expect("a stream").collect().await.expect("numbers");
    assert_eq!(numbers.len(), 3);
    let text = support::get(&app, "/metrics").await.text();
    let accepted =
        text.lines().find_map(|line| line.strip_prefix("motet_connections_accepted_total ")).expect("counted");
    assert!(accepted.parse::<u32>().expect("a number") <= 3, "one, another after the pause, and this one: {accepted}");
}
