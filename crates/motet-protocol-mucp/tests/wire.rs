//! mucp over a socket, byte for byte: what go-micro's clients and servers send, and what nobody should.

mod greeter;

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use greeter::{CallRequest, Count, Greeter, Rig, Stroke, call, client_of, field, post, rig, until, with};
use motet::{Code, Context, Endpoint, Executed, Streaming};
use motet_promises::Measurement;
use motet_protocol_mucp::ContentType;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

const JSON: &str = "application/json";

/// `Greeter.Call {"name":"John"}` as go-micro 4.11 writes it.
fn golden() -> String {
    call("Greeter.Call", JSON, &[], "{\"name\":\"John\"}\n")
}

#[tokio::test]
async fn a_golden_call_gets_its_answer_however_it_is_split() {
    let rig = rig().await;
    let call = golden();
    for at in (1..call.len()).step_by(7) {
        let mut raw = rig.raw().await;
        raw.send(&call[..at]).await;
        tokio::task::yield_now().await;
        raw.send(&call[at..]).await;
        let (head, body) = raw.answer().await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "split at {at}: {head}");
        assert_eq!(field(&head, "Content-Type").as_deref(), Some(JSON));
        assert_eq!(field(&head, "Micro-Id").as_deref(), Some("0"));
        assert_eq!(body, "{\"msg\":\"Hello John\"}\n");
    }
}

/// The fields of versions 1 to 6, as each of them writes them.
#[tokio::test]
async fn callers_of_every_version_are_answered() {
    let rig = rig().await;
    let (body, id) = ("{\"name\":\"John\"}\n", "Micro-Id");
    let v2 = [("Content-Type", JSON), ("Micro-Endpoint", "Greeter.Call"), (id, "7"), ("Micro-Service", "greeter")];
    let v3 = [("Content-Type", JSON), ("Micro-Method", "Greeter.Call"), (id, "7"), ("Micro-Service", "greeter")];
    let v6 = [("Content-Type", JSON), ("Micro-Endpoint", "Greeter.Call"), ("Micro-Method", "Greeter.Call"), (id, "7")];
    for fields in [&v2[..], &v3, &v6] {
        let answer = rig.answers(&post(fields, body)).await;
        assert!(answer.ends_with("\r\n\r\n{\"msg\":\"Hello John\"}\n"), "{answer}");
        assert!(answer.contains("\r\nMicro-Id: 7\r\nX-Micro-Id: 7\r\n"), "{answer}");
    }
    // Version 1 doubles its fields; where there is no protocol, bodies are in envelopes.
    let v1 = [("Content-Type", JSON), ("X-Micro-Method", "Greeter.Call"), ("X-Micro-Target", "greeter")];
    let envelope = "{\"params\":[{\"name\":\"John\"}],\"id\":\"7\",\"method\":\"Greeter.Call\"}\n";
    let answer = rig.answers(&post(&v1, envelope)).await;
    assert!(answer.ends_with("{\"id\":\"7\",\"result\":{\"msg\":\"Hello John\"},\"error\":null}\n"), "{answer}");
    let bare = [("Content-Type", "application/json-rpc")];
    assert!(rig.answers(&post(&bare, envelope)).await.contains("Hello John"), "the method is in the envelope alone");
}

#[tokio::test]
async fn an_error_is_go_micro_s_in_a_field() {
    let rig = rig().await;
    let mut raw = rig.raw().await;
    raw.send(&call("Greeter.Find", JSON, &[], "{\"name\":\"Ada\"}")).await;
    let (head, body) = raw.answer().await;
    let expected = r#"{"id":"GreetError.Nobody","code":404,"detail":"nobody is called Ada","status":"Not Found"}"#;
    assert_eq!(field(&head, "Micro-Error").as_deref(), Some(expected));
    assert_eq!(field(&head, "X-Micro-Error").as_deref(), Some(expected));
    assert!(head.starts_with("HTTP/1.1 200 OK") && body.is_empty());
    for (endpoint, text) in [
        ("Nobody.Call", "rpc: can't find service Nobody"),
        ("Greeter.Bye", "rpc: can't find method Bye"),
        ("Greeter", "rpc: service/endpoint request ill-formed: Greeter"),
        ("a.b.c", "rpc: service/endpoint request ill-formed: a.b.c"),
    ] {
        raw.send(&call(endpoint, JSON, &[], "{}")).await;
        let (head, _) = raw.answer().await;
        assert!(field(&head, "Micro-Error").is_some_and(|error| error.contains(text)), "{head}");
    }
    raw.send(&golden()).await;
    assert!(raw.answer().await.1.contains("Hello John"), "the connection goes on");
}

