//! One machine, and a peer that sends anything at all.

use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use motet_core::{Codec, Kind, Metadata, MethodDescriptor, Payload, Status};
use motet_rpc::{
    NativeConfig,
    native::{
        MemoryBudget,
        machine::{CallHead, Event, Machine, Role},
        wire::{self, ErrorCode, HEADER, MAX_FRAME, PREFACE, Settings},
    },
};
use tokio::time::Instant;

use super::Script;

/// The memory of all messages; small, so that the fuzzer reaches it.
const BUDGET: usize = 4 << 20;

/// How long messages are that the user sends: few are of more than one frame, because those take time.
const LENGTHS: [usize; 16] = [0, 1, 2, 10, 10, 50, 100, 100, 200, 300, 500, 1_000, 1_000, 2_000, 10_000, 70_000];

pub fn server_machine(data: &[u8]) {
    run(Role::Accepting, data);
}

pub fn client_machine(data: &[u8]) {
    run(Role::Dialling, data);
}

/// A greeting unless the first byte says otherwise, then frames and what the user does, in turns. No
/// panic; output that is made of whole frames; memory within its budget, and all of it given back.
fn run(role: Role, data: &[u8]) {
    let mut script = Script::new(data);
    let mut config = NativeConfig::default();
    config.max_message = 64 << 10;
    config.max_streams = 64;
    config.connection_memory = BUDGET;
    let budget = MemoryBudget::new(BUDGET);
    let mut now = Instant::now();
    let mut machine: Machine<u32> = Machine::new(role, config, budget.clone(), now);
    let mut input = BytesMut::new();
    if script.byte() != 0xff {
        input.extend_from_slice(&PREFACE);
        Settings::V1.write(&mut input);
    }
    let (mut written, mut out, mut events) = (BytesMut::new(), BytesMut::new(), Vec::new());
    let method = Arc::new(MethodDescriptor::new("greeter", "hello").kind(Kind::Bidi));
    let mut calls = Vec::new();
    while !script.is_over() {
        match script.byte() {
            // A frame of the type that follows, or bytes as they are.
            0..128 => {
                let (kind, length) = (script.byte(), script.below(300));
                let payload = script.take(length);
                wire::frame(&mut input, kind % 12, |out| out.extend_from_slice(payload));
            }
            128..144 => {
                let length = script.below(64);
                input.extend_from_slice(script.take(length));
            }
            action => {
                let id = calls.get(script.below(calls.len().max(1))).copied().unwrap_or(1);
                act(&mut machine, role, action, id, &method, &mut calls, &mut script);
                now += Duration::from_millis(u64::from(script.byte()) * 20);
                if machine.handle_time(now).is_err() {
                    break;
                }
            }
        }
        let result = machine.handle_input(&mut input, now, &mut events);
        for event in events.drain(..) {
            match event {
                Event::Call(call) => calls.push(call.stream),
                Event::Message { stream, cost, .. } if script.byte() & 1 == 0 => machine.consumed(stream, cost),
                Event::Cancel { stream } => drop(machine.close(stream)),
                _ => {}
            }
        }
        calls.truncate(64);
        machine.take_output(&mut out);
        written.unsplit(out.split());
        assert!(budget.used() <= BUDGET);
        if let Err(error) = result {
            machine.fail(&error);
            break;
        }
    }
    loop {
        machine.take_output(&mut out);
        if out.is_empty() {
            break;
        }
        written.unsplit(out.split());
    }
    are_frames(&written);
    drop(machine);
    assert_eq!(budget.used(), 0, "all memory is given back");
}

fn act(
    machine: &mut Machine<u32>,
    role: Role,
    action: u8,
    id: u64,
    method: &Arc<MethodDescriptor>,
    calls: &mut Vec<u64>,
    script: &mut Script<'_>,
) {
    let none = Metadata::new();
    let length = LENGTHS[script.below(LENGTHS.len())];
    let message = Payload::encoded(vec![action; length], Codec::RAW);
    let compress = (script.byte() & 1 == 0).then_some(100);
    match (action % 8, role) {
        (0, Role::Dialling) => {
            let head = CallHead {
                method,
                codec: &Codec::RAW,
                timeout: None,
                metadata: &none,
                one_way: false,
                compress_above: compress,
            };
            let message = (script.byte() & 1 == 0).then_some(&message);
            if machine.can_open()
                && let Ok(id) = machine.call(&head, message, 7)
            {
                calls.push(id);
            }
        }
        (0, Role::Accepting) => {
            let _ = machine.reply(id, &Codec::RAW, &none, &none, &message, compress);
        }
        (1, Role::Accepting) => machine.reply_stream(id, &Codec::RAW, &none, &Codec::JSON),
        (1, Role::Dialling) => drop(machine.cancel(id)),
        (2, _) => {
            if machine.can_send(id) {
                let _ = machine.message(id, &message, compress);
            }
        }
        (3, Role::Accepting) => machine.end(id, Some(&Status::not_found("nobody")), &none),
        (3, Role::Dialling) => machine.end_request(id),
        (4, _) => machine.leave(ErrorCode::None, "stopping"),
        (5, _) => drop(machine.close(id)),
        (6, _) => machine.rest(),
        _ => machine.note_calls(Instant::now),
    }
}

/// A preface, and whole frames behind it.
fn are_frames(written: &[u8]) {
    let mut rest = written.strip_prefix(&PREFACE).expect("a preface");
    while let Some(head) = rest.first_chunk::<HEADER>() {
        let (kind, length) = wire::header(head);
        assert!(length <= MAX_FRAME && kind <= wire::kind::GOAWAY);
        rest = rest.get(HEADER + length..).expect("a whole frame");
    }
    assert!(rest.is_empty());
}
