//! Two machines talk to each other without a network, and one is told lies.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use motet_core::{Code, Codec, Kind, Metadata, MethodDescriptor, Payload, Status};
use tokio::time::Instant;

use super::{guard::CALL_COST, *};
use crate::native::wire::{CodecName, HEADER, MAX_BODY, MAX_FRAME, flag, frame, kind, put_bytes, put_varint};

pub(super) struct Pair {
    pub(super) client: Machine<u32>,
    pub(super) server: Machine<u32>,
    pub(super) now: Instant,
}

pub(super) fn machine(role: Role) -> Machine<u32> {
    Machine::new(role, NativeConfig::default(), MemoryBudget::default(), Instant::now())
}

impl Pair {
    pub(super) fn new() -> Pair {
        Pair::with(NativeConfig::default(), NativeConfig::default())
    }

    fn with(client: NativeConfig, server: NativeConfig) -> Pair {
        let now = Instant::now();
        let mut pair = Pair {
            client: Machine::new(Role::Dialling, client, MemoryBudget::default(), now),
            server: Machine::new(Role::Accepting, server, MemoryBudget::default(), now),
            now,
        };
        assert!(pair.run().0.is_empty());
        pair
    }

    /// Moves bytes until nothing moves; gives the events of client and server.
    pub(super) fn run(&mut self) -> (Vec<Event>, Vec<Event>) {
        let (mut at_client, mut at_server) = (Vec::new(), Vec::new());
        loop {
            let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
            self.client.take_output(&mut up);
            self.server.take_output(&mut down);
            if up.is_empty() && down.is_empty() {
                return (at_client, at_server);
            }
            self.server.handle_input(&mut up, self.now, &mut at_server).expect("the client keeps the protocol");
            self.client.handle_input(&mut down, self.now, &mut at_client).expect("the server keeps the protocol");
        }
    }

    pub(super) fn call(&mut self, method: &Arc<MethodDescriptor>, message: Option<&Payload>) -> u64 {
        self.client.call(&head(method, &Codec::RAW, &Metadata::new()), message, 0).expect("sent")
    }
}

pub(super) fn head<'a>(method: &'a Arc<MethodDescriptor>, codec: &'a Codec, metadata: &'a Metadata) -> CallHead<'a> {
    CallHead { method, codec, timeout: None, metadata, one_way: false, compress_above: None }
}

pub(super) fn method(kind: Kind) -> Arc<MethodDescriptor> {
    Arc::new(MethodDescriptor::new("greeter", "hello").kind(kind))
}

pub(super) fn raw(bytes: impl Into<Bytes>) -> Payload {
    Payload::encoded(bytes, Codec::RAW)
}

fn only_call(events: Vec<Event>) -> IncomingCall {
    let mut events: Vec<_> = events.into_iter().filter(|event| !matches!(event, Event::Interned(_))).collect();
    match (events.pop(), events.len()) {
        (Some(Event::Call(call)), 0) => call,
        other => panic!("not one call: {other:?}"),
    }
}

