//! Peers that keep the protocol and do too much, or too little.

use std::time::Duration;

use bytes::BytesMut;
use motet_core::{Codec, Kind, Metadata};
use tokio::time::Instant;

use super::{
    tests::{Pair, call_frame, frame_of, greeting, head, machine, method, raw},
    *,
};
use crate::native::wire::{MAX_FRAME, flag, kind, put_bytes, put_varint};

#[test]
fn what_a_peer_does_not_take_waits_within_the_memory_budget() {
    let config = NativeConfig { connection_memory: 1 << 20, ..NativeConfig::default() };
    let mut server: Machine<u32> = Machine::new(Role::Accepting, config, MemoryBudget::default(), Instant::now());
    let mut input = greeting();
    let mut credit = BytesMut::new();
    put_varint(&mut credit, 0);
    put_varint(&mut credit, 1 << 39);
    input.extend_from_slice(&frame_of(kind::CREDIT, &credit));
    (0..100).for_each(|n| input.extend_from_slice(&call_frame(2 * n + 1, 0, b"")));
    server.handle_input(&mut input, Instant::now(), &mut Vec::new()).expect("no protocol error");
    let (none, reply) = (Metadata::new(), raw(vec![7; 60_000]));
    let refused =
        (0..100).filter(|n| server.reply(2 * n + 1, &Codec::RAW, &none, &none, &reply, None).is_err()).count();
    assert!((60..80).contains(&refused), "8 fit into the output, 18 into the memory: {refused} refused");
    assert!(server.out.capacity() <= 2 * (OUT_LIMIT + MAX_FRAME), "{}", server.out.capacity());
    let mut out = BytesMut::new();
    let mut sent = 0;
    while server.has_output() {
        server.take_output(&mut out);
        sent += out.len();
        out.clear();
    }
    assert!(sent > (100 - refused) * 60_000, "what was accepted is sent once it is taken");
}

#[test]
fn a_queue_of_small_rests_keeps_no_large_buffers() {
    let mut pair = Pair::new();
    pair.server.send_credit = 0;
    for _ in 0..100 {
        let id = pair.call(&method(Kind::Unary), Some(&raw("")));
        pair.run();
        let none = Metadata::new();
        pair.server.reply(id, &Codec::RAW, &none, &none, &raw("x"), None).expect("queued");
        for (_, stream) in pair.server.streams.iter_mut() {
            if let Some(stream::Queued::Body(body)) = stream.sending.queue.front_mut() {
                let own = std::mem::take(body).try_into_mut().expect("nobody else holds it");
                assert!(own.capacity() < 64, "{}", own.capacity());
                *body = own.freeze();
            }
        }
    }
}

#[test]
fn a_message_that_is_not_complete_in_time_ends_its_call() {
    let mut server = machine(Role::Accepting);
    let mut events = Vec::new();
    let mut input = greeting();
    input.extend_from_slice(&call_frame(1, 100, &[0; 16]));
    let start = Instant::now();
    server.handle_input(&mut input, start, &mut events).expect("no protocol error");
    input.extend_from_slice(&call_frame(3, 100, &[0; 16]));
    let later = start + Duration::from_secs(30);
    server.handle_input(&mut input, later, &mut events).expect("no protocol error");
    events.clear();
    server.expire(start + Duration::from_secs(59), &mut events);
    assert!(events.is_empty());
    server.expire(start + Duration::from_secs(60), &mut events);
    assert!(matches!(&events[..], [Event::Cancel { stream: 1 }]), "{events:?}");
    assert_eq!(server.refused(), (1, Some("a message was not complete within 60s")));
    server.expire(later + Duration::from_secs(60), &mut events);
    assert!(matches!(&events[1..], [Event::Cancel { stream: 3 }]), "{events:?}");
}

#[test]
fn a_frame_that_comes_drop_by_drop_ends_the_connection() {
    let mut server = machine(Role::Accepting);
    let mut input = greeting();
    let start = Instant::now();
    server.handle_input(&mut input, start, &mut Vec::new()).expect("no protocol error");
    let mut ended = None;
    for (second, byte) in call_frame(1, 90, &[0; 90]).iter().enumerate() {
        let now = start + Duration::from_secs(second as u64);
        input.extend_from_slice(&[*byte]);
        server.handle_input(&mut input, now, &mut Vec::new()).expect("no protocol error");
        if let Err(error) = server.handle_time(now) {
            ended = Some((second, error.reason));
            break;
        }
    }
    assert_eq!(ended, Some((60, "a frame was not complete in time")));
}

#[test]
fn what_is_not_complete_because_nothing_is_read_is_not_late() {
    let mut server = machine(Role::Accepting);
    let mut input = greeting();
    let start = Instant::now();
    input.extend_from_slice(&call_frame(1, 100, &[0; 16]));
    input.extend_from_slice(&call_frame(3, 100, &[0; 100])[..50]);
    server.handle_input(&mut input, start, &mut Vec::new()).expect("no protocol error");
    server.out.resize(OUT_LIMIT, 0);
    let (minute, mut events) = (start + Duration::from_secs(60), Vec::new());
    server.expire(minute, &mut events);
    server.handle_time(minute).expect("it is this side that waits");
    server.take_output(&mut BytesMut::new());
    let later = minute + Duration::from_secs(59);
    server.expire(later, &mut events);
    server.hear(later);
    server.handle_time(later).expect("there is still time");
    assert!(events.is_empty(), "{events:?}");
    server.expire(minute + Duration::from_secs(60), &mut events);
    assert_eq!(events.len(), 1, "and then there is none");
    server.handle_time(minute + Duration::from_secs(60)).expect_err("for the frame either");
}