/// Of go-micro's servers an error of raw bytes never arrives.
#[tokio::test]
async fn an_error_arrives_in_every_content_type() {
    let rig = rig().await;
    let mut raw = rig.raw().await;
    for content_type in [JSON, "application/protobuf", "application/octet-stream", "application/proto-rpc"] {
        raw.send(&call("Greeter.Bye", content_type, &[], "")).await;
        let (head, _) = raw.answer().await;
        let error = field(&head, "Micro-Error").expect(content_type);
        assert!(error.contains("rpc: can't find method Bye"), "{content_type}: {head}");
    }
    let to = rig.client.to(format!("mucp://{}", rig.endpoint.address)).expect("an address");
    to.service("greeter").call_json(&Context::new(), "Bye", "{}").await.expect_err("not served");
}

#[tokio::test]
async fn a_content_type_that_is_not_spoken_is_answered_with_text() {
    let rig = rig().await;
    let mut raw = rig.raw().await;
    raw.send(&call("Greeter.Call", "text/xml", &[], "<x/>")).await;
    let (head, body) = raw.answer().await;
    assert_eq!(field(&head, "Content-Type").as_deref(), Some("text/plain"));
    assert!(field(&head, "Micro-Error").is_none() && body.contains("text/xml"), "{body}");
    raw.send(&golden()).await;
    assert!(raw.answer().await.1.contains("Hello John"));
}

/// go-micro echoes the fields of the first request of a connection, `Authorization` among them.
#[tokio::test]
async fn nothing_of_a_request_comes_back() {
    let rig = rig().await;
    let more = [("Authorization", "Bearer secret"), ("Trace", "t1")];
    let answer = rig.answers(&call("Greeter.Meta", JSON, &more, "{\"key\":\"authorization\"}")).await;
    assert!(answer.ends_with("{\"value\":\"Bearer secret\"}\n"), "the handler saw it: {answer}");
    assert!(!answer.contains("Authorization") && !answer.contains("t1"), "{answer}");
    assert!(answer.contains("\r\nseen-by: template\r\n"));
}

/// Go writes empty bodies as chunks; an empty body is the message without values.
#[tokio::test]
async fn an_empty_body_of_chunks_is_a_message() {
    let rig = rig().await;
    let mut raw = rig.raw().await;
    for (content_type, body) in [("application/protobuf", ""), (JSON, "{\"value\":0}\n")] {
        let message = if body.is_empty() { "" } else { "{\"millis\":0}" };
        raw.send(&call("Greeter.Wait", content_type, &[], message)).await;
        assert_eq!(raw.answer().await.1, body);
    }
}

/// The first message of a stream says which, the second is what it asks with, the end comes from both sides.
#[tokio::test]
async fn a_server_stream_is_unpaired_messages_on_one_connection() {
    let rig = rig().await;
    let mut raw = rig.raw().await;
    let stream = [("Micro-Stream", "5")];
    raw.send(&call("Greeter.ServerStream", JSON, &stream, "{\"count\":7}")).await;
    raw.send(&call("Greeter.ServerStream", JSON, &stream, "{\"count\":2}")).await;
    for expected in ["{\"count\":0}\n", "{\"count\":1}\n"] {
        let (head, body) = raw.answer().await;
        assert_eq!((body.as_str(), field(&head, "Micro-Stream").as_deref()), (expected, Some("5")));
    }
    let (head, body) = raw.answer().await;
    assert_eq!((field(&head, "Micro-Error").as_deref(), body.as_str()), (Some("EOS"), ""));
    // go-micro's client says EOS whatever came before; this one says it twice.
    let eos = call("Greeter.ServerStream", JSON, &[("Micro-Stream", "5"), ("Micro-Error", "EOS")], "");
    let _ = raw.stream.write_all(format!("{eos}{eos}").as_bytes()).await;
    assert_eq!(raw.rest().await, "", "nothing is started anew");
    assert_eq!(rig.template.begun.load(SeqCst), 1);
}

