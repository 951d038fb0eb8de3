//! Too much of what is allowed.

use std::io::Write;

use flate2::{Compression, write::DeflateEncoder};
use motet_core::Code;
use motet_rpc::native::wire::{ErrorCode, flag, kind};

use crate::{
    hostile::{CallFrame, about, credit, data, greeting, message, of},
    storm::{LAST, Storm, goaway},
    target::{Attack, Plan, Target, thorough},
};

/// How often an attack is made.
fn times() -> usize {
    if thorough() { 100 } else { 3 }
}

/// Sends the same on some connections, one after the other, each of which is told this and closed.
async fn is_sent_away(target: &Target, name: &str, bytes: &[u8], code: ErrorCode, reason: &str) -> String {
    let mut saw = String::new();
    for _ in 0..times() {
        let bytes = [&greeting()[..], bytes].concat();
        let told = Storm::begin(&target.address, bytes).await.until_closed(name).await;
        assert_eq!(told.goaway, Some((code as u8, reason.to_owned())), "{name}");
        saw = goaway(&told);
    }
    saw
}

fn cancel(id: u64) -> Vec<u8> {
    of(kind::CANCEL, &about(id, b""))
}

#[tokio::test]
async fn who_uses_a_stream_s_id_again_is_sent_away() {
    let target = Target::start(&Plan::default()).await;
    let attack = Attack::new("stream ids used again", "ids only grow");
    let reason = "a call's stream id must be greater than all before it";
    target
        .attacked(attack, async {
            let again = [CallFrame::one(1, b"x").bytes(), CallFrame::one(1, b"x").bytes()].concat();
            is_sent_away(&target, "after its end", &again, ErrorCode::Protocol, reason).await;
            let wait = CallFrame::one(1, b"x").to("test/wait").bytes();
            let again = [wait.clone(), cancel(1), wait].concat();
            is_sent_away(&target, "after its cancel", &again, ErrorCode::Protocol, reason).await
        })
        .await;
    let counts = target.counts(|counts| counts.malformed == 2 * times() as u64).await;
    assert_eq!((counts.over_protocol_limit, counts.stalled, counts.calls_refused), (0, 0, 0));
    assert_eq!(target.logged(reason).await, 2 * times());
}

#[tokio::test]
async fn who_cancels_10_000_calls_as_they_are_made_is_sent_away() {
    let target = Target::start(&Plan::default()).await;
    let attack = Attack::new("10,000 calls made and cancelled at once", "protocols.motet.max_rapid_cancels");
    let reason = "too many calls in a second were cancelled as soon as they were made";
    let calls = (0..10_000).flat_map(|n| {
        let id = 2 * n + 1;
        [CallFrame::one(id, b"x").to("test/wait").bytes(), cancel(id)].concat()
    });
    let calls: Vec<u8> = calls.collect();
    target.attacked(attack, is_sent_away(&target, "cancels", &calls, ErrorCode::Limit, reason)).await;
    target.counts(|counts| counts.over_protocol_limit == times() as u64).await;
    assert_eq!(target.logged(reason).await, times());
}

#[tokio::test]
async fn who_pings_all_the_time_is_sent_away() {
    let target = Target::start(&Plan::default()).await;
    let attack = Attack::new("100,000 pings", "protocols.motet.max_pings");
    let reason = "there were too many pings in a second";
    let pings = of(kind::PING, &[7; 8]).repeat(100_000);
    target.attacked(attack, is_sent_away(&target, "pings", &pings, ErrorCode::Limit, reason)).await;
    target.counts(|counts| counts.over_protocol_limit == times() as u64).await;
    assert_eq!(target.logged(reason).await, times());
}

#[tokio::test]
async fn who_sends_settings_all_the_time_is_sent_away() {
    let target = Target::start(&Plan::default()).await;
    let attack = Attack::new("10,000 settings frames", "settings come once");
    let settings = of(kind::SETTINGS, &[]).repeat(10_000);
    let reason = "SETTINGS come once";
    target.attacked(attack, is_sent_away(&target, "settings", &settings, ErrorCode::Protocol, reason)).await;
    target.counts(|counts| counts.malformed == times() as u64).await;
    assert_eq!(target.logged(reason).await, times());
}

#[tokio::test]
async fn who_says_goodbye_all_the_time_is_sent_away() {
    let target = Target::start(&Plan::default()).await;
    let attack = Attack::new("10,000 goodbyes", "16 GOAWAYs on a connection");
    let goodbye = of(kind::GOAWAY, &[0, 0, 0, 0]).repeat(10_000);
    let reason = "there were more than 16 GOAWAYs";
    target.attacked(attack, is_sent_away(&target, "goodbyes", &goodbye, ErrorCode::Limit, reason)).await;
    target.counts(|counts| counts.over_protocol_limit == times() as u64).await;
    assert_eq!(target.logged(reason).await, times());
}

