//! One case for each row of the table in `docs/protocol.md`.

use bytes::BytesMut;
use motet_rpc::native::wire::{MAX_BODY, flag, kind, put_varint};

use crate::hostile::{CallFrame, about, credit, data, end, greeting, message, of, reply, text};

/// What one side is sent.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    /// Whether a beginning is in the bytes already.
    pub(crate) bare: bool,
    /// To a caller: whether it made a call that wants a stream of replies.
    pub(crate) stream: bool,
}

fn case(name: &'static str, frames: &[Vec<u8>]) -> Case {
    Case { name, bytes: frames.concat(), bare: false, stream: false }
}

fn bare(name: &'static str, parts: &[&[u8]]) -> Case {
    Case { bare: true, ..case(name, &[parts.concat()]) }
}

fn stream(name: &'static str, frames: &[Vec<u8>]) -> Case {
    Case { stream: true, ..case(name, frames) }
}

const PREFACE: &[u8] = &[0xAB, 0xBA, 1];
const WHOLE: u8 = flag::MESSAGE | flag::END;
const MIB4: u32 = 4 << 20;
/// 100 times `a` in raw deflate.
const DEFLATED: &[u8] = &[0x4B, 0x4C, 0xA4, 0x3D, 0x00, 0x00];

fn settings(pairs: &[(u64, u64)]) -> Vec<u8> {
    let mut out = BytesMut::new();
    for (id, value) in pairs {
        put_varint(&mut out, *id);
        put_varint(&mut out, *value);
    }
    of(kind::SETTINGS, &out)
}

fn deflated(original: u32, bytes: &[u8]) -> Vec<u8> {
    message(bytes.len() as u32 + 4, &[&original.to_le_bytes()[..], bytes].concat())
}

/// What breaks the rules in both directions.
pub(crate) fn both() -> Vec<Case> {
    vec![
        bare("unknown-version", &[&[0xAB, 0xBA, 2]]),
        bare("frame-too-long", &[&greeting(), &98_305u32.to_le_bytes()[..3], &[1]]),
        case("unknown-type", &[of(0x0a, b"")]),
        case("optional-type", &[of(0x80, b"what is this?")]),
        bare("settings-missing", &[PREFACE, &of(kind::PING, &[0; 8])]),
        case("settings-twice", &[settings(&[])]),
        bare("settings-zero", &[PREFACE, &settings(&[(2, 0)])]),
        bare("settings-large", &[PREFACE, &settings(&[(3, 1 << 32)])]),
        bare("settings-many", &[PREFACE, &settings(&[(99, 0); 65])]),
        bare("settings-cut", &[PREFACE, &of(kind::SETTINGS, &[2])]),
        case("number-too-long", &[of(kind::CREDIT, &[0xff; 11])]),
        case("ping-short", &[of(kind::PING, &[0; 7])]),
        case("pong-long", &[of(kind::PONG, &[0; 9])]),
        case("ping-flood", &[of(kind::PING, &[0; 8]).repeat(1000)]),
        case("goaway-flood", &[of(kind::GOAWAY, &[0x81, 0xEA, 0x30, 0, 0, 0]).repeat(17)]),
        case("goaway-cut", &[of(kind::GOAWAY, &[0, 0, 5, 1])]),
        case("goaway-reason-long", &[of(kind::GOAWAY, &[&[0, 0, 1][..], &text(1, &[b'x'; 1025])].concat())]),
        case("credit-zero", &[credit(0, 0)]),
        case("credit-large", &[credit(0, (1 << 40) + 1)]),
        case("credit-sum", &[credit(0, 1 << 40), credit(0, 1 << 40)]),
        case("credit-unknown", &[credit(3, 1)]),
    ]
}

