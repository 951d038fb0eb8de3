//! What may take only so long.

use std::time::Duration;

use super::*;
use crate::{CloseCode, TimedOut};

impl Side {
    /// Waits until something is due.
    fn wait(&mut self) -> (Duration, Result<(), TimedOut>) {
        let at = self.machine.next_time().expect("something is due");
        let waited = at.duration_since(self.now);
        self.now = at;
        (waited, self.machine.handle_time(at))
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_silent_peer_is_pinged_and_then_given_up() {
    let mut side = Side::server();
    assert_eq!(side.wait(), (30 * SECOND, Ok(())));
    assert_eq!(side.said(), *b"\x89\x00");
    assert_eq!(side.wait(), (20 * SECOND, Err(TimedOut::Ping)));
    assert!(side.machine.is_ended());
}

#[test]
fn any_byte_is_a_sign_of_life_once() {
    let mut side = Side::server();
    assert_eq!(side.wait(), (30 * SECOND, Ok(())));
    side.said();
    side.now += 19 * SECOND;
    side.hear_well(b"\x8a");
    assert_eq!(side.wait(), (30 * SECOND, Ok(())), "another ping");
    // The same byte, looked at again, is no news.
    let mut same = BytesMut::from(&b"\x8a"[..]);
    let before = side.now - 30 * SECOND;
    assert_eq!(side.machine.handle(&mut same, before), Ok(None));
    side.said();
    assert_eq!(side.wait(), (20 * SECOND, Err(TimedOut::Ping)));
}

#[test]
fn zero_means_that_nobody_is_pinged() {
    let side = Side::new(Role::Server, None, |config| config.ping_after = Duration::ZERO);
    assert_eq!(side.machine.next_time(), None);
}

#[test]
fn a_message_that_trickles_in_has_until_its_limit() {
    let mut side = Side::server();
    side.hear_well(&masked(false, false, Opcode::Text, b"a"));
    for _ in 0..59 {
        side.now += SECOND;
        side.hear_well(&masked(false, false, Opcode::Continuation, b"a"));
    }
    assert_eq!(side.wait(), (SECOND, Err(TimedOut::Message)));
    assert_eq!(side.said(), close(CloseCode::POLICY.get(), "a message takes too long to arrive"));
}

#[test]
fn messages_that_end_in_time_may_follow_each_other_for_ever() {
    let mut side = Side::server();
    for _ in 0..10 {
        side.hear_well(&masked(false, false, Opcode::Text, b"a"));
        side.now += 20 * SECOND;
        side.hear_well(&masked(true, false, Opcode::Continuation, b"a"));
    }
    assert_eq!(side.wait(), (30 * SECOND, Ok(())));
}

#[test]
fn a_peer_that_takes_too_little_is_given_up() {
    let mut side = Side::new(Role::Server, None, |config| config.ping_after = Duration::ZERO);
    side.machine.send_binary(&[0; 200 << 10], side.now).expect("room");
    assert_eq!(side.machine.write_deadline(), Some(side.now + 30 * SECOND));
    side.now += 20 * SECOND;
    side.machine.written(64 << 10, side.now);
    side.now += 20 * SECOND;
    side.machine.written(100, side.now);
    assert_eq!(side.wait(), (10 * SECOND, Err(TimedOut::Write)));
}

#[test]
fn who_takes_all_has_nothing_to_take() {
    let mut side = Side::new(Role::Server, None, |config| config.ping_after = Duration::ZERO);
    side.machine.send_binary(&[0; 1000], side.now).expect("room");
    side.said();
    assert_eq!((side.machine.next_time(), side.machine.write_deadline()), (None, None));
}

#[test]
fn the_peer_has_some_seconds_to_close_too() {
    let mut side = Side::server();
    side.machine.close(CloseCode::NORMAL, "", side.now);
    side.said();
    assert_eq!(side.wait(), (5 * SECOND, Err(TimedOut::Close)));
    assert!(side.machine.is_ended());
}
