//! The examples in `docs/protocol.md`, byte for byte, against the machine: what the page says is what
//! each side writes, and what the other side understands.

mod page;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use motet_core::{Codec, Executed, Kind, Metadata, MethodDescriptor, Payload, Status};
use motet_rpc::{
    NativeConfig,
    native::{
        MemoryBudget,
        machine::{CallHead, Event, Machine, Path, Role},
        wire::{self, CodecName, ErrorCode, Settings},
    },
};
use page::Side;
use tokio::time::Instant;

/// Two machines that say what an example of the page says they say.
struct Talk {
    name: &'static str,
    turns: std::vec::IntoIter<(Side, Vec<u8>)>,
    caller: Machine<()>,
    server: Machine<()>,
    now: Instant,
}

impl Talk {
    fn new(name: &'static str) -> Talk {
        Talk::with(name, NativeConfig::default())
    }

    /// Behind the beginning of the connection.
    fn with(name: &'static str, server: NativeConfig) -> Talk {
        let mut talk = Talk::unopened(name, server);
        for (from, to) in [(Side::Caller, Side::Server), (Side::Server, Side::Caller)] {
            let mut bytes = talk.output(from);
            assert!(talk.input(to, &mut bytes).is_empty());
        }
        talk
    }

    fn unopened(name: &'static str, server: NativeConfig) -> Talk {
        let turns = page::examples(&page::read("protocol.md")).remove(name);
        let now = Instant::now();
        Talk {
            name,
            turns: turns.unwrap_or_else(|| panic!("the page has no example {name}")).into_iter(),
            caller: Machine::new(Role::Dialling, NativeConfig::default(), MemoryBudget::default(), now),
            server: Machine::new(Role::Accepting, server, MemoryBudget::default(), now),
            now,
        }
    }

    fn output(&mut self, side: Side) -> BytesMut {
        let mut out = BytesMut::new();
        match side {
            Side::Caller => self.caller.take_output(&mut out),
            Side::Server => self.server.take_output(&mut out),
        }
        out
    }

    fn input(&mut self, side: Side, bytes: &mut BytesMut) -> Vec<Event> {
        let mut events = Vec::new();
        let machine = match side {
            Side::Caller => &mut self.caller,
            Side::Server => &mut self.server,
        };
        machine.handle_input(bytes, self.now, &mut events).unwrap_or_else(|error| panic!("{}: {error:?}", self.name));
        assert!(bytes.is_empty(), "{}: whole frames", self.name);
        events
    }

    /// The caller's output is the page's next turn; gives what the server understands of it.
    fn caller_said(&mut self) -> Vec<Event> {
        self.said(Side::Caller, Side::Server)
    }

    /// The server's output is the page's next turn; gives what the caller understands of it.
    fn server_said(&mut self) -> Vec<Event> {
        self.said(Side::Server, Side::Caller)
    }

    fn said(&mut self, from: Side, to: Side) -> Vec<Event> {
        let said = self.output(from);
        self.turn(from, &said);
        let mut bytes = said;
        self.input(to, &mut bytes)
    }

    #[track_caller]
    fn turn(&mut self, from: Side, said: &[u8]) {
        let (side, expected) = self.turns.next().unwrap_or_else(|| panic!("{}: the page says no more", self.name));
        assert_eq!(side, from, "{}: whose turn it is", self.name);
        let at = said.iter().zip(&expected).take_while(|(a, b)| a == b).count();
        let shown = |bytes: &[u8]| page::hex(&bytes[..bytes.len().min(400)]);
        assert!(
            said == expected,
            "{}: motet/1 is frozen, and differs from docs/protocol.md at byte {at}\n page: {}\n code: {}",
            self.name,
            shown(&expected),
            shown(said)
        );
    }

    fn call(&mut self, name: &str, codec: &Codec, message: Option<&str>) -> u64 {
        let method = method(name, message.is_none());
        let metadata = Metadata::new();
        let message = message.map(|text| Payload::encoded(text.to_owned(), codec.clone()));
        self.caller.call(&head(&method, codec, &metadata), message.as_ref(), ()).expect("sent")
    }

