//! Every rule, broken.

use super::*;
use crate::CloseCode;

/// Checks that a machine tells the peer what it broke, in whatever pieces the bytes come, gives this
/// many events before, and hears nothing any more after it.
#[track_caller]
fn breaks(make: impl Fn() -> Side, bytes: &[u8], events: usize, code: CloseCode, rule: &str) {
    for size in [1, 2, 3, 7, usize::MAX] {
        let (mut side, mut seen, mut broken) = (make(), 0, None);
        for piece in bytes.chunks(size.min(bytes.len())) {
            let (events, violation) = side.hear(piece);
            seen += events.len();
            broken = broken.or(violation);
            if broken.is_some() {
                break;
            }
        }
        assert_eq!(broken, Some(Violation { code, rule: broken.map_or("", |broken| broken.rule) }), "{bytes:x?}");
        assert_eq!(broken.map(|broken| broken.rule), Some(rule), "in pieces of {size}");
        assert_eq!(seen, events, "events before {rule}");
        assert!(side.machine.is_ended() && !side.machine.is_open());
        let mut said = side.said();
        if !side.machine.is_server() {
            let key = [said[2], said[3], said[4], said[5]];
            frame::mask(&mut said[6..], key);
            said.drain(2..6);
            said[1] &= 0x7f;
        }
        assert_eq!(said, close(code.get(), rule), "what the peer is told");
        assert_eq!(side.hear(&frame(true, false, Opcode::Text, b"more")), (Vec::new(), None));
        assert!(side.machine.send_text("more", side.now).is_err());
    }
}

/// What a server sends breaks a rule before any event.
#[track_caller]
fn client_breaks(bytes: &[u8], code: CloseCode, rule: &str) {
    breaks(Side::client, bytes, 0, code, rule);
}

#[test]
fn a_server_refuses_frames_without_a_mask_and_a_client_those_with_one() {
    let plain = frame(true, false, Opcode::Text, b"hi");
    breaks(Side::server, &plain, 0, CloseCode::PROTOCOL, "a client's frame is not masked");
    let ping = frame(true, false, Opcode::Ping, b"");
    breaks(Side::server, &ping, 0, CloseCode::PROTOCOL, "a client's frame is not masked");
    let masked = masked(true, false, Opcode::Text, b"hi");
    breaks(Side::client, &masked, 0, CloseCode::PROTOCOL, "a server's frame is masked");
}

#[test]
fn heads_that_break_a_rule_end_the_connection() {
    client_breaks(b"\x83\x00", CloseCode::PROTOCOL, "the opcode of a frame is a reserved one");
    client_breaks(b"\xa1\x00", CloseCode::PROTOCOL, "a reserved bit of a frame is set");
    client_breaks(b"\x09\x00", CloseCode::PROTOCOL, "a control frame is fragmented");
    client_breaks(b"\x89\x7e\x00\x7e", CloseCode::PROTOCOL, "a control frame is longer than 125 bytes");
    let rule = "the length of a frame is not written in the shortest form";
    client_breaks(b"\x82\x7e\x00\x7d", CloseCode::PROTOCOL, rule);
}

#[test]
fn a_frame_is_compressed_only_where_that_was_agreed_and_at_the_beginning() {
    let rule = "a frame is marked as compressed where it cannot be";
    client_breaks(&frame(true, true, Opcode::Text, b"\x00"), CloseCode::PROTOCOL, rule);
    let agreed = || Side::new(Role::Client(Masks::seeded(1)), Some(BOTH_FORGET), |_| {});
    let bytes = [frame(false, true, Opcode::Text, b"\x00"), frame(true, true, Opcode::Continuation, b"")].concat();
    breaks(agreed, &bytes, 0, CloseCode::PROTOCOL, rule);
    let rule = "a control frame is marked as compressed";
    breaks(agreed, &frame(true, true, Opcode::Ping, b""), 0, CloseCode::PROTOCOL, rule);
}

#[test]
fn messages_do_not_mix() {
    let rule = "a frame continues a message, and none is under way";
    client_breaks(&frame(true, false, Opcode::Continuation, b"x"), CloseCode::PROTOCOL, rule);
    let after = [frame(true, false, Opcode::Text, b"x"), frame(false, false, Opcode::Continuation, b"x")].concat();
    breaks(Side::client, &after, 1, CloseCode::PROTOCOL, rule);
    let bytes = [frame(false, false, Opcode::Text, b"x"), frame(true, false, Opcode::Binary, b"x")].concat();
    client_breaks(&bytes, CloseCode::PROTOCOL, "a message begins before the one under way has ended");
}

