//! Peers that break the rules of HTTP or are in no hurry: their connection ends with HTTP's own
//! error, and others go on.

#[path = "support/frames.rs"]
mod frames;
mod support;

use std::time::Duration;

use frames::*;
use motet_http::HttpConfig;
use motet_promises::Measurement;
use motet_rpc::native::MemoryBudget;
use support::{Raw, Setup, ask, start, start_with};

fn hasty() -> HttpConfig {
    let mut config = HttpConfig::default();
    config.head_timeout = Duration::from_millis(200);
    config.body_timeout = Duration::from_millis(200);
    config.write_timeout = Duration::from_millis(200);
    config.idle_timeout = Duration::from_millis(400);
    config
}

/// Others are served as before.
async fn others_go_on(setup: &Setup) {
    let answer = ask(&setup.address, "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(answer.ends_with("GET /a by paths"), "{answer}");
}

#[tokio::test]
async fn requests_that_two_readers_could_read_differently_are_refused() {
    let mut measured = Measurement::begin("P14", "requests_that_two_readers_could_read_differently_are_refused");
    let setup = start(HttpConfig::default()).await;
    let post = "POST /echo HTTP/1.1\r\nHost: localhost\r\n";
    let requests = [
        format!("{post}Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef"),
        format!("{post}Content-Length: 5, 6\r\n\r\nabcdef"),
        format!("{post}Content-Length: +5\r\n\r\nabcde"),
        format!("{post}Content-Length: -1\r\n\r\n"),
        format!("{post}Content-Length: 0x5\r\n\r\nabcde"),
        format!("{post}Content-Length: 99999999999999999999\r\n\r\n"),
        format!("{post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        format!("{post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        format!("{post}Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("{post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        format!("{post}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
        format!(
            "{post}Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n"
        ),
        format!(
            "{post}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n"
        ),
        "GET /a HTTP/1.1\r\nHost: localhost:80:90\r\n\r\n".to_owned(),
        "GET /a HTTP/1.1\r\nHost: localhost:-1\r\n\r\n".to_owned(),
        "GET /a HTTP/1.1\r\nHost: localhost:70000\r\n\r\n".to_owned(),
        format!("{post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
        format!("{post}Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n"),
        format!("{post} Folded: x\r\n\r\n"),
        format!("{post}A\0B: x\r\n\r\n"),
        "POST /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(),
        "POST /echo HTTP/1.1\r\n\r\n".to_owned(),
        "POST /a b HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "POST /echo HTTP/9.9\r\nHost: a\r\n\r\n".to_owned(),
        "GET \r\n\r\n".to_owned(),
    ];
    measured.figure(requests.len() as f64, "requests refused by HTTP/1.1");
    for request in requests {
        let answer = ask(&setup.address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 400") || answer.is_empty(), "{request:?}\n{answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), usize::from(!answer.is_empty()), "{request:?}\n{answer}");
    }
    // The body is what the chunks say, and nothing behind it is taken for another request.
    let both = ["Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 5"];
    for fields in both {
        let request = format!("{post}{fields}\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let answer = ask(&setup.address, &request).await;
        assert!(answer.contains("connection: close") && !answer.contains("smuggled"), "{answer}");
    }
    others_go_on(&setup).await;
    measured.end();
}

#[tokio::test]
async fn chunks_that_are_none_end_the_request() {
    let setup = start(HttpConfig::default()).await;
    for chunks in ["g\r\n", "-1\r\n", "5\r\nabcdeX", "fffffffffffffffff\r\n", "3 3\r\nabc\r\n", "\r\n", "3\nabc\n0\n\n"]
    {
        let request = format!("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        let answer = ask(&setup.address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 4") || answer.is_empty(), "{chunks:?}\n{answer}");
    }
    let extension = format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(100_000));
    let trailers = format!("0\r\n{}\r\n", "a: b\r\n".repeat(20_000));
    for chunks in [extension, trailers] {
        let request = format!("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        let mut raw = Raw::connect(&setup.address).await;
        // The server may be gone before all is sent.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut raw.0, request.as_bytes()).await;
        let answer = String::from_utf8_lossy(&raw.rest().await).into_owned();
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    others_go_on(&setup).await;
}

#[tokio::test]
async fn heads_have_a_limit_in_fields_and_bytes() {
    let setup = start(HttpConfig::default()).await;
    let many = format!("GET /a HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "A: b\r\n".repeat(100));
    let long = format!("GET /a HTTP/1.1\r\nHost: localhost\r\nA: {}\r\n\r\n", "x".repeat(70_000));
    let path = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(70_000));
    for request in [many, long, path] {
        let mut raw = Raw::connect(&setup.address).await;
        let _ = tokio::io::AsyncWriteExt::write_all(&mut raw.0, request.as_bytes()).await;
        let answer = String::from_utf8_lossy(&raw.rest().await).into_owned();
        assert!(answer.starts_with("HTTP/1.1 431") || answer.starts_with("HTTP/1.1 414"), "{answer}");
    }
    others_go_on(&setup).await;
}

#[tokio::test]
async fn who_is_slow_at_any_phase_is_left() {
    let setup = start(hasty()).await;
    let mut head = Raw::connect(&setup.address).await;
    head.send("GET /a HTTP/1.1\r\nHo").await;
    let answer = String::from_utf8_lossy(&head.rest().await).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer:?}");
    let mut second = Raw::connect(&setup.address).await;
    second.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n").await.until("by paths").await;
    second.send("GET /a HTTP/1.1\r\nHo").await;
    let answer = String::from_utf8_lossy(&second.rest().await).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408"), "a second request: {answer:?}");
    let mut body = Raw::connect(&setup.address).await;
    body.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc").await;
    body.until("protocols.http.body_timeout").await;
    let mut idle = Raw::connect(&setup.address).await;
    idle.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n").await.until("by paths").await;
    assert!(idle.rest().await.is_empty(), "closed after a while");
    let mut reader = Raw::connect(&setup.address).await;
    reader.send("GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let stalled = || setup.server.connections().stalled;
    let before = stalled();
    let waiting = async {
        while stalled() == before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("a reader that takes nothing is left");
    others_go_on(&setup).await;
}

#[tokio::test]
async fn a_frame_or_a_block_of_fields_that_does_not_end_is_left() {
    let setup = start(hasty()).await;
    let half = frame(HEADERS, END_HEADERS | END_STREAM, 1, &get("/a"));
    for bytes in [half[..12].to_vec(), frame(HEADERS, END_STREAM, 1, &get("/a"))] {
        let mut h2 = H2::connect(&setup.address).await;
        h2.send(&bytes).await;
        assert_eq!(h2.goaway().await, ENHANCE_YOUR_CALM);
    }
    let mut mute = Raw::connect(&setup.address).await;
    mute.send("PRI * HTTP/2.0\r\n\r\nSM").await;
    mute.rest().await;
    others_go_on(&setup).await;
}

#[tokio::test]
async fn floods_of_frames_that_mean_nothing_end_the_connection() {
    let mut config = HttpConfig::default();
    config.max_idle_frames = 1000;
    let setup = start(config).await;
    for one in [
        frame(PING, 0, 0, &[7; 8]),
        frame(SETTINGS, 0, 0, b""),
        frame(2, 0, 1, &[0, 0, 0, 3, 16]),
        frame(0xfa, 0, 0, b""),
    ] {
        let mut h2 = H2::connect(&setup.address).await;
        h2.send(&one.repeat(5000)).await;
        assert_eq!(h2.goaway().await, ENHANCE_YOUR_CALM, "{one:?}");
    }
    assert!(setup.server.connections().over_protocol_limit >= 4);
    others_go_on(&setup).await;
}

#[tokio::test]
async fn rapid_resets_end_the_connection() {
    let mut setup = start(HttpConfig::default()).await;
    let mut h2 = H2::connect(&setup.address).await;
    let mut all = Vec::new();
    for n in 0..20_000u32 {
        all.extend(frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, &get("/hang")));
        all.extend(frame(RST_STREAM, 0, 2 * n + 1, &[0, 0, 0, 8]));
    }
    h2.send(&all).await;
    assert_eq!(h2.goaway().await, ENHANCE_YOUR_CALM);
    drop(h2);
    // Whatever had begun is over.
    setup.gone.close();
    while setup.gone.recv().await.is_some() {}
    others_go_on(&setup).await;
}

/// A client gives calls up while the server is held up: all of it comes in one read.
#[tokio::test]
async fn calls_that_were_given_up_before_they_were_read_do_not_end_the_connection() {
    let setup = start(HttpConfig::default()).await;
    let mut h2 = H2::connect(&setup.address).await;
    let mut all = Vec::new();
    for n in 0..200u32 {
        all.extend(frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, &get("/a")));
        all.extend(frame(RST_STREAM, 0, 2 * n + 1, &[0, 0, 0, 8]));
    }
    h2.send(&all).await;
    h2.is_served(401).await;
}

#[tokio::test]
async fn endless_and_inflated_blocks_of_fields_are_refused() {
    let setup = start(HttpConfig::default()).await;
    let mut h2 = H2::connect(&setup.address).await;
    let mut flood = frame(HEADERS, END_STREAM, 1, &get("/a"));
    for _ in 0..2000 {
        flood.extend(frame(CONTINUATION, 0, 1, &[b"\x00\x01a\x7f\x00"[..].to_vec(), vec![b'x'; 127]].concat()));
    }
    h2.send(&flood).await;
    let code = h2.goaway().await;
    assert!([ENHANCE_YOUR_CALM, COMPRESSION_ERROR, PROTOCOL_ERROR].contains(&code), "{code}");
    // One field of 4,000 bytes goes into the table, and is named 16,000 times: 64 MB from 16 KB.
    let mut h2 = H2::connect(&setup.address).await;
    let mut bomb = get("/a");
    bomb.extend_from_slice(&[0x40, 0x01, b'a', 0x7f, 0xa1, 0x1e]);
    bomb.extend_from_slice(&[b'x'; 4000]);
    bomb.extend(std::iter::repeat_n(0xbe, 12_000));
    h2.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &bomb)).await;
    let refused = h2.next_of(&[HEADERS, RST_STREAM, GOAWAY]).await;
    if refused.kind == HEADERS {
        // 431, or any status of 4xx by its place in the table.
        assert_ne!(refused.payload[0], 0x88, "200");
    }
    others_go_on(&setup).await;
}

#[tokio::test]
async fn frames_against_the_rules_end_the_connection_with_their_error() {
    let mut measured = Measurement::begin("P14", "frames_against_the_rules_end_the_connection_with_their_error");
    let setup = start(HttpConfig::default()).await;
    let frames = [
        (frame(DATA, 0, 0, b"x"), PROTOCOL_ERROR),
        (frame(DATA, 0, 7, b"x"), PROTOCOL_ERROR),
        (frame(HEADERS, END_HEADERS, 2, &get("/a")), PROTOCOL_ERROR),
        (frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 0]), PROTOCOL_ERROR),
        ([frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff])].concat(), FLOW_CONTROL_ERROR),
        (frame(SETTINGS, 0, 0, b"x"), PROTOCOL_ERROR),
        (frame(PING, 0, 0, b"x"), PROTOCOL_ERROR),
        (frame(HEADERS, END_HEADERS, 1, &[get("/a"), b"\x00\x01A\x01b".to_vec()].concat()), PROTOCOL_ERROR),
        (frame(CONTINUATION, END_HEADERS, 1, &get("/a")), PROTOCOL_ERROR),
        (frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), PROTOCOL_ERROR),
    ];
    measured.figure(frames.len() as f64, "frames refused by HTTP/2");
    for (bytes, expected) in frames {
        let mut h2 = H2::connect(&setup.address).await;
        h2.send(&bytes).await;
        let code = h2.goaway().await;
        // The library says PROTOCOL_ERROR also of sizes and of blocks of fields that it cannot read.
        assert!(code == expected || [FRAME_SIZE_ERROR, COMPRESSION_ERROR].contains(&code), "{bytes:?}: {code}");
    }
    assert!(setup.server.connections().malformed >= 5, "{:?}", setup.server.connections());
    others_go_on(&setup).await;
    measured.end();
}