    fn over(mut self) {
        assert!(self.turns.next().is_none(), "{}: the page says more", self.name);
        let left = [self.output(Side::Caller), self.output(Side::Server)];
        assert!(left.iter().all(|bytes| bytes.is_empty()), "{}: {left:?}", self.name);
    }
}

fn method(name: &str, streams: bool) -> Arc<MethodDescriptor> {
    let kind = if streams { Kind::ClientStream } else { Kind::Unary };
    Arc::new(MethodDescriptor::new("greeter", name).kind(kind))
}

fn head<'a>(method: &'a Arc<MethodDescriptor>, codec: &'a Codec, metadata: &'a Metadata) -> CallHead<'a> {
    CallHead { method, codec, timeout: None, metadata, one_way: false, compress_above: None }
}

fn json(text: &str) -> Payload {
    Payload::encoded(text.to_owned(), Codec::JSON)
}

fn metadata(key: &str, value: &str) -> Metadata {
    let mut metadata = Metadata::new();
    metadata.append(key, value).expect("valid");
    metadata
}

/// What a side understood, in short.
fn told(events: &[Event]) -> Vec<String> {
    let text = |bytes: &Bytes| match bytes.len() {
        0..100 => String::from_utf8_lossy(bytes).into_owned(),
        length => format!("{length} bytes"),
    };
    let one = |message: &Option<Bytes>| message.as_ref().map_or("a stream".to_owned(), text);
    let path = |path: &Path| match path {
        Path::New(path) => path.clone(),
        Path::Known(index) => format!("path {index}"),
    };
    let codec = |codec: &CodecName| match codec {
        CodecName::Known(codec) => codec.content_type().to_owned(),
        CodecName::Named(name) => name.clone(),
    };
    let each = |event: &Event| match event {
        Event::Interned(path) => format!("a path: {path}"),
        Event::Call(call) => {
            let one_way = if call.one_way { ", one way" } else { "" };
            format!("call {}: {} {} {}{one_way}", call.stream, path(&call.path), codec(&call.codec), one(&call.message))
        }
        Event::Reply { stream, message, .. } => format!("reply {stream}: {}", one(message)),
        Event::Message { stream, message, cost } => format!("message {stream}: {} ({cost})", text(message)),
        Event::End { stream, end } => {
            let status = end.status.as_ref().map_or("OK", |status| status.code.name());
            format!("end {stream}: {status}")
        }
        Event::Cancel { stream } => format!("cancel {stream}"),
        Event::Writable { stream } => format!("writable {stream}"),
        Event::GoAway(goaway) => format!("go away {}: {} {:?}", goaway.code, goaway.reason, goaway.versions),
    };
    events.iter().map(each).collect()
}

const ASK: &str = r#"{"name":"Ada"}"#;
const ANSWER: &str = r#"{"text":"Hello, Ada!"}"#;

fn connection_start() {
    let mut talk = Talk::unopened("connection-start", NativeConfig::default());
    assert!(talk.caller_said().is_empty() && talk.server_said().is_empty());
    assert!(talk.caller.is_greeted() && talk.server.is_greeted());
    talk.over();
}

fn unary() {
    let mut talk = Talk::new("unary");
    let id = talk.call("hello", &Codec::JSON, Some(ASK));
    let said = told(&talk.caller_said());
    assert_eq!(said, ["a path: greeter/hello", "call 1: path 0 application/json {\"name\":\"Ada\"}"]);
    let none = Metadata::new();
    talk.server.reply(id, &Codec::JSON, &none, &none, &json(ANSWER), None).expect("sent");
    assert_eq!(told(&talk.server_said()), ["reply 1: {\"text\":\"Hello, Ada!\"}"]);
    talk.over();
}

