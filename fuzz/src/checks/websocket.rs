//! A WebSocket machine and a peer that sends anything at all, and openings that say anything at all.

use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use http::{HeaderValue, Request};
use motet_websocket::{
    Agreement, CloseCode, CompressionConfig, Event, Machine, Masks, Message, Role, WebSocketConfig,
    frame::{Header, Opcode},
    handshake::{self, ClientHandshake},
};
use tokio::time::Instant;

use super::Script;

const MAX_MESSAGE: usize = 64 << 10;
const MAX_UNSENT: usize = 32 << 10;
const OPCODES: [Opcode; 6] =
    [Opcode::Continuation, Opcode::Text, Opcode::Binary, Opcode::Close, Opcode::Ping, Opcode::Pong];

pub fn websocket_server(data: &[u8]) {
    run(true, data);
}

pub fn websocket_client(data: &[u8]) {
    run(false, data);
}

/// What the first byte says was agreed on.
fn agreement(choice: u8) -> Option<Agreement> {
    (choice & 1 == 0).then_some(Agreement {
        own_no_context_takeover: choice & 2 == 0,
        peer_no_context_takeover: choice & 4 == 0,
        own_window_bits: 8 + (choice >> 3) % 8,
        peer_window_bits: 15 - (choice >> 3) % 8,
    })
}

/// Frames, bytes and what the user does, in turns. No panic; messages within their limit, output within
/// its own and made of whole frames; nothing after a Close frame; and a machine that was given the same
/// bytes in other pieces does the same.
fn run(server: bool, data: &[u8]) {
    let mut script = Script::new(data);
    let mut config = WebSocketConfig::default();
    (config.max_message, config.max_frame, config.max_unsent) = (MAX_MESSAGE, MAX_MESSAGE, MAX_UNSENT);
    let mut compression = CompressionConfig::default();
    (compression.min_size, compression.level) = (0, 1);
    config.compression = Some(compression);
    let (config, agreement) = (Arc::new(config), agreement(script.byte()));
    let mut now = Instant::now();
    let machine = |now| {
        let role = if server { Role::Server } else { Role::Client(Masks::seeded(1)) };
        Machine::new(role, config.clone(), agreement, now)
    };
    let (mut whole, mut pieces) = (machine(now), machine(now));
    let (mut input, mut left) = (BytesMut::new(), BytesMut::new());
    let mut said = BytesMut::new();
    while !script.is_over() {
        let mut sent = BytesMut::new();
        match script.byte() {
            // A frame with this head, or bytes as they are.
            choice @ 0..160 => {
                let length = script.below(300);
                let payload = script.take(length);
                let header = Header {
                    fin: choice & 1 == 0,
                    compressed: choice & 2 != 0,
                    opcode: OPCODES[usize::from(choice >> 2) % OPCODES.len()],
                    mask: (server != (choice >= 150)).then_some([0; 4]),
                    length: payload.len() as u64,
                };
                header.write(&mut sent);
                sent.extend_from_slice(payload);
            }
            160..176 => {
                let length = script.below(64);
                sent.extend_from_slice(script.take(length));
            }
            176..192 => {
                let length = script.below(3000);
                both(&mut whole, &mut pieces, |machine| machine.send_binary(&vec![7; length], now));
            }
            192..200 => both(&mut whole, &mut pieces, |machine| machine.ping(b"alive?", now)),
            200..204 => both(&mut whole, &mut pieces, |machine| machine.close(CloseCode::NORMAL, "bye", now)),
            204..232 => {
                let written = script.below(4000).min(whole.unsent());
                said.extend_from_slice(&whole.output()[..written]);
                both(&mut whole, &mut pieces, |machine| machine.written(written, now));
            }
            _ => {
                now += Duration::from_millis(script.below(20_000) as u64);
                both(&mut whole, &mut pieces, |machine| machine.handle_time(now));
            }
        }
        input.extend_from_slice(&sent);
        left.extend_from_slice(&sent);
        let once = hear(&mut whole, &mut input, now, usize::MAX);
        let again = hear(&mut pieces, &mut left, now, 7);
        assert_eq!(once, again);
        assert_eq!(whole.output(), pieces.output());
        assert!(whole.unsent() < MAX_UNSENT + 16 * 1024, "{} bytes wait", whole.unsent());
    }
    said.extend_from_slice(whole.output());
    check_output(&said, server);
}