#[tokio::test]
async fn the_end_of_a_client_s_messages_ends_the_handler_s_requests() {
    let rig = rig().await;
    let mut raw = rig.raw().await;
    let stream = [("Micro-Stream", "0")];
    let eos = call("Greeter.ClientStream", JSON, &[("Micro-Stream", "0"), ("Micro-Error", "EOS")], "");
    raw.send(&call("Greeter.ClientStream", JSON, &stream, "")).await;
    for stroke in 0..3 {
        raw.send(&call("Greeter.ClientStream", JSON, &stream, &format!("{{\"stroke\":{stroke}}}"))).await;
    }
    raw.send(&eos).await;
    raw.send(&eos).await;
    assert_eq!(raw.answer().await.1, "{\"count\":3}\n");
    assert_eq!(field(&raw.answer().await.0, "Micro-Error").as_deref(), Some("EOS"));
}

#[tokio::test]
async fn the_end_of_no_stream_is_passed_over() {
    let rig = rig().await;
    let mut raw = rig.raw().await;
    let eos = call("Greeter.BidiStream", JSON, &[("Micro-Stream", "9"), ("Micro-Error", "EOS")], "");
    raw.send(&eos.repeat(2)).await;
    raw.send(&golden()).await;
    assert!(raw.answer().await.1.contains("Hello John"), "the first answer is the call's");
}

#[tokio::test]
async fn a_message_of_another_stream_ends_its_connection_and_no_other() {
    let rig = rig().await;
    let (mut raw, mut other) = (rig.raw().await, rig.raw().await);
    for raw in [&mut raw, &mut other] {
        raw.send(&call("Greeter.BidiStream", JSON, &[("Micro-Stream", "1")], "")).await;
        raw.send(&call("Greeter.BidiStream", JSON, &[("Micro-Stream", "1")], "{\"stroke\":1}")).await;
        assert_eq!(raw.answer().await.1, "{\"stroke\":1}\n");
    }
    raw.send(&call("Greeter.BidiStream", JSON, &[("Micro-Stream", "2")], "{\"stroke\":1}")).await;
    let (head, _) = raw.answer().await;
    assert!(field(&head, "Micro-Error").is_some_and(|error| error.contains("another stream")), "{head}");
    assert_eq!(raw.rest().await, "");
    other.send(&call("Greeter.BidiStream", JSON, &[("Micro-Stream", "1")], "{\"stroke\":2}")).await;
    assert_eq!(other.answer().await.1, "{\"stroke\":2}\n");
}

#[tokio::test]
async fn a_peer_that_leaves_a_stream_without_its_end_cancels_it() {
    let rig = rig().await;
    let mut raw = rig.raw().await;
    raw.send(&call("Greeter.BidiStream", JSON, &[("Micro-Stream", "1")], "")).await;
    until("it runs", || rig.template.running.load(SeqCst) == 1).await;
    drop(raw);
    until("it is cancelled", || rig.template.running.load(SeqCst) == 0).await;
}

#[tokio::test]
async fn a_stream_that_names_none_is_refused() {
    let rig = rig().await;
    let answer = rig.answers(&call("Greeter.ServerStream", JSON, &[], "{\"count\":2}")).await;
    assert!(answer.contains("\"code\":501") && answer.contains("Micro-Stream"), "{answer}");
}

#[tokio::test]
async fn an_event_is_refused_and_calls_go_on() {
    let rig = rig().await;
    let mut raw = rig.raw().await;
    raw.send(&post(&[("Content-Type", JSON), ("Micro-Topic", "news")], "{}")).await;
    let (head, _) = raw.answer().await;
    assert!(field(&head, "Micro-Error").is_some_and(|error| error.contains("nobody here subscribes")), "{head}");
    raw.send(&golden()).await;
    assert!(raw.answer().await.1.contains("Hello John"));
}

#[tokio::test]
async fn web_pages_may_not_call() {
    let rig = rig().await;
    for field in [("Origin", "http://evil.example"), ("Sec-Fetch-Site", "same-origin")] {
        let answer = rig.answers(&call("Greeter.Call", JSON, &[field], "{\"name\":\"x\"}")).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    }
    assert_eq!(rig.template.begun.load(SeqCst), 0);
}

