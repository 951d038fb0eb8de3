//! rpcx over a socket, byte for byte: what its own clients and servers send, and what nobody should.

#[path = "../../motet-framed/tests/unary/mod.rs"]
mod unary;

use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use motet::{
    Code, Context, Executed, NativeServer,
    core::{Endpoint, Recognition, ServerProtocol},
};
use motet_promises::Measurement;
use motet_protocol_rpcx::{
    RpcxClient, RpcxConfig, RpcxServer,
    frame::{Frame, HEAD, Header},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use unary::{Arith, LONG, Pair, Rig, calls, until};

/// `Arith.Mul {A: 10, B: 20}` with the metadata trace=t1, and its answer `{C: 200}`, captured from rpcx.
const CALL: &str = "0800003000000000000000000000002e000000054172697468000000034d756c0000000f0000000574726163650000000274310000\
000782a1410aa14214";
const REPLY: &str = "0800803000000000000000000000001d000000054172697468000000034d756c000000000000000581a143ccc8";
const HEARTBEAT: &str = "0800403000000000000000040000001900000000000000000000000000000009d318e9f3ead3abea35";

fn hex(text: &str) -> Bytes {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
}

async fn rig() -> Rig {
    Rig::new(RpcxServer::default(), RpcxClient::default()).await
}

async fn read(stream: &mut TcpStream) -> Option<Frame> {
    let reading = async {
        let mut bytes = BytesMut::new();
        bytes.resize(HEAD, 0);
        stream.read_exact(&mut bytes).await.ok()?;
        let length = u32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]);
        bytes.resize(HEAD + length as usize, 0);
        stream.read_exact(&mut bytes[HEAD..]).await.ok()?;
        Some(Frame::read(bytes.freeze()).expect("a frame"))
    };
    timeout(LONG, reading).await.expect("in time")
}

async fn read_exactly(stream: &mut TcpStream, length: usize) -> Bytes {
    let mut bytes = vec![0; length];
    timeout(LONG, stream.read_exact(&mut bytes)).await.expect("in time").expect("as many");
    bytes.into()
}

async fn ends(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    // A reset ends it as well.
    let _ = timeout(LONG, stream.read_to_end(&mut rest)).await.expect("in time");
}

fn request(method: &'static str, message: &'static [u8]) -> Frame {
    let header = Header { serializer: 3, seq: 7, ..Header::default() };
    let (service, method) = (Bytes::from_static(b"Arith"), Bytes::from_static(method.as_bytes()));
    Frame { header, service, method, metadata: Bytes::new(), message: Bytes::from_static(message) }
}

fn bytes(frame: &Frame) -> BytesMut {
    let mut out = BytesMut::new();
    frame.write(&mut out);
    out
}

#[tokio::test]
async fn a_captured_call_gets_the_captured_answer_however_it_is_split() {
    let rig = rig().await;
    let (call, reply) = (hex(CALL), hex(REPLY));
    for at in 0..call.len() {
        let mut stream = rig.raw().await;
        stream.write_all(&call[..at]).await.expect("taken");
        tokio::task::yield_now().await;
        stream.write_all(&call[at..]).await.expect("taken");
        assert_eq!(read_exactly(&mut stream, reply.len()).await, reply, "split at {at}");
    }
}

#[tokio::test]
async fn an_error_is_a_text_in_the_metadata() {
    let rig = rig().await;
    let mut stream = rig.raw().await;
    stream.write_all(&bytes(&request("Div", b"\x82\xa1A\x01\xa1B\x00"))).await.expect("taken");
    let frame = read(&mut stream).await.expect("an answer");
    assert!(frame.header.error && frame.header.response && frame.header.seq == 7);
    assert_eq!(frame.value("__rpcx_error__").as_deref(), Some(&b"divide by zero"[..]));
    assert_eq!((&frame.service[..], &frame.method[..]), (&b"Arith"[..], &b"Div"[..]));
}

