//! `call`.

use serde_json::{Value, json};

use crate::lab::{Lab, told};

#[tokio::test]
async fn a_call_prints_the_reply() {
    let (lab, _app, _hear) = Lab::serving().await;
    let out = lab.run(&["call", "greeter", "hello", r#"{"name": "Ada"}"#]).await.done();
    assert_eq!(out, "{\"text\": \"Hello, Ada!\"}\n");
    let out = lab.run(&["call", "greeter", "hello", r#"{"name": "Ada"}"#, "--json"]).await.done();
    assert_eq!(out, "{\"text\":\"Hello, Ada!\"}\n");
    assert_eq!(lab.run(&["call", "greeter", "add", r#"{"a": 1, "b": 2}"#]).await.done(), "{\"value\": 3}\n");
    assert_eq!(lab.run(&["call", "greeter", "forget"]).await.done(), "{}\n");
    assert_eq!(lab.run(&["call", "greeter", "forget", "null"]).await.done(), "{}\n");
}

#[tokio::test]
async fn every_spelling_of_a_method_is_called() {
    let (lab, _app, _hear) = Lab::serving().await;
    let request = r#"{"name": "Ada"}"#;
    for spelled in [
        &["greeter", "hello"][..],
        &["greeter", "Hello"],
        &["greeter/hello"],
        &["Greeter.Hello"],
        &["greeter.Greeter/Hello"],
    ] {
        let arguments = [&["call"], spelled, &[request]].concat();
        assert_eq!(lab.run(&arguments).await.done(), "{\"text\": \"Hello, Ada!\"}\n", "{spelled:?}");
    }
    for spelled in [&["tools", "/say/hi"][..], &["tools//say/hi"]] {
        let arguments = [&["call"], spelled, &[request]].concat();
        assert_eq!(lab.run(&arguments).await.done(), "{\"value\": \"hi Ada\"}\n", "{spelled:?}");
    }
}

#[tokio::test]
async fn the_request_comes_from_a_file_or_from_standard_input() {
    let (lab, _app, _hear) = Lab::serving().await;
    let path = lab.path().join("request.json");
    std::fs::write(&path, "{\n  \"name\": \"Ada\"\n}\n").expect("written");
    let file = format!("@{}", path.display());
    assert_eq!(lab.run(&["call", "greeter", "hello", &file]).await.done(), "{\"text\": \"Hello, Ada!\"}\n");
    let out = lab.feed(&["call", "greeter", "hello", "-"], "{\"name\": \"Bob\"}").await.done();
    assert_eq!(out, "{\"text\": \"Hello, Bob!\"}\n");
    assert_eq!(lab.feed(&["call", "greeter/hello", "-"], "{\"name\": \"Bob\"}").await.done(), out);
}

#[tokio::test]
async fn metadata_goes_with_the_call_and_that_of_the_reply_can_be_seen() {
    let (lab, _app, _hear) = Lab::serving().await;
    let out = lab.run(&["call", "greeter", "whoami", "--meta", "who=ada", "--meta", "x=a=b"]).await.done();
    assert_eq!(out, "{\"value\": \"ada\"}\n");
    let ended = lab.run(&["call", "greeter", "hello", r#"{"name": "Ada"}"#, "--verbose"]).await;
    assert_eq!(ended.code, 0);
    assert!(ended.err.contains("< greeter/hello in ") && ended.err.contains("< greeted-by: fixture"), "{}", ended.err);
}

#[tokio::test]
async fn a_one_way_call_is_written_and_not_waited_for() {
    let (lab, _app, mut hear) = Lab::serving().await;
    let ended = lab.run(&["call", "greeter", "hello", r#"{"name": "Ada"}"#, "--one-way"]).await;
    assert_eq!((ended.code, &*ended.out), (0, ""));
    assert_eq!(told(&mut hear).await, "hello");
    let json = lab.run(&["call", "greeter", "hello", r#"{"name": "Ada"}"#, "--one-way", "--json"]).await.json();
    assert_eq!(json, json!({"sent": true}));
}

#[tokio::test]
async fn other_codecs_carry_the_same_call() {
    let (lab, _app, _hear) = Lab::serving().await;
    let out = lab.run(&["call", "greeter", "hello", r#"{"name": "Ada"}"#, "--codec", "msgpack"]).await.done();
    assert_eq!(out, "{\"text\": \"Hello, Ada!\"}\n");
    let wrong = lab.run(&["call", "greeter", "hello", r#"{"name": ""}"#, "--codec", "msgpack"]).await.failed(1);
    assert!(wrong.contains("name  length is below 1"), "{wrong}");
    assert_eq!(lab.run(&["call", "tools", "mirror", "no JSON", "--codec", "raw"]).await.done(), "no JSON");
    let json = lab.run(&["call", "tools", "mirror", "no JSON", "--codec", "raw", "--json"]).await.json();
    assert_eq!(json, json!({"base64": "bm8gSlNPTg=="}));
}

#[tokio::test]
async fn one_node_can_be_chosen() {
    let (lab, app, mut hear) = Lab::serving().await;
    let (_other, mut hear_other) = lab.serve().await;
    let id = app.nodes().iter().find(|node| node.service == "greeter").expect("registered").id.clone();
    for _ in 0..4 {
        lab.run(&["call", "greeter", "hello", r#"{"name": "Ada"}"#, "--node", &id]).await.done();
        assert_eq!(told(&mut hear).await, "hello");
    }
    assert!(hear_other.try_recv().is_err());
    let nobody = lab.run(&["call", "greeter", "hello", r#"{"name": "Ada"}"#, "--node", "nobody"]).await.failed(3);
    assert!(nobody.contains("nobody") && nobody.contains(&id), "{nobody}");
}

#[tokio::test]
async fn an_error_shows_code_reason_and_details() {
    let (lab, _app, _hear) = Lab::serving().await;
    let text = lab.run(&["call", "greeter", "find", r#"{"name": "Bob"}"#]).await.failed(1);
    assert_eq!(
        text,
        "error: greeter/find: NOT_FOUND: Bob is not known here\n  reason: GreetError.Unknown\n  details: {\"name\": \"Bob\"}\n"
    );
    let text = lab.run(&["call", "greeter", "find", r#"{"name": "Bob"}"#, "--json"]).await.failed(1);
    let status = json!({
        "code": "NOT_FOUND", "message": "Bob is not known here", "reason": "GreetError.Unknown",
        "details": {"name": "Bob"}, "executed": "yes",
    });
    let error: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(error["error"]["status"], status);
    assert_eq!(error["error"]["exit_code"], 1);
}

#[tokio::test]
async fn fields_that_break_a_rule_are_listed() {
    let (lab, _app, _hear) = Lab::serving().await;
    let request = r#"{"name": "", "others": [{"name": ""}], "times": 12}"#;
    assert_eq!(
        lab.run(&["call", "greeter", "hello", request]).await.failed(1),
        "error: greeter/hello: INVALID_ARGUMENT\n\
         \x20 name            length is below 1\n\
         \x20 others[0].name  length is below 1\n\
         \x20 times           greater than 9 (range)\n"
    );
    let text = lab.run(&["call", "greeter", "hello", request, "--json"]).await.failed(1);
    let error: Value = serde_json::from_str(&text).expect("JSON");
    let first = json!({"field": "name", "rule": "length", "message": "length is below 1"});
    assert_eq!(error["error"]["status"]["violations"][0], first);
}

#[tokio::test]
async fn a_misspelled_field_is_found() {
    let (lab, _app, _hear) = Lab::serving().await;
    let text = lab.run(&["call", "greeter", "hello", r#"{"nmae": "Ada"}"#]).await.failed(1);
    assert!(text.contains("missing: `name`; unknown: `nmae` (did you mean `name`?)"), "{text}");
}

#[tokio::test]
async fn ctrl_c_cancels_the_call() {
    let (lab, _app, mut hear) = Lab::serving().await;
    let child = lab.command(&["call", "greeter", "hang"]).spawn().expect("runs");
    assert_eq!(told(&mut hear).await, "hangs");
    crate::views::interrupt(&child);
    let ended = crate::lab::finish(child).await;
    assert_eq!((ended.code, &*ended.out, &*ended.err), (130, "", ""));
    assert_eq!(told(&mut hear).await, "dropped");
}
