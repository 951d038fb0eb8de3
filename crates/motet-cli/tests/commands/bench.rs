//! `bench`.

use std::time::Duration;

use motet::{App, Context, Router, Status};
use serde_json::{Value, json};

use crate::{
    lab::{Lab, finish, told},
    views::interrupt,
};

/// As short as a bench may be and still make many calls.
const SHORT: [&str; 4] = ["--duration", "400ms", "--warm-up", "100ms"];

async fn bench(lab: &Lab, arguments: &[&str]) -> Value {
    lab.run(&[&["bench"], arguments, &SHORT, &["--json"]].concat()).await.json()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[tokio::test]
async fn a_closed_loop_keeps_so_many_calls_running_and_counts_them() {
    let (lab, _app, _hear) = Lab::serving().await;
    let result = bench(&lab, &["greeter", "hello", r#"{"name": "Ada"}"#, "--concurrency", "4"]).await;
    let calls = number(&result["calls"]);
    assert!(calls > 4, "{result}");
    assert_eq!((number(&result["ok"]), number(&result["errors"])), (calls, 0), "{result}");
    assert_eq!((&result["loop"], &result["concurrency"], &result["rate"]), (&json!("closed"), &json!(4), &Value::Null));
    assert_eq!(number(&result["most_in_flight"]), 4, "{result}");
    assert_eq!(result["histogram_us"].as_array().expect("a list").iter().map(|b| number(&b[1])).sum::<u64>(), calls);
    let latency = |name: &str| result["latency_us"][name].as_f64().expect("a time");
    let times = ["p50", "p90", "p99", "p99_9", "max"].map(latency);
    assert!(times.is_sorted() && times[0] > 0.0, "{result}");
    assert!(result["ok_per_second"].as_f64() > Some(0.0), "{result}");
    assert_eq!((&result["seconds"], &result["warm_up_seconds"]), (&json!(0.4), &json!(0.1)));
}

#[tokio::test]
async fn the_service_has_seen_every_call_and_no_other() {
    let (lab, _app, _hear) = Lab::serving().await;
    let arguments = ["bench", "greeter/forget", "--duration", "300ms", "--warm-up", "0s", "--json"];
    let result: Value = serde_json::from_str(&lab.run(&arguments).await.out).expect("JSON");
    let stats = lab.run(&["stats", "greeter", "--json"]).await.json();
    assert_eq!(stats["methods"][0]["calls"], result["calls"], "{stats}");
}

#[tokio::test]
async fn an_open_loop_begins_as_many_calls_as_it_is_told_to() {
    let (lab, _app, _hear) = Lab::serving().await;
    let result = bench(&lab, &["greeter", "hello", r#"{"name": "Ada"}"#, "--rate", "250"]).await;
    assert_eq!(number(&result["calls"]) + number(&result["not_begun"]), 100, "{result}");
    assert_eq!((&result["loop"], &result["rate"]), (&json!("open"), &json!(250.0)), "{result}");
    assert_eq!((&result["max_in_flight"], &result["concurrency"]), (&json!(1024), &Value::Null), "{result}");
}

/// A service whose one method takes this long, one call at a time.
fn slow(time: Duration) -> Router {
    let one = std::sync::Arc::new(tokio::sync::Semaphore::new(1));
    let wait = move |_cx: Context, _none: motet::Empty| {
        let one = one.clone();
        async move {
            let _turn = one.acquire().await;
            tokio::time::sleep(time).await;
            Ok(motet::Empty::default())
        }
    };
    Router::new().named("slow", "1.0.0").method("wait", wait)
}

#[tokio::test]
async fn latencies_of_an_open_loop_count_from_when_calls_were_due() {
    let lab = Lab::new();
    let app = App::builder().registry(lab.url()).service(slow(Duration::from_millis(50)));
    let _app = app.start().await.expect("starts");
    // Two at once at most, where forty a second are due and twenty get done.
    let load = ["--rate", "40", "--max-in-flight", "2", "--duration", "1s", "--warm-up", "0s"];
    let result = lab.run(&[&["bench", "slow", "wait", "--json"], &load[..]].concat()).await.json();
    assert!(number(&result["most_in_flight"]) <= 2, "{result}");
    let (late, begun) = (number(&result["late"]), number(&result["calls"]));
    assert!(late > 0 && late <= begun, "{result}");
    assert_eq!(begun + number(&result["not_begun"]), 40, "{result}");
    assert!(number(&result["not_begun"]) > 0, "what was due and never began is told: {result}");
    let longest = result["latency_us"]["max"].as_f64().expect("a time");
    assert!(longest > 120_000.0, "a call takes 50 ms, or 100 behind another; the rest it waited to begin: {result}");
}

#[tokio::test]
async fn errors_are_counted_by_code_and_refusals_apart() {
    let lab = Lab::new();
    let odd = std::sync::atomic::AtomicU64::new(0);
    let odd = std::sync::Arc::new(odd);
    let refuse = move |_cx: Context, _none: motet::Empty| {
        let number = odd.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async move {
            match number % 4 {
                0 => Err(Status::resource_exhausted("full").with_retry_after(Duration::from_millis(5))),
                1 => Err(Status::not_found("gone")),
                _ => Ok(motet::Empty::default()),
            }
        }
    };
    let router = Router::new().named("door", "1.0.0").method("open", refuse);
    let _app = App::builder().registry(lab.url()).service(router).start().await.expect("starts");
    let result = bench(&lab, &["door", "open", "{}"]).await;
    let errors = &result["errors_by_code"];
    let (full, gone) = (number(&errors["RESOURCE_EXHAUSTED"]), number(&errors["NOT_FOUND"]));
    assert!(full > 0 && gone > 0 && number(&result["ok"]) > 0, "{result}");
    assert_eq!(number(&result["errors"]), full + gone, "{result}");
    assert_eq!(number(&result["calls"]), number(&result["ok"]) + full + gone, "{result}");
    assert_eq!(number(&result["refused_with_retry_after"]), full, "{result}");
    assert!(result["error_latency_us"]["max"].as_f64() > Some(0.0), "{result}");
    let code = result["first_error"]["code"].as_str();
    assert!(matches!(code, Some("RESOURCE_EXHAUSTED" | "NOT_FOUND")), "{result}");
    let ended = lab.run(&[&["bench", "door", "open"], &SHORT[..]].concat()).await;
    assert_eq!(ended.code, 0, "some were answered: {}", ended.err);
    for word in ["failed ", "RESOURCE_EXHAUSTED ", "refused ", "NOT_FOUND "] {
        assert!(ended.out.contains(word), "{word}: {}", ended.out);
    }
}

#[tokio::test]
async fn that_every_call_fails_is_a_failure_with_the_result() {
    let (lab, _app, _hear) = Lab::serving().await;
    let ended = lab.run(&[&["bench", "greeter", "hello", r#"{"name": ""}"#], &SHORT[..]].concat()).await;
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(ended.out.contains("failed ") && ended.out.contains("INVALID_ARGUMENT "), "{}", ended.out);
    let says = "greeter/hello: every call failed, the first with INVALID_ARGUMENT\n  name  length is below 1\n";
    assert!(ended.err.ends_with(says), "{}", ended.err);
    let ended = lab.run(&[&["bench", "greeter", "whoami", "--json"], &SHORT[..]].concat()).await;
    let result: Value = serde_json::from_str(&ended.out).expect("JSON");
    assert_eq!((ended.code, &result["ok"], &result["latency_us"]), (1, &json!(0), &Value::Null), "{result}");
}

#[tokio::test]
async fn elsewhere_than_on_a_terminal_nothing_is_drawn() {
    let (lab, _app, _hear) = Lab::serving().await;
    let out = lab.run(&[&["bench", "greeter", "hello", r#"{"name": "Ada"}"#], &SHORT[..]].concat()).await.done();
    let title = format!("greeter/hello: 16 at once, for 400ms after 100ms of warm-up, in {}\n", lab.url());
    assert!(out.starts_with(&title), "{out}");
    assert!(out.contains("LATENCY") && out.contains("P99.9") && out.contains("\nok "), "{out}");
    assert!(!out.contains(['\x1b', '\r', '█', '━']), "{out}");
}

/// A terminal of this size: the end that shows, and the end that a program writes to.
#[cfg(unix)]
fn terminal(columns: u16, lines: u16) -> (std::fs::File, std::fs::File) {
    use rustix::{pty, termios};
    let shows = pty::openpt(pty::OpenptFlags::RDWR | pty::OpenptFlags::NOCTTY).expect("a terminal");
    pty::grantpt(&shows).expect("granted");
    pty::unlockpt(&shows).expect("unlocked");
    let size = termios::Winsize { ws_row: lines, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    termios::tcsetwinsize(&shows, size).expect("set");
    let name = pty::ptsname(&shows, Vec::new()).expect("a name").into_string().expect("text");
    let writes = std::fs::File::options().read(true).write(true).open(name).expect("opens");
    (shows.into(), writes)
}

#[cfg(unix)]
#[tokio::test]
async fn on_a_terminal_a_bar_and_a_histogram_are_drawn_in_the_same_place() {
    use std::io::Read;
    let (lab, _app, _hear) = Lab::serving().await;
    let (mut shows, writes) = terminal(70, 12);
    let arguments = ["bench", "greeter", "hello", r#"{"name": "Ada"}"#, "--duration", "1s", "--warm-up", "0s"];
    let mut command = lab.command(&arguments);
    command.env("TERM", "xterm").stdout(writes);
    let child = command.spawn().expect("runs");
    // It held the end that writes.
    drop(command);
    let screen = tokio::task::spawn_blocking(move || {
        let mut all = Vec::new();
        let mut some = [0; 4096];
        // On Linux the end of a terminal is an error.
        while let Ok(count @ 1..) = shows.read(&mut some) {
            all.extend_from_slice(&some[..count]);
        }
        String::from_utf8(all).expect("text")
    });
    assert_eq!(finish(child).await.code, 0);
    let screen = screen.await.expect("read");
    let (drawn, result) = screen.rsplit_once("\x1b[J").expect("what was drawn is taken away");
    for part in ["━", "─", "█", " in flight", "p50 ", "calls/s", "%"] {
        assert!(drawn.contains(part), "{part}: {screen}");
    }
    let mut frames = drawn.split("A\r\x1b[J");
    let first = frames.next().expect("a frame");
    assert!(!first.contains("\x1b[J"), "the first is drawn below what is there: {screen}");
    for frame in frames.clone() {
        assert!(frame.matches('\n').count() < 12, "no more than the terminal has lines: {frame}");
    }
    assert!(frames.count() >= 1, "it is drawn again and again: {screen}");
    assert!(result.contains("LATENCY") && result.contains("█") && result.contains("greeter/hello: 16 at once"));
}

#[tokio::test]
async fn that_calls_may_change_something_is_said_unless_the_method_is_idempotent() {
    let (lab, _app, _hear) = Lab::serving().await;
    let ended = lab.run(&[&["bench", "greeter", "forget"], &SHORT[..]].concat()).await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    let says = "greeter/forget is not marked as idempotent: what it does is done by every call.\n";
    assert_eq!(ended.err, says);
}

#[tokio::test]
async fn ctrl_c_ends_it_early_and_prints_the_result() {
    let (lab, _app, mut hear) = Lab::serving().await;
    for (method, request, unfinished) in [("hello", r#"{"name": "Ada"}"#, false), ("hang", "{}", true)] {
        let arguments = ["bench", "greeter", method, request, "--duration", "10m", "--warm-up", "0s", "--json"];
        let child = lab.command(&arguments).spawn().expect("runs");
        told(&mut hear).await;
        // Time for what was measured to be more than nothing.
        tokio::time::sleep(Duration::from_millis(300)).await;
        interrupt(&child);
        let ended = finish(child).await;
        assert_eq!(ended.code, 130, "{}", ended.err);
        let result: Value = serde_json::from_str(&ended.out).expect("JSON");
        assert_eq!(result["interrupted"], true, "{result}");
        assert!(result["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0 && seconds < 60.0), "{result}");
        assert!(!unfinished || number(&result["unfinished"]) == 16, "{result}");
        while hear.try_recv().is_ok() {}
    }
}

#[tokio::test]
async fn a_call_that_hangs_ends_at_its_time_and_is_counted() {
    let (lab, _app, _hear) = Lab::serving().await;
    let arguments = ["greeter", "hang", "--concurrency", "3", "--timeout", "300ms"];
    let ended = lab.run(&[&["bench"], &arguments[..], &SHORT, &["--json"]].concat()).await;
    let result: Value = serde_json::from_str(&ended.out).expect("JSON");
    assert_eq!(ended.code, 1, "{result}");
    assert_eq!(result["errors_by_code"]["DEADLINE_EXCEEDED"], result["calls"], "{result}");
    assert_eq!(number(&result["unfinished"]), 0, "{result}");
}

#[tokio::test]
async fn it_calls_an_address_over_several_connections() {
    let (_, app, _hear) = Lab::serving().await;
    let elsewhere = Lab::new();
    let address = app.endpoints()[0].address.clone();
    let request = r#"{"name": "Ada"}"#;
    let arguments = ["greeter", "hello", request, "--address", &address, "--connections", "3"];
    let result = bench(&elsewhere, &arguments).await;
    assert!(number(&result["ok"]) > 0 && number(&result["errors"]) == 0, "{result}");
    assert_eq!((&result["connections"], &result["place"]), (&json!(3), &json!(address)));
}

#[tokio::test]
async fn the_request_comes_from_a_file_or_from_standard_input() {
    let (lab, _app, _hear) = Lab::serving().await;
    let path = lab.path().join("request.json");
    std::fs::write(&path, r#"{"name": "Ada"}"#).expect("written");
    let file = format!("@{}", path.display());
    let result = bench(&lab, &["greeter", "hello", &file]).await;
    assert!(number(&result["ok"]) > 0, "{result}");
    let arguments = [&["bench", "greeter", "hello", "-"], &SHORT[..], &["--json", "--codec", "msgpack"]].concat();
    let result = lab.feed(&arguments, r#"{"name": "Bob"}"#).await.json();
    assert!(number(&result["ok"]) > 0 && number(&result["errors"]) == 0, "{result}");
}

#[tokio::test]
async fn what_cannot_be_benched_is_refused_with_what_to_do() {
    let (lab, _app, _hear) = Lab::serving().await;
    for (arguments, code, says) in [
        (&["bench", "greeter", "double"][..], 2, "a bench makes unary calls only"),
        (&["bench", "greter", "hello"], 3, "did you mean `greeter`?"),
        (&["bench", "greeter", "helo"], 3, "did you mean `hello`?"),
        (&["bench", "greeter", "hello", "{"], 2, "the JSON cannot be sent"),
        (&["bench", "greeter", "hello", "--rate", "0"], 2, "from 0.01 to 1000000"),
        (&["bench", "greeter", "hello", "--rate", "5", "--concurrency", "3"], 2, "cannot be used with"),
        (&["bench", "greeter", "hello", "--max-in-flight", "5"], 2, "--rate"),
        (&["bench", "greeter", "hello", "--concurrency", "0"], 2, "1..=10000"),
        (&["bench", "greeter", "hello", "--duration", "5"], 2, "5 has no unit"),
        (&["bench", "greeter", "hello", "--duration", "48h"], 2, "24h at most"),
        (&["bench", "greeter", "hello", "--connections", "65"], 2, "1..=64"),
    ] {
        let text = lab.run(arguments).await.failed(code);
        assert!(text.contains(says), "{arguments:?}: {text}");
    }
}