#[tokio::test]
async fn a_heartbeat_comes_back_with_one_bit_more() {
    let rig = rig().await;
    let mut stream = rig.raw().await;
    stream.write_all(&hex(HEARTBEAT)).await.expect("taken");
    assert_eq!(read_exactly(&mut stream, HEARTBEAT.len() / 2).await, hex(&HEARTBEAT.replacen("080040", "0800c0", 1)));
}

#[tokio::test]
async fn a_one_way_call_runs_and_is_not_answered() {
    let rig = rig().await;
    let mut stream = rig.raw().await;
    let mut frame = request("Note", b"\x81\xa4text\xa2hi");
    frame.header.one_way = true;
    for (service, metadata) in [("Arith", ""), ("Nobody", "")] {
        let frame = Frame { service: service.into(), metadata: metadata.into(), ..frame.clone() };
        stream.write_all(&bytes(&frame)).await.expect("taken");
    }
    stream.write_all(&hex(CALL)).await.expect("taken");
    assert_eq!(read_exactly(&mut stream, REPLY.len() / 2).await, hex(REPLY), "the only answer");
    until("it has run", || *rig.seen.notes.lock().expect("no panic") == ["hi"]).await;
}

/// `printf … | nc`: who has said all it has to say still gets its answers.
#[tokio::test]
async fn after_half_a_close_running_calls_finish_and_answer() {
    let rig = rig().await;
    let mut stream = rig.raw().await;
    let slow = request("Wait", b"\x81\xa6millis\xcd\x01\x2c");
    stream.write_all(&bytes(&slow)).await.expect("taken");
    stream.write_all(&hex(CALL)).await.expect("taken");
    stream.shutdown().await.expect("half closed");
    assert_eq!(read(&mut stream).await.expect("the quick one first").header.seq, 0);
    let frame = read(&mut stream).await.expect("the slow one");
    assert_eq!((frame.header.seq, &frame.message[..]), (7, &b"\x81\xa5value\xcd\x01\x2c"[..]));
    assert!(read(&mut stream).await.is_none(), "then the other half");
}

#[tokio::test]
async fn after_half_a_close_calls_that_a_limit_holds_up_are_answered_too() {
    let mut config = RpcxConfig::default();
    config.max_calls = 1;
    let rig = Rig::new(RpcxServer::new(config), RpcxClient::default()).await;
    let mut stream = rig.raw().await;
    for seq in 0..4 {
        let mut call = request("Wait", b"\x81\xa6millis\x05");
        call.header.seq = seq;
        stream.write_all(&bytes(&call)).await.expect("taken");
    }
    stream.shutdown().await.expect("half closed");
    for seq in 0..4 {
        assert_eq!(read(&mut stream).await.expect("an answer").header.seq, seq);
    }
    assert!(read(&mut stream).await.is_none());
}

#[tokio::test]
async fn a_reset_cancels_what_runs() {
    let rig = rig().await;
    let mut stream = rig.raw().await;
    stream.write_all(&bytes(&request("Wait", b"\x81\xa6millis\xcd\xea\x60"))).await.expect("taken");
    until("it runs", || rig.seen.begun.load(SeqCst) == 1).await;
    stream.set_zero_linger().expect("a reset");
    drop(stream);
    until("its handler is dropped", || rig.seen.ended.load(SeqCst) == 1).await;
}

