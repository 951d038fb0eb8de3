//! Peers that begin something and do not go on.

use std::time::Duration;

use motet_core::Code;
use motet_rpc::native::wire::kind;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

use crate::{
    hostile::{CallFrame, Heard, credit, greeting, message, of},
    storm::{Storm, goaway},
    target::{Attack, Plan, Target, timed},
};

/// How many peers there are at a time.
const PEERS: usize = 100;

/// A server that waits for a second at most.
fn hasty() -> Plan {
    let mut plan = Plan::default();
    let second = Duration::from_secs(1);
    (plan.server.head_timeout, plan.server.idle_first_byte) = (second, second);
    (plan.native.message_timeout, plan.native.write_timeout) = (second, second);
    plan
}

/// Some peers send this and then nothing; gives what they hear.
async fn fall_silent(target: &Target, bytes: &[u8]) -> Vec<Heard> {
    let mut peers = Vec::new();
    for _ in 0..PEERS {
        let mut heard = target.dial().await;
        heard.io().write_all(bytes).await.expect("open");
        peers.push(heard);
    }
    peers
}

/// All of them are closed without a word.
async fn are_closed(name: &str, peers: Vec<Heard>) {
    for mut heard in peers {
        let mut rest = Vec::new();
        assert_eq!(timed(name, heard.io().read_to_end(&mut rest)).await.expect("an end in order"), 0, "{name}");
    }
}

#[tokio::test]
async fn who_says_nothing_has_until_the_idle_limit() {
    let target = Target::start(&hasty()).await;
    let attack = Attack::new("100 × no byte", "server.idle_first_byte");
    let work = async {
        are_closed("no byte", fall_silent(&target, b"").await).await;
        "closed".to_owned()
    };
    target.attacked(attack, work).await;
    target.counts(|counts| counts.never_spoke == PEERS as u64 && counts.silent == 0).await;
}

#[tokio::test]
async fn half_a_head_has_until_the_head_limit() {
    let target = Target::start(&hasty()).await;
    let attack = Attack::new("100 × a byte, 100 × half the settings", "server.head_timeout");
    let reason = "the first frame did not come in time";
    let work = async {
        let one_byte = fall_silent(&target, &greeting()[..1]).await;
        let half = fall_silent(&target, &greeting()[..9]).await;
        are_closed("one byte", one_byte).await;
        for mut heard in half {
            let payload = timed("half", heard.until(kind::GOAWAY)).await.expect("told why");
            assert!(String::from_utf8_lossy(&payload).contains(reason));
        }
        format!("closed; GOAWAY 4 \"{reason}\"")
    };
    target.attacked(attack, work).await;
    target.counts(|counts| (counts.too_slow, counts.stalled) == (PEERS as u64, PEERS as u64)).await;
    assert_eq!(target.logged("closed: the first bytes were not complete in time").await, PEERS);
    assert_eq!(target.logged(reason).await, PEERS);
}

#[tokio::test]
async fn a_frame_that_trickles_in_has_until_the_message_limit() {
    let target = Target::start(&hasty()).await;
    let attack = Attack::new("a frame of 20 s, byte by byte", "protocols.motet.message_timeout");
    let reason = "a frame was not complete in time";
    let call = CallFrame::one(1, &[7; 200]).bytes();
    let work = async {
        let mut heard = target.dial().await;
        heard.io().write_all(&greeting()).await.expect("open");
        for byte in &call {
            if heard.io().write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(100)).await;
            let mut first = [0];
            if let Ok(Ok(0) | Err(_)) = tokio::time::timeout(Duration::ZERO, heard.io().peek(&mut first)).await {
                break;
            }
            if target.logged(reason).await > 0 {
                break;
            }
        }
        let payload = timed("trickle", heard.until(kind::GOAWAY)).await.expect("told why");
        assert!(String::from_utf8_lossy(&payload).contains(reason));
        format!("GOAWAY 4 \"{reason}\"")
    };
    target.attacked(attack, work).await;
    target.counts(|counts| counts.stalled == 1).await;
    assert_eq!(target.logged(reason).await, 1);
}

