//! `stream`.

use std::{process::Stdio, time::Duration};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::{
    lab::{Lab, finish, told},
    views::interrupt,
};

fn count(to: u64, pause_ms: u64, fail_at: u64) -> String {
    serde_json::json!({"to": to, "pause_ms": pause_ms, "fail_at": fail_at}).to_string()
}

#[tokio::test]
async fn all_four_kinds_are_streamed() {
    let (lab, _app, _hear) = Lab::serving().await;
    let numbers = "{\"n\":1}\n\n{\"n\":2}\n{\"n\":3}";
    let out = lab.run(&["stream", "greeter", "hello", r#"{"name":"Ada"}"#]).await.done();
    assert_eq!(out, "{\"text\": \"Hello, Ada!\"}\n");
    let out = lab.run(&["stream", "greeter", "count", &count(3, 0, 0)]).await.done();
    assert_eq!(out, "{\"n\": 1}\n{\"n\": 2}\n{\"n\": 3}\n");
    assert_eq!(lab.feed(&["stream", "greeter", "sum"], numbers).await.done(), "{\"n\": 6}\n");
    let out = lab.feed(&["stream", "greeter", "double", "--json"], numbers).await.done();
    assert_eq!(out, "{\"n\":2}\n{\"n\":4}\n{\"n\":6}\n");
}

#[tokio::test]
async fn requests_come_from_a_file_or_the_command_line_as_well() {
    let (lab, _app, _hear) = Lab::serving().await;
    let path = lab.path().join("numbers");
    std::fs::write(&path, "{\"n\":1}\r\n{\"n\":2}\r\n").expect("written");
    let file = format!("@{}", path.display());
    assert_eq!(lab.run(&["stream", "greeter/sum", &file]).await.done(), "{\"n\": 3}\n");
    assert_eq!(lab.run(&["stream", "Greeter.Sum", r#"{"n":5}"#]).await.done(), "{\"n\": 5}\n");
    assert_eq!(lab.run(&["stream", "greeter", "sum"]).await.done(), "{\"n\": 0}\n", "no input, no numbers");
    assert_eq!(lab.feed(&["stream", "greeter", "count", "-"], &count(1, 0, 0)).await.done(), "{\"n\": 1}\n");
}

#[tokio::test]
async fn each_reply_is_written_at_once() {
    let (lab, _app, _hear) = Lab::serving().await;
    let mut child = lab.command(&["stream", "greeter", "double"]).stdin(Stdio::piped()).spawn().expect("runs");
    let mut stdin = child.stdin.take().expect("piped");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    for n in 1..=3 {
        stdin.write_all(format!("{{\"n\":{n}}}\n").as_bytes()).await.expect("written");
        let line = tokio::time::timeout(Duration::from_secs(10), lines.next_line()).await.expect("at once");
        assert_eq!(line.expect("read"), Some(format!("{{\"n\": {}}}", 2 * n)));
    }
    drop(stdin);
    assert_eq!(finish(child).await.code, 0);
}

#[tokio::test]
async fn a_wrong_line_is_named_and_cancels_the_call() {
    let (lab, _app, _hear) = Lab::serving().await;
    let text = lab.feed(&["stream", "greeter", "sum"], "{\"n\":1}\n\n{\"n\": x}\n{\"n\":3}\n").await.failed(2);
    assert_eq!(
        text,
        "error: line 3 of standard input cannot be sent: column 7: expected value\n  {\"n\": x}\n        ^\n"
    );
    let text = lab.feed(&["stream", "greeter", "sum"], "{\"n\":1}\n5\n").await.failed(2);
    assert!(text.contains("line 2 of standard input cannot be sent: it is a number"), "{text}");
    let text = lab.feed(&["stream", "greeter", "sum"], "{\"n\":1}\n{\"n\":\"x\"}\n").await.failed(1);
    assert!(text.contains("INVALID_ARGUMENT"), "the server finds what is no number: {text}");
}

#[tokio::test]
async fn an_error_in_the_stream_comes_after_what_came_before() {
    let (lab, _app, _hear) = Lab::serving().await;
    let ended = lab.run(&["stream", "greeter", "count", &count(5, 0, 3)]).await;
    assert_eq!((ended.code, &*ended.out), (1, "{\"n\": 1}\n{\"n\": 2}\n"));
    assert_eq!(ended.err, "error: greeter/count: ABORTED: that is too far (after 2 messages)\n");
}

#[tokio::test]
async fn ctrl_c_cancels_the_stream() {
    let (lab, _app, mut hear) = Lab::serving().await;
    let mut child = lab.command(&["stream", "greeter", "count", &count(1_000_000, 5, 0)]).spawn().expect("runs");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    assert_eq!(lines.next_line().await.expect("read").as_deref(), Some("{\"n\": 1}"));
    interrupt(&child);
    assert_eq!(finish(child).await.code, 130);
    assert_eq!(told(&mut hear).await, "dropped");
}

#[tokio::test]
async fn ctrl_c_ends_a_stream_that_waits_for_input() {
    let (lab, _app, _hear) = Lab::serving().await;
    let mut child = lab.command(&["stream", "greeter", "double"]).stdin(Stdio::piped()).spawn().expect("runs");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(b"{\"n\":1}\n").await.expect("written");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    assert_eq!(lines.next_line().await.expect("read").as_deref(), Some("{\"n\": 2}"));
    interrupt(&child);
    assert_eq!(finish(child).await.code, 130, "though standard input is still open");
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_ends_the_stream_quietly() {
    let (lab, _app, mut hear) = Lab::serving().await;
    let mut child = lab.command(&["stream", "greeter", "count", &count(1_000_000, 1, 0)]).spawn().expect("runs");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    assert_eq!(lines.next_line().await.expect("read").as_deref(), Some("{\"n\": 1}"));
    drop(lines);
    let ended = finish(child).await;
    assert_eq!((ended.code, &*ended.err), (0, ""));
    assert_eq!(told(&mut hear).await, "dropped");
}

#[tokio::test]
async fn a_time_limit_ends_a_stream() {
    let (lab, _app, _hear) = Lab::serving().await;
    let arguments = ["stream", "greeter", "count", &count(1_000_000, 20, 0), "--timeout", "700ms"];
    let ended = lab.run(&arguments).await;
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(ended.out.starts_with("{\"n\": 1}\n") && ended.err.contains("700ms of --timeout"), "{}", ended.err);
}

/// The other process of the test below.
#[test]
#[ignore = "a server for another test to kill"]
fn a_server_to_kill() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let registry = std::env::var("TEST_REGISTRY").expect("set by the test");
    runtime.block_on(async {
        let (greeter, _hear) = crate::fixture::MyGreeter::new();
        let app = motet::App::builder().registry(registry).service(crate::fixture::GreeterServer::new(greeter));
        let _app = app.start().await.expect("starts");
        std::future::pending::<()>().await
    });
}

#[tokio::test]
async fn a_server_that_is_killed_ends_the_stream_with_an_error() {
    let lab = Lab::new();
    let own = std::env::current_exe().expect("this test");
    let mut server = tokio::process::Command::new(own)
        .args(["--ignored", "--exact", "streams::a_server_to_kill"])
        .env("TEST_REGISTRY", lab.url())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("runs");
    for _ in 0..200 {
        if lab.run(&["health", "greeter"]).await.code == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut child = lab.command(&["stream", "greeter", "count", &count(1_000_000, 10, 0)]).spawn().expect("runs");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    assert_eq!(lines.next_line().await.expect("read").as_deref(), Some("{\"n\": 1}"));
    server.kill().await.expect("killed");
    while lines.next_line().await.expect("read").is_some() {}
    let ended = finish(child).await;
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.err.contains("greeter/count: UNAVAILABLE") && ended.err.contains("(after "), "{}", ended.err);
}