/// What goes wrong in other servers when they get it, and others of the kind.
#[tokio::test]
async fn damage_ends_its_call_or_connection_and_no_other() {
    let mut measured = Measurement::begin("P14", "damage_ends_its_call_or_connection_and_no_other");
    let rig = rig().await;
    let mut other = rig.raw().await;
    let cases: [(&str, Bytes, Option<&str>); 9] = [
        ("a length beyond the frame", lie(16), Some("the length of a name")),
        ("a method's length beyond the frame", lie(25), Some("the length of a name")),
        ("metadata beyond the frame", lie(32), Some("the length of the metadata")),
        ("a key beyond the metadata", lie(36), Some("the length of a key")),
        ("a message beyond the frame", lie(51), Some("the length of the message")),
        ("a frame too short for its parts", hex("08000030000000000000000000000000"), Some("the length of a name")),
        ("no frame", Bytes::from_static(b"\x08GET / HTTP/1.1\r\n\r\n then much more"), None),
        ("a second frame that is none", [hex(HEARTBEAT), Bytes::from_static(b"x")].concat().into(), None),
        ("a frame of four gigabytes", hex("0800003000000000000000000ffffffff0"), None),
    ];
    measured.figure(cases.len() as f64, "kinds refused by rpcx");
    for (what, damage, told) in cases {
        let mut stream = rig.raw().await;
        stream.write_all(&damage).await.expect("taken");
        if let Some(told) = told {
            let frame = read(&mut stream).await.expect(what);
            let text = frame.value("__rpcx_error__").expect("an error");
            assert!(frame.header.error && text.starts_with(told.as_bytes()), "{what}: {text:?}");
        }
        if what.contains("gigabytes") || what == "no frame" {
            stream.shutdown().await.expect("half closed");
        }
        ends(&mut stream).await;
        other.write_all(&hex(CALL)).await.expect("taken");
        assert_eq!(read_exactly(&mut other, REPLY.len() / 2).await, hex(REPLY), "{what}: others go on");
    }
    let counts = rig.server.connections();
    assert_eq!(counts.malformed, 7, "{counts:?}");
    measured.end();
}

/// The captured call with all bits set in the length at this place.
fn lie(at: usize) -> Bytes {
    let mut call = BytesMut::from(&hex(CALL)[..]);
    call[at..at + 4].fill(0xff);
    call.freeze()
}

#[tokio::test]
async fn what_cannot_be_read_ends_its_call_with_a_reason() {
    let rig = rig().await;
    let mut stream = rig.raw().await;
    let changed = |change: &dyn Fn(&mut Frame)| {
        let mut frame = request("Mul", b"\x82\xa1A\x01\xa1B\x02");
        change(&mut frame);
        frame
    };
    let metadata = |pairs: usize| {
        let pair = b"\0\0\0\x01k\0\0\0\x01v";
        Bytes::from(pair.repeat(pairs))
    };
    for (frame, text) in [
        (changed(&|frame| frame.message = Bytes::from_static(b"\xc0")), "the body is no valid application/msgpack"),
        (changed(&|frame| frame.message = Bytes::new()), "the body is no valid application/msgpack"),
        (changed(&|frame| frame.message = Bytes::from_static(b"\xdf\xff\xff\xff\xff")), "the body is no valid"),
        (changed(&|frame| frame.message = vec![0x91; 100_000].into()), "the body is no valid application/msgpack"),
        (changed(&|frame| frame.header.serializer = 4), "content type \"application/x-thrift\" is not spoken"),
        (changed(&|frame| frame.header.serializer = 15), "content type \"application/x-rpcx-unknown\" is not"),
        (changed(&|frame| frame.header.compression = 3), "compression 3 is not spoken here"),
        (changed(&|frame| frame.header.compression = 1), "the message is no gzip"),
        (changed(&|frame| frame.metadata = metadata(129)), "metadata holds at most 128 values"),
        (changed(&|frame| frame.method = Bytes::from_static(b"\xff")), "rpcx: can't find"),
        (changed(&|frame| frame.method = Bytes::from_static(b"Count")), "arith/count takes or gives a stream"),
    ] {
        let mut bytes = bytes(&frame);
        if frame.header.compression == 3 {
            bytes[2] = 3 << 2;
        }
        stream.write_all(&bytes).await.expect("taken");
        let answer = read(&mut stream).await.expect("an answer");
        let told = answer.value("__rpcx_error__").expect("an error");
        assert!(told.starts_with(text.as_bytes()), "{told:?} is not {text}");
    }
    stream.write_all(&hex(CALL)).await.expect("taken");
    assert_eq!(read_exactly(&mut stream, REPLY.len() / 2).await, hex(REPLY));
}