#[test]
fn calls_that_cross_a_goodbye_are_nobody_s_fault() {
    let mut server = machine(Role::Accepting);
    let mut input = greeting();
    server.leave(ErrorCode::None, "");
    input.extend_from_slice(&call_frame(1, 0, b""));
    let mut events = Vec::new();
    server.handle_input(&mut input, Instant::now(), &mut events).expect("no protocol error");
    assert!(matches!(&events[..], [Event::Cancel { stream: 1 }]), "{events:?}");
    assert_eq!(server.refused(), (0, None));
}

#[test]
fn a_peer_that_gives_no_credit_for_what_waits_is_left() {
    let mut pair = Pair::new();
    let id = pair.call(&method(Kind::Unary), Some(&raw("")));
    pair.run();
    pair.server.send_credit = 10;
    let none = Metadata::new();
    pair.server.reply(id, &Codec::RAW, &none, &none, &raw(vec![0; 1000]), None).expect("sent");
    pair.server.take_output(&mut BytesMut::new());
    let start = pair.now;
    for second in 0..30 {
        let now = start + Duration::from_secs(second);
        pair.server.note_calls(|| now);
        pair.server.guard.granted(1);
        pair.server.hear(now);
        pair.server.handle_time(now).expect("there is still time");
    }
    let error = pair.server.handle_time(start + Duration::from_secs(30)).expect_err("drops are not enough");
    assert_eq!(error.reason, "no credit came for what waits to be sent");
}

#[test]
fn inflating_gives_others_their_turn() {
    let mut pair = Pair::new();
    let (method, none) = (method(Kind::Unary), Metadata::new());
    for _ in 0..4 {
        let sent = CallHead { compress_above: Some(1), ..head(&method, &Codec::RAW, &none) };
        pair.client.call(&sent, Some(&raw(vec![0; 2 << 20])), 0).expect("sent");
    }
    let (mut up, mut events) = (BytesMut::new(), Vec::new());
    pair.client.take_output(&mut up);
    let mut turns = 0;
    while pair.server.handle_some(&mut up, usize::MAX, pair.now, &mut events).expect("no protocol error") {
        turns += 1;
    }
    assert_eq!((turns, events.len()), (4, 5), "one message in each turn; a path was interned");
}

#[test]
fn who_cancels_many_calls_as_they_are_made_is_read_in_short_turns() {
    let mut server = machine(Role::Accepting);
    let (mut input, mut now) = (greeting(), Instant::now());
    for n in 0..1000 {
        input.extend_from_slice(&call_frame(2 * n + 1, 0, b""));
        let mut cancel = BytesMut::new();
        put_varint(&mut cancel, 2 * n + 1);
        input.extend_from_slice(&frame_of(kind::CANCEL, &cancel));
    }
    let (mut events, mut turns, mut pauses) = (Vec::new(), 0, 0);
    while server.handle_some(&mut input, usize::MAX, now, &mut events).expect("no protocol error") {
        turns += 1;
        if !server.wants_input() {
            pauses += 1;
            now = server.next_time();
            server.handle_time(now).expect("there is still time");
            assert!(server.wants_input(), "a pause ends");
        }
    }
    let cancelled = events.iter().filter(|event| matches!(event, Event::Cancel { .. })).count();
    assert_eq!(cancelled, 1000, "none is lost");
    assert!((19..=21).contains(&pauses), "32 cancels in each turn after the first three: {pauses}");
    assert!((2..=3).contains(&(turns - pauses)), "{turns} turns with {pauses} pauses");
}

#[test]
fn messages_are_copied_while_that_is_asked_for() {
    for copying in [false, true] {
        let mut server = machine(Role::Accepting);
        server.copy_messages(copying);
        let mut input = greeting();
        (0..2).for_each(|n| input.extend_from_slice(&call_frame(2 * n + 1, 3, b"abc")));
        let mut events = Vec::new();
        server.handle_input(&mut input, Instant::now(), &mut events).expect("no protocol error");
        let messages = events.into_iter().filter_map(|e| if let Event::Call(call) = e { call.message } else { None });
        let messages: Vec<_> = messages.collect();
        assert_eq!(messages, ["abc", "abc"]);
        assert_eq!(messages[0].is_unique(), copying, "a part of the input keeps all of it");
    }
}

#[test]
fn many_long_paths_count_against_the_connection_s_memory() {
    let config = NativeConfig { connection_memory: 256 << 10, ..NativeConfig::default() };
    let mut server: Machine<u32> = Machine::new(Role::Accepting, config, MemoryBudget::default(), Instant::now());
    let mut input = greeting();
    for n in 0..1000u64 {
        let mut call = BytesMut::new();
        put_varint(&mut call, 2 * n + 1);
        call.extend_from_slice(&[flag::MESSAGE | flag::END]);
        put_varint(&mut call, 1);
        put_bytes(&mut call, format!("{n:0>500}").as_bytes());
        call.extend_from_slice(&[4, 0, 0, 0, 0]);
        input.extend_from_slice(&frame_of(kind::CALL, &call));
        let mut events = Vec::new();
        let result = server.handle_input(&mut input, Instant::now(), &mut events);
        if let Err(error) = result {
            assert_eq!(error.reason, "the memory for interned paths is used up");
            assert!((500..560).contains(&n), "{n} paths of 628 bytes fit into 336 KiB");
            return;
        }
        server.close(2 * n + 1);
    }
    panic!("paths take no memory");
}
