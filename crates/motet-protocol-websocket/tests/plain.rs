//! One call on a connection of its own, at the method's path.

mod support;

use std::sync::atomic::Ordering::SeqCst;

use serde_json::json;
use support::*;

#[tokio::test]
async fn both_streams_are_plain_messages() {
    let (app, _) = start("").await;
    let mut talk = Talk::to(&app, "/numbers/sums").await;
    for (n, sum) in [(1, 1), (10, 11)] {
        assert_eq!(talk.call(&json!({ "value": n }).to_string()).await, json!({ "value": sum }));
    }
    talk.say("").await;
    assert_eq!(talk.closed().await, Some(1000), "an empty message ends the requests");
    let mut talk = Talk::to(&app, "/numbers.Numbers/Moved").await;
    let moved = talk.call(r#"{"x":1,"y":2}"#).await;
    assert_eq!((&moved["x"], &moved["y"]), (&json!(2), &json!(2)));
}

#[tokio::test]
async fn one_side_may_be_one_message() {
    let (app, _) = start("").await;
    let mut talk = Talk::to(&app, "/numbers/count").await;
    talk.say(r#"{"to":3}"#).await;
    for n in 1..=3 {
        assert_eq!(talk.hear().await, json!({ "value": n }));
    }
    assert_eq!(talk.closed().await, Some(1000));
    let mut talk = Talk::to(&app, "/numbers/sum").await;
    for n in 1..=100 {
        talk.say(json!({ "value": n }).to_string()).await;
    }
    talk.say("").await;
    assert_eq!(talk.hear().await, json!({ "value": 5050 }));
    assert_eq!(talk.closed().await, Some(1000));
}

#[tokio::test]
async fn an_error_is_the_last_message_and_the_close_code_names_it() {
    let (app, _) = start("").await;
    for (path, message, said, code) in [
        ("/numbers/count", r#"{"to":0}"#, "to: at least 1", 4003),
        ("/numbers/count", r#"{"to":"x"}"#, "to: expected", 4003),
        ("/numbers/sums", r#"{"value":-1}"#, "only up", 4003),
        ("/numbers/sums", "{", "one JSON object", 4003),
        ("/numbers/count", "[", "one JSON object", 4003),
    ] {
        let mut talk = Talk::to(&app, path).await;
        let heard = talk.call(message).await;
        let text = heard["@error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(text.contains(said), "{path} {message}: {heard}");
        assert_eq!(talk.closed().await, Some(code), "{path} {message}");
    }
}

#[tokio::test]
async fn who_leaves_cancels_the_call_and_who_reads_nothing_is_left() {
    let (app, me) = start("[protocols.websocket]\nwrite_timeout = '500ms'\nmax_output = 100000").await;
    let mut talk = Talk::to(&app, "/numbers/sums").await;
    talk.call(r#"{"value":1}"#).await;
    assert_eq!(me.open.load(SeqCst), 1);
    drop(talk);
    until(|| me.open.load(SeqCst) == 0).await;
    let mut talk = Talk::to(&app, "/numbers/endless").await;
    talk.say(r#"{"size":100000}"#).await;
    until(|| me.open.load(SeqCst) == 1).await;
    until(|| me.open.load(SeqCst) == 0).await;
}

#[tokio::test]
async fn a_caller_that_is_faster_than_the_handler_waits() {
    let (app, _) = start("").await;
    let mut talk = Talk::to(&app, "/numbers/sum").await;
    // Many times what waits for a handler.
    for _ in 0..2000 {
        talk.0.feed(r#"{"value":1}"#).await.expect("open");
    }
    talk.say("").await;
    assert_eq!(talk.hear().await, json!({ "value": 2000 }));
}
