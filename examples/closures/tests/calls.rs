//! The closures, called in one process and, by the real programs, across two.

use closures::router;
use motet::{App, Client, Code, Context, Result, RunningApp};

async fn app() -> RunningApp {
    App::builder().service(router(10)).start().await.expect("starts")
}

async fn call(client: &Client, method: &str, json: &str) -> Result<String> {
    let reply = client.service("closures").call_json(&Context::new(), method, json).await?;
    Ok(reply.to_string())
}

#[tokio::test]
async fn arguments_messages_and_plain_values_are_json_objects() {
    let app = app().await;
    for (method, body, expected) in [
        ("/say/hi", r#"{"name":"Ada"}"#, r#"{"value":"hi Ada"}"#),
        ("add", r#"{"a":2,"b":3}"#, r#"{"value":5}"#),
        ("take", r#"{"item":"pear","count":4}"#, r#"{"value":6}"#),
        ("left", "{}", r#"{"value":6}"#),
        ("mirror", r#"{"x":1,"y":2}"#, r#"{"x":2,"y":1}"#),
    ] {
        assert_eq!(call(app.client(), method, body).await.expect(method), expected);
    }
    app.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let app = app().await;
    for (method, body, code, expected) in [
        ("/say/hi", r#"{"nam":"Ada"}"#, Code::InvalidArgument, "name: is missing"),
        ("add", r#"{"a":9223372036854775807,"b":1}"#, Code::OutOfRange, "64 bits"),
        ("take", r#"{"item":"","count":1}"#, Code::InvalidArgument, "item: length is below 1"),
        ("take", r#"{"item":"pear","count":5}"#, Code::FailedPrecondition, ""),
        ("gone", "{}", Code::Unimplemented, "closures/gone"),
    ] {
        if code == Code::FailedPrecondition {
            call(app.client(), method, r#"{"item":"pear","count":9}"#).await.expect("enough");
        }
        let error = call(app.client(), method, body).await.expect_err(method);
        assert!(error.code() == code && error.message().contains(expected), "{method}: {error}");
    }
    app.stop().await;
}

#[tokio::test]
async fn serial_calls_take_turns() {
    let app = app().await;
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let client = app.client().clone();
            tokio::spawn(async move { call(&client, "take", r#"{"item":"pear","count":1}"#).await })
        })
        .collect();
    for call in calls {
        call.await.expect("no panic").expect("one for each");
    }
    assert_eq!(call(app.client(), "left", "{}").await.expect("a number"), r#"{"value":0}"#);
    app.stop().await;
}

/// The service in a process of its own, ended with the test.
#[cfg(unix)]
struct Process(std::process::Child);

#[cfg(unix)]
impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The file registry's folder is in the temporary one: a test's own keeps others away.
#[cfg(unix)]
#[test]
fn one_program_asks_the_other() {
    use std::{
        process::{Command, Stdio},
        thread::sleep,
        time::Duration,
    };
    let folder = tempfile::tempdir().expect("a folder");
    let start = |program: &str| {
        let mut command = Command::new(program);
        command.env("TMPDIR", folder.path());
        command
    };
    let _service = Process(start(env!("CARGO_BIN_EXE_closures")).stderr(Stdio::null()).spawn().expect("starts"));
    let ask = || start(env!("CARGO_BIN_EXE_ask")).args(["/say/hi", r#"{"name":"Ada"}"#]).output().expect("runs");
    let answer = (0..200).map(|_| ask()).find(|output| {
        output.status.success() || {
            sleep(Duration::from_millis(50));
            false
        }
    });
    assert_eq!(answer.expect("an answer in time").stdout, b"{\"value\":\"hi Ada\"}\n");
}