/// Does the same with both.
fn both<R: PartialEq + std::fmt::Debug>(one: &mut Machine, other: &mut Machine, mut f: impl FnMut(&mut Machine) -> R) {
    assert_eq!(f(one), f(other));
}

type Heard = (Vec<(Vec<u8>, bool)>, Option<&'static str>);

/// What comes of the input, given in pieces of this size.
fn hear(machine: &mut Machine, input: &mut BytesMut, now: Instant, size: usize) -> Heard {
    let mut heard = Vec::new();
    let mut waiting = std::mem::take(input);
    loop {
        let piece = waiting.split_to(size.min(waiting.len()));
        input.extend_from_slice(&piece);
        loop {
            match machine.handle(input, now) {
                Ok(Some(Event::Message(message))) => {
                    assert!(message.as_bytes().len() <= MAX_MESSAGE);
                    heard.push((message.as_bytes().to_vec(), matches!(message, Message::Text(_))));
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(violation) => {
                    assert!(machine.is_ended() && input.is_empty());
                    return (heard, Some(violation.rule));
                }
            }
        }
        if waiting.is_empty() {
            return (heard, None);
        }
    }
}

/// Whole frames with the role's masks, and none after a Close frame.
fn check_output(mut said: &[u8], server: bool) {
    let mut closed = false;
    while let Some((header, length)) = Header::parse(said).expect("output that keeps the rules") {
        assert!(!closed, "a frame after a Close frame");
        assert_eq!(header.mask.is_none(), server);
        closed = header.opcode == Opcode::Close;
        said = &said[length + header.length as usize..];
    }
    assert!(said.is_empty(), "half a frame");
}

/// The input as the extensions and subprotocols that a client offers, and that a server answers with.
pub fn websocket_handshake(data: &[u8]) {
    let (first, second) = data.split_at(data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len()));
    let values = (HeaderValue::from_bytes(first), HeaderValue::from_bytes(second.get(1..).unwrap_or_default()));
    let (Ok(extensions), Ok(protocols)) = values else { return };
    let config = CompressionConfig::default();
    let uri = "ws://localhost/".parse().expect("an address");
    let (mut request, handshake) =
        ClientHandshake::new(&uri, &["chat"], Some(&config), &mut Masks::seeded(1)).expect("a request");
    let own = handshake::accept(&request, &["chat"], Some(&config)).expect("our own client");
    assert!(handshake.check(&own.response).is_ok());

    let put = |request: &mut Request<()>| {
        request.headers_mut().insert("sec-websocket-extensions", extensions.clone());
        request.headers_mut().insert("sec-websocket-protocol", protocols.clone());
    };
    put(&mut request);
    let accepted = handshake::accept(&request, &["chat", "other"], Some(&config)).expect("anything may be offered");
    if let Some(agreement) = accepted.agreed.compression {
        assert!((8..=15).contains(&agreement.own_window_bits) && (8..=15).contains(&agreement.peer_window_bits));
    }
    let mut response = own.response;
    response.headers_mut().insert("sec-websocket-extensions", extensions.clone());
    response.headers_mut().insert("sec-websocket-protocol", protocols.clone());
    if let Ok(agreed) = handshake.check(&response) {
        assert_eq!(agreed.protocol.as_deref(), Some("chat"));
        // What was asked for is promised, or there is no compression at all.
        assert!(agreed.compression.is_none_or(|agreed| agreed.peer_no_context_takeover));
    }
}
