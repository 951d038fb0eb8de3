//! Whatever is sent, and wherever its bytes are cut on the way, the same arrives.

use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use motet_core::{Codec, Kind, Metadata, MethodDescriptor, Payload, Status};
use motet_rpc::{
    NativeConfig,
    native::{
        MemoryBudget,
        machine::{CallHead, Event, Machine, Role},
    },
};
use proptest::prelude::*;
use tokio::time::Instant;

/// What one side does; numbers pick among the calls that are open.
#[derive(Clone, Debug)]
enum Act {
    Unary { size: usize, compress: bool, metadata: bool },
    Open { codec: Codec },
    Message { call: usize, size: usize, compress: bool },
    EndRequest { call: usize },
    Cancel { call: usize },
    Reply { call: usize, size: usize, compress: bool },
    ReplyStream { call: usize },
    End { call: usize, fails: bool },
}

fn calling() -> impl Strategy<Value = Act> {
    prop_oneof![
        (size(), any::<bool>(), any::<bool>()).prop_map(|(size, compress, metadata)| Act::Unary {
            size,
            compress,
            metadata
        }),
        prop_oneof![Just(Codec::RAW), Just(Codec::JSON)].prop_map(|codec| Act::Open { codec }),
        (0..8_usize, size(), any::<bool>()).prop_map(|(call, size, compress)| Act::Message { call, size, compress }),
        (0..8_usize).prop_map(|call| Act::EndRequest { call }),
        (0..8_usize).prop_map(|call| Act::Cancel { call }),
    ]
}

fn answering() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0..8_usize, size(), any::<bool>()).prop_map(|(call, size, compress)| Act::Reply { call, size, compress }),
        (0..8_usize).prop_map(|call| Act::ReplyStream { call }),
        (0..8_usize, size(), any::<bool>()).prop_map(|(call, size, compress)| Act::Message { call, size, compress }),
        (0..8_usize, any::<bool>()).prop_map(|(call, fails)| Act::End { call, fails }),
    ]
}

/// Small ones, and such as need several frames.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 0..300_usize, 1 => 60_000..140_000_usize]
}

fn machine(role: Role, now: Instant) -> Machine<u32> {
    Machine::new(role, NativeConfig::default(), MemoryBudget::default(), now)
}

fn message(size: usize) -> Payload {
    Payload::encoded((0..size).map(|n| (n % 251) as u8).collect::<Vec<_>>(), Codec::RAW)
}

/// Does what is asked where it is possible, and gives the bytes that come of it.
fn perform(machine: &mut Machine<u32>, open: &mut Vec<u64>, acts: &[Act]) -> Vec<u8> {
    let above = |compress: &bool| compress.then_some(64);
    let none = Metadata::new();
    for act in acts {
        let pick = |call: &usize| open.get(call % open.len().max(1)).copied();
        match act {
            Act::Unary { size, compress, metadata } => {
                let mut own = Metadata::new();
                if *metadata {
                    own.append("key", "value").expect("valid");
                }
                let method = Arc::new(MethodDescriptor::new("greeter", if *metadata { "hello" } else { "bye" }));
                let timeout = metadata.then_some(Duration::from_millis(1500));
                let (codec, compress_above) = (&Codec::RAW, above(compress));
                let head = CallHead { method: &method, codec, timeout, metadata: &own, one_way: false, compress_above };
                open.extend(machine.call(&head, Some(&message(*size)), 0));
            }
            Act::Open { codec } => {
                let method = Arc::new(MethodDescriptor::new("greeter", "chat").kind(Kind::Bidi));
                let head = CallHead {
                    method: &method,
                    codec,
                    timeout: None,
                    metadata: &none,
                    one_way: false,
                    compress_above: None,
                };
                open.extend(machine.call(&head, None, 0));
            }
            Act::Message { call, size, compress } => {
                if let Some(id) = pick(call)
                    && machine.can_send(id)
                {
                    let _ = machine.message(id, &message(*size), above(compress));
                }
            }
            Act::EndRequest { call } => {
                if let Some(id) = pick(call) {
                    machine.end_request(id);
                }
            }
            Act::Cancel { call } => {
                if let Some(id) = pick(call) {
                    machine.cancel(id);
                    open.retain(|other| *other != id);
                }
            }
            Act::Reply { call, size, compress } => {
                if let Some(id) = pick(call) {
                    let _ = machine.reply(id, &Codec::RAW, &none, &none, &message(*size), above(compress));
                    open.retain(|other| *other != id);
                }
            }
            Act::ReplyStream { call } => {
                if let Some(id) = pick(call) {
                    machine.reply_stream(id, &Codec::RAW, &none, &Codec::JSON);
                }
            }
            Act::End { call, fails } => {
                if let Some(id) = pick(call) {
                    let status = fails.then(|| Status::not_found("nobody").with_reason("Nobody"));
                    machine.end(id, status.as_ref(), &none);
                    open.retain(|other| *other != id);
                }
            }
        }
    }
    let (mut all, mut out) = (Vec::new(), BytesMut::new());
    loop {
        out.clear();
        machine.take_output(&mut out);
        if out.is_empty() {
            return all;
        }
        all.extend_from_slice(&out);
    }
}

