//! Many connections that come to nothing.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

use crate::{
    hostile::{CallFrame, Heard, greeting, stream_of},
    target::{Attack, Plan, Target, timed},
};
use motet_rpc::native::wire::kind;

#[tokio::test]
async fn of_5_000_silent_connections_1_000_stay_and_the_oldest_go_first() {
    let target = Target::start(&Plan::default()).await;
    let attack = Attack::new("5,000 connections that say nothing", "server.max_silent");
    let began = Instant::now();
    let mut all = Vec::new();
    let work = async {
        for _ in 0..5000 {
            all.push(TcpStream::connect(&target.address).await.expect("it listens"));
        }
        // Among those accepted are the others, who speak.
        let counts = target.counts(|counts| counts.evicted >= 4000 && counts.silent <= 1000).await;
        let mut byte = [0];
        assert_eq!(timed("the oldest", all[0].read(&mut byte)).await.expect("an end in order"), 0);
        format!("{} closed", counts.evicted)
    };
    target.attacked(attack, work).await;
    // The youngest is served as soon as it speaks.
    let mut last = Heard::new(all.pop().expect("the last"));
    last.io().write_all(&[greeting(), CallFrame::one(1, b"x").bytes()].concat()).await.expect("open");
    let payload = timed("the last", last.until(kind::REPLY)).await.expect("a reply");
    assert_eq!(stream_of(&payload), 1);
    let lines = target.logged("too many silent connections").await;
    let seconds = began.elapsed().as_secs() as usize;
    assert!((1..=seconds + 2).contains(&lines), "{lines} lines in {seconds} s");
}

#[tokio::test]
async fn a_connection_that_has_made_a_call_and_rests_takes_little() {
    const COUNT: u64 = 1_000;
    let target = Target::start(&Plan::default()).await;
    let call = [greeting(), CallFrame::one(1, &[7; 600]).bytes()].concat();
    let connect = async || {
        let mut heard = target.dial().await;
        heard.io().write_all(&call).await.expect("open");
        timed("a reply", heard.until(kind::REPLY)).await.expect("a reply");
        heard
    };
    let mut open = Vec::new();
    for _ in 0..100 {
        open.push(connect().await);
    }
    let before = target.resident();
    for _ in 0..COUNT {
        open.push(connect().await);
    }
    let each = target.resident().saturating_sub(before) / COUNT;
    println!("{each} bytes for each of {COUNT} connections at rest");
    assert!(each <= 8 << 10, "{each} bytes");
}

#[tokio::test]
async fn beyond_the_limit_connections_are_closed_at_once() {
    let mut plan = Plan::default();
    plan.server.max_connections = 50;
    let target = Target::start(&plan).await;
    let attack = Attack::new("1,000 connections that speak", "server.max_connections");
    let work = async {
        let mut open = Vec::new();
        for _ in 0..1000 {
            let mut heard = target.dial().await;
            let _ = heard.io().write_all(&[greeting(), CallFrame::one(1, b"x").bytes()].concat()).await;
            if timed("a reply or the end", heard.until(kind::REPLY)).await.is_some() {
                open.push(heard);
            }
        }
        assert!((40..50).contains(&open.len()), "{} were let in", open.len());
        format!("{} let in, others closed", open.len())
    };
    target.attacked(attack, work).await;
    target.counts(|counts| counts.over_limit > 900).await;
    assert!(target.logged("too many connections").await < 100, "not one line for each");
}

#[tokio::test]
async fn tls_garbage_is_closed_and_half_a_handshake_has_until_the_head_limit() {
    let mut plan = Plan { tls: true, ..Plan::default() };
    plan.server.allow_plaintext = true;
    plan.server.head_timeout = Duration::from_secs(1);
    let target = Target::start(&plan).await;
    let attack = Attack::new("300 × TLS garbage, 100 × half a handshake", "server.head_timeout");
    // A record of 512 bytes that says it is a handshake.
    let garbage: Vec<u8> = [0x16, 3, 1, 2, 0].into_iter().chain((0..512u32).map(|n| (n * 37) as u8)).collect();
    let work = async {
        let mut half = Vec::new();
        for _ in 0..100 {
            let mut io = TcpStream::connect(&target.address).await.expect("it listens");
            io.write_all(&garbage[..3]).await.expect("open");
            half.push(io);
        }
        for _ in 0..300 {
            let mut io = TcpStream::connect(&target.address).await.expect("it listens");
            io.write_all(&garbage).await.expect("open");
            // An alert, then the end, which may be a reset.
            let _ = timed("garbage", io.read_to_end(&mut Vec::new())).await;
        }
        for mut io in half {
            let _ = timed("half a handshake", io.read_to_end(&mut Vec::new())).await;
        }
        "an alert, closed".to_owned()
    };
    target.attacked(attack, work).await;
    target.counts(|counts| (counts.tls_failed, counts.too_slow) == (300, 100)).await;
    assert_eq!(target.logged("closed: TLS failed").await, 300);
    assert_eq!(target.logged("closed: the first bytes were not complete in time").await, 100);
}

#[tokio::test]
async fn bytes_of_no_protocol_are_closed_and_told_in_one_line() {
    let target = Target::start(&Plan::default()).await;
    let attack = Attack::new("300 × 64 KiB of nothing known", "recognition");
    let work = async {
        for _ in 0..300 {
            let mut io = TcpStream::connect(&target.address).await.expect("it listens");
            let _ = io.write_all(&[0xEE; 64 << 10]).await;
            let _ = timed("garbage", io.read_to_end(&mut Vec::new())).await;
        }
        "closed".to_owned()
    };
    target.attacked(attack, work).await;
    target.counts(|counts| counts.unrecognised == 300).await;
    assert_eq!(target.logged("No protocol enabled on this port recognises this").await, 300);
}