/// A megabyte of zeros in a few bytes, over and over: refused, and never inflated past the limit.
#[tokio::test]
async fn a_bomb_is_refused() {
    let config = {
        let mut config = RpcxConfig::default();
        config.max_message = 64 << 10;
        config
    };
    let rig = Rig::new(RpcxServer::new(config), RpcxClient::default()).await;
    let mut frame = request("Mul", b"");
    frame.header.compression = 1;
    frame.message = motet_framed::compress(&vec![0; 16 << 20]).expect("shorter");
    let mut stream = rig.raw().await;
    stream.write_all(&bytes(&frame)).await.expect("taken");
    let told = read(&mut stream).await.expect("an answer").value("__rpcx_error__").expect("an error");
    assert_eq!(told, "the message is longer than the limit of 65536 bytes");
}

#[tokio::test]
async fn a_message_over_the_limit_is_answered_before_the_rest_of_it_comes() {
    let rig = rig().await;
    let mut stream = rig.raw().await;
    let mut head = bytes(&request("Same", b""))[..HEAD].to_vec();
    let length: u32 = 100 << 20;
    head[12..16].copy_from_slice(&length.to_be_bytes());
    stream.write_all(&head).await.expect("taken");
    let frame = read(&mut stream).await.expect("an answer");
    assert_eq!(
        frame.value("__rpcx_error__").expect("an error"),
        "the message is longer than the limit of 4194304 bytes"
    );
    let chunk = vec![0; 1 << 20];
    for _ in 0..100 {
        stream.write_all(&chunk).await.expect("dropped there");
    }
    stream.write_all(&hex(CALL)).await.expect("taken");
    assert_eq!(read_exactly(&mut stream, REPLY.len() / 2).await, hex(REPLY));
}

#[tokio::test]
async fn calls_beyond_the_memory_of_their_connection_are_refused() {
    let mut config = RpcxConfig::default();
    config.connection_memory = 0;
    let rig = Rig::new(RpcxServer::new(config), RpcxClient::default()).await;
    let mut stream = rig.raw().await;
    let mut frame = request("Wait", b"");
    let padding = [&b"\x82\xa6millis\xcd\xea\x60\xa3pad\xc5\x9c\x40"[..], &[0; 40_000]].concat();
    frame.message = padding.into();
    stream.write_all(&bytes(&frame)).await.expect("taken");
    until("it runs", || rig.seen.begun.load(SeqCst) == 1).await;
    for _ in 0..3 {
        stream.write_all(&bytes(&frame)).await.expect("taken");
        let told = read(&mut stream).await.expect("an answer").value("__rpcx_error__").expect("an error");
        assert_eq!(told, "the memory for calls of this connection or server is used up");
    }
    stream.write_all(&hex(CALL)).await.expect("taken");
    assert_eq!(read_exactly(&mut stream, REPLY.len() / 2).await, hex(REPLY), "a short one fits");
}

#[tokio::test]
async fn the_first_frame_has_a_time_to_come() {
    let mut config = motet::ServerConfig::default();
    config.head_timeout = Duration::from_millis(100);
    let builder = motet::Server::builder().config(config);
    let rig = Rig::with(builder, RpcxServer::default(), RpcxClient::default()).await;
    let mut stream = rig.raw().await;
    stream.write_all(&hex(CALL)[..20]).await.expect("taken");
    ends(&mut stream).await;
    assert_eq!(rig.server.connections().stalled, 1);
}

#[tokio::test]
async fn a_frame_that_trickles_in_has_a_time_to_come() {
    let mut config = RpcxConfig::default();
    config.frame_timeout = Duration::from_millis(100);
    let rig = Rig::new(RpcxServer::new(config), RpcxClient::default()).await;
    let mut stream = rig.raw().await;
    stream.write_all(&hex(CALL)).await.expect("taken");
    stream.write_all(&hex(CALL)[..20]).await.expect("taken");
    assert_eq!(read_exactly(&mut stream, REPLY.len() / 2).await, hex(REPLY));
    ends(&mut stream).await;
    assert_eq!(rig.server.connections().stalled, 1);
}