#[tokio::test]
async fn a_request_against_the_rules_ends_alone() {
    let setup = start(HttpConfig::default()).await;
    let mut h2 = H2::connect(&setup.address).await;
    let without_scheme = b"\x82\x04\x02/a\x01\x09localhost";
    h2.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, without_scheme)).await;
    assert_eq!(h2.until(RST_STREAM).await.stream, 1);
    h2.is_served(3).await;
    // A Host that is another than :authority: 400, by its place in the table.
    let two_hosts = [get("/a"), b"\x0f\x17\x05other".to_vec()].concat();
    h2.send(&frame(HEADERS, END_HEADERS | END_STREAM, 5, &two_hosts)).await;
    assert_eq!(h2.until(HEADERS).await.payload[0], 0x8c);
}

#[tokio::test]
async fn many_small_unread_frames_of_a_stream_do_not_end_the_others() {
    let setup = start(HttpConfig::default()).await;
    let mut h2 = H2::connect(&setup.address).await;
    h2.send(&frame(HEADERS, END_HEADERS, 1, &get("/hang"))).await;
    h2.send(&frame(DATA, 0, 1, b"x").repeat(2000)).await;
    h2.is_served(3).await;
}

/// The settings of a peer whose streams begin without a window.
fn closed() -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])
}

