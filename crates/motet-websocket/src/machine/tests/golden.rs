//! The examples of RFC 6455, section 5.7, and RFC 7692, section 7.2.3.

use super::*;
use crate::{CloseCode, Message};

fn text(text: &str) -> Event {
    Event::Message(text.into())
}

#[test]
fn frames_of_rfc_6455_are_read_as_it_says() {
    let hello = [text("Hello")];
    assert_eq!(Side::client().hear_well(b"\x81\x05\x48\x65\x6c\x6c\x6f"), hello);
    assert_eq!(Side::server().hear_well(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), hello);
    assert_eq!(Side::client().hear_well(b"\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f"), hello);
    let mut server = Side::server();
    assert_eq!(server.hear_well(b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), [Event::Pong("Hello".into())]);
    let mut client = Side::client();
    assert_eq!(client.hear_well(b"\x89\x05\x48\x65\x6c\x6c\x6f"), [Event::Ping("Hello".into())]);
    assert_eq!(client.said()[..2], *b"\x8a\x85");
    for (head, length) in [(&b"\x82\x7e\x01\x00"[..], 256), (&b"\x82\x7f\0\0\0\0\0\x01\0\0"[..], 65_536)] {
        let bytes = vec![7; length];
        let message = Event::Message(Message::from(bytes.clone()));
        assert_eq!(Side::client().hear_well(&[head, &bytes].concat()), [message]);
    }
}

#[test]
fn frames_are_written_as_rfc_6455_says() {
    let mut server = Side::server();
    server.machine.send_text("Hello", server.now).expect("open");
    server.machine.ping(b"Hello", server.now).expect("open");
    assert_eq!(server.said(), *b"\x81\x05\x48\x65\x6c\x6c\x6f\x89\x05\x48\x65\x6c\x6c\x6f");
    server.machine.send_binary(&[7; 256], server.now).expect("open");
    assert_eq!(server.said()[..4], *b"\x82\x7e\x01\x00");
    server.machine.send_binary(&[7; 65_536], server.now).expect("open");
    assert_eq!(server.said()[..10], *b"\x82\x7f\0\0\0\0\0\x01\0\0");
    server.machine.close(CloseCode::NORMAL, "bye", server.now);
    assert_eq!(server.said(), *b"\x88\x05\x03\xe8bye");
}

#[test]
fn a_client_masks_each_frame_with_another_key() {
    let mut client = Side::client();
    let mut send = || {
        client.machine.send_text("Hello", client.now).expect("open");
        client.said()
    };
    let (first, second) = (send(), send());
    assert_eq!(first[..2], *b"\x81\x85");
    assert_ne!(first[2..6], second[2..6]);
    assert_eq!(Side::server().hear_well(&[first, second].concat()), [text("Hello"), text("Hello")]);
}

#[test]
fn compressed_frames_of_rfc_7692_are_read_as_it_says() {
    let remembering = Agreement { own_no_context_takeover: false, peer_no_context_takeover: false, ..BOTH_FORGET };
    let mut client = Side::new(Role::Client(Masks::seeded(1)), Some(remembering), |_| {});
    let frames: [&[u8]; 6] = [
        b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00",
        b"\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00",
        b"\xc1\x05\xf2\x00\x11\x00\x00",
        b"\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
        b"\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
        b"\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
    ];
    for bytes in frames {
        assert_eq!(client.hear_well(bytes), [text("Hello")], "{bytes:x?}");
    }
    assert_eq!(client.hear_well(b"\xc1\x01\x00"), [text("")], "an empty message");
    assert_eq!(client.hear_well(b"\x81\x02hi"), [text("hi")], "a message may be uncompressed all the same");
}

#[test]
fn compressed_messages_are_marked_and_small_ones_are_not() {
    let mut server = Side::new(Role::Server, Some(BOTH_FORGET), |_| {});
    server.machine.send_text(&"Hello".repeat(100), server.now).expect("open");
    assert_eq!(server.said()[0], 0xc1);
    server.machine.send_text("", server.now).expect("open");
    assert_eq!(server.said(), *b"\x81\x00");
}