#[tokio::test]
async fn who_grants_2_to_the_62_of_credit_is_sent_away() {
    let target = Target::start(&Plan::default()).await;
    let attack = Attack::new("credit of 2^62", "credit of 2^40");
    let reason = "a credit must be 1 to 2^40";
    let all = credit(0, 1 << 62);
    target.attacked(attack, is_sent_away(&target, "credit", &all, ErrorCode::Limit, reason)).await;
    target.counts(|counts| counts.over_protocol_limit == times() as u64).await;
    assert_eq!(target.logged(reason).await, times());
}

/// Sends calls, the last of which is an echo, and hears until that is answered; gives how many were
/// refused for want of memory and the connection itself, which has to be kept open.
async fn calls_are_refused(target: &Target, name: &str, calls: Vec<u8>, limit: &str) -> (usize, Storm) {
    let bytes = [&greeting()[..], &calls, &CallFrame::one(LAST, b"x").bytes()].concat();
    let mut storm = Storm::begin(&target.address, bytes).await;
    let told = storm.hear(name, |told| told.answered).await;
    assert!(told.answered && told.goaway.is_none(), "{name}: {told:?}");
    let refused = told.ended(Code::ResourceExhausted);
    assert!(told.text(Code::ResourceExhausted).contains(limit), "{name}: {told:?}");
    let counts = target.counts(|counts| counts.calls_refused >= refused as u64).await;
    assert_eq!((counts.malformed, counts.over_protocol_limit), (0, 0));
    assert_eq!(target.logged("calls of this connection are refused").await, 1, "{name}");
    (refused, storm)
}

#[tokio::test]
async fn metadata_of_waiting_calls_counts_against_the_connection_s_memory() {
    let target = Target::start(&Plan::default()).await;
    let attack = Attack::new("4,000 waiting calls with metadata", "protocols.motet.connection_memory");
    let small: Vec<(&[u8], &[u8])> = vec![(b"k", b"v"); 128];
    let calls = (0..4000).flat_map(|n| CallFrame::one(2 * n + 1, b"").to("test/wait").metadata(&small).bytes());
    let work = async {
        let (refused, _storm) =
            calls_are_refused(&target, "metadata", calls.collect(), "the memory for messages").await;
        assert!((2000..3900).contains(&refused), "{refused} refused");
        format!("{refused} × END RESOURCE_EXHAUSTED")
    };
    target.attacked(attack, work).await;
}

#[tokio::test]
async fn metadata_beyond_its_limits_ends_each_call_and_is_logged_once() {
    let target = Target::start(&Plan::default()).await;
    let attack = Attack::new("1,000 calls with 129 values of metadata", "128 values of metadata");
    let many: Vec<(&[u8], &[u8])> = vec![(b"k", b"v"); 129];
    let calls = (0..1000).flat_map(|n| CallFrame::one(2 * n + 1, b"").to("test/wait").metadata(&many).bytes());
    let work = async {
        let (refused, _) = calls_are_refused(&target, "metadata", calls.collect(), "at most 128 values").await;
        assert_eq!(refused, 1000);
        format!("{refused} × END RESOURCE_EXHAUSTED")
    };
    target.attacked(attack, work).await;
}

#[tokio::test]
async fn compression_bombs_count_against_the_connection_s_memory_before_they_are_inflated() {
    let target = Target::start(&Plan::default()).await;
    let attack = Attack::new("500 bombs of 4 KiB to 4 MiB", "protocols.motet.connection_memory");
    let mut bomb = DeflateEncoder::new((4u32 << 20).to_le_bytes().to_vec(), Compression::best());
    bomb.write_all(&vec![0; 4 << 20]).expect("memory");
    let bomb = bomb.finish().expect("memory");
    assert!(bomb.len() < 5000);
    let bomb = message(bomb.len() as u32, &bomb);
    let calls = (0..500)
        .flat_map(|n| CallFrame::one(2 * n + 1, b"").to("test/wait").message(flag::COMPRESSED, bomb.clone()).bytes());
    let work = async {
        let (refused, _storm) = calls_are_refused(&target, "bombs", calls.collect(), "the memory for messages").await;
        assert!((492..=494).contains(&refused), "{refused} refused");
        format!("{refused} × END RESOURCE_EXHAUSTED")
    };
    target.attacked(attack, work).await;
}

