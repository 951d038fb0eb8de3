//! Closing, answering, and how much is kept.

use super::*;
use crate::{CloseCode, CloseReason, SendError};

#[test]
fn control_frames_may_stand_between_fragments() {
    let mut side = Side::client();
    let bytes = [
        frame(false, false, Opcode::Text, b"one "),
        frame(true, false, Opcode::Ping, b"alive?"),
        frame(false, false, Opcode::Continuation, b"two "),
        frame(true, false, Opcode::Pong, b""),
        frame(true, false, Opcode::Continuation, b"three"),
    ];
    let expected = [Event::Ping("alive?".into()), Event::Pong("".into()), Event::Message("one two three".into())];
    assert_eq!(side.hear_well(&bytes.concat()), expected);
    assert_eq!(side.said()[..2], *b"\x8a\x86");
}

#[test]
fn who_is_asked_to_close_answers_with_the_same_code() {
    let mut side = Side::server();
    let bytes = masked(true, false, Opcode::Close, b"\x0f\xa0done");
    let reason = CloseReason { code: CloseCode::new(4000).expect("a code"), text: "done".into() };
    assert_eq!(side.hear_well(&bytes), [Event::Closed(Some(reason))]);
    assert_eq!(side.said(), close(4000, ""));
    assert!(side.machine.is_ended());
    assert_eq!(side.machine.send_text("late", side.now), Err(SendError::Closed));

    let mut side = Side::server();
    assert_eq!(side.hear_well(&masked(true, false, Opcode::Close, b"")), [Event::Closed(None)]);
    assert_eq!(side.said(), *b"\x88\x00");
}

#[test]
fn who_closes_still_hears_what_was_said_before_the_answer() {
    let mut side = Side::client();
    side.machine.close(CloseCode::NORMAL, "", side.now);
    assert!(!side.machine.is_open() && !side.machine.is_ended());
    let said = side.said();
    assert_eq!(said[..2], *b"\x88\x82");
    let bytes =
        [frame(true, false, Opcode::Text, b"last"), frame(true, false, Opcode::Ping, b""), close(1000, "")].concat();
    let reason = CloseReason { code: CloseCode::NORMAL, text: String::new() };
    let expected = [Event::Message("last".into()), Event::Ping("".into()), Event::Closed(Some(reason))];
    assert_eq!(side.hear_well(&bytes), expected);
    assert!(side.machine.is_ended() && side.said().is_empty(), "nothing is sent after a Close frame");
}

#[test]
fn what_follows_a_close_frame_is_of_no_interest() {
    let mut side = Side::client();
    let bytes = [close(1000, ""), frame(true, false, Opcode::Text, b"late"), b"\xff\xff garbage".to_vec()].concat();
    assert_eq!(side.hear_well(&bytes).len(), 1);
}

#[test]
fn of_pings_that_cannot_be_answered_only_the_last_is() {
    let mut side = Side::new(Role::Client(Masks::seeded(1)), None, |config| config.max_controls = 10_000);
    for number in 0..10_000u32 {
        side.hear_well(&frame(true, false, Opcode::Ping, &[&number.to_be_bytes()[..], &[0; 100]].concat()));
        assert!(side.machine.unsent() < 5000);
    }
    side.said();
    let mut last = side.said();
    let key = [last[2], last[3], last[4], last[5]];
    frame::mask(&mut last[6..], key);
    assert_eq!(last[6..10], 9_999u32.to_be_bytes());
    assert!(side.said().is_empty());
}

#[test]
fn so_much_may_wait_to_be_written_and_one_message_more() {
    let mut side = Side::new(Role::Server, None, |config| config.max_unsent = 100);
    side.machine.send_binary(&[0; 1000], side.now).expect("room");
    assert_eq!(side.machine.send_binary(b"", side.now), Err(SendError::Full));
    side.machine.written(900, side.now);
    assert_eq!(side.machine.send_binary(b"", side.now), Err(SendError::Full));
    side.machine.written(50, side.now);
    side.machine.send_binary(b"", side.now).expect("room");
    assert_eq!(side.machine.unsent(), 56);
}

#[test]
fn a_machine_at_rest_is_small_and_has_no_buffers() {
    let size = size_of::<Machine>();
    assert!(size <= 512, "{size} bytes");
    let mut side = Side::new(Role::Server, Some(BOTH_FORGET), |_| {});
    let message = vec![b'a'; 10_000];
    side.machine.send_binary(&message, side.now).expect("room");
    side.said();
    side.machine.rest();
    side.hear_well(&masked(true, false, Opcode::Binary, &message));
    let shown = format!("{:?}", side.machine);
    assert!(shown.contains("frame: None") && shown.contains("body: None"), "{shown}");
    assert_eq!(shown.matches("state: None").count(), 2, "no compression state: {shown}");
    assert_eq!(side.machine.out_capacity(), 0);
}
