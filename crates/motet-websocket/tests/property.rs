//! Any messages survive any fragmentation and any split of the bytes, with and without compression.

use std::sync::Arc;

use bytes::BytesMut;
use motet_websocket::{
    Agreement, CompressionConfig, Event, Machine, Masks, Message, Role, WebSocketConfig,
    frame::{self, Header, Opcode},
};
use proptest::{collection::vec, prelude::*};
use tokio::time::Instant;

fn message() -> impl Strategy<Value = Message> {
    let repetitive = (vec(any::<u8>(), 1..40), 1..60usize).prop_map(|(part, times)| part.repeat(times));
    prop_oneof![
        ".{0,60}".prop_map(Message::from),
        ("[a-zé€🎼]{0,30}", 0..40usize).prop_map(|(part, times)| part.repeat(times).into()),
        vec(any::<u8>(), 0..400).prop_map(Message::from),
        repetitive.prop_map(Message::from),
    ]
}

/// What was agreed on, from the sender's side.
fn agreement() -> impl Strategy<Value = Option<Agreement>> {
    let bits = 8..=15u8;
    let agreed =
        (any::<bool>(), any::<bool>(), bits.clone(), bits).prop_map(|(own, peer, own_bits, peer_bits)| Agreement {
            own_no_context_takeover: own,
            peer_no_context_takeover: peer,
            own_window_bits: own_bits,
            peer_window_bits: peer_bits,
        });
    proptest::option::of(agreed)
}

fn turned(agreement: Agreement) -> Agreement {
    Agreement {
        own_no_context_takeover: agreement.peer_no_context_takeover,
        peer_no_context_takeover: agreement.own_no_context_takeover,
        own_window_bits: agreement.peer_window_bits,
        peer_window_bits: agreement.own_window_bits,
    }
}

fn config(min_size: usize, level: u32) -> Arc<WebSocketConfig> {
    let mut compression = CompressionConfig::default();
    (compression.min_size, compression.level) = (min_size, level);
    let mut config = WebSocketConfig::default();
    (config.compression, config.max_controls) = (Some(compression), u32::MAX);
    Arc::new(config)
}

fn role(server: bool) -> Role {
    if server { Role::Server } else { Role::Client(Masks::seeded(3)) }
}

/// The same frames in fragments of these sizes, taken in turn, with a ping after each.
fn fragmented(bytes: &[u8], sizes: &[usize]) -> Vec<u8> {
    let (mut rest, mut out, mut sizes) = (bytes, BytesMut::new(), sizes.iter().cycle());
    let mut put = |header: Header, payload: &[u8]| {
        Header { length: payload.len() as u64, ..header }.write(&mut out);
        let begin = out.len();
        out.extend_from_slice(payload);
        if let Some(key) = header.mask {
            frame::mask(&mut out[begin..], key);
        }
    };
    while let Some((header, length)) = Header::parse(rest).expect("frames that keep the rules") {
        let (whole, after) = rest[length..].split_at(header.length as usize);
        let mut payload = whole.to_vec();
        if let Some(key) = header.mask {
            frame::mask(&mut payload, key);
        }
        let (mut left, mut opcode, mut compressed) = (&payload[..], header.opcode, header.compressed);
        loop {
            let (now, later) = left.split_at((*sizes.next().expect("sizes")).min(left.len()));
            put(Header { fin: later.is_empty(), compressed, opcode, ..header }, now);
            put(Header { fin: true, compressed: false, opcode: Opcode::Ping, ..header }, b"?");
            (left, opcode, compressed) = (later, Opcode::Continuation, false);
            if left.is_empty() {
                break;
            }
        }
        rest = after;
    }
    out.to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn messages_arrive_as_they_were_sent(
        messages in vec(message(), 1..8),
        agreement in agreement(),
        from_server in any::<bool>(),
        min_size in 0..64usize,
        level in 1..=9u32,
        fragments in vec(1..200usize, 1..6),
        splits in vec(1..300usize, 1..6),
    ) {
        let now = Instant::now();
        let config = config(min_size, level);
        let mut sender = Machine::new(role(from_server), config.clone(), agreement, now);
        let mut receiver = Machine::new(role(!from_server), config, agreement.map(turned), now);
        for message in &messages {
            sender.send(message, now).expect("room");
        }
        let bytes = fragmented(sender.output(), &fragments);

        let (mut arrived, mut input, mut rest) = (Vec::new(), BytesMut::new(), &bytes[..]);
        let mut splits = splits.iter().cycle();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((*splits.next().expect("sizes")).min(rest.len()));
            input.extend_from_slice(piece);
            while let Some(event) = receiver.handle(&mut input, now).expect("no rule is broken") {
                if let Event::Message(message) = event {
                    arrived.push(message);
                }
            }
            rest = after;
        }
        // Compared by bytes: a Message hides its content.
        let content = |messages: &[Message]| -> Vec<(bool, Vec<u8>)> {
            messages.iter().map(|message| (message.is_text(), message.as_bytes().to_vec())).collect()
        };
        prop_assert_eq!(content(&arrived), content(&messages));
        prop_assert!(input.is_empty());
    }

    #[test]
    fn any_bytes_in_any_split_have_the_same_outcome(bytes in vec(any::<u8>(), 0..200), size in 1..50usize) {
        let now = Instant::now();
        let outcome = |size: usize| {
            let agreement = Agreement {
                own_no_context_takeover: true,
                peer_no_context_takeover: true,
                own_window_bits: 15,
                peer_window_bits: 15,
            };
            let mut machine = Machine::new(Role::Client(Masks::seeded(3)), config(0, 1), Some(agreement), now);
            let (mut input, mut events) = (BytesMut::new(), Vec::new());
            for piece in bytes.chunks(size) {
                input.extend_from_slice(piece);
                loop {
                    match machine.handle(&mut input, now) {
                        Ok(Some(event)) => events.push(event),
                        Ok(None) => break,
                        Err(violation) => return (events, Some(violation)),
                    }
                }
            }
            (events, None)
        };
        prop_assert_eq!(outcome(size), outcome(usize::MAX));
    }
}