fn path_known() {
    let mut talk = Talk::new("interned-path");
    let hello = method("hello", false);
    let none = Metadata::new();
    for _ in 0..2 {
        talk.caller.call(&head(&hello, &Codec::JSON, &none), Some(&json("{}")), ()).expect("sent");
    }
    let said = told(&talk.caller_said());
    let calls = ["call 1: path 0 application/json {}", "call 3: path 0 application/json {}"];
    assert_eq!(said, ["a path: greeter/hello", calls[0], calls[1]]);
    talk.over();
}

fn timeout_and_metadata() {
    let mut talk = Talk::new("timeout-and-metadata");
    let hello = method("hello", false);
    let mut outgoing = metadata("tenant", "blue");
    outgoing.append_bin("key-bin", &b"\x00\xff"[..]).expect("valid");
    let sent = CallHead { timeout: Some(Duration::from_millis(250)), ..head(&hello, &Codec::PROTOBUF, &outgoing) };
    let body = Payload::encoded(&b"\x0a\x03Ada"[..], Codec::PROTOBUF);
    let id = talk.caller.call(&sent, Some(&body), ()).expect("sent");
    match &talk.caller_said()[..] {
        [Event::Interned(_), Event::Call(call)] => {
            assert_eq!((call.timeout, &call.metadata), (Some(Duration::from_millis(250)), &outgoing));
            assert_eq!(call.codec, CodecName::Known(Codec::PROTOBUF));
        }
        other => panic!("{other:?}"),
    }
    let (initial, trailing) = (metadata("zone", "eu"), metadata("cost", "3"));
    talk.server.reply(id, &Codec::PROTOBUF, &initial, &trailing, &json("{}"), None).expect("sent");
    match &talk.server_said()[..] {
        [Event::Reply { head, message: Some(message), .. }] => {
            assert_eq!((&head.initial, &head.trailing, &message[..]), (&initial, &trailing, &b"{}"[..]));
            assert_eq!(head.codec, Some(CodecName::Known(Codec::JSON)));
        }
        other => panic!("{other:?}"),
    }
    talk.over();
}