/// What a machine makes of bytes that come in pieces, until it finds fault with them.
fn told(machine: &mut Machine<u32>, whole: &[u8], cuts: &[usize], now: Instant) -> Vec<Event> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (whole.len() + 1)).chain([whole.len()]).collect();
    cuts.sort_unstable();
    let (mut input, mut events, mut at) = (BytesMut::new(), Vec::new(), 0);
    for cut in cuts {
        input.extend_from_slice(&whole[at..cut]);
        at = cut;
        if let Err(error) = machine.handle_input(&mut input, now, &mut events) {
            panic!("{error:?} after {events:?}");
        }
    }
    events
}

/// A stream whose reply kind a peer mixes up is the peer's fault, and another test's.
fn well_formed(acts: Vec<Act>) -> Vec<Act> {
    let mut streaming = false;
    let keep = |act: &Act| match act {
        Act::ReplyStream { .. } => !std::mem::replace(&mut streaming, true),
        Act::Message { .. } => streaming,
        Act::Reply { .. } | Act::End { fails: false, .. } => !streaming,
        _ => true,
    };
    acts.into_iter().filter(keep).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_server_hears_the_same_whatever_the_cuts(
        acts in prop::collection::vec(calling(), 1..20),
        cuts in prop::collection::vec(any::<usize>(), 0..40),
    ) {
        let now = Instant::now();
        let whole = perform(&mut machine(Role::Dialling, now), &mut Vec::new(), &acts);
        let expected = told(&mut machine(Role::Accepting, now), &whole, &[], now);
        let heard = told(&mut machine(Role::Accepting, now), &whole, &cuts, now);
        prop_assert_eq!(format!("{heard:?}"), format!("{expected:?}"));
        let messages = expected.iter().filter(|event| matches!(event, Event::Call(_) | Event::Message { .. })).count();
        let sent = acts.iter().filter(|act| matches!(act, Act::Unary { .. } | Act::Open { .. })).count();
        prop_assert!(messages <= acts.len() && (sent == 0 || !expected.is_empty()));
    }

    #[test]
    fn a_caller_hears_the_same_whatever_the_cuts(
        calls in 1..6_usize,
        acts in prop::collection::vec(answering(), 1..12),
        cuts in prop::collection::vec(any::<usize>(), 0..40),
    ) {
        let now = Instant::now();
        let made = vec![Act::Open { codec: Codec::RAW }; calls];
        let (mut server, mut open) = (machine(Role::Accepting, now), Vec::new());
        let up = perform(&mut machine(Role::Dialling, now), &mut Vec::new(), &made);
        for event in told(&mut server, &up, &[], now) {
            if let Event::Call(call) = event {
                open.push(call.stream);
            }
        }
        prop_assert_eq!(open.len(), calls);
        // One call is answered, so that its reply is of one kind.
        open.truncate(1);
        let down = perform(&mut server, &mut open, &well_formed(acts));
        let caller = || {
            let mut client = machine(Role::Dialling, now);
            perform(&mut client, &mut Vec::new(), &made);
            client
        };
        let expected = told(&mut caller(), &down, &[], now);
        let heard = told(&mut caller(), &down, &cuts, now);
        prop_assert_eq!(format!("{heard:?}"), format!("{expected:?}"));
    }
}