#[tokio::test]
async fn who_reads_nothing_is_left_and_holds_little() {
    let mut config = RpcxConfig::default();
    config.write_timeout = Duration::from_millis(300);
    let rig = Rig::new(RpcxServer::new(config), RpcxClient::default()).await;
    let stream = rig.raw().await;
    let (mut reads, mut writes) = stream.into_split();
    let call = bytes(&request("Same", b"")).freeze();
    let many: Vec<u8> = call.repeat(1000);
    let flood = async move { while writes.write_all(&many).await.is_ok() {} };
    timeout(LONG, flood).await.expect("it is cut off");
    assert_eq!(rig.server.connections().stalled, 1);
    let mut rest = Vec::new();
    let _ = timeout(LONG, reads.read_to_end(&mut rest)).await;
}

#[test]
fn one_byte_tells() {
    let server = RpcxServer::default();
    assert_eq!(server.recognise(b"", false), Recognition::NeedMore(1));
    for first in 0..=255u8 {
        let expected = if first == 8 { Recognition::Yes } else { Recognition::No };
        assert_eq!(server.recognise(&[first], false), expected);
        assert_eq!(server.recognise(&[first, 0, 0], true), expected);
    }
}

#[tokio::test]
async fn one_port_speaks_motet_and_rpcx() {
    for first in [true, false] {
        let native: Arc<dyn ServerProtocol> = Arc::new(NativeServer::default());
        let builder = motet::Server::builder();
        let builder = if first { builder.protocol(native.clone()) } else { builder };
        let rig = Rig::with(builder, RpcxServer::default(), RpcxClient::default()).await;
        assert_eq!(rig.arith.mul(&Context::new(), Pair { a: 2, b: 3 }).await.expect("answered").c, 6);
        if first {
            let (_, arith) = calls(&rig.endpoint, motet::NativeClient::default());
            assert_eq!(arith.mul(&Context::new(), Pair { a: 2, b: 3 }).await.expect("answered").c, 6);
        }
    }
}

/// A server of rpcx that does what it is told.
async fn scripted() -> (TcpListener, Endpoint) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("free");
    let endpoint = Endpoint::new("tcp", listener.local_addr().expect("bound").to_string());
    (listener, endpoint)
}

#[tokio::test]
async fn a_client_asks_as_rpcx_does_and_takes_its_captured_answer() {
    let (listener, endpoint) = scripted().await;
    let (_, arith) = calls(&endpoint, RpcxClient::default());
    let server = async {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let mut frame = read(&mut stream).await.expect("a call");
        let pairs: Vec<_> = frame.pairs().collect();
        assert_eq!(pairs[0], (Bytes::from("trace"), Bytes::from("t1")));
        assert_eq!((&pairs[1].0[..], pairs.len()), (&b"__ServerTimeout"[..], 2));
        // All but the deadline is what rpcx sends.
        frame.metadata = frame.metadata.slice(..15);
        assert_eq!(bytes(&frame), hex(CALL));
        stream.write_all(&hex(REPLY)).await.expect("taken");
        // A call from the server, and an answer to nobody, are passed over.
        let push = hex(&CALL.replacen("080000", "080020", 1));
        stream.write_all(&[push, hex(REPLY)].concat()).await.expect("taken");
        let frame = read(&mut stream).await.expect("a call");
        let mut failed = Frame { header: Header { response: true, error: true, ..frame.header }, ..frame };
        failed.metadata = Bytes::from_static(b"\0\0\0\x0e__rpcx_error__\0\0\0\x0edivide by zero");
        stream.write_all(&bytes(&failed)).await.expect("taken");
        let frame = read(&mut stream).await.expect("a call");
        assert_eq!(frame.header.seq, 2);
    };
    let client = async {
        let cx = Context::new().with_metadata("trace", "t1").expect("valid");
        assert_eq!(arith.mul(&cx, Pair { a: 10, b: 20 }).await.expect("answered").c, 200);
        let status = arith.div(&cx, Pair { a: 1, b: 0 }).await.expect_err("no such number");
        assert_eq!((status.message(), status.executed()), ("divide by zero", Executed::Unknown));
        let status = arith.div(&cx, Pair { a: 1, b: 0 }).await.expect_err("the server is gone");
        assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::Unknown));
    };
    timeout(LONG, async { tokio::join!(server, client) }).await.expect("in time");
}