/// What breaks the rules towards a server.
pub(crate) fn to_server() -> Vec<Case> {
    let one = |id| CallFrame::one(id, b"x");
    let json = |body: &[u8]| one(1).to("typed/text").codec(&[2]).message(0, message(body.len() as u32, body)).bytes();
    let msgpack =
        |body: &[u8]| one(1).to("typed/text").codec(&[3]).message(0, message(body.len() as u32, body)).bytes();
    let protobuf =
        |body: &[u8]| one(1).to("typed/text").codec(&[1]).message(0, message(body.len() as u32, body)).bytes();
    let many: Vec<(&[u8], &[u8])> = vec![(b"k", b"v"); 129];
    let path = |path: Vec<u8>| CallFrame { path, ..one(1) }.bytes();
    let deep = format!(r#"{{"value":{}"#, "[".repeat(127));
    vec![
        bare("wrong-magic", &[b"hello?\r\n\r\n"]),
        case("stream-even", &[one(2).bytes()]),
        case("stream-zero", &[one(0).bytes()]),
        case("stream-large", &[one((1 << 62) + 1).bytes()]),
        case("stream-backwards", &[one(3).bytes(), one(1).bytes()]),
        case("stream-again", &[one(1).bytes(), one(1).bytes()]),
        case("reply-to-server", &[CallFrame::stream(1).bytes(), reply(1, WHOLE, &message(0, b""))]),
        case("end-to-server", &[CallFrame::stream(1).bytes(), of(kind::END, &[1, 0, 0])]),
        case("data-before-call", &[data(1, flag::MESSAGE, &message(0, b""))]),
        case("cancel-before-call", &[of(kind::CANCEL, &[1])]),
        case(
            "data-after-end",
            &[CallFrame::stream(1).bytes(), data(1, flag::END, b""), data(1, flag::MESSAGE, &message(0, b""))],
        ),
        case("end-again", &[CallFrame::stream(1).bytes(), data(1, flag::END, b""), data(1, flag::END, b"")]),
        case("continuation-of-nothing", &[CallFrame::stream(1).bytes(), data(1, 0, b"x")]),
        case(
            "message-in-message",
            &[
                CallFrame::stream(1).bytes(),
                data(1, flag::MESSAGE, &message(9, b"x")),
                data(1, flag::MESSAGE, &message(1, b"x")),
            ],
        ),
        case("frame-over-message", &[one(1).message(0, message(1, b"xx")).bytes()]),
        case("rest-over-message", &[one(1).message(0, message(2, b"x")).bytes(), data(1, 0, b"xx")]),
        case("rest-empty", &[one(1).message(0, message(2, b"x")).bytes(), data(1, 0, b"")]),
        case("request-missing", &[CallFrame { flags: 0, message: Vec::new(), ..one(1) }.bytes()]),
        case("credit-stream-sum", &[CallFrame::stream(1).bytes(), credit(1, 1 << 40)]),
        case("stream-overrun", &{
            let message = data(1, flag::MESSAGE, &message(60_000, &[0; 60_000]));
            let mut frames = vec![message; 6];
            frames.insert(0, CallFrame::stream(1).bytes());
            frames
        }),
        case("path-too-long", &[path(text(0, &[b'a'; 513]))]),
        case("path-not-utf8", &[path(text(0, b"\xff/x"))]),
        case("path-not-interned", &[path(vec![2])]),
        case("paths-too-many", &{
            let path = |n: u64| text(1, format!("a/{n}").as_bytes());
            (0..1025).map(|n| CallFrame { path: path(n), ..one(2 * n + 1) }.bytes()).collect::<Vec<_>>()
        }),
        case("path-unknown", &[one(1).to("test/missing").bytes()]),
        case("codec-number", &[one(1).codec(&[5]).bytes()]),
        case("codec-name", &[one(1).codec(&text(0, b"text/xml")).bytes()]),
        case("codec-name-long", &[one(1).codec(&text(0, &[b'x'; 129])).bytes()]),
        case("metadata-many", &[one(1).metadata(&many).bytes()]),
        case("metadata-large", &[one(1).metadata(&[(b"k", &[b'v'; 16 << 10])]).bytes()]),
        case("metadata-key", &[one(1).metadata(&[(b"k y", b"v")]).bytes()]),
        case("metadata-key-long", &[one(1).metadata(&[(&[b'k'; 129], b"v")]).bytes()]),
        case("metadata-key-not-utf8", &[one(1).metadata(&[(b"\xff", b"v")]).bytes()]),
        case("metadata-value-not-utf8", &[one(1).metadata(&[(b"k", b"\xff")]).bytes()]),
        case("metadata-cut", &{
            let mut call = one(1).metadata(&[(b"k", b"v")]);
            call.metadata[0] = 100;
            [call.bytes()]
        }),
        case("one-for-stream", &[one(1).to("test/hold").bytes()]),
        case("stream-for-message", &[CallFrame::stream(1).to("test/echo").bytes()]),
        case(
            "message-too-long",
            &[
                one(1).message(0, message(MIB4 + 1, &[0; MAX_BODY])).bytes(),
                // What follows of it is passed over.
                data(1, 0, &[0; MAX_BODY]),
            ],
        ),
        case("never-finished", &{
            (0..9).map(|n| one(2 * n + 1).message(0, message(MIB4, &[0; 16])).bytes()).collect::<Vec<_>>()
        }),
        case("calls-too-many", &(0..4097).map(|n| CallFrame::stream(2 * n + 1).bytes()).collect::<Vec<_>>()),
        case("inflates-too-long", &[one(1).message(flag::COMPRESSED, deflated(MIB4 + 1, DEFLATED)).bytes()]),
        case("inflates-otherwise", &[one(1).message(flag::COMPRESSED, deflated(99, DEFLATED)).bytes()]),
        case("inflate-damaged", &[one(1).message(flag::COMPRESSED, deflated(100, &[0xff; 6])).bytes()]),
        case("json-too-deep", &[json(deep.as_bytes())]),
        case("json-malformed", &[json(br#"{"value":"hunter2"#)]),
        case("json-mismatch", &[json(br#"{"value":70707}"#)]),
        case("msgpack-too-deep", &[msgpack(&[&b"\x82\xa1x"[..], &[0x91; 200]].concat())]),
        case("msgpack-malformed", &[msgpack(b"\x81\xa5value\xa7hunter")]),
        case("protobuf-malformed", &[protobuf(b"\x0a\x07hunter")]),
        case("protobuf-not-utf8", &[protobuf(b"\x0a\x07hunter\xff")]),
        case(
            "cancel-flood",
            &(0..20_000)
                .map(|n| [one(2 * n + 1).bytes(), of(kind::CANCEL, &about(2 * n + 1, b""))].concat())
                .collect::<Vec<_>>(),
        ),
        bare("never-greets", &[PREFACE]),
    ]
}

/// What breaks the rules towards a caller that waits for the reply on stream 1.
pub(crate) fn to_caller() -> Vec<Case> {
    let head = || reply(1, flag::STREAM, b"");
    let one = |flags: u8, rest: &[u8]| reply(1, WHOLE | flags, rest);
    let named = |codec: &[u8]| one(flag::CODEC, &[codec, &message(2, b"{}")].concat());
    vec![
        bare("wrong-magic", &[b"HTTP/1.1 400 Bad Request\r\n\r\n"]),
        case("call-to-caller", &[CallFrame::one(2, b"").bytes()]),
        case("cancel-to-caller", &[of(kind::CANCEL, &[1])]),
        case("reply-unknown", &[reply(3, WHOLE, &message(0, b""))]),
        case("reply-even", &[reply(2, WHOLE, &message(0, b""))]),
        stream("reply-twice", &[head(), head()]),
        stream("data-before-reply", &[data(1, flag::MESSAGE, &message(0, b""))]),
        stream("end-twice", &[head(), of(kind::END, &[1, 0, 0]), of(kind::END, &[1, 0, 0])]),
        case("end-without-reply", &[of(kind::END, &[1, 0, 0])]),
        case("stream-for-one", &[head()]),
        case("end-message-long", &[end(5, &[b'x'; 8193], None)]),
        case("end-details-long", &[end(5, b"", Some(&[b'x'; 16_385]))]),
        case("end-code-unknown", &[end(99, b"from the future", None)]),
        case("end-metadata-broken", &[of(kind::END, &about(1, b"\x04\x01\x03k y\x01v\x05\x00\x00\x06nobody"))]),
        case("reply-missing", &[reply(1, flag::END, b"")]),
        stream("stream-overrun", &{
            let message = data(1, flag::MESSAGE, &message(60_000, &[0; 60_000]));
            let mut frames = vec![message; 6];
            frames.insert(0, head());
            frames
        }),
        case("codec-number", &[named(&[5])]),
        case("codec-name", &[named(&text(0, b"text/xml"))]),
        case("codec-name-long", &[named(&text(0, &[b'x'; 129]))]),
        case("message-too-long", &[one(0, &message(MIB4 + 1, &[0; MAX_BODY])), data(1, 0, &[0; MAX_BODY])]),
        case("inflates-too-long", &[one(flag::COMPRESSED, &deflated(MIB4 + 1, DEFLATED))]),
        case("inflates-otherwise", &[one(flag::COMPRESSED, &deflated(99, DEFLATED))]),
        case("inflate-damaged", &[one(flag::COMPRESSED, &deflated(100, &[0xff; 6]))]),
    ]
}