/// What is no message ends its connection with HTTP's own error; a body that lies ends its call with mucp's.
#[tokio::test]
async fn what_is_no_mucp_ends_its_call_or_connection_and_no_other() {
    let mut measured = Measurement::begin("P14", "what_is_no_mucp_ends_its_call_or_connection_and_no_other");
    let rig = rig().await;
    let mut other = rig.raw().await;
    let begin = "POST / HTTP/1.1\r\nMicro-Endpoint: Greeter.Call\r\n";
    let message = |fields: &str| format!("{begin}{fields}\r\n\r\nab");
    let messages = [
        ("two lengths", message("Content-Length: 1\r\nContent-Length: 2"), "400"),
        ("a length and chunks", message("Content-Length: 2\r\nTransfer-Encoding: chunked"), "400"),
        ("a length below zero", message("Content-Length: -1"), "400"),
        ("another coding", message("Transfer-Encoding: gzip, chunked"), "400"),
        ("a chunk that is none", message("Transfer-Encoding: chunked").replace("ab", "zz\r\n"), "400"),
        ("a chunk of 2^72", message("Transfer-Encoding: chunked").replace("ab", "ffffffffffffffffff\r\n"), "400"),
        ("a folded line", message("a: b\r\n c: d"), "400"),
        ("a method that asks for nothing", golden() + "GET / HTTP/1.1\r\n\r\n", "405"),
        ("another protocol behind a call", golden() + "\u{8}\0\0\0\r\n\r\n", "400"),
        ("200 fields", message("a: b\r\n".repeat(200).trim_end()), "431"),
        ("a head without an end", begin.to_owned() + &"a: b\r\n".repeat(20_000), "431"),
        ("a body of 99 GB", message("Content-Length: 99999999999"), "431"),
    ];
    for (what, bytes, status) in &messages {
        let answer = rig.answers(bytes).await;
        let own = answer.rsplit_once("HTTP/1.1 ").map(|(_, own)| own).expect("an answer");
        assert!(own.starts_with(&format!("{status} ")), "{what}: {answer}");
        other.send(&golden()).await;
        assert_eq!(other.answer().await.1, "{\"msg\":\"Hello John\"}\n", "{what}: others go on");
    }
    let deep = "[".repeat(100_000);
    let (json_rpc, proto_rpc) = ("application/json-rpc", "application/proto-rpc");
    let bodies = [
        ("half an object", JSON, "{\"name\":"),
        ("nesting", JSON, deep.as_str()),
        ("another type", JSON, "{\"name\":7}"),
        ("text that is too short", "application/protobuf", "\u{a}\u{7f}"),
        ("a list as an envelope", json_rpc, "[]"),
        ("two parameters", json_rpc, "{\"params\":[1,2],\"id\":1}"),
        ("nesting in an envelope", json_rpc, deep.as_str()),
        ("an envelope beyond its body", proto_rpc, "\u{7f}\u{7f}\u{7f}\u{7f}"),
        ("half a length", proto_rpc, "\0\0"),
        ("a message beyond its body", proto_rpc, "\0\0\0\0\0\0\0\u{7f}x"),
        ("more than a message", proto_rpc, "\0\0\0\0\0\0\0\0x"),
    ];
    for (what, content_type, body) in bodies {
        other.send(&call("Greeter.Call", content_type, &[], body)).await;
        let (head, _) = other.answer().await;
        assert!(field(&head, "Micro-Error").is_some_and(|error| error.contains("\"code\":400")), "{what}: {head}");
        other.send(&golden()).await;
        assert_eq!(other.answer().await.1, "{\"msg\":\"Hello John\"}\n", "{what}: the connection goes on");
    }
    let counts = rig.server.connections();
    assert_eq!((counts.malformed, counts.over_protocol_limit), (9, 3), "{counts:?}");
    measured.figure((messages.len() + bodies.len()) as f64, "kinds refused by mucp");
    measured.end();
}

