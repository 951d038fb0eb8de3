mod flow;
mod golden;
mod rules;
mod time;

use std::sync::Arc;

use bytes::BytesMut;
use tokio::time::Instant;

use super::{Event, Machine, Role};
use crate::{
    Agreement, CompressionConfig, Masks, Violation, WebSocketConfig,
    frame::{self, Header, Opcode},
};

const BOTH_FORGET: Agreement = Agreement {
    own_no_context_takeover: true,
    peer_no_context_takeover: true,
    own_window_bits: 15,
    peer_window_bits: 15,
};

/// A machine, what it has not handled yet, and the time.
struct Side {
    machine: Machine,
    input: BytesMut,
    now: Instant,
}

impl Side {
    fn new(role: Role, agreement: Option<Agreement>, change: impl FnOnce(&mut WebSocketConfig)) -> Side {
        let mut config = WebSocketConfig {
            compression: Some(CompressionConfig { min_size: 0, ..CompressionConfig::default() }),
            ..WebSocketConfig::default()
        };
        change(&mut config);
        let now = Instant::now();
        Side { machine: Machine::new(role, Arc::new(config), agreement, now), input: BytesMut::new(), now }
    }

    fn server() -> Side {
        Side::new(Role::Server, None, |_| {})
    }

    fn client() -> Side {
        Side::new(Role::Client(Masks::seeded(1)), None, |_| {})
    }

    /// What comes of these bytes up to the first rule that they break.
    fn hear(&mut self, bytes: &[u8]) -> (Vec<Event>, Option<Violation>) {
        self.input.extend_from_slice(bytes);
        let mut events = Vec::new();
        loop {
            match self.machine.handle(&mut self.input, self.now) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => return (events, None),
                Err(violation) => return (events, Some(violation)),
            }
        }
    }

    /// Input that breaks no rule.
    fn hear_well(&mut self, bytes: &[u8]) -> Vec<Event> {
        let (events, violation) = self.hear(bytes);
        assert_eq!(violation, None);
        events
    }

    /// All of the output, taken.
    fn said(&mut self) -> Vec<u8> {
        let said = self.machine.output().to_vec();
        self.machine.written(said.len(), self.now);
        said
    }
}

/// A frame of a server.
fn frame(fin: bool, compressed: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    framed(fin, compressed, opcode, None, payload)
}

/// A frame of a client.
fn masked(fin: bool, compressed: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    framed(fin, compressed, opcode, Some([0x37, 0xfa, 0x21, 0x3d]), payload)
}

fn framed(fin: bool, compressed: bool, opcode: Opcode, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    Header { fin, compressed, opcode, mask, length: payload.len() as u64 }.write(&mut bytes);
    let begin = bytes.len();
    bytes.extend_from_slice(payload);
    if let Some(key) = mask {
        frame::mask(&mut bytes[begin..], key);
    }
    bytes.to_vec()
}

/// A Close frame of a server with this code.
fn close(code: u16, text: &str) -> Vec<u8> {
    frame(true, false, Opcode::Close, &[&code.to_be_bytes(), text.as_bytes()].concat())
}
