//! Calls and streams over WebSocket: messages that say anything at all.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use motet_protocol_websocket::{__fuzz, Event, SessionLimits, StreamSession};

use super::Script;

/// Messages and what a server does, in turns. No panic; calls have numbers of their own; nobody hears of a
/// call that was answered; a caller sends no more than it was asked for; text is JSON; and what is left
/// when all is answered is nothing. A client reads any of the messages.
pub fn websocket_calls(data: &[u8]) {
    let mut script = Script::new(data);
    let mut limits = SessionLimits::default();
    (limits.max_depth, limits.max_batch, limits.window) = (20, 8, 3);
    let mut session = StreamSession::new(limits);
    let (mut open, mut out) = (BTreeSet::new(), BytesMut::new());
    while !script.is_over() {
        let step = script.byte();
        let token = open.iter().nth(usize::from(step >> 3) % open.len().max(1)).copied();
        match (step % 8, token) {
            (0, Some(token)) => {
                open.remove(&token);
                session.answer(token, Ok(Bytes::from_static(b"1")), None, &mut out);
            }
            (1, Some(token)) => session.grant(token, u32::from(step >> 3), &mut out),
            (2, Some(token)) => session.takes_messages(token),
            _ => {
                let length = script.below(400);
                let text = Bytes::copy_from_slice(script.take(length));
                let _ = __fuzz::hear(text.clone());
                let events = session.receive(text, &mut out);
                handle(events, &mut open, &mut session, &mut out);
            }
        }
        assert_eq!(session.open(), open.len());
        told(&mut out);
    }
    for token in open {
        session.answer(token, Ok(Bytes::from_static(b"1")), None, &mut out);
        told(&mut out);
    }
    assert_eq!(session.open(), 0);
}

/// Does with events what a server does.
fn handle(events: Vec<Event>, open: &mut BTreeSet<u64>, session: &mut StreamSession, out: &mut BytesMut) {
    for event in events {
        match event {
            Event::Call(asked) if asked.notification => assert!(asked.id.is_empty()),
            Event::Call(asked) => assert!(open.insert(asked.token), "a number twice"),
            // A batch may say more of a call that its beginning has broken.
            Event::Broken { token, .. } | Event::Cancel { token } => {
                open.remove(&token);
                session.answer(token, Ok(Bytes::from_static(b"1")), None, out);
            }
            Event::Message { .. } | Event::End { .. } | Event::Credit { .. } => {}
            _ => {}
        }
    }
}

/// What is said is JSON, one text for each line or alone.
fn told(out: &mut BytesMut) {
    let all = out.split();
    let mut read = serde_json::Deserializer::from_slice(&all).into_iter::<serde_json::Value>();
    assert!(read.all(|value| value.is_ok()), "{}", String::from_utf8_lossy(&all));
}