/// The answer comes before the body that is not taken, and the next call is served.
#[tokio::test]
async fn a_message_over_the_limit_is_answered_before_it_has_come() {
    let rig = Rig::new(with(|config| config.max_message = 2000), with(|_| ())).await;
    let mut raw = rig.raw().await;
    let long = call("Greeter.Call", JSON, &[], &"x".repeat(2001));
    let (head, body) = long.split_at(long.len() - 2001);
    raw.send(head).await;
    let (answer, _) = raw.answer().await;
    assert!(field(&answer, "Micro-Error").is_some_and(|error| error.contains("\"code\":429")), "{answer}");
    raw.send(body).await;
    raw.send(&golden()).await;
    assert!(raw.answer().await.1.contains("Hello John"));
}

#[tokio::test]
async fn messages_beyond_the_memory_of_their_connection_are_refused() {
    let config = with(|config| (config.max_message, config.connection_memory) = (4 << 20, 0));
    let rig = Rig::new(config, with(|_| ())).await;
    let name = "x".repeat(300_000);
    let status = rig.greeter.call(&Context::new(), CallRequest { name }).await.expect_err("no memory");
    assert_eq!((status.code(), status.executed()), (Code::ResourceExhausted, Executed::No), "{status}");
    rig.greeter.call(&Context::new(), CallRequest { name: "x".to_owned() }).await.expect("small ones go on");
}

/// Requests that nobody reads wait in the sockets, not in memory.
#[tokio::test]
async fn who_sends_what_nobody_reads_is_held_up() {
    let rig = rig().await;
    let mut raw = rig.raw().await;
    raw.send(&call("Greeter.ServerStream", JSON, &[("Micro-Stream", "1")], "")).await;
    raw.send(&call("Greeter.ServerStream", JSON, &[("Micro-Stream", "1")], "{\"count\":100000000}")).await;
    let message = call("Greeter.ServerStream", JSON, &[("Micro-Stream", "1")], &"x".repeat(1 << 20));
    let sending = async {
        loop {
            raw.stream.write_all(message.as_bytes()).await.expect("open");
        }
    };
    assert!(timeout(Duration::from_millis(700), sending).await.is_err(), "it is not read for ever");
    rig.greeter.call(&Context::new(), CallRequest { name: "x".to_owned() }).await.expect("others go on");
}

#[tokio::test]
async fn a_message_that_trickles_in_has_a_time_to_come() {
    let rig = Rig::new(with(|config| config.message_timeout = Duration::from_millis(100)), with(|_| ())).await;
    let mut raw = rig.raw().await;
    raw.send(&golden()).await;
    raw.answer().await;
    raw.send("POST / HTTP/1.1\r\n").await;
    assert!(raw.rest().await.starts_with("HTTP/1.1 408 "));
    assert_eq!(rig.server.connections().stalled, 1);
}

#[tokio::test]
async fn who_reads_nothing_is_left() {
    let rig = Rig::new(with(|config| config.write_timeout = Duration::from_millis(200)), with(|_| ())).await;
    let mut raw = rig.raw().await;
    raw.send(&call("Greeter.ServerStream", JSON, &[("Micro-Stream", "1")], "")).await;
    raw.send(&call("Greeter.ServerStream", JSON, &[("Micro-Stream", "1")], "{\"count\":100000000}")).await;
    until("it is left", || rig.server.connections().stalled == 1).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_the_end() {
    let rig = Rig::new(with(|config| config.idle_timeout = Duration::from_millis(100)), with(|_| ())).await;
    let mut raw = rig.raw().await;
    raw.send(&golden()).await;
    raw.answer().await;
    assert_eq!(raw.rest().await, "");
}

#[tokio::test]
async fn after_half_a_close_running_calls_finish_and_answer() {
    let rig = rig().await;
    let two = call("Greeter.Wait", JSON, &[], "{\"millis\":200}") + &golden();
    let answer = rig.answers(&two).await;
    assert!(answer.contains("{\"value\":200}\n") && answer.ends_with("{\"msg\":\"Hello John\"}\n"), "{answer}");
}

#[tokio::test]
async fn who_waits_to_go_on_is_told_to() {
    let rig = rig().await;
    let mut raw = rig.raw().await;
    let call = call("Greeter.Call", JSON, &[("Expect", "100-continue")], "{\"name\":\"John\"}");
    let (head, body) = call.split_at(call.len() - 15);
    raw.send(head).await;
    assert!(raw.answer().await.0.starts_with("HTTP/1.1 100 Continue"));
    raw.send(body).await;
    assert!(raw.answer().await.1.contains("Hello John"));
}

/// A server of go-micro, as bytes.
async fn peer() -> (TcpListener, Endpoint) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("free");
    let endpoint = Endpoint::new("tcp", listener.local_addr().expect("bound").to_string());
    (listener, endpoint)
}

