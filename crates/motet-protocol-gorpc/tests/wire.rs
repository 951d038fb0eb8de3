//! go-rpc over a socket, byte for byte: what its own clients and servers send, and what nobody should.

#[path = "../../motet-framed/tests/unary/mod.rs"]
mod unary;

use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use motet::{
    Client, ClientConfig, Code, Context, Executed, NativeClient, NativeServer, Result, Server, Status, TcpTransport,
    core::{ClientProtocol, Endpoint, Recognition, ServerProtocol},
};
use motet_promises::Measurement;
use motet_protocol_gorpc::{
    GoRpcClient, GoRpcConfig, GoRpcServer, Serialize,
    frame::{self, HEAD},
    header::{Header, Kind},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use unary::{Arith as _, LONG, Rig, until};

/// What go-rpc's own client and server said, captured: Add {1, 2} with the token hello01, its answer,
/// the error of a division by zero, a heartbeat.
const CALL: &str = "abba00000000ad0000009289a3536571cf0000000000000001ab4d65737361676554797065cc00ac436f6d7072657373547970\
65cc00ad53657269616c697a6554797065cc01aa537461747573436f6465cc00ab536572766963654e616d65ac4172697468536572766963\
65aa4d6574686f644e616d65a3416464a54572726f72a0a84d6574614461746181a87270635f61757468a768656c6c6f303182a141d30000\
000000000001a142d30000000000000002";
const REPLY: &str = "abba00000000a60000009289a3536571cf0000000000000001ab4d65737361676554797065cc01ac436f6d70726573735479706\
5cc00ad53657269616c697a6554797065cc01aa537461747573436f6465cc00ab536572766963654e616d65ac41726974685365727669636\
5aa4d6574686f644e616d65a3416464a54572726f72a0a84d6574614461746181a87270635f61757468a768656c6c6f303181a55265706c7\
9d30000000000000003";
const FAILURE: &str = "abba00000000a8000000a489a3536571cf0000000000000002ab4d65737361676554797065cc01ac436f6d707265737354797\
065cc00ad53657269616c697a6554797065cc01aa537461747573436f6465cc01ab536572766963654e616d65ac417269746853657276696\
365aa4d6574686f644e616d65a6446976696465a54572726f72af64697669646564206279207a65726fa84d6574614461746181a87270635\
f61757468a768656c6c6f3031";
const HEARTBEAT: &str = "abba00000000770000007289a3536571cf0000000000000004ab4d65737361676554797065cc02ac436f6d7072657373547\
97065cc00ad53657269616c697a6554797065cc00aa537461747573436f6465cc00ab536572766963654e616d65a0aa4d6574686f644e616\
d65a0a54572726f72a0a84d65746144617461c0a0";
/// The metadata of the captured frames.
const METADATA: &str = "81a87270635f61757468a768656c6c6f3031";

fn hex(text: &str) -> Bytes {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
}

/// A captured frame with MetaData null: replies do not repeat the metadata of their request.
fn without_metadata(captured: &str) -> Bytes {
    let mut bytes = hex(&captured.replacen(METADATA, "c0", 1)).to_vec();
    for at in [3, 7] {
        let length = u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        bytes[at..at + 4].copy_from_slice(&(length - (METADATA.len() / 2 - 1) as u32).to_be_bytes());
    }
    bytes.into()
}

#[motet::message]
#[derive(Debug)]
pub(crate) struct Args {
    #[serde(rename = "A")]
    pub(crate) a: i64,
    #[serde(rename = "B")]
    pub(crate) b: i64,
}

#[motet::message]
#[derive(Debug)]
pub(crate) struct Sum {
    #[serde(rename = "Reply")]
    pub(crate) reply: i64,
}

#[motet::service(name = "arithmetic")]
pub(crate) trait ArithService {
    async fn add(&self, cx: &Context, req: Args) -> Result<Sum>;
    async fn divide(&self, cx: &Context, req: Args) -> Result<Sum>;
}

struct Arithmetic;

impl ArithService for Arithmetic {
    async fn add(&self, _: &Context, req: Args) -> Result<Sum> {
        Ok(Sum { reply: req.a + req.b })
    }

    async fn divide(&self, _: &Context, req: Args) -> Result<Sum> {
        let reply = req.a.checked_div(req.b);
        Ok(Sum { reply: reply.ok_or_else(|| Status::invalid_argument("divided by zero"))? })
    }
}

fn guarded() -> GoRpcConfig {
    let mut config = GoRpcConfig::default();
    (config.accept_tokens, config.token) = (vec!["hello01".to_owned()], "hello01".to_owned());
    config.serialize = Serialize::MsgPack;
    config
}

async fn arithmetic() -> (Server, Endpoint) {
    let service = ArithServiceServer::new(Arithmetic).into_service().expect("a good descriptor");
    let builder = Server::builder().protocol(Arc::new(GoRpcServer::new(guarded()))).service(service);
    let server = builder.build().expect("valid");
    let endpoint = server.listen("tcp://127.0.0.1:0").await.expect("free");
    (server, endpoint)
}

fn client(endpoint: &Endpoint, config: GoRpcConfig) -> ArithServiceClient {
    let mut settings = ClientConfig::default();
    settings.timeout = LONG;
    let protocol = Arc::new(GoRpcClient::new(config));
    let client = Client::builder().config(settings).transport(Arc::new(TcpTransport::new())).protocol(protocol).build();
    ArithServiceClient::new(client.to(format!("gorpc://{}", endpoint.address)).expect("an address"))
}

async fn dial(endpoint: &Endpoint) -> TcpStream {
    TcpStream::connect(&endpoint.address).await.expect("it listens")
}

async fn read(stream: &mut TcpStream) -> Option<(Header, Bytes)> {
    let reading = async {
        let mut bytes = BytesMut::new();
        bytes.resize(HEAD, 0);
        stream.read_exact(&mut bytes).await.ok()?;
        let length = u32::from_be_bytes([bytes[3], bytes[4], bytes[5], bytes[6]]);
        bytes.resize(7 + length as usize, 0);
        stream.read_exact(&mut bytes[HEAD..]).await.ok()?;
        let (header, body) = frame::split(bytes.freeze()).expect("a frame");
        Some((Header::read(&header).expect("a header").0, body))
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

/// A frame with a header in JSON.
fn json(header: &str, body: &[u8]) -> Bytes {
    raw(header.as_bytes(), body)
}

fn raw(header: &[u8], body: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    let start = frame::begin(&mut out);
    out.extend_from_slice(header);
    frame::end_header(&mut out, start);
    out.extend_from_slice(body);
    frame::end(&mut out, start);
    out.freeze()
}

#[tokio::test]
async fn a_captured_call_gets_the_captured_answer_however_it_is_split() {
    let (_server, endpoint) = arithmetic().await;
    let (call, reply) = (hex(CALL), without_metadata(REPLY));
    assert_eq!((call.len(), hex(REPLY).len(), hex(FAILURE).len(), hex(HEARTBEAT).len()), (180, 173, 175, 126));
    for at in 0..call.len() {
        let mut stream = dial(&endpoint).await;
        stream.write_all(&call[..at]).await.expect("taken");
        tokio::task::yield_now().await;
        stream.write_all(&call[at..]).await.expect("taken");
        assert_eq!(read_exactly(&mut stream, reply.len()).await, reply, "split at {at}");
    }
}

#[tokio::test]
async fn a_captured_error_has_a_text_and_no_body() {
    let (_server, endpoint) = arithmetic().await;
    let mut stream = dial(&endpoint).await;
    let header =
        [&b"\x84\xa3Seq\x02\xadSerializeType\x01\xabServiceName\xacArithService\xaaMethodName\xa6Divide"[..]].concat();
    let header = [&b"\x85"[..], &header[1..], b"\xa8MetaData", &hex(METADATA)].concat();
    stream.write_all(&raw(&header, b"\x82\xa1A\x01\xa1B\x00")).await.expect("taken");
    let failure = without_metadata(FAILURE);
    assert_eq!(read_exactly(&mut stream, failure.len()).await, failure);
}

#[tokio::test]
async fn a_heartbeat_comes_back_as_it_was_and_needs_no_token() {
    let (_server, endpoint) = arithmetic().await;
    let mut stream = dial(&endpoint).await;
    let plain = json(r#"{"Seq":9,"MessageType":2}"#, b"\"\"");
    for beat in [hex(HEARTBEAT), plain] {
        stream.write_all(&beat).await.expect("taken");
        assert_eq!(read_exactly(&mut stream, beat.len()).await, beat);
    }
}

/// The walk-through of go-rpc's own page: Add {1, 2} with the token, and with another.
#[tokio::test]
async fn one_and_two_are_three_for_those_who_know_the_token() {
    let (_server, endpoint) = arithmetic().await;
    let known = client(&endpoint, guarded());
    assert_eq!(known.add(&Context::new(), Args { a: 1, b: 2 }).await.expect("known").reply, 3);
    let status = known.divide(&Context::new(), Args { a: 1, b: 0 }).await.expect_err("no such number");
    assert_eq!(status.message(), "divided by zero");
    let mut wrong = guarded();
    wrong.token = "hell".to_owned();
    let status = client(&endpoint, wrong).add(&Context::new(), Args { a: 1, b: 2 }).await.expect_err("not known");
    assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "auth failed"));

    let mut stream = dial(&endpoint).await;
    let call = hex(&CALL.replacen("68656c6c6f3031", "68656c6c6f3032", 1));
    stream.write_all(&call).await.expect("taken");
    let (header, body) = read(&mut stream).await.expect("an answer");
    assert_eq!((header.status, &header.error[..], body.len()), (1, "auth failed", 0));
    assert_eq!((header.seq, header.kind, &header.method[..]), (1, Kind::Response, "Add"));
    stream.write_all(&hex(CALL)).await.expect("it goes on");
    assert_eq!(read(&mut stream).await.expect("an answer").0.status, 0);
}

#[tokio::test]
async fn both_serializers_are_answered_on_one_connection() {
    let (_server, endpoint) = arithmetic().await;
    let mut stream = dial(&endpoint).await;
    let header = r#"{"Seq":1,"MessageType":0,"CompressType":0,"SerializeType":0,"StatusCode":0,"ServiceName":"ArithService","MethodName":"Add","Error":"","MetaData":{"rpc_auth":"hello01"}}"#;
    let call = json(header, br#"{"A":1,"B":2}"#);
    assert_eq!(&call[3..HEAD], b"\0\0\0\xb9\0\0\0\xa8", "as captured");
    let reply = json(
        &header.replace(r#""MessageType":0"#, r#""MessageType":1"#).replace(r#"{"rpc_auth":"hello01"}"#, "null"),
        br#"{"Reply":3}"#,
    );
    for _ in 0..2 {
        stream.write_all(&[call.clone(), hex(CALL)].concat()).await.expect("taken");
        assert_eq!(read_exactly(&mut stream, reply.len()).await, reply);
        let other = without_metadata(REPLY);
        assert_eq!(read_exactly(&mut stream, other.len()).await, other);
    }
}

/// What crashes a go-rpc server, and others of the kind.
#[tokio::test]
async fn damage_ends_its_connection_and_no_other() {
    let mut measured = Measurement::begin("P14", "damage_ends_its_connection_and_no_other");
    let (server, endpoint) = arithmetic().await;
    let mut other = dial(&endpoint).await;
    let lie = |at: usize| {
        let mut call = BytesMut::from(&hex(CALL)[..]);
        call[at..at + 4].fill(0xff);
        call.freeze()
    };
    let cases: [(&str, Bytes); 10] = [
        ("a header beyond its frame", lie(7)),
        ("a frame too short for its own lengths", hex("abba0000000003")),
        ("a header of no kind", raw(b"xyz", b"")),
        ("an empty header", raw(b"", b"{}")),
        ("half an object", raw(b"{\"Seq\":", b"{}")),
        ("an oversized map", raw(b"\xdf\xff\xff\xff\xff", b"")),
        ("an oversized list", raw(b"\xdd\xff\xff\xff\xff", b"")),
        ("a header that nests", raw(&[&b"\x81\xa8MetaData"[..], &[0x91; 40_000]].concat(), b"")),
        ("a message type that is none", json(r#"{"MessageType":9}"#, b"")),
        ("other magic", [hex(HEARTBEAT), hex("abbb00")].concat().into()),
    ];
    let count = cases.len() as u64;
    for (what, damage) in cases {
        let mut stream = dial(&endpoint).await;
        stream.write_all(&damage).await.expect("taken");
        // Lengths that lie are known with the eleventh byte.
        stream.write_all(&[0; 8]).await.unwrap_or_default();
        ends(&mut stream).await;
        other.write_all(&hex(CALL)).await.expect("taken");
        let reply = without_metadata(REPLY);
        assert_eq!(read_exactly(&mut other, reply.len()).await, reply, "{what}: others go on");
    }
    assert_eq!(server.connections().malformed, count);
    measured.figure(count as f64, "kinds refused by go-rpc");
    measured.end();
}

#[tokio::test]
async fn what_cannot_be_read_ends_its_call_with_a_reason() {
    let rig = Rig::new(GoRpcServer::default(), GoRpcClient::default()).await;
    let mut stream = rig.raw().await;
    let call = |method: &str, more: &str| format!(r#"{{"Seq":5,"ServiceName":"Arith","MethodName":"{method}"{more}}}"#);
    let many: Vec<_> = (0..129).map(|number| format!("\"k{number}\":1")).collect();
    let msgpack = b"\x83\xa3Seq\x05\xabServiceName\xa5Arith\xaaMethodName\xa3Mul";
    for (bytes, text) in [
        (raw(msgpack, b"\xc0"), "the body is no valid "),
        (raw(msgpack, b""), "the body is no valid "),
        (raw(msgpack, b"\xdf\xff\xff\xff\xff"), "the body is no valid "),
        (raw(msgpack, &[0x91; 100_000]), "the body is no valid "),
        (raw(msgpack, b"\x82\xa1A\xcb\0\0\0\0\0\0\0\0\xa1B\x01"), "the body is no valid "),
        (json(&call("Mul", ""), b"null"), "the body is no valid "),
        (json(&call("Mul", ""), b"{"), "the body is no valid "),
        (json(&call("Mod", ""), b"{}"), "can not find method"),
        (json(r#"{"Seq":5}"#, b"\"\""), "can not find service"),
        (json(&call("Mul", r#","CompressType":1"#), b"{}"), "compression 1 is not spoken here"),
        (json(&call("Mul", r#","MetaData":{"tags":{"idc":"bj"}}"#), b"{}"), "the tag idc is not as asked for"),
        (json(&call("Mul", &format!(r#","MetaData":{{{}}}"#, many.join(","))), b"{}"), "metadata holds at most 128"),
        (json(&call("Count", ""), b"{}"), "arith/count takes or gives a stream"),
    ] {
        stream.write_all(&bytes).await.expect("taken");
        let (header, body) = read(&mut stream).await.expect("an answer");
        assert!(header.error.starts_with(text), "{} is not {text}", header.error);
        assert_eq!((header.seq, header.status, body.len()), (5, 1, 0));
    }
    stream.write_all(&json(&call("Mul", ""), br#"{"A":2,"B":3}"#)).await.expect("taken");
    assert_eq!(read(&mut stream).await.expect("an answer").1, &br#"{"C":6}"#[..]);
}

#[tokio::test]
async fn after_half_a_close_running_calls_finish_and_answer() {
    let rig = Rig::new(GoRpcServer::default(), GoRpcClient::default()).await;
    let mut stream = rig.raw().await;
    let call = |seq: u8, millis: u32| {
        let header = format!(r#"{{"Seq":{seq},"ServiceName":"Arith","MethodName":"Wait"}}"#);
        json(&header, format!("{{\"millis\":{millis}}}").as_bytes())
    };
    stream.write_all(&[call(1, 300), call(2, 0)].concat()).await.expect("taken");
    stream.shutdown().await.expect("half closed");
    assert_eq!(read(&mut stream).await.expect("the quick one first").0.seq, 2);
    assert_eq!(read(&mut stream).await.expect("the slow one").0.seq, 1);
    assert!(read(&mut stream).await.is_none(), "then the other half");
}

#[tokio::test]
async fn a_reset_cancels_what_runs() {
    let rig = Rig::new(GoRpcServer::default(), GoRpcClient::default()).await;
    let mut stream = rig.raw().await;
    let header = r#"{"Seq":1,"ServiceName":"Arith","MethodName":"Wait"}"#;
    stream.write_all(&json(header, br#"{"millis":60000}"#)).await.expect("taken");
    until("it runs", || rig.seen.begun.load(SeqCst) == 1).await;
    stream.set_zero_linger().expect("a reset");
    drop(stream);
    until("its handler is dropped", || rig.seen.ended.load(SeqCst) == 1).await;
}

#[test]
fn three_bytes_tell_it_from_motet() {
    let server = GoRpcServer::default();
    for (first, expected) in [
        (&b""[..], Recognition::NeedMore(3)),
        (b"\xab", Recognition::NeedMore(3)),
        (b"\xab\xba", Recognition::NeedMore(3)),
        (b"\xab\xba\0", Recognition::Yes),
        (b"\xab\xba\0\0\0\0\xad", Recognition::Yes),
        (b"\xab\xba\x01", Recognition::No),
        (b"\xab\xbb", Recognition::No),
        (b"\x08", Recognition::No),
        (b"{", Recognition::No),
    ] {
        assert_eq!(server.recognise(first, false), expected, "{first:?}");
    }
}

#[tokio::test]
async fn one_port_speaks_motet_and_go_rpc() {
    let builder = Server::builder().protocol(Arc::new(NativeServer::default()));
    let rig = Rig::with(builder, GoRpcServer::default(), GoRpcClient::default()).await;
    let protocols: [Arc<dyn ClientProtocol>; 2] = [Arc::new(NativeClient::default()), Arc::new(GoRpcClient::default())];
    for protocol in protocols {
        let name = protocol.name().to_owned();
        let client = Client::builder().transport(Arc::new(TcpTransport::new())).protocol(protocol).build();
        let arith =
            unary::ArithClient::new(client.to(format!("{name}://{}", rig.endpoint.address)).expect("an address"));
        assert_eq!(arith.about(&Context::new()).await.expect("answered").protocol, name);
    }
    let frame = json(r#"{"Seq":1,"ServiceName":"Arith","MethodName":"Nothing"}"#, b"{}");
    for at in 0..6 {
        let mut stream = rig.raw().await;
        stream.write_all(&frame[..at]).await.expect("taken");
        tokio::task::yield_now().await;
        stream.write_all(&frame[at..]).await.expect("taken");
        assert_eq!(read(&mut stream).await.expect("an answer").0.status, 0, "split at {at}");
    }
}

async fn scripted() -> (TcpListener, Endpoint) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("free");
    let endpoint = Endpoint::new("tcp", listener.local_addr().expect("bound").to_string());
    (listener, endpoint)
}

#[tokio::test]
async fn a_client_asks_as_go_rpc_does_and_takes_its_captured_answers() {
    let (listener, endpoint) = scripted().await;
    let arith = client(&endpoint, guarded());
    let server = async {
        let (mut stream, _) = listener.accept().await.expect("a client");
        assert_eq!(read_exactly(&mut stream, CALL.len() / 2).await, hex(CALL), "byte for byte");
        // A call from the server, an answer to nobody, and the answer.
        stream.write_all(&[hex(CALL), hex(FAILURE), hex(REPLY)].concat()).await.expect("taken");
        let (header, body) = read(&mut stream).await.expect("a call");
        assert_eq!((header.seq, body.len()), (2, 23));
        stream.write_all(&hex(FAILURE)).await.expect("taken");
        read(&mut stream).await.expect("a call");
    };
    let asking = async {
        assert_eq!(arith.add(&Context::new(), Args { a: 1, b: 2 }).await.expect("answered").reply, 3);
        let status = arith.divide(&Context::new(), Args { a: 1, b: 0 }).await.expect_err("no such number");
        assert_eq!((status.message(), status.executed()), ("divided by zero", Executed::Unknown));
        let status = arith.divide(&Context::new(), Args { a: 1, b: 0 }).await.expect_err("the server is gone");
        assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::Unknown));
    };
    timeout(LONG, async { tokio::join!(server, asking) }).await.expect("in time");
}

#[tokio::test]
async fn heartbeats_come_while_no_call_runs_and_a_silent_node_is_left() {
    let (listener, endpoint) = scripted().await;
    let mut config = guarded();
    (config.heartbeat_idle, config.heartbeat_timeout) = (Duration::from_millis(30), Duration::from_millis(30));
    config.max_missed_heartbeats = 4;
    let arith = client(&endpoint, config);
    let server = async {
        let (mut stream, _) = listener.accept().await.expect("a client");
        assert_eq!(read_exactly(&mut stream, CALL.len() / 2).await, hex(CALL));
        let silence = timeout(Duration::from_millis(300), stream.read_u8()).await;
        assert!(silence.is_err(), "no heartbeat disturbs a call");
        stream.write_all(&hex(REPLY)).await.expect("taken");
        for seq in 2..5u8 {
            let mut expected = hex(HEARTBEAT).to_vec();
            let end_of_seq = HEAD + 5 + 9;
            expected[end_of_seq - 1] = seq;
            assert_eq!(read_exactly(&mut stream, expected.len()).await, expected, "as go-rpc's own");
            stream.write_all(&expected).await.expect("taken");
        }
        let mut unanswered = 0;
        while read(&mut stream).await.is_some() {
            unanswered += 1;
        }
        assert_eq!(unanswered, 4, "then it closes");
    };
    let asking = async {
        assert_eq!(arith.add(&Context::new(), Args { a: 1, b: 2 }).await.expect("answered").reply, 3);
    };
    timeout(LONG, async { tokio::join!(server, asking) }).await.expect("in time");
}