#[tokio::test]
async fn half_a_body_has_until_the_message_limit() {
    let target = Target::start(&hasty()).await;
    let attack = Attack::new("100 × 16 bytes of 4 MiB", "protocols.motet.message_timeout");
    let work = async {
        let call = CallFrame::one(1, b"").message(0, message(4 << 20, &[7; 16])).bytes();
        let bytes = [greeting(), call].concat();
        let mut storms = Vec::new();
        for _ in 0..PEERS {
            storms.push(Storm::begin(&target.address, bytes.clone()).await);
        }
        for mut storm in storms {
            let told = storm.hear("half a body", |told| told.ended(Code::DeadlineExceeded) == 1).await;
            assert!(told.text(Code::DeadlineExceeded).contains("a message was not complete within 1s"), "{told:?}");
        }
        "END DEADLINE_EXCEEDED".to_owned()
    };
    target.attacked(attack, work).await;
    target.counts(|counts| counts.calls_refused == PEERS as u64).await;
    assert_eq!(target.logged("calls of this connection are refused").await, PEERS);
}

#[tokio::test]
async fn who_reads_nothing_is_left_after_the_write_limit() {
    let target = Target::start(&hasty()).await;
    let attack =
        Attack::new("4,000 replies of 60,000 bytes, unread, with credit of 2^39", "protocols.motet.write_timeout");
    let reason = "what is sent is not taken";
    let calls = (0..4000).flat_map(|n| CallFrame::one(2 * n + 1, b"").to("test/large").bytes());
    let bytes = [greeting(), credit(0, 1 << 39), calls.collect()].concat();
    let work = async {
        let mut io = TcpStream::connect(&target.address).await.expect("it listens");
        let _ = timed("unread", tokio::time::timeout(Duration::from_secs(2), io.write_all(&bytes))).await;
        target.counts(|counts| counts.stalled == 1).await;
        let mut rest = Vec::new();
        let ended = timed("unread", io.read_to_end(&mut rest)).await;
        format!("{} MiB of 229, then {}", rest.len() >> 20, if ended.is_ok() { "the end" } else { "a reset" })
    };
    target.attacked(attack, work).await;
    assert_eq!(target.logged(reason).await, 1);
}

#[tokio::test]
async fn who_gives_no_credit_is_left_after_the_write_limit() {
    let target = Target::start(&hasty()).await;
    let attack = Attack::new("4,000 replies of 60,000 bytes without credit", "protocols.motet.write_timeout");
    let reason = "no credit came for what waits to be sent";
    let calls = (0..4000).flat_map(|n| CallFrame::one(2 * n + 1, b"").to("test/large").bytes());
    let bytes = [greeting(), calls.collect()].concat();
    let work = async {
        let told = Storm::begin(&target.address, bytes).await.until_closed("no credit").await;
        assert_eq!(told.goaway, Some((4, reason.to_owned())));
        assert!(told.ended(Code::ResourceExhausted) > 3000, "what waits is bounded: {told:?}");
        format!("{} × END RESOURCE_EXHAUSTED, then {}", told.ended(Code::ResourceExhausted), goaway(&told))
    };
    target.attacked(attack, work).await;
    target.counts(|counts| counts.stalled == 1).await;
    assert_eq!(target.logged(reason).await, 1);
}

#[tokio::test]
async fn who_answers_no_pings_is_left() {
    let mut plan = Plan::default();
    plan.native.idle_ping = Duration::from_millis(200);
    plan.native.ping_timeout = Duration::from_millis(50);
    plan.native.max_missed_pings = 5;
    let target = Target::start(&plan).await;
    let attack = Attack::new("100 × a greeting and silence", "protocols.motet.max_missed_pings");
    let reason = "pings were not answered";
    let work = async {
        let peers = fall_silent(&target, &[greeting(), of(kind::OPTIONAL, b"")].concat()).await;
        for mut heard in peers {
            let payload = timed("silence", heard.until(kind::GOAWAY)).await.expect("told why");
            assert!(String::from_utf8_lossy(&payload).contains(reason));
        }
        format!("GOAWAY 4 \"{reason}\"")
    };
    target.attacked(attack, work).await;
    target.counts(|counts| counts.stalled == PEERS as u64).await;
}