/// The next request, to the end of its body.
async fn request(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&all).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && field(head, "Content-Length").is_some_and(|length| length == body.len().to_string())
        {
            return text;
        }
        all.push(stream.read_u8().await.expect("open"));
    }
}

fn ok(fields: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{fields}\r\n{body}", body.len())
}

#[tokio::test]
async fn a_call_is_what_go_micro_s_servers_read() {
    let (listener, endpoint) = peer().await;
    let (_, greeter) = client_of(&endpoint, with(|_| ()));
    let cx = Context::new().with_timeout(Duration::from_secs(5)).with_metadata("trace", "t1").expect("valid");
    let call = tokio::spawn(async move { greeter.call(&cx, CallRequest { name: "John".to_owned() }).await });
    let (mut stream, _) = listener.accept().await.expect("it connects");
    let text = request(&mut stream).await;
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("POST / HTTP/1.1\r\nHost: 127.0.0.1:"), "{head}");
    for (name, value) in [
        ("Content-Type", JSON),
        ("Accept", JSON),
        ("Micro-Service", "greeter"),
        ("Micro-Method", "Greeter.Call"),
        ("Micro-Endpoint", "Greeter.Call"),
        ("trace", "t1"),
    ] {
        assert_eq!(field(head, name).as_deref(), Some(value), "{head}");
    }
    let left: u64 = field(head, "Timeout").expect("a time").parse().expect("a number");
    assert!((1_000_000_000..=5_000_000_000).contains(&left), "nanoseconds: {left}");
    assert_eq!(body, "{\"name\":\"John\"}\n");
    let fields = "Content-Type: application/json\r\nUser-Agent: Go-http-client/1.1\r\n";
    stream.write_all(ok(fields, "{\"msg\":\"Hello John\"}\n").as_bytes()).await.expect("open");
    assert_eq!(call.await.expect("no panic").expect("answered").msg, "Hello John");
}

/// What go-micro's servers answer, and what it is to a caller.
#[tokio::test]
async fn every_golden_answer_is_understood() {
    let not_found = r#"{"id":"go.micro.srv.greeter","code":404,"detail":"no such name","status":"Not Found"}"#;
    for (answer, code, executed, message) in [
        (ok(&format!("Micro-Error: {not_found}\r\n"), ""), Code::NotFound, Executed::Unknown, "no such name"),
        (ok("X-Micro-Error: plain text\r\n", ""), Code::Unknown, Executed::Unknown, "plain text"),
        (
            ok("Micro-Error: rpc: can't find method Call\r\n", ""),
            Code::Unimplemented,
            Executed::No,
            "rpc: can't find method Call",
        ),
        (ok("Content-Type: text/plain\r\n", "unsupported"), Code::Unimplemented, Executed::No, "unsupported"),
        ("HTTP/1.1 404 Not Found\r\n\r\nno".to_owned(), Code::Unimplemented, Executed::No, "HTTP 404: no"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}".to_owned(), Code::Unavailable, Executed::Unknown, ""),
        ("nonsense\r\n\r\n".to_owned(), Code::Unavailable, Executed::Unknown, "no HTTP/1.1"),
        (format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 5 << 20), Code::ResourceExhausted, Executed::Yes, ""),
    ] {
        let (listener, endpoint) = peer().await;
        let (_, greeter) = client_of(&endpoint, with(|_| ()));
        let call =
            tokio::spawn(async move { greeter.call(&Context::new(), CallRequest { name: String::new() }).await });
        let (mut stream, _) = listener.accept().await.expect("it connects");
        request(&mut stream).await;
        stream.write_all(answer.as_bytes()).await.expect("open");
        drop(stream);
        drop(listener);
        let status = call.await.expect("no panic").expect_err(&answer);
        assert_eq!((status.code(), status.executed()), (code, executed), "{answer}: {status}");
        assert!(status.message().contains(message), "{status}");
    }
}

