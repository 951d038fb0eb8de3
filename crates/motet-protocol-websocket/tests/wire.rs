//! What a server answers, message by message, to peers that keep the rules and to those that do not.

mod support;

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use motet::Code;
use motet_websocket::Message;
use serde_json::{Value as Json, json};
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn error(answer: &Json) -> (i64, String) {
    (answer["error"]["code"].as_i64().expect("an error"), answer["error"]["message"].as_str().unwrap_or("").to_owned())
}

fn of(code: Code) -> i64 {
    -32000 - i64::from(code.number())
}

#[tokio::test]
async fn calls_batches_and_notifications_are_those_of_the_specification() {
    let (app, me) = start("").await;
    let mut talk = Talk::to(&app, "/ws").await;
    let answer = talk.call(r#"{"jsonrpc":"2.0","method":"numbers/square","params":{"n":3},"id":"a"}"#).await;
    assert_eq!((&answer["result"], &answer["id"]), (&json!(9), &json!("a")));
    assert_eq!(answer["motet"], json!({ "metadata": { "head": "1" }, "trailers": { "end": "2" } }));
    for name in ["Numbers.Square", "numbers.Square"] {
        let answer = talk.call(&json!({ "jsonrpc": "2.0", "method": name, "params": [4], "id": 1 }).to_string()).await;
        assert_eq!(answer["result"], 16, "{name}");
    }
    let batch = talk
        .call(
            r#"[{"jsonrpc":"2.0","method":"numbers/square","params":[2],"id":1},
                {"jsonrpc":"2.0","method":"numbers/take","params":["x"]},
                {"jsonrpc":"2.0","method":"numbers/none","id":2},
                1]"#,
        )
        .await;
    let mut ids: Vec<_> = batch.as_array().expect("a batch").iter().map(|answer| answer["id"].to_string()).collect();
    ids.sort();
    assert_eq!(ids, ["1", "2", "null"]);
    until(|| me.taken.load(SeqCst) == 1).await;
    let answer = talk.call(r#"{"jsonrpc":"2.0","method":"numbers/none","id":3}"#).await;
    assert_eq!(error(&answer).0, -32601);
    let answer = talk.call(r#"{"jsonrpc":"2.0","method":"numbers/square","params":{"n":"x"},"id":3}"#).await;
    assert_eq!(error(&answer).0, of(Code::InvalidArgument));
}

#[tokio::test]
async fn what_is_no_message_is_answered_and_others_go_on() {
    let (app, _) = start("[protocols.websocket]\nmax_depth = 20").await;
    let mut talk = Talk::to(&app, "/ws").await;
    let call = r#"{"jsonrpc":"2.0","method":"numbers/square","params":[2],"id":1},"#.repeat(100_000);
    let batch = format!("[{}]", call.trim_end_matches(','));
    assert!(batch.len() > 4 << 20, "longer than a message");
    let short = r#"{"jsonrpc":"2.0","method":"a"},"#.repeat(100_000);
    let short = format!("[{}]", short.trim_end_matches(','));
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    for (text, code) in [("{", -32700), ("[]", -32600), ("{}", -32600), (&deep, -32600), (&short, -32600)] {
        let answer = talk.call(text).await;
        assert_eq!((error(&answer).0, &answer["id"]), (code, &Json::Null), "{}", &text[..text.len().min(60)]);
    }
    let answer = talk.call(r#"{"jsonrpc":"2.0","method":"numbers/square","params":[2],"id":1}"#).await;
    assert_eq!(answer["result"], 4);
    talk.say(batch).await;
    assert_eq!(talk.closed().await, Some(1009));
    let mut binary = Talk::to(&app, "/ws").await;
    binary.say(Message::Binary(b"x".to_vec().into())).await;
    assert_eq!(binary.closed().await, Some(1003));
    assert_eq!(client(&app).square(&motet::Context::new(), 3).await, Ok(9));
}

#[tokio::test]
async fn rules_of_streams_end_their_call_only() {
    let (app, me) = start("[protocols.websocket]\nwindow = 4").await;
    let mut talk = Talk::to(&app, "/ws").await;
    let message = |id: u32, n: i64| {
        json!({ "jsonrpc": "2.0", "method": "rpc.message", "params": { "id": id, "message": n } }).to_string()
    };
    let open = |id: u32, method: &str| json!({ "jsonrpc": "2.0", "method": method, "id": id }).to_string();

    talk.say(message(99, 1)).await; // nobody's
    talk.say(open(1, "numbers/sum")).await;
    let answer = talk.call(&open(1, "numbers/square")).await;
    assert!(error(&answer).1.contains("still runs") && answer["id"].is_null(), "{answer}");
    talk.say(r#"{"jsonrpc":"2.0","method":"rpc.end","params":{"id":1}}"#).await;
    let answer = talk.call(&message(1, 1)).await;
    // It may have been answered before the message came.
    assert!(answer["result"] == 0 || error(&answer).1.contains("after rpc.end"), "{answer}");

    talk.say(open(2, "numbers/hang")).await;
    until(|| me.open.load(SeqCst) == 1).await;
    let answer = talk.call(&message(2, 1)).await;
    assert_eq!((&answer["id"], error(&answer).0), (&json!(2), of(Code::InvalidArgument)));
    until(|| me.open.load(SeqCst) == 0).await;

    let answer = talk.call(r#"{"jsonrpc":"2.0","method":"numbers/sum","params":[1],"id":3}"#).await;
    assert!(error(&answer).1.contains("rpc.message"), "{answer}");
    let answer = talk.call(r#"{"jsonrpc":"2.0","method":"rpc.end","params":{"id":1},"id":4}"#).await;
    assert_eq!(error(&answer).0, -32601);
    assert_eq!(talk.call(r#"{"jsonrpc":"2.0","method":"numbers/square","params":[2],"id":1}"#).await["result"], 4);
}

#[tokio::test]
async fn who_sends_more_than_was_asked_for_loses_the_call() {
    let (app, _) = start("[protocols.websocket]\nwindow = 2").await;
    let mut talk = Talk::to(&app, "/ws").await;
    // One text message each: they are handled in one go, before the handler has read any.
    talk.say(r#"{"jsonrpc":"2.0","method":"numbers/sum","id":1}"#).await;
    let message = r#"{"jsonrpc":"2.0","method":"rpc.message","params":{"id":1,"message":1}},"#.repeat(50);
    talk.say(format!("[{}]", message.trim_end_matches(','))).await;
    loop {
        let heard = talk.hear().await;
        if heard["method"] == "rpc.credit" {
            continue;
        }
        assert!(error(&heard).1.contains("more messages"), "{heard}");
        break;
    }
}

#[tokio::test]
async fn a_stream_waits_for_credit() {
    let (app, _) = start("").await;
    let mut talk = Talk::to(&app, "/ws").await;
    let head =
        talk.call(r#"{"jsonrpc":"2.0","method":"numbers/count","params":[5],"id":1,"motet":{"credit":2}}"#).await;
    assert_eq!(
        head,
        json!({ "jsonrpc": "2.0", "method": "rpc.head", "params": { "id": 1, "metadata": { "head": "1" } } })
    );
    for n in 1..=2 {
        assert_eq!(talk.hear().await["params"], json!({ "id": 1, "message": n }));
    }
    // Another call is answered; the stream is not heard of.
    assert_eq!(talk.call(r#"{"jsonrpc":"2.0","method":"numbers/square","params":[2],"id":2}"#).await["id"], 2);
    talk.say(r#"{"jsonrpc":"2.0","method":"rpc.credit","params":{"id":1,"credit":10}}"#).await;
    for n in 3..=5 {
        assert_eq!(talk.hear().await["params"], json!({ "id": 1, "message": n }));
    }
    let end = talk.hear().await;
    assert_eq!(end, json!({ "jsonrpc": "2.0", "result": null, "id": 1, "motet": { "trailers": { "end": "2" } } }));
}

#[tokio::test]
async fn a_cancelled_call_is_answered_once_and_its_id_is_free() {
    let (app, me) = start("").await;
    let mut talk = Talk::to(&app, "/ws").await;
    for _ in 0..3 {
        talk.say(r#"{"jsonrpc":"2.0","method":"numbers/hang","id":1}"#).await;
        until(|| me.open.load(SeqCst) == 1).await;
        let answer = talk.call(r#"{"jsonrpc":"2.0","method":"rpc.cancel","params":{"id":1}}"#).await;
        assert_eq!((&answer["id"], error(&answer).0), (&json!(1), of(Code::Cancelled)));
        until(|| me.open.load(SeqCst) == 0).await;
    }
}

#[tokio::test]
async fn calls_and_deadlines_have_limits() {
    let (app, me) = start("[protocols.websocket]\nmax_calls = 3").await;
    let mut talk = Talk::to(&app, "/ws").await;
    for id in 0..3 {
        talk.say(format!(r#"{{"jsonrpc":"2.0","method":"numbers/hang","id":{id}}}"#)).await;
    }
    let answer = talk.call(r#"{"jsonrpc":"2.0","method":"numbers/hang","id":3}"#).await;
    assert_eq!(error(&answer).0, of(Code::ResourceExhausted));
    assert_eq!(answer["error"]["data"]["executed"], "no");
    let mut other = Talk::to(&app, "/ws").await;
    let late = r#"{"jsonrpc":"2.0","method":"numbers/hang","id":1,"motet":{"timeout_ms":50}}"#;
    assert_eq!(error(&other.call(late).await).0, of(Code::DeadlineExceeded));
    assert_eq!(me.open.load(SeqCst), 3);
    drop(talk);
    until(|| me.open.load(SeqCst) == 0).await;
}

#[tokio::test]
async fn a_stream_that_nobody_reads_ends_at_its_deadline() {
    let (app, me) = start("").await;
    let mut talk = Talk::to(&app, "/ws").await;
    let open =
        r#"{"jsonrpc":"2.0","method":"numbers/endless","params":[10],"id":1,"motet":{"credit":3,"timeout_ms":300}}"#;
    talk.say(open).await;
    let end = loop {
        let heard = talk.hear().await;
        if heard.get("error").is_some() {
            break heard;
        }
    };
    assert_eq!(error(&end).0, of(Code::DeadlineExceeded));
    until(|| me.open.load(SeqCst) == 0).await;
}

#[tokio::test]
async fn requests_hold_no_more_memory_than_they_may() {
    let (app, me) = start("[protocols.websocket]\nconnection_memory = 100000").await;
    let mut talk = Talk::to(&app, "/ws").await;
    let padding = "x".repeat(60_000);
    for id in 0..3 {
        talk.say(
            json!({ "jsonrpc": "2.0", "method": "numbers/hang", "id": id, "params": { "x": padding } }).to_string(),
        )
        .await;
    }
    let answer = talk.hear().await;
    assert_eq!((&answer["id"], error(&answer).0), (&json!(2), of(Code::ResourceExhausted)));
    assert_eq!(me.open.load(SeqCst), 2);
}

#[tokio::test]
async fn who_reads_nothing_is_left() {
    let (app, me) = start("[protocols.websocket]\nwrite_timeout = '500ms'\nmax_output = 100000").await;
    let mut talk = Talk::to(&app, "/ws").await;
    let open = json!({ "jsonrpc": "2.0", "method": "numbers/endless", "params": [100_000], "id": 1,
                       "motet": { "credit": 60_000 } });
    talk.say(open.to_string()).await;
    until(|| me.open.load(SeqCst) == 1).await;
    until(|| me.open.load(SeqCst) == 0).await;
    assert_eq!(client(&app).square(&motet::Context::new(), 3).await, Ok(9), "others go on");
}

#[tokio::test]
async fn idle_connections_are_pinged_and_closed() {
    let (app, _) = start("[protocols.websocket]\nidle_timeout = '400ms'").await;
    let mut talk = Talk::to(&app, "/ws").await;
    assert_eq!(talk.call(r#"{"jsonrpc":"2.0","method":"numbers/wait","params":[600],"id":1}"#).await["result"], 600);
    assert_eq!(talk.closed().await, Some(1001));
    // It answers no pings: it never reads.
    let (app, me) = start("[protocols.websocket]\nping_after = '100ms'\nping_timeout = '100ms'").await;
    let mut silent = Talk::to(&app, "/ws").await;
    silent.say(r#"{"jsonrpc":"2.0","method":"numbers/hang","id":1}"#).await;
    until(|| me.open.load(SeqCst) == 1).await;
    until(|| me.open.load(SeqCst) == 0).await;
}

#[tokio::test]
async fn what_comes_after_the_server_has_closed_does_not_run() {
    let (app, me) = start("[protocols.websocket]\nidle_timeout = '100ms'").await;
    let mut talk = Talk::to(&app, "/ws").await;
    // It has not read the server's Close frame, and calls.
    tokio::time::sleep(Duration::from_millis(500)).await;
    talk.say(r#"{"jsonrpc":"2.0","method":"numbers/take","params":["x"],"id":1}"#).await;
    assert_eq!(talk.closed().await, Some(1001));
    assert_eq!(client(&app).take(&motet::Context::new(), "xy".to_owned()).await, Ok(2));
    assert_eq!(me.taken.load(SeqCst), 1, "the second only");
}

#[tokio::test]
async fn a_stop_answers_what_runs_and_says_goodbye() {
    let (app, me) = start("").await;
    let mut talk = Talk::to(&app, "/ws").await;
    let mut idle = Talk::to(&app, "/ws").await;
    talk.say(r#"{"jsonrpc":"2.0","method":"numbers/wait","params":[300],"id":1}"#).await;
    assert_eq!(talk.call(r#"{"jsonrpc":"2.0","method":"numbers/square","params":[2],"id":2}"#).await["id"], 2);
    let stopping = tokio::spawn(async move { app.stop().await });
    assert_eq!(idle.closed().await, Some(1001));
    assert_eq!(talk.hear().await["result"], 300);
    assert_eq!(talk.closed().await, Some(1001));
    assert!(stopping.await.expect("no panic").is_clean());
    assert_eq!(me.open.load(SeqCst), 0);
}

#[tokio::test]
async fn pages_of_others_and_rebound_names_get_403() {
    let (app, _) = start("").await;
    let own = address(&app);
    for path in ["/ws", "/-/ws", "/numbers/sums"] {
        let (_, head) = request(&app, &ask(path, "Origin: https://evil.example\r\n")).await;
        assert!(head.starts_with("HTTP/1.1 403 "), "{path}: {head}");
        let rebound = ask(path, "").replace("Host: localhost", "Host: evil.example");
        let (_, head) = request(&app, &rebound).await;
        assert!(head.starts_with("HTTP/1.1 403 "), "{path}: {head}");
        let same = ask(path, &format!("Origin: http://{own}\r\n")).replace("Host: localhost", &format!("Host: {own}"));
        let (_, head) = request(&app, &same).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{path}: {head}");
    }
}

#[tokio::test]
async fn handshakes_that_break_a_rule_are_refused_with_its_name() {
    let (app, _) = start("").await;
    for (from, to, status) in [
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 12", "426"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "short", "400"),
        ("Connection: Upgrade", "Connection: close", "400"),
        ("Upgrade: websocket", "Upgrade: h2c", "426"),
    ] {
        let (_, head) = request(&app, &ask("/-/ws", "").replace(from, to)).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{to}: {head}");
    }
    let (status, body) = get(&app, "/-/ws", "").await;
    assert_eq!(status, 426, "{body}");
    let (_, head) = request(&app, &ask("/numbers/square", "")).await;
    assert!(head.starts_with("HTTP/1.1 405 "), "a unary method is no stream: {head}");
    let (_, head) = request(&app, &ask("/-/ws", "Sec-WebSocket-Protocol: other, jsonrpc\r\n")).await;
    assert!(head.contains("sec-websocket-protocol: jsonrpc\r\n"), "{head}");
}

#[tokio::test]
async fn frames_against_the_rules_end_their_connection() {
    let (app, _) = start("[server]\nhead_timeout = '500ms'").await;
    for (frame, rule) in [
        (&b"\x81\x02hi"[..], "no mask"),
        (b"\x00\x80\0\0\0\0", "a continuation of nothing"),
        (b"\x01\x80\0\0\0\0\x81\x80\0\0\0\0", "a message within a message"),
        (b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", "a frame of all memory"),
        (b"\x89\xfe\x00\x7e\0\0\0\0", "a long ping"),
        (b"\xc1\x80\0\0\0\0", "compression that was not agreed on"),
    ] {
        let (mut stream, head) = request(&app, &ask("/ws", "")).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        stream.write_all(frame).await.expect("open");
        let mut heard = Vec::new();
        tokio::time::timeout(SOON, stream.read_to_end(&mut heard)).await.expect("in time").expect("no reset");
        assert_eq!(heard.first(), Some(&0x88), "{rule}: a Close frame");
    }
    // A head that does not end.
    let mut slow = tokio::net::TcpStream::connect(address(&app)).await.expect("listening");
    slow.write_all(b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgr").await.expect("open");
    let mut heard = String::new();
    tokio::time::timeout(SOON, slow.read_to_string(&mut heard)).await.expect("in time").expect("text");
    assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 408"), "{heard}");
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(client(&app).square(&motet::Context::new(), 3).await, Ok(9), "others go on");
}