#[test]
fn text_that_is_not_utf_8_fails_at_its_first_wrong_byte() {
    let rule = "a text is not UTF-8";
    client_breaks(&frame(true, false, Opcode::Text, b"ab\xff"), CloseCode::INVALID, rule);
    client_breaks(&frame(true, false, Opcode::Text, b"half a character \xc3"), CloseCode::INVALID, rule);
    // Long before the frame is all there.
    let begun = &frame(true, false, Opcode::Text, &[b"ok \xed\xa0", &[b'x'; 1000][..]].concat())[..10];
    client_breaks(begun, CloseCode::INVALID, rule);
    // A character may lie across frames.
    let across = [frame(false, false, Opcode::Text, b"\xe2\x82"), frame(true, false, Opcode::Continuation, b"\xac")];
    assert_eq!(Side::client().hear_well(&across.concat()), [Event::Message("€".into())]);
    // What is compressed is text only once it is decompressed.
    let agreed = || Side::new(Role::Client(Masks::seeded(1)), Some(BOTH_FORGET), |_| {});
    let bytes = frame(true, true, Opcode::Text, b"\x00\x01\x00\xfe\xff\xff\x00");
    breaks(agreed, &bytes, 0, CloseCode::INVALID, rule);
    // So it is when what follows cannot be decompressed.
    let bytes = frame(true, true, Opcode::Text, b"\x00\x01\x00\xfe\xff\xff\xff");
    breaks(agreed, &bytes, 0, CloseCode::INVALID, rule);
}

#[test]
fn what_is_not_deflate_fails() {
    let agreed = || Side::new(Role::Client(Masks::seeded(1)), Some(BOTH_FORGET), |_| {});
    let bytes = frame(true, true, Opcode::Binary, b"\xff\xff\xff");
    breaks(agreed, &bytes, 0, CloseCode::INVALID, "a compressed message cannot be decompressed");
}

#[test]
fn close_frames_that_break_a_rule_are_answered_by_the_rule() {
    client_breaks(&frame(true, false, Opcode::Close, b"\x03"), CloseCode::PROTOCOL, "a Close frame has half a code");
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
        let rule = "the code of a Close frame is one that may not be sent";
        client_breaks(&close(code, ""), CloseCode::PROTOCOL, rule);
    }
    let bytes = frame(true, false, Opcode::Close, b"\x03\xe8\xff");
    client_breaks(&bytes, CloseCode::INVALID, "the reason of a Close frame is not UTF-8");
}

fn tight() -> Side {
    Side::new(Role::Client(Masks::seeded(1)), Some(BOTH_FORGET), |config| {
        (config.max_message, config.max_frame) = (1000, 2000);
    })
}

#[test]
fn messages_and_frames_over_their_limits_are_refused_by_their_heads() {
    let (message, fragment) = ("a message is longer than max_message", "a frame is longer than max_frame");
    let head = |length: usize| frame(true, false, Opcode::Binary, &vec![0; length])[..4].to_vec();
    breaks(tight, &head(1001), 0, CloseCode::TOO_BIG, message);
    breaks(tight, &head(2001), 0, CloseCode::TOO_BIG, fragment);
    let begun = frame(false, false, Opcode::Binary, &[0; 600]);
    let rest = &frame(true, false, Opcode::Continuation, &[0; 401])[..4];
    breaks(tight, &[&begun, rest].concat(), 0, CloseCode::TOO_BIG, message);
    let whole = frame(true, false, Opcode::Continuation, &[0; 400]);
    assert_eq!(tight().hear_well(&[begun, whole].concat()), [Event::Message(vec![0; 1000].into())]);
}

#[test]
fn a_bomb_is_stopped_at_the_message_limit() {
    let mut bomber = Side::new(Role::Server, Some(BOTH_FORGET), |_| {});
    bomber.machine.send_binary(&vec![0; 256 << 10], bomber.now).expect("open");
    let mut bomb = bomber.said();
    assert!(bomb.len() < 4000, "256 KiB in {} bytes", bomb.len());
    let rule = "a message is longer than max_message";
    let large =
        || Side::new(Role::Client(Masks::seeded(1)), Some(BOTH_FORGET), |config| config.max_message = (256 << 10) - 1);
    breaks(large, &bomb, 0, CloseCode::TOO_BIG, rule);
    // The limit is reached after a few bytes: it does not take the whole bomb.
    bomb.truncate(100);
    let small = || Side::new(Role::Client(Masks::seeded(1)), Some(BOTH_FORGET), |config| config.max_message = 1000);
    breaks(small, &bomb, 0, CloseCode::TOO_BIG, rule);
    let exact =
        || Side::new(Role::Client(Masks::seeded(1)), Some(BOTH_FORGET), |config| config.max_message = 256 << 10);
    bomber = Side::new(Role::Server, Some(BOTH_FORGET), |_| {});
    bomber.machine.send_binary(&vec![0; 256 << 10], bomber.now).expect("open");
    assert_eq!(exact().hear_well(&bomber.said()).len(), 1);
}

#[test]
fn what_costs_work_and_carries_nothing_may_come_100_times_a_second() {
    let rule = "more pings, pongs and empty fragments in a second than max_controls";
    for opcode in [Opcode::Ping, Opcode::Pong] {
        let mut side = Side::client();
        let bytes = frame(true, false, opcode, b"").repeat(100);
        for _ in 0..5 {
            assert_eq!(side.hear_well(&bytes).len(), 100);
            side.said();
            side.now += std::time::Duration::from_secs(1);
        }
        side.hear_well(&bytes);
        side.said();
        assert_eq!(side.hear(&frame(true, false, opcode, b"")).1.map(|broken| broken.rule), Some(rule));
        assert_eq!(side.said().len(), 2 + 4 + 2 + rule.len());
    }
    let fragments =
        [frame(false, false, Opcode::Text, b""), frame(false, false, Opcode::Continuation, b"").repeat(100)].concat();
    client_breaks(&fragments, CloseCode::POLICY, rule);
}