fn client_stream() {
    let mut talk = Talk::new("client-stream");
    let id = talk.call("join", &Codec::JSON, None);
    for text in [r#"{"value":"a"}"#, r#"{"value":"b"}"#] {
        talk.caller.message(id, &json(text), None).expect("sent");
    }
    talk.caller.end_request(id);
    let said = told(&talk.caller_said());
    let messages = [r#"message 1: {"value":"a"} (77)"#, r#"message 1: {"value":"b"} (77)"#];
    let call = "call 1: path 0 application/json a stream";
    assert_eq!(said, ["a path: greeter/join", call, messages[0], messages[1], "end 1: OK"]);
    let none = Metadata::new();
    talk.server.reply(id, &Codec::JSON, &none, &none, &json(r#"{"value":"ab"}"#), None).expect("sent");
    assert_eq!(told(&talk.server_said()), [r#"reply 1: {"value":"ab"}"#]);
    talk.over();
}

fn server_stream() {
    let mut talk = Talk::new("server-stream");
    let id = talk.call("count", &Codec::JSON, Some("{}"));
    talk.caller_said();
    talk.server.reply_stream(id, &Codec::JSON, &Metadata::new(), &Codec::JSON);
    for text in [r#"{"value":1}"#, r#"{"value":2}"#] {
        talk.server.message(id, &json(text), None).expect("sent");
    }
    talk.server.end(id, None, &Metadata::new());
    let said = told(&talk.server_said());
    let messages = [r#"message 1: {"value":1} (75)"#, r#"message 1: {"value":2} (75)"#];
    assert_eq!(said, ["reply 1: a stream", messages[0], messages[1], "end 1: OK"]);
    talk.over();
}

fn bidi() {
    let mut talk = Talk::new("bidi");
    let id = talk.call("echo", &Codec::JSON, None);
    talk.caller.message(id, &json(r#"{"value":"a"}"#), None).expect("sent");
    talk.caller_said();
    talk.server.reply_stream(id, &Codec::JSON, &Metadata::new(), &Codec::JSON);
    talk.server.message(id, &json(r#"{"value":"A"}"#), None).expect("sent");
    assert_eq!(told(&talk.server_said()), ["reply 1: a stream", r#"message 1: {"value":"A"} (77)"#]);
    talk.caller.end_request(id);
    assert_eq!(told(&talk.caller_said()), ["end 1: OK"]);
    let trailing = metadata("cost", "3");
    talk.server.end(id, None, &trailing);
    match &talk.server_said()[..] {
        [Event::End { end, .. }] => assert_eq!((&end.status, &end.trailing), (&None, &trailing)),
        other => panic!("{other:?}"),
    }
    talk.over();
}

fn one_way() {
    let mut talk = Talk::new("one-way");
    let (note, none) = (method("note", false), Metadata::new());
    let sent = CallHead { one_way: true, ..head(&note, &Codec::JSON, &none) };
    talk.caller.call(&sent, Some(&json("{}")), ()).expect("sent");
    assert_eq!(told(&talk.caller_said())[1], "call 1: path 0 application/json {}, one way");
    talk.over();
}

fn error() {
    let mut talk = Talk::new("error");
    let ids = ["hello", "missing"].map(|name| talk.call(name, &Codec::JSON, Some(ASK)));
    talk.caller_said();
    let status = Status::not_found("nobody is called Ada")
        .with_reason("GreetError.Nobody")
        .with_executed(Executed::Yes)
        .with_retry_after(Duration::from_millis(1500))
        .with_details(json(ASK));
    talk.server.end(ids[0], Some(&status), &metadata("cost", "3"));
    let unknown = Status::unimplemented("no such method").with_executed(Executed::No);
    talk.server.end(ids[1], Some(&unknown), &Metadata::new());
    match &talk.server_said()[..] {
        [Event::End { end: first, .. }, Event::End { end: second, .. }] => {
            let wire = first.status.as_ref().expect("an error");
            assert_eq!((wire.code, wire.message.as_str()), (status.code(), status.message()));
            assert_eq!((wire.reason.as_deref(), wire.executed), (status.reason(), Executed::Yes));
            assert_eq!(wire.retry_after, status.retry_after());
            assert_eq!(wire.details, Some((CodecName::Known(Codec::JSON), Bytes::from_static(ASK.as_bytes()))));
            assert_eq!(first.trailing, metadata("cost", "3"));
            let wire = second.status.as_ref().expect("an error");
            assert_eq!((wire.code, wire.executed, &wire.details), (unknown.code(), Executed::No, &None));
        }
        other => panic!("{other:?}"),
    }
    talk.over();
}

fn cancel() {
    let mut talk = Talk::new("cancel");
    let id = talk.call("hello", &Codec::JSON, Some("{}"));
    talk.caller.cancel(id);
    assert_eq!(told(&talk.caller_said())[2], "cancel 1");
    talk.over();
}

fn ping() {
    let mut talk = Talk::new("ping");
    let at = talk.caller.next_time();
    talk.caller.handle_time(at).expect("no silence yet");
    assert!(talk.caller_said().is_empty());
    assert!(talk.server_said().is_empty());
    talk.over();
}

fn long_message() {
    let mut talk = Talk::new("long-message");
    let text = "a".repeat(70_000);
    talk.call("blob", &Codec::RAW, Some(&text));
    assert_eq!(told(&talk.caller_said())[1], "call 1: path 0 application/octet-stream 70000 bytes");
    talk.over();
}

fn credit() {
    let mut small = NativeConfig::default();
    (small.connection_window, small.stream_window) = (64 << 10, 1 << 10);
    let mut talk = Talk::with("credit", small);
    let blob = talk.call("blob", &Codec::RAW, Some(&"a".repeat(40_000)));
    assert_eq!(blob, 1);
    let id = talk.call("join", &Codec::RAW, None);
    talk.caller.message(id, &Payload::encoded("a".repeat(1000), Codec::RAW), None).expect("sent");
    let said = told(&talk.caller_said());
    assert_eq!(said[4], "message 3: 1000 bytes (1064)");
    talk.server.consumed(id, 1064);
    assert!(talk.server_said().is_empty());
    talk.over();
}

fn goaway() {
    let mut talk = Talk::new("goaway");
    talk.call("hello", &Codec::JSON, Some("{}"));
    talk.caller_said();
    talk.server.leave(ErrorCode::None, "the server is stopping");
    assert_eq!(told(&talk.server_said()), ["go away 0: the server is stopping [1]"]);
    talk.call("hello", &Codec::JSON, Some("{}"));
    assert_eq!(told(&talk.caller_said()), ["a path: greeter/hello", "cancel 3"]);
    let said = talk.server_said();
    assert_eq!(told(&said), ["end 3: UNAVAILABLE"]);
    assert!(
        matches!(&said[0], Event::End { end, .. } if end.status.as_ref().is_some_and(|s| s.executed == Executed::No))
    );
    talk.over();
}

fn version() {
    let mut talk = Talk::unopened("version", NativeConfig::default());
    let (side, bytes) = talk.turns.next().expect("what a later caller says");
    assert_eq!(side, Side::Caller);
    let mut input = BytesMut::from(&bytes[..]);
    let error = talk.server.handle_input(&mut input, talk.now, &mut Vec::new()).expect_err("not spoken");
    talk.server.fail(&error);
    let said = talk.output(Side::Server);
    let mut greeting = BytesMut::from(&wire::PREFACE[..]);
    Settings { deflate: true, ..Settings::V1 }.write(&mut greeting);
    talk.turn(Side::Server, said.strip_prefix(&greeting[..]).expect("it greets first"));
    talk.output(Side::Caller);
    talk.over();
}

fn content_type() {
    struct Cbor;
    impl motet_core::Encoding for Cbor {
        fn content_type(&self) -> &str {
            "application/cbor"
        }
        fn encode(&self, _: motet_core::Encode<'_>, _: &mut BytesMut) -> motet_core::Result<()> {
            Err(Status::internal("not needed"))
        }
        fn decode(&self, _: &[u8], _: motet_core::Decode<'_>) -> motet_core::Result<()> {
            Err(Status::internal("not needed"))
        }
    }
    let mut talk = Talk::new("content-type");
    let (hello, none, cbor) = (method("hello", false), Metadata::new(), Codec::custom(Cbor));
    let body = Payload::encoded(&b"\xa0"[..], cbor.clone());
    talk.caller.call(&head(&hello, &cbor, &none), Some(&body), ()).expect("sent");
    assert_eq!(told(&talk.caller_said())[1], "call 1: path 0 application/cbor \u{fffd}");
    talk.over();
}

/// Deflate may be written in several ways: the page's bytes must be understood, and what is written
/// here must be understood as the same.
fn compressed() {
    let mut talk = Talk::new("compressed");
    let (_, mut bytes) = talk.turns.next().expect("a call");
    let mut input = BytesMut::from(&bytes[..]);
    assert_eq!(told(&talk.input(Side::Server, &mut input))[1], "call 1: path 0 application/octet-stream 100 bytes");
    let (blob, none) = (method("blob", false), Metadata::new());
    let sent = CallHead { compress_above: Some(1), ..head(&blob, &Codec::RAW, &none) };
    talk.caller.call(&sent, Some(&Payload::encoded("a".repeat(100), Codec::RAW)), ()).expect("sent");
    let mut said = talk.output(Side::Caller);
    // All but the length of the frame, that of the message and what is deflated.
    let original = bytes.windows(4).position(|four| four == 100u32.to_le_bytes()).expect("the original length");
    assert_eq!(bytes.split_off(original)[..4], said.split_off(original)[..4]);
    assert_eq!(bytes[3..original - 4], said[3..original - 4]);
    talk.over();
}

#[test]
fn the_examples_of_the_page_are_what_is_spoken() {
    let all: BTreeMap<&str, fn()> = BTreeMap::from([
        ("connection-start", connection_start as fn()),
        ("unary", unary),
        ("interned-path", path_known),
        ("timeout-and-metadata", timeout_and_metadata),
        ("client-stream", client_stream),
        ("server-stream", server_stream),
        ("bidi", bidi),
        ("one-way", one_way),
        ("error", error),
        ("cancel", cancel),
        ("ping", ping),
        ("long-message", long_message),
        ("credit", credit),
        ("goaway", goaway),
        ("version", version),
        ("content-type", content_type),
        ("compressed", compressed),
    ]);
    let examples = page::examples(&page::read("protocol.md"));
    let (named, tested): (Vec<_>, Vec<_>) = (examples.keys().collect(), all.keys().collect());
    assert_eq!(named, tested, "every example of the page is tested");
    all.values().for_each(|example| example());
}

#[test]
fn varints_are_as_the_page_says() {
    let rows = page::table(&page::read("protocol.md"), "### Numbers");
    assert!(rows.len() >= 5);
    for row in rows {
        let value: u64 = row[0].replace(',', "").parse().expect("a number");
        let bytes = page::bytes(&row[1]).expect("bytes");
        let mut out = BytesMut::new();
        wire::put_varint(&mut out, value);
        assert_eq!(&out[..], bytes, "{value}");
        let mut cursor = wire::Cursor::new(&bytes);
        assert_eq!((cursor.varint(), cursor.is_empty()), (Ok(value), true));
    }
}

#[test]
fn types_and_limits_are_as_the_page_says() {
    let page = page::read("protocol.md");
    use wire::kind;
    let kinds = [
        ("SETTINGS", kind::SETTINGS),
        ("CALL", kind::CALL),
        ("REPLY", kind::REPLY),
        ("DATA", kind::DATA),
        ("END", kind::END),
        ("CANCEL", kind::CANCEL),
        ("CREDIT", kind::CREDIT),
        ("PING", kind::PING),
        ("PONG", kind::PONG),
        ("GOAWAY", kind::GOAWAY),
    ];
    let rows = page::table(&page, "## Frames");
    let named: Vec<_> = rows.iter().map(|row| (row[1].clone(), row[0].clone())).collect();
    assert_eq!(named, kinds.map(|(name, number)| (name.to_owned(), format!("0x{number:02x}"))));

    let (config, v1) = (NativeConfig::default(), Settings::V1);
    let settings = [
        (v1.connection_window, config.connection_window),
        (v1.stream_window, config.stream_window),
        (v1.max_streams, config.max_streams),
        (v1.max_message, config.max_message),
        (0, 1),
        (0, 0),
    ];
    let number = |text: &str| text.replace(',', "").parse::<u64>().expect("a number");
    let rows = page::table(&page, "### Settings");
    let said: Vec<_> = rows.iter().map(|row| (number(&row[2]), number(&row[3]))).collect();
    assert_eq!(said, settings);

    let limits = page::table(&page, "## Limits");
    let limit = |name: &str| {
        let row = limits.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("no limit {name}"));
        number(row[1].split(' ').next().expect("a number"))
    };
    let expected = [
        ("payload of a frame", wire::MAX_FRAME as u64),
        ("body in a frame", wire::MAX_BODY as u64),
        ("path", wire::MAX_PATH as u64),
        ("interned paths", wire::MAX_ROUTES as u64),
        ("metadata values", Metadata::MAX_VALUES as u64),
        ("metadata keys and values together", Metadata::MAX_BYTES as u64),
        ("metadata key", Metadata::MAX_KEY as u64),
        ("message of a status", wire::MAX_STATUS_MESSAGE as u64),
        ("details of a status", wire::MAX_DETAILS as u64),
        ("message", config.max_message),
        ("messages of a connection", config.connection_memory as u64),
    ];
    for (name, value) in expected {
        assert_eq!(limit(name), value, "{name}");
    }
}