#[tokio::test]
async fn bombs_beyond_the_message_limit_are_not_inflated_at_all() {
    let target = Target::start(&Plan::default()).await;
    let attack = Attack::new("4,000 bombs of 4 GiB", "server.message_limit");
    let bomb = message(1004, &[&u32::MAX.to_le_bytes()[..], &[0; 1000]].concat());
    let calls = (0..4000)
        .flat_map(|n| CallFrame::one(2 * n + 1, b"").to("test/wait").message(flag::COMPRESSED, bomb.clone()).bytes());
    let work = async {
        let (refused, _) = calls_are_refused(&target, "bombs", calls.collect(), "over the limit of 4194304").await;
        assert_eq!(refused, 4000);
        format!("{refused} × END RESOURCE_EXHAUSTED")
    };
    target.attacked(attack, work).await;
}

#[tokio::test]
async fn one_way_calls_keep_their_messages_within_the_server_s_memory() {
    let mut plan = Plan::default();
    plan.server.memory_limit = 16 << 20;
    let target = Target::start(&plan).await;
    let attack = Attack { memory: 32 << 20, ..Attack::new("500 one-way calls of 60,000 bytes", "server.memory_limit") };
    let bytes = (0..500).flat_map(|n| {
        let message = message(60_000, &[7; 60_000]);
        CallFrame::one(2 * n + 1, b"").to("test/wait").message(flag::ONE_WAY, message).bytes()
    });
    let work = async {
        let bytes = [&greeting()[..], &bytes.collect::<Vec<_>>(), &CallFrame::one(LAST, b"x").bytes()].concat();
        let mut storm = Storm::begin(&target.address, bytes).await;
        assert!(storm.hear("one way", |told| told.answered).await.ends.is_empty(), "nobody is told");
        let refused = target.counts(|counts| counts.calls_refused > 0).await.calls_refused;
        let fit = 500 - refused;
        assert!((260..=(16 << 20) / 60_000).contains(&fit), "{fit} fit");
        assert_eq!(target.logged("calls of this connection are refused").await, 1);
        format!("nothing; {refused} dropped")
    };
    target.attacked(attack, work).await;
}

/// Many messages of one byte each, with 60,000 bytes around it that are passed over.
fn sparse(message: impl Fn(u64) -> Vec<u8>) -> Vec<u8> {
    let padding = of(kind::OPTIONAL, &[0; 60_000]);
    (0..if thorough() { 4000 } else { 500 }).flat_map(|n| [message(n), padding.clone()].concat()).collect()
}

async fn takes_what_it_needs(target: &Target, name: &'static str, bytes: Vec<u8>) {
    let attack =
        Attack { memory: 16 << 20, ..Attack::new(name, "messages are copied once 2 read buffers stay behind") };
    let bytes = [greeting(), bytes, CallFrame::one(LAST, b"x").bytes()].concat();
    let work = async {
        let mut storm = Storm::begin(&target.address, bytes).await;
        let told = storm.hear(name, |told| told.answered).await;
        assert!(told.answered && told.ends.is_empty(), "{told:?}");
        "nothing".to_owned()
    };
    target.attacked(attack, work).await;
}

#[tokio::test]
async fn a_small_message_that_waits_to_be_read_takes_no_more_than_itself() {
    let target = Target::start(&Plan::default()).await;
    let messages = sparse(|_| data(1, flag::MESSAGE, &message(1, b"x")));
    let bytes = [CallFrame::stream(1).bytes(), messages].concat();
    takes_what_it_needs(&target, "unread messages of one byte in 60,000", bytes).await;
}

#[tokio::test]
async fn a_small_request_in_a_slow_handler_takes_no_more_than_itself() {
    let target = Target::start(&Plan::default()).await;
    let calls = sparse(|n| CallFrame::one(2 * n + 1, b"x").to("test/wait").bytes());
    takes_what_it_needs(&target, "waiting calls of one byte in 60,000", calls).await;
}

#[tokio::test]
async fn a_connection_has_so_many_calls_open_and_no_more() {
    let target = Target::start(&Plan::default()).await;
    let attack = Attack::new("5,000 calls to a handler that waits", "protocols.motet.max_streams");
    let calls = (0..5000).flat_map(|n| CallFrame::one(2 * n + 1, b"x").to("test/wait").bytes());
    let work = async {
        let (refused, _storm) = calls_are_refused(&target, "calls", calls.collect(), "4096 calls open").await;
        assert_eq!(refused, 905, "and the last");
        format!("{refused} × END RESOURCE_EXHAUSTED")
    };
    target.attacked(attack, work).await;
}