/// A peer that takes some answers and not others loses those others, and no more.
#[tokio::test]
async fn an_answer_that_waits_for_a_window_ends_alone_while_others_go_on() {
    let mut config = HttpConfig::default();
    config.write_timeout = Duration::from_millis(300);
    let setup = start(config).await;
    let mut h2 = H2::connect(&setup.address).await;
    h2.send(&closed()).await;
    for (stream, path) in [(1, "/endless"), (3, "/long")] {
        h2.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &get(path))).await;
    }
    let mut stream = 5;
    let mut ask = async |h2: &mut H2, path: &str| {
        h2.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &get(path))).await;
        h2.send(&frame(WINDOW_UPDATE, 0, stream, &[0, 0, 4, 0])).await;
        stream += 2;
        stream - 2
    };
    let mut waits = vec![1, 3];
    let mut asked = ask(&mut h2, "/a").await;
    while !waits.is_empty() {
        let frame = h2.next_of(&[DATA, RST_STREAM, GOAWAY]).await;
        match frame.kind {
            RST_STREAM => waits.retain(|stream| *stream != frame.stream),
            DATA => {
                assert_eq!(frame.stream, asked, "those without a window are sent nothing");
                tokio::time::sleep(Duration::from_millis(20)).await;
                asked = ask(&mut h2, "/a").await;
            }
            _ => panic!("the connection ends: {frame:?}"),
        }
    }
    assert!(setup.server.connections().stalled >= 2);
    // One whose handler takes longer than that waits for nobody's window.
    let slow = ask(&mut h2, "/slow").await;
    while h2.until(DATA).await.stream != slow {}
}