#[tokio::test]
async fn a_server_that_answers_nonsense_fails_the_calls_of_its_connection() {
    for nonsense in
        [Bytes::from_static(b"HTTP/1.1 400 Bad Request\r\n\r\n"), lie(16), hex("0800003000000000000000000ffffffff0")]
    {
        let (listener, endpoint) = scripted().await;
        let (_, arith) = calls(&endpoint, RpcxClient::default());
        let server = async {
            let (mut stream, _) = listener.accept().await.expect("a client");
            read(&mut stream).await.expect("a call");
            stream.write_all(&nonsense).await.expect("taken");
            ends(&mut stream).await;
        };
        let client = async {
            let cx = Context::new().with_timeout(Duration::from_secs(30));
            let status = arith.mul(&cx, Pair { a: 1, b: 2 }).await.expect_err("nonsense");
            assert_eq!(status.executed(), Executed::Unknown, "{status}");
        };
        timeout(LONG, async { tokio::join!(server, client) }).await.expect("in time");
    }
}

#[tokio::test]
async fn a_reply_over_the_limit_ends_its_call_and_no_other() {
    let (listener, endpoint) = scripted().await;
    let mut config = RpcxConfig::default();
    config.max_message = 1 << 10;
    let (_, arith) = calls(&endpoint, RpcxClient::new(config));
    let server = async {
        let (mut stream, _) = listener.accept().await.expect("a client");
        for length in [(1 << 10) + 1, 300 << 10, 0] {
            let call = read(&mut stream).await.expect("a call");
            let reply = [&b"\x81\xa1C\x06"[..], &vec![0xc0; length]].concat();
            let header = Header { response: true, ..call.header };
            stream.write_all(&bytes(&Frame { header, message: reply.into(), ..call })).await.expect("taken");
        }
    };
    let client = async {
        for _ in 0..2 {
            let status = arith.mul(&Context::new(), Pair { a: 2, b: 3 }).await.expect_err("too long");
            assert_eq!((status.code(), status.executed()), (Code::ResourceExhausted, Executed::Yes));
        }
        assert_eq!(arith.mul(&Context::new(), Pair { a: 2, b: 3 }).await.expect("answered").c, 6);
    };
    timeout(LONG, async { tokio::join!(server, client) }).await.expect("in time");
}

#[tokio::test]
async fn an_idle_client_sends_heartbeats_and_leaves_who_does_not_answer() {
    let (listener, endpoint) = scripted().await;
    let mut config = RpcxConfig::default();
    (config.heartbeat_idle, config.heartbeat_timeout) = (Duration::from_millis(30), Duration::from_millis(30));
    let (_, arith) = calls(&endpoint, RpcxClient::new(config));
    let server = async {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let frame = read(&mut stream).await.expect("a call");
        // While a call runs there are none, however long it takes.
        let silence = timeout(Duration::from_millis(300), stream.read_u8()).await;
        assert!(silence.is_err(), "no heartbeat disturbs a call");
        let mut answer = Frame { header: Header { response: true, ..frame.header }, ..frame };
        (answer.metadata, answer.message) = (Bytes::new(), Bytes::from_static(b"\x81\xa1C\x06"));
        stream.write_all(&bytes(&answer)).await.expect("taken");
        for _ in 0..3 {
            let mut beat = read(&mut stream).await.expect("a heartbeat");
            assert!(beat.header.heartbeat && beat.service.is_empty() && beat.message.len() == 9);
            beat.header.response = true;
            stream.write_all(&bytes(&beat)).await.expect("taken");
        }
        let mut unanswered = 0;
        while read(&mut stream).await.is_some() {
            unanswered += 1;
        }
        assert_eq!(unanswered, 3, "then it closes");
    };
    let client = async {
        assert_eq!(arith.mul(&Context::new(), Pair { a: 2, b: 3 }).await.expect("answered").c, 6);
    };
    timeout(LONG, async { tokio::join!(server, client) }).await.expect("in time");
}