/// Once it has seen the end of the requests, a server of go-micro says none of its own: it closes.
#[tokio::test]
async fn a_bidi_stream_of_go_micro_ends_with_its_connection() {
    let (listener, endpoint) = peer().await;
    let (_, greeter) = client_of(&endpoint, with(|_| ()));
    let strokes = Streaming::from_iter([Stroke { stroke: 1 }]);
    let call = tokio::spawn(async move { greeter.bidi_stream(&Context::new(), strokes).await?.collect().await });
    let _idle = listener.accept().await.expect("it connects");
    let (mut stream, _) = listener.accept().await.expect("for the stream");
    let mut texts = Vec::new();
    for _ in 0..3 {
        texts.push(request(&mut stream).await);
    }
    let numbers: Vec<_> = texts.iter().map(|text| field(text, "Micro-Stream").expect("its number")).collect();
    assert!(numbers.windows(2).all(|two| two[0] == two[1]), "{numbers:?}");
    assert!(texts[0].ends_with("\r\n\r\n{}\n") && texts[1].ends_with("{\"stroke\":1}\n"), "{texts:?}");
    assert_eq!(field(&texts[2], "Micro-Error").as_deref(), Some("EOS"));
    assert_eq!(field(&texts[2], "Connection").as_deref(), Some("close"));
    stream.write_all(ok("Content-Type: application/json\r\n", "{\"stroke\":1}\n").as_bytes()).await.expect("open");
    drop(stream);
    assert_eq!(call.await.expect("no panic").expect("its end"), [Stroke { stroke: 1 }]);
}

/// The other kinds end with a message, so that a connection that breaks off is no end.
#[tokio::test]
async fn a_server_stream_that_breaks_off_is_an_error() {
    let (listener, endpoint) = peer().await;
    let (_, greeter) = client_of(&endpoint, with(|_| ()));
    let call =
        tokio::spawn(async move { greeter.server_stream(&Context::new(), Count { count: 9 }).await?.collect().await });
    let _idle = listener.accept().await.expect("it connects");
    let (mut stream, _) = listener.accept().await.expect("for the stream");
    for _ in 0..3 {
        request(&mut stream).await;
    }
    stream.write_all(ok("Content-Type: application/json\r\n", "{\"count\":0}\n").as_bytes()).await.expect("open");
    drop(stream);
    let status = call.await.expect("no panic").expect_err("it broke off");
    assert_eq!(status.code(), Code::Unavailable, "{status}");
}

#[tokio::test]
async fn envelopes_are_what_old_servers_read() {
    let (listener, endpoint) = peer().await;
    let (_, greeter) = client_of(&endpoint, with(|config| config.content_type = ContentType::JsonRpc));
    let call =
        tokio::spawn(async move { greeter.call(&Context::new(), CallRequest { name: "John".to_owned() }).await });
    let (mut stream, _) = listener.accept().await.expect("it connects");
    let text = request(&mut stream).await;
    let id = field(&text, "Micro-Id").expect("an id");
    let body = format!("{{\"params\":[{{\"name\":\"John\"}}],\"id\":\"{id}\",\"method\":\"Greeter.Call\"}}\n");
    assert!(text.ends_with(&body), "{text}");
    let answer = format!("{{\"id\":\"{id}\",\"result\":{{\"msg\":\"Hello\"}},\"error\":null}}\n");
    stream.write_all(ok("Content-Type: application/json-rpc\r\n", &answer).as_bytes()).await.expect("open");
    assert_eq!(call.await.expect("no panic").expect("answered").msg, "Hello");
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_not_used_again() {
    let (listener, endpoint) = peer().await;
    let (_, greeter) = client_of(&endpoint, with(|_| ()));
    let serving = tokio::spawn(async move {
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().await.expect("it connects");
            request(&mut stream).await;
            stream.write_all(ok("", "{\"msg\":\"x\"}").as_bytes()).await.expect("open");
        }
    });
    for _ in 0..3 {
        greeter.call(&Context::new(), CallRequest { name: String::new() }).await.expect("on a new one");
        // The end of the old one has come once it can be read.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    serving.await.expect("no panic");
}