#[test]
fn a_unary_call_and_its_reply_cross() {
    let mut pair = Pair::new();
    let mut metadata = Metadata::new();
    metadata.append("k", "v").expect("valid");
    let method = method(Kind::Unary);
    let sent = CallHead { timeout: Some(Duration::from_millis(250)), ..head(&method, &Codec::JSON, &metadata) };
    let id = pair.client.call(&sent, Some(&raw("{}")), 7).expect("sent");
    let call = only_call(pair.run().1);
    assert_eq!((call.stream, call.path), (id, Path::Known(0)));
    assert_eq!((call.codec, call.timeout), (CodecName::Known(Codec::JSON), Some(Duration::from_millis(250))));
    assert_eq!((call.metadata, call.message), (metadata, Some(Bytes::from_static(b"{}"))));
    let mut trailing = Metadata::new();
    trailing.append("t", "1").expect("valid");
    let reply = Payload::encoded("[]", Codec::JSON);
    pair.server.reply(id, &Codec::JSON, &Metadata::new(), &trailing, &reply, None).expect("sent");
    match pair.run().0.as_slice() {
        [Event::Reply { stream, head, message: Some(message) }] => {
            assert_eq!((*stream, &message[..], &head.trailing), (id, &b"[]"[..], &trailing));
            assert!(head.codec.is_none() && !head.streaming);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(pair.client.close(id), Some(7));
    assert_eq!((pair.client.open_streams(), pair.server.open_streams()), (0, 0));
}

#[test]
fn a_path_is_sent_in_full_once() {
    let mut pair = Pair::new();
    let method = method(Kind::Unary);
    pair.call(&method, Some(&raw("")));
    let (_, events) = pair.run();
    assert!(matches!(&events[..], [Event::Interned(path), Event::Call(_)] if path == "greeter/hello"), "{events:?}");
    pair.call(&method, Some(&raw("")));
    let (_, events) = pair.run();
    assert!(matches!(&events[..], [Event::Call(call)] if call.path == Path::Known(0)), "{events:?}");
}

#[test]
fn a_request_that_cannot_be_written_leaves_no_trace() {
    let mut pair = Pair::new();
    let method = method(Kind::Unary);
    let long = raw(vec![0; 5 << 20]);
    let head = head(&method, &Codec::RAW, &Metadata::new()).compress_above;
    assert_eq!(head, None);
    let metadata = Metadata::new();
    let sent = CallHead {
        method: &method,
        codec: &Codec::RAW,
        timeout: None,
        metadata: &metadata,
        one_way: false,
        compress_above: None,
    };
    let error = pair.client.call(&sent, Some(&long), 0).expect_err("too long");
    assert_eq!((error.code(), error.executed()), (Code::ResourceExhausted, motet_core::Executed::No));
    assert!(!pair.client.has_output());
    let id = pair.call(&method, Some(&raw("x")));
    assert_eq!(only_call(pair.run().1).path, Path::Known(0));
    assert_eq!(id, 1);
}

#[test]
fn a_message_larger_than_every_window_arrives_whole() {
    let mut pair = Pair::new();
    let message: Vec<u8> = (0..4u32 << 20).map(|n| (n % 251) as u8).collect();
    let id = pair.call(&method(Kind::Unary), Some(&raw(message.clone())));
    let call = only_call(pair.run().1);
    assert_eq!(call.message.as_deref(), Some(&message[..]));
    pair.server.reply(id, &Codec::RAW, &Metadata::new(), &Metadata::new(), &raw(message.clone()), None).expect("sent");
    match pair.run().0.as_slice() {
        [Event::Reply { message: Some(reply), .. }] => assert_eq!(reply, &message),
        other => panic!("{} events", other.len()),
    }
    pair.client.close(id);
    assert_eq!((pair.client.lease.used(), pair.server.lease.used()), (0, 0), "all memory is given back");
}

#[test]
fn frames_of_several_large_messages_take_turns() {
    let mut pair = Pair::new();
    let method = method(Kind::Unary);
    let ids = [0; 3].map(|_| pair.call(&method, Some(&raw(vec![1; 200 << 10]))));
    let mut out = BytesMut::new();
    pair.client.take_output(&mut out);
    let mut seen = Vec::new();
    let mut rest = &out[..];
    while let Some(first) = rest.first_chunk::<HEADER>() {
        let (kind, length) = wire::header(first);
        if kind == kind::DATA {
            seen.push(wire::Cursor::new(&rest[HEADER..]).varint().expect("an id"));
        }
        rest = &rest[HEADER + length..];
    }
    assert_eq!(seen[..3], ids, "{seen:?}");
}

#[test]
fn compressed_messages_shrink_on_the_wire_only() {
    let mut pair = Pair::new();
    let method = method(Kind::Unary);
    let metadata = Metadata::new();
    let sent = CallHead { compress_above: Some(100), ..head(&method, &Codec::RAW, &metadata) };
    pair.client.call(&sent, Some(&raw(vec![7; 100_000])), 0).expect("sent");
    assert!(pair.client.out.len() < 5000);
    assert_eq!(only_call(pair.run().1).message.map(|m| m.len()), Some(100_000));
}

#[test]
fn a_stream_s_sender_waits_for_its_reader() {
    let mut pair = Pair::new();
    let id = pair.call(&method(Kind::ClientStream), None);
    let mut sent = 0;
    while pair.client.can_send(id) {
        pair.client.message(id, &raw(vec![0; 10_000]), None).expect("sent");
        sent += 1;
        assert!(sent < 100, "the window does not hold");
    }
    let (_, events) = pair.run();
    let costs: Vec<_> =
        events.iter().filter_map(|e| if let Event::Message { cost, .. } = e { Some(*cost) } else { None }).collect();
    assert_eq!(costs.len(), sent);
    for cost in costs {
        pair.server.consumed(id, cost);
    }
    let (events, _) = pair.run();
    assert!(matches!(events[..], [Event::Writable { stream }] if stream == id), "{events:?}");
    assert!(pair.client.can_send(id));
    pair.client.end_request(id);
    assert!(matches!(pair.run().1[..], [Event::End { .. }]));
    assert_eq!(pair.server.lease.used(), CALL_COST, "the call itself is open");
}

#[test]
fn an_error_ends_a_call_on_both_sides() {
    let mut pair = Pair::new();
    let id = pair.call(&method(Kind::Unary), Some(&raw("")));
    pair.run();
    pair.server.end(id, Some(&Status::not_found("nobody")), &Metadata::new());
    match pair.run().0.as_slice() {
        [Event::End { end, .. }] => assert_eq!(end.status.as_ref().map(|s| s.code), Some(Code::NotFound)),
        other => panic!("{other:?}"),
    }
    assert_eq!(pair.server.open_streams(), 0);
}

#[test]
fn a_cancel_reaches_the_server_and_late_frames_are_passed_over() {
    let mut pair = Pair::new();
    let id = pair.call(&method(Kind::Bidi), None);
    pair.run();
    pair.client.cancel(id);
    pair.server.reply_stream(id, &Codec::RAW, &Metadata::new(), &Codec::RAW);
    pair.server.message(id, &raw("late"), None).expect("sent");
    let (at_client, at_server) = pair.run();
    assert!(at_client.is_empty(), "{at_client:?}");
    assert!(matches!(at_server[..], [Event::Cancel { stream }] if stream == id));
}

#[test]
fn a_server_that_leaves_refuses_later_calls_as_not_executed() {
    let mut pair = Pair::new();
    let method = method(Kind::Unary);
    let before = pair.call(&method, Some(&raw("")));
    pair.run();
    pair.server.leave(ErrorCode::None, "stopping");
    let after = pair.call(&method, Some(&raw("")));
    let (at_client, _) = pair.run();
    let goaway = at_client.iter().find_map(|e| if let Event::GoAway(g) = e { Some(g.last_stream) } else { None });
    assert_eq!(goaway, Some(before));
    let refused = at_client.iter().find_map(|e| match e {
        Event::End { stream, end } if *stream == after => end.status.as_ref().map(|s| (s.code, s.executed)),
        _ => None,
    });
    assert_eq!(refused, Some((Code::Unavailable, motet_core::Executed::No)));
    assert!(pair.client.is_leaving());
}

#[test]
fn more_calls_than_allowed_wait_at_the_client_and_are_refused_at_the_server() {
    let few = NativeConfig { max_streams: 2, ..NativeConfig::default() };
    let mut pair = Pair::with(NativeConfig::default(), few);
    let method = method(Kind::Unary);
    for _ in 0..2 {
        pair.call(&method, Some(&raw("")));
    }
    assert!(!pair.client.can_open());
    pair.run();
    let id = pair.call(&method, Some(&raw("")));
    let (at_client, _) = pair.run();
    assert!(matches!(&at_client[..], [Event::End { stream, end }] if *stream == id
        && end.status.as_ref().is_some_and(|s| s.code == Code::ResourceExhausted)));
}

#[test]
fn messages_that_do_not_fit_the_memory_budget_are_refused_and_others_go_on() {
    let mut server = machine(Role::Accepting);
    let mut input = greeting();
    for n in 0..4096u64 {
        let body = [0; 16];
        input.extend_from_slice(&call_frame(n * 2 + 1, 4 << 20, &body));
    }
    let mut events = Vec::new();
    server.handle_input(&mut input, Instant::now(), &mut events).expect("no protocol error");
    let beside = server.lease.used() - (32 << 20);
    assert!(beside <= MemoryBudget::OWN, "eight messages of 4 MiB fit, and some calls: {beside}");
    let refused = events.iter().filter(|e| matches!(e, Event::Cancel { .. })).count();
    assert_eq!(refused, 4096 - 8);
    let held: usize =
        server.streams.iter_mut().filter_map(|(_, s)| s.receiving.partial.as_ref()).map(|p| p.bytes.capacity()).sum();
    assert!(held < 4096, "memory is taken as bytes arrive, not as they are promised: {held}");
}

#[test]
fn silence_with_calls_open_is_answered_by_pings_and_then_the_end() {
    let mut client = machine(Role::Dialling);
    let start = client.pulse.heard;
    assert_eq!(client.next_time(), start + Duration::from_secs(30));
    let method = method(Kind::Unary);
    let metadata = Metadata::new();
    client.call(&head(&method, &Codec::RAW, &metadata), Some(&raw("")), 0).expect("sent");
    client.note_calls(|| start);
    let mut at = client.next_time();
    assert_eq!(at, start + Duration::from_millis(500));
    client.handle_time(at).expect("a ping");
    assert!(!client.is_suspect());
    at = client.next_time();
    assert_eq!(at, start + Duration::from_millis(1500));
    client.handle_time(at).expect("a second ping");
    assert!(client.is_suspect(), "suspect 1.5 s after the last byte");
    let gave_up = (0..20).find_map(|_| client.handle_time(client.next_time()).err());
    assert_eq!(gave_up.map(|e| e.code), Some(ErrorCode::Silence));
}

#[test]
fn any_byte_clears_the_suspicion() {
    let mut client = machine(Role::Dialling);
    (0..2).for_each(|_| client.handle_time(client.next_time()).expect("a ping"));
    assert!(client.is_suspect());
    let (at, mut input) = (client.next_time(), greeting());
    client.handle_input(&mut input, at, &mut Vec::new()).expect("greeting");
    assert!(!client.is_suspect());
}

// What hostile peers send.

pub(super) fn greeting() -> BytesMut {
    let mut out = BytesMut::from(&PREFACE[..]);
    Settings::V1.write(&mut out);
    out
}

pub(super) fn call_frame(id: u64, length: u32, body: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    frame(&mut out, kind::CALL, |out| {
        put_varint(out, id);
        out.extend_from_slice(&[flag::MESSAGE | flag::END]);
        put_varint(out, 0);
        put_bytes(out, b"a/b");
        put_varint(out, 4);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(body);
    });
    out
}

pub(super) fn frame_of(kind: u8, payload: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    frame(&mut out, kind, |out| out.extend_from_slice(payload));
    out
}

/// What a server says to these bytes behind a proper greeting.
fn told(frames: &[BytesMut]) -> (Result<(), ProtocolError>, Vec<Event>, Machine<u32>) {
    let mut server = machine(Role::Accepting);
    let mut input = greeting();
    frames.iter().for_each(|frame| input.extend_from_slice(frame));
    let mut events = Vec::new();
    let result = server.handle_input(&mut input, Instant::now(), &mut events);
    (result, events, server)
}

#[test]
fn what_breaks_the_protocol_ends_the_connection_with_a_reason() {
    let data = |id: u64, flags: u8, rest: &[u8]| {
        let mut payload = BytesMut::new();
        put_varint(&mut payload, id);
        payload.extend_from_slice(&[flags]);
        payload.extend_from_slice(rest);
        frame_of(kind::DATA, &payload)
    };
    let stream = {
        let mut payload = BytesMut::from(&[1, flag::STREAM, 0][..]);
        put_bytes(&mut payload, b"a/b");
        put_varint(&mut payload, 4);
        frame_of(kind::CALL, &payload)
    };
    let cases: Vec<(&str, Vec<BytesMut>, &str)> = vec![
        ("unknown frame type", vec![frame_of(0x0a, b"")], "type is unknown"),
        ("second settings", vec![frame_of(kind::SETTINGS, b"")], "come once"),
        ("even stream id", vec![call_frame(2, 0, b"")], "odd"),
        ("stream id of zero", vec![call_frame(0, 0, b"")], "odd"),
        ("stream id over 2^62", vec![call_frame((1 << 62) + 1, 0, b"")], "odd"),
        ("stream id going backwards", vec![call_frame(3, 0, b""), call_frame(1, 0, b"")], "greater"),
        ("stream id used again", vec![call_frame(1, 0, b""), call_frame(1, 0, b"")], "greater"),
        ("data before headers", vec![data(1, flag::MESSAGE, &[0; 4])], "did not begin"),
        (
            "data longer than its message",
            vec![stream.clone(), data(1, flag::MESSAGE, &[1, 0, 0, 0, 9, 9])],
            "more than its message",
        ),
        ("continuation of nothing", vec![stream.clone(), data(1, 0, &[1])], "did not begin"),
        (
            "message within a message",
            vec![stream.clone(), data(1, flag::MESSAGE, &[9, 0, 0, 0, 1]), data(1, flag::MESSAGE, &[1, 0, 0, 0, 1])],
            "before the last one ended",
        ),
        (
            "message after the end",
            vec![stream.clone(), data(1, flag::END, &[]), data(1, flag::MESSAGE, &[0; 4])],
            "after the end",
        ),
        ("second end", vec![stream.clone(), data(1, flag::END, &[]), data(1, flag::END, &[])], "second end"),
        ("body longer than the call's message", vec![call_frame(1, 1, b"xx")], "more than its message"),
        (
            "an index that was not interned",
            vec![frame_of(kind::CALL, &[1, flag::MESSAGE | flag::END, 5, 4, 0, 0, 0, 0])],
            "not interned",
        ),
        (
            "an unknown codec",
            vec![frame_of(kind::CALL, &[1, flag::MESSAGE | flag::END, 0, 1, b'a', 9, 0, 0, 0, 0])],
            "codec",
        ),
        (
            "a unary call without its message",
            vec![frame_of(kind::CALL, &[1, 0, 0, 1, b'a', 4])],
            "must have its one message",
        ),
        (
            "a path that is no UTF-8",
            vec![frame_of(kind::CALL, &[1, flag::MESSAGE | flag::END, 0, 1, 0xff, 4, 0, 0, 0, 0])],
            "UTF-8",
        ),
        (
            "a path that is too long",
            vec![frame_of(kind::CALL, &{
                let mut payload = BytesMut::from(&[1, flag::MESSAGE | flag::END, 0][..]);
                put_bytes(&mut payload, &[b'a'; 513]);
                payload
            })],
            "longer than its limit",
        ),
        ("credit of zero", vec![frame_of(kind::CREDIT, &[0, 0])], "2^40"),
        (
            "credit of 2^62",
            vec![frame_of(kind::CREDIT, &{
                let mut payload = BytesMut::from(&[0][..]);
                put_varint(&mut payload, 1 << 62);
                payload
            })],
            "2^40",
        ),
        ("credit for a stream that did not begin", vec![frame_of(kind::CREDIT, &[1, 1])], "did not begin"),
        ("cancel of a stream that did not begin", vec![frame_of(kind::CANCEL, &[1])], "did not begin"),
        (
            "a reply from the caller",
            vec![call_frame(1, 0, b""), frame_of(kind::REPLY, &[1, flag::MESSAGE | flag::END, 0, 0, 0, 0])],
            "not made",
        ),
        ("an end from the caller", vec![call_frame(1, 0, b""), frame_of(kind::END, &[1, 0, 0])], "side that answers"),
        ("a short ping", vec![frame_of(kind::PING, b"1234567")], "eight bytes"),
        ("compression of a lie", vec![], ""),
    ];
    for (name, frames, reason) in cases {
        if frames.is_empty() {
            continue;
        }
        let (result, _, _) = told(&frames);
        let error = result.expect_err(name);
        assert!(error.reason.contains(reason), "{name}: {}", error.reason);
    }
}

#[test]
fn a_wrong_magic_or_version_is_refused() {
    for (bytes, code) in [(&b"GET / HTTP/1.1"[..], ErrorCode::Protocol), (&[0xAB, 0xBA, 2], ErrorCode::Version)] {
        let mut server = machine(Role::Accepting);
        let error =
            server.handle_input(&mut BytesMut::from(bytes), Instant::now(), &mut Vec::new()).expect_err("refused");
        assert_eq!(error.code, code);
        server.fail(&error);
        let mut out = BytesMut::new();
        server.take_output(&mut out);
        assert!(out.ends_with(error.reason.as_bytes()));
    }
}

#[test]
fn a_frame_over_the_limit_is_refused_by_its_header_alone() {
    let mut server = machine(Role::Accepting);
    let mut input = greeting();
    input.extend_from_slice(&(MAX_FRAME as u32 + 1).to_le_bytes());
    let error = server.handle_input(&mut input, Instant::now(), &mut Vec::new()).expect_err("too long");
    assert_eq!(error.code, ErrorCode::Limit);
}

#[test]
fn bodies_beyond_the_connection_s_window_are_an_overrun() {
    // The machine returns credit at the end of a batch: what comes in one batch counts in full.
    let frames: Vec<_> = (0..20u64).map(|n| call_frame(n * 2 + 1, MAX_BODY as u32, &[0; MAX_BODY])).collect();
    let (result, ..) = told(&frames);
    assert_eq!(result.expect_err("overrun").reason, "a body overran the connection's window");
}

#[test]
fn messages_beyond_a_stream_s_window_are_an_overrun() {
    let mut frames = vec![{
        let mut payload = BytesMut::from(&[1, flag::STREAM, 0][..]);
        put_bytes(&mut payload, b"a/b");
        put_varint(&mut payload, 4);
        frame_of(kind::CALL, &payload)
    }];
    // Empty messages cost as well.
    frames.extend((0..5000).map(|_| frame_of(kind::DATA, &[1, flag::MESSAGE, 0, 0, 0, 0])));
    let (result, events, _) = told(&frames);
    assert_eq!(result.expect_err("overrun").reason, "a message overran its stream's window");
    assert!(events.len() <= 1 + (256 << 10) / 64 + 1, "{}", events.len());
}

#[test]
fn a_message_over_the_limit_ends_its_call_and_no_other() {
    let (result, events, mut server) = told(&[call_frame(1, (4 << 20) + 1, b""), call_frame(3, 0, b"")]);
    result.expect("the connection goes on");
    assert!(matches!(&events[..], [Event::Cancel { stream: 1 }, Event::Call(call)] if call.stream == 3), "{events:?}");
    let mut out = BytesMut::new();
    server.take_output(&mut out);
    let text = String::from_utf8_lossy(&out).into_owned();
    assert!(text.contains("over the limit of 4194304"), "{text}");
}

#[test]
fn metadata_over_its_limits_ends_its_call_and_no_other() {
    let with = |pairs: &[(&[u8], &[u8])]| {
        let mut payload = BytesMut::from(&[1, flag::MESSAGE | flag::END | flag::METADATA, 0][..]);
        put_bytes(&mut payload, b"a/b");
        put_varint(&mut payload, 4);
        put_varint(&mut payload, pairs.len() as u64);
        for (key, value) in pairs {
            put_bytes(&mut payload, key);
            put_bytes(&mut payload, value);
        }
        payload.extend_from_slice(&[0; 4]);
        frame_of(kind::CALL, &payload)
    };
    let many: Vec<(&[u8], &[u8])> = vec![(b"k", b"v"); 129];
    let cases = [
        with(&many),
        with(&[(b"k", &[b'v'; 17 << 10])]),
        with(&[(b"k y", b"v")]),
        with(&[(&[0xff], b"v")]),
        with(&[(b"k", &[0xff])]),
        with(&[(b"", b"")]),
    ];
    for (n, case) in cases.into_iter().enumerate() {
        let (result, events, _) = told(&[case, call_frame(3, 0, b"")]);
        result.expect("the connection goes on");
        assert!(
            matches!(&events[..], [Event::Cancel { stream: 1 }, Event::Call(call)] if call.stream == 3),
            "case {n}: {events:?}"
        );
    }
}

#[test]
fn optional_frames_are_passed_over() {
    let (result, events, _) = told(&[frame_of(0x80, b"what?"), frame_of(0xff, b""), call_frame(1, 0, b"")]);
    result.expect("passed over");
    assert_eq!(events.len(), 1);
}

#[test]
fn any_split_of_the_bytes_gives_the_same_events() {
    let mut whole = greeting();
    let mut metadata = Metadata::new();
    metadata.append("k", "v").expect("valid");
    let mut client = machine(Role::Dialling);
    let method = method(Kind::Bidi);
    client.take_output(&mut BytesMut::new());
    let id = client.call(&head(&method, &Codec::JSON, &metadata), None, 0).expect("sent");
    for n in 0..20 {
        client.message(id, &raw(vec![n; usize::from(n) * 30]), None).expect("sent");
    }
    client.end_request(id);
    let mut out = BytesMut::new();
    client.take_output(&mut out);
    whole.extend_from_slice(&out);
    let events_of = |cuts: &[usize]| {
        let mut server = machine(Role::Accepting);
        let (mut input, mut events, mut at) = (BytesMut::new(), Vec::new(), 0);
        for cut in cuts.iter().copied().chain([whole.len()]) {
            input.extend_from_slice(&whole[at..cut]);
            at = cut;
            server.handle_input(&mut input, Instant::now(), &mut events).expect("well-formed");
        }
        format!("{events:?}")
    };
    let expected = events_of(&[]);
    for cut in 0..whole.len() {
        assert_eq!(events_of(&[cut]), expected, "cut at {cut}");
    }
    assert_eq!(events_of(&(0..whole.len()).collect::<Vec<_>>()), expected, "byte by byte");
}

#[test]
fn a_truncated_frame_is_never_a_panic() {
    let mut metadata = Metadata::new();
    metadata.append("key", "value").expect("valid");
    let mut client = machine(Role::Dialling);
    let method = method(Kind::Unary);
    client.take_output(&mut BytesMut::new());
    let sent = CallHead { timeout: Some(Duration::from_secs(1)), ..head(&method, &Codec::JSON, &metadata) };
    client.call(&sent, Some(&raw("body")), 0).expect("sent");
    let mut out = BytesMut::new();
    client.take_output(&mut out);
    let payload = &out[HEADER..];
    for end in 0..payload.len() {
        let (result, events, _) = told(&[frame_of(kind::CALL, &payload[..end])]);
        // Only a cut inside the body leaves a frame that is whole in itself.
        let no_call = !events.iter().any(|event| matches!(event, Event::Call(_)));
        assert!(result.is_err() || (no_call && end >= payload.len() - 4), "cut at {end}");
    }
}

#[test]
fn paths_are_told_in_the_order_of_their_indices_whenever_their_calls_are_complete() {
    let mut pair = Pair::new();
    let [slow, quick] = ["slow", "quick"].map(|name| Arc::new(MethodDescriptor::new("greeter", name)));
    pair.call(&slow, Some(&raw(vec![0; 200 << 10])));
    pair.call(&quick, Some(&raw("")));
    pair.call(&slow, Some(&raw("")));
    let (_, events) = pair.run();
    let told: Vec<_> =
        events.iter().filter_map(|e| if let Event::Interned(p) = e { Some(p.as_str()) } else { None }).collect();
    assert_eq!(told, ["greeter/slow", "greeter/quick"]);
    let calls: Vec<_> = events
        .iter()
        .filter_map(|e| if let Event::Call(c) = e { Some((c.stream, c.path.clone())) } else { None })
        .collect();
    assert_eq!(calls, [(3, Path::Known(1)), (5, Path::Known(0)), (1, Path::Known(0))]);
}

#[test]
fn a_path_whose_call_is_refused_keeps_its_index() {
    let mut pair =
        Pair::with(NativeConfig::default(), NativeConfig { max_message: 1 << 10, ..NativeConfig::default() });
    let [long, fine] = ["long", "fine"].map(|name| Arc::new(MethodDescriptor::new("greeter", name)));
    // As before the server's settings came.
    pair.client.remote.max_message = 4 << 20;
    pair.call(&long, Some(&raw(vec![0; 2 << 10])));
    pair.call(&fine, Some(&raw("")));
    let (_, events) = pair.run();
    let told: Vec<_> =
        events.iter().filter_map(|e| if let Event::Interned(p) = e { Some(p.as_str()) } else { None }).collect();
    assert_eq!(told, ["greeter/long", "greeter/fine"]);
}

#[test]
fn what_follows_of_a_message_that_was_refused_is_passed_over() {
    // In the same batch, before the user closed the stream.
    let mut more = BytesMut::from(&[1, 0][..]);
    more.extend_from_slice(&[7; 100]);
    let frames = [call_frame(1, 5 << 20, &[7; 100]), frame_of(kind::DATA, &more), call_frame(3, 0, b"")];
    let (result, events, _) = told(&frames);
    result.expect("the connection goes on");
    assert!(matches!(&events[..], [Event::Cancel { stream: 1 }, Event::Call(call)] if call.stream == 3), "{events:?}");
    // A reply that the client cannot hold.
    let small = NativeConfig { connection_memory: 100 << 10, ..NativeConfig::default() };
    let mut pair = Pair::with(small, NativeConfig::default());
    let id = pair.call(&method(Kind::Unary), Some(&raw("")));
    pair.run();
    let reply = raw(vec![0; 300 << 10]);
    pair.server.reply(id, &Codec::RAW, &Metadata::new(), &Metadata::new(), &reply, None).expect("sent");
    let (events, _) = pair.run();
    assert!(matches!(&events[..], [Event::End { .. }]), "{events:?}");
}

#[test]
fn windows_agree_after_calls_that_were_refused_or_came_late() {
    let few = NativeConfig { max_streams: 1, ..NativeConfig::default() };
    let mut pair = Pair::with(NativeConfig::default(), few);
    pair.client.remote.max_streams = 4096;
    let method = method(Kind::Unary);
    let open = pair.call(&method, Some(&raw("")));
    for _ in 0..100 {
        pair.call(&method, Some(&raw(vec![0; 10 << 10])));
        pair.run();
    }
    let under_way = pair.server.owed;
    assert_eq!(pair.client.send_credit + under_way, Settings::V1.connection_window, "refused calls");
    pair.server.reply(open, &Codec::RAW, &Metadata::new(), &Metadata::new(), &raw("x"), None).expect("sent");
    pair.client.close(open);
    pair.run();
    assert_eq!(pair.server.send_credit + pair.client.owed, Settings::V1.connection_window, "a late reply");
}

#[test]
fn a_server_with_smaller_windows_bears_what_was_sent_before_it_said_so() {
    let now = Instant::now();
    let small = NativeConfig { stream_window: 16 << 10, connection_window: 64 << 10, ..NativeConfig::default() };
    let mut client: Machine<u32> = Machine::new(Role::Dialling, NativeConfig::default(), MemoryBudget::default(), now);
    let mut server: Machine<u32> = Machine::new(Role::Accepting, small, MemoryBudget::default(), now);
    let method = method(Kind::ClientStream);
    let id = client.call(&head(&method, &Codec::RAW, &Metadata::new()), None, 0).expect("sent");
    while client.can_send(id) {
        client.message(id, &raw(vec![0; 10 << 10]), None).expect("sent");
    }
    let mut out = BytesMut::new();
    client.take_output(&mut out);
    server.handle_input(&mut out, now, &mut Vec::new()).expect("what version 1 allows");
}

#[test]
fn a_sender_that_waits_learns_of_a_larger_window_in_the_settings() {
    let now = Instant::now();
    let large = NativeConfig { stream_window: 1 << 20, ..NativeConfig::default() };
    let mut client: Machine<u32> = Machine::new(Role::Dialling, NativeConfig::default(), MemoryBudget::default(), now);
    let mut server: Machine<u32> = Machine::new(Role::Accepting, large, MemoryBudget::default(), now);
    let method = method(Kind::ClientStream);
    let id = client.call(&head(&method, &Codec::RAW, &Metadata::new()), None, 0).expect("sent");
    while client.can_send(id) {
        client.message(id, &raw(vec![0; 50 << 10]), None).expect("sent");
    }
    let (mut out, mut events) = (BytesMut::new(), Vec::new());
    server.take_output(&mut out);
    client.handle_input(&mut out, now, &mut events).expect("settings");
    assert!(matches!(events[..], [Event::Writable { stream }] if stream == id), "{events:?}");
}

#[test]
fn the_memory_of_compressed_messages_is_free_once_they_are_read() {
    let mut pair = Pair::new();
    let id = pair.call(&method(Kind::ClientStream), None);
    for _ in 0..40 {
        pair.client.message(id, &raw(vec![7; 1 << 20]), Some(100)).expect("sent");
        for event in pair.run().1 {
            match event {
                Event::Message { cost, .. } => pair.server.consumed(id, cost),
                Event::Interned(_) | Event::Call(_) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(pair.server.lease.used(), CALL_COST);
    }
}

#[test]
fn a_second_head_of_a_reply_stream_is_an_error() {
    let mut pair = Pair::new();
    let id = pair.call(&method(Kind::ServerStream), Some(&raw("")));
    pair.run();
    (0..2).for_each(|_| pair.server.reply_stream(id, &Codec::RAW, &Metadata::new(), &Codec::RAW));
    let mut out = BytesMut::new();
    pair.server.take_output(&mut out);
    let error = pair.client.handle_input(&mut out, pair.now, &mut Vec::new()).expect_err("twice");
    assert_eq!(error.reason, "a second REPLY, or one after the end");
}

#[test]
fn a_call_that_is_refused_midway_has_one_end_whatever_its_handler_does() {
    let small = NativeConfig { max_message: 1 << 10, ..NativeConfig::default() };
    for answered in [false, true] {
        let mut pair = Pair::with(NativeConfig::default(), small.clone());
        let id = pair.call(&method(Kind::ClientStream), None);
        pair.run();
        pair.client.remote.max_message = 4 << 20;
        pair.client.message(id, &raw(vec![0; 2 << 10]), None).expect("sent");
        let reply = raw(vec![0; 2 << 20]);
        let none = Metadata::new();
        if answered {
            pair.server.reply(id, &Codec::RAW, &none, &none, &reply, None).expect("sent");
        }
        let (mut up, mut at_server) = (BytesMut::new(), Vec::new());
        pair.client.take_output(&mut up);
        pair.server.handle_input(&mut up, pair.now, &mut at_server).expect("the client keeps the protocol");
        // Before the user of the machine has seen the event.
        pair.server.reply(id, &Codec::RAW, &none, &none, &reply, None).expect("passed over");
        pair.server.end(id, Some(&Status::not_found("nobody")), &none);
        let (at_client, _) = pair.run();
        match (answered, &at_client[..]) {
            (true, [Event::Reply { message: Some(_), .. }]) | (false, [Event::End { .. }]) => {}
            other => panic!("{other:?}"),
        }
    }
}