#[tokio::test]
async fn who_opens_no_window_for_any_answer_is_left() {
    for path in ["/long", "/endless"] {
        let setup = start(hasty()).await;
        let mut h2 = H2::connect(&setup.address).await;
        h2.send(&closed()).await;
        h2.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &get(path))).await;
        while h2.next().await.is_some() {}
        assert_eq!(setup.server.connections().stalled, 1, "{path}");
    }
}

/// What is answered and not taken counts: a few short requests could ask for all memory there is.
#[tokio::test]
async fn answers_that_nobody_takes_use_no_more_memory_than_they_may() {
    let memory = MemoryBudget::new(3 << 20);
    let setup = start_with(HttpConfig::default(), |door| door.with_budget(memory.clone())).await;
    let mut h2 = H2::connect(&setup.address).await;
    h2.send(&closed()).await;
    for n in 0..20 {
        h2.send(&frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, &get("/long"))).await;
    }
    for _ in 0..17 {
        let reset = h2.until(RST_STREAM).await;
        assert_eq!(reset.payload, ENHANCE_YOUR_CALM.to_be_bytes());
    }
    assert_eq!(memory.used(), 3 << 20);
    h2.is_served(41).await;
    // Those that went have room again, whether they were taken or not.
    h2.send(&frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])).await;
    while memory.used() > 2 << 20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(h2);
    while memory.used() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
