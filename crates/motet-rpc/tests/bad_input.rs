//! What breaks motet/1's rules, over TCP and towards both sides: the table in `docs/protocol.md` says
//! what is answered, and each row is sent. Somebody else is served after every one of them.

#[path = "hostile/cases.rs"]
mod cases;
mod hostile;
mod page;

use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use cases::Case;
use futures_util::FutureExt;
use hostile::{CallFrame, Heard, greeting, message, of, reply, stream_of};
use motet_core::{
    Body, BoxFuture, Call, CallOptions, ClientProtocol, Code, Codec, Codecs, Connecting, Connection, Context, Endpoint,
    Entropy, Executed, Handler, Kind, MethodDescriptor, Payload, Reply, Result, Service, ServiceDescriptor, Status,
    Transports,
};
use motet_promises::Measurement;
use motet_rpc::{
    NativeClient, NativeServer, Router, Server, ServerConfig, TcpTransport,
    native::wire::{self, Cursor, flag, kind},
    typed::IntoService,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};

/// What the page says is answered.
#[derive(Debug, PartialEq)]
enum Answer {
    /// The connection is closed without a word.
    Closed,
    /// It is told why and closed.
    GoAway(u8, String),
    /// The call ends, and the connection goes on.
    End(Code, String),
    /// The call fails where it was made, and the connection goes on.
    Fails(Code, String),
    /// It is passed over.
    Nothing,
}

impl Answer {
    fn read(cell: &str) -> Answer {
        let (what, text) = cell.split_once('"').unwrap_or((cell, ""));
        let text = text.trim_end_matches('"').to_owned();
        let code = |name: &str| Code::ALL.into_iter().find(|code| code.name() == name).expect("a code");
        match what.trim().split_once(' ') {
            Some(("GOAWAY", number)) => Answer::GoAway(number.parse().expect("a number"), text),
            Some(("END", name)) => Answer::End(code(name), text),
            Some(("fails", name)) => Answer::Fails(code(name), text),
            None if what == "closed" => Answer::Closed,
            None if what == "nothing" => Answer::Nothing,
            _ => panic!("{cell}"),
        }
    }
}

/// The rows of the page for one side: name and answer.
fn rows(side: &str) -> Vec<(String, Answer)> {
    page::table(&page::read("protocol.md"), "## When a side breaks the rules")
        .iter()
        .filter(|row| row[1] == side || row[1] == "both")
        .map(|row| (row[0].clone(), Answer::read(&row[3])))
        .collect()
}

/// The cases of one side in the order of the page; none is missing on either side.
fn paired(side: &str, cases: [Vec<Case>; 2], special: &[&str]) -> Vec<(Case, Answer)> {
    let mut cases: Vec<_> = cases.into_iter().flatten().map(Some).collect();
    let rows = rows(side).into_iter().filter(|(name, _)| !special.contains(&name.as_str()));
    let paired = rows.map(|(name, answer)| {
        let case = cases.iter_mut().find(|case| case.as_ref().is_some_and(|case| case.name == name));
        (case.and_then(Option::take).unwrap_or_else(|| panic!("{name} towards the {side} is not tested")), answer)
    });
    let paired = paired.collect();
    assert!(cases.iter().all(Option::is_none), "a case has no row in docs/protocol.md");
    paired
}

type Function = fn(Call) -> BoxFuture<'static, Result<Reply>>;

fn test_service() -> Service {
    let mut descriptor = ServiceDescriptor::new("test", "1");
    let mut handlers: Vec<Arc<dyn Handler>> = Vec::new();
    let methods: [(&str, Kind, Function); 2] = [
        ("echo", Kind::Unary, |call| Box::pin(async move { Ok(Reply::new(call.body)) })),
        // It reads nothing.
        ("hold", Kind::ClientStream, |call| {
            Box::pin(async move {
                let _unread = call.body;
                std::future::pending().await
            })
        }),
    ];
    for (name, kind, handler) in methods {
        descriptor.methods.push(Arc::new(MethodDescriptor::new("test", name).kind(kind)));
        handlers.push(Arc::new(handler));
    }
    Service::new(descriptor, handlers).expect("valid")
}

/// A server on a port of this machine, and a connection on which it is used in earnest.
struct World {
    _server: Server,
    address: String,
    bystander: Arc<dyn Connection>,
}

impl World {
    async fn new() -> World {
        let typed = Router::new().named("typed", "1").method("text", |_, text: String| async move { Ok(text) });
        let mut config = ServerConfig::default();
        config.head_timeout = Duration::from_secs(1);
        let server = Server::builder()
            .config(config)
            .transport(Arc::new(TcpTransport::new()))
            .protocol(Arc::new(NativeServer::default()))
            .service(test_service())
            .service(typed.into_service().expect("valid"))
            .build()
            .expect("valid");
        let address = server.listen("tcp://127.0.0.1:0").await.expect("a port").address;
        let bystander = connect(&address).await;
        World { _server: server, address, bystander }
    }

    async fn serves_others(&self, name: &str) {
        let reply = timed(name, self.bystander.call(echo())).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(&reply.body.one().expect("one").bytes().expect("encoded")[..], b"hi", "{name}");
    }

    async fn dial(&self) -> Heard {
        Heard::new(TcpStream::connect(&self.address).await.expect("it listens"))
    }
}

async fn timed<F: Future>(name: &str, future: F) -> F::Output {
    timeout(Duration::from_secs(20), future).await.unwrap_or_else(|_| panic!("{name}: nothing comes"))
}

async fn connect(address: &str) -> Arc<dyn Connection> {
    let transports = Transports::new().with(Arc::new(TcpTransport::new()));
    let by = Instant::now() + Duration::from_secs(5);
    let connecting = Connecting::new(transports, Codecs::default(), by, Entropy::seeded(1));
    NativeClient::default().connect(&Endpoint::new("tcp", address), &connecting).await.expect("connects")
}

fn call(name: &str, kind: Kind) -> Call {
    let method = Arc::new(MethodDescriptor::new("test", name).kind(kind));
    let body = Body::One(Payload::encoded("hi", Codec::RAW));
    Call::new(method, Context::new(), body, Codec::RAW, Arc::new(CallOptions::default()))
}

fn echo() -> Call {
    call("echo", Kind::Unary)
}

/// Code and reason of a GOAWAY.
fn goaway(payload: &[u8]) -> Answer {
    let goaway = wire::read_goaway(payload).expect("well-formed");
    assert_eq!(goaway.versions, [1]);
    Answer::GoAway(goaway.code, goaway.reason)
}

/// A last call on the same connection, in order, and its stream.
const LAST: u64 = 100_001;

#[tokio::test]
async fn a_server_answers_every_row_of_the_page_and_serves_others() {
    let mut measured = Measurement::begin("P14", "a_server_answers_every_row_of_the_page_and_serves_others");
    let world = World::new().await;
    let all = paired("server", [cases::both(), cases::to_server()], &["truncated"]);
    measured.at_least(all.len() as f64, "kinds of bad input answered by a server as specified", 1.0);
    for (case, expected) in all {
        let name = case.name;
        let mut heard = world.dial().await;
        let mut bytes = if case.bare { Vec::new() } else { greeting() };
        bytes.extend_from_slice(&case.bytes);
        let goes_on = matches!(expected, Answer::End(..) | Answer::Nothing) && name != "calls-too-many";
        if goes_on {
            bytes.extend(CallFrame::one(LAST, b"").bytes());
        }
        // It may be gone before all is written.
        let _ = heard.io().write_all(&bytes).await;
        match &expected {
            Answer::Closed => assert!(timed(name, heard.frame()).await.is_none(), "{name}"),
            Answer::GoAway(..) => {
                let payload = timed(name, heard.until(kind::GOAWAY)).await.unwrap_or_else(|| panic!("{name}: closed"));
                assert_eq!(goaway(&payload), expected, "{name}");
                assert!(timed(name, heard.frame()).await.is_none(), "{name}: it closes");
            }
            Answer::End(code, text) => {
                let payload = timed(name, heard.until(kind::END)).await.unwrap_or_else(|| panic!("{name}: closed"));
                let mut cursor = Cursor::new(&payload);
                cursor.varint().expect("a stream");
                let status = wire::read_end(&mut cursor).expect("well-formed").status.expect("an error");
                assert_eq!(status.code, *code, "{name}: {}", status.message);
                assert!(status.message.contains(text), "{name}: {}", status.message);
                assert!(!status.message.contains("hunter") && !status.message.contains("70707"), "{name}: quoted");
            }
            Answer::Nothing => {}
            Answer::Fails(..) => panic!("{name}: servers do not call"),
        }
        if goes_on {
            let payload = timed(name, heard.until(kind::REPLY)).await.unwrap_or_else(|| panic!("{name}: closed"));
            assert_eq!(stream_of(&payload), LAST, "{name}");
        }
        world.serves_others(name).await;
    }
    measured.end();
}

#[tokio::test]
async fn a_server_bears_frames_that_end_anywhere() {
    let mut measured = Measurement::begin("P14", "a_server_bears_frames_that_end_anywhere");
    let world = World::new().await;
    let mut whole = greeting();
    let metadata: [(&[u8], &[u8]); 1] = [(b"key", b"value")];
    whole.extend(CallFrame::one(1, b"body").metadata(&metadata).bytes());
    for end in 0..whole.len() {
        let mut heard = world.dial().await;
        heard.io().write_all(&whole[..end]).await.expect("open");
        heard.io().shutdown().await.expect("open");
        while let Some((kind, _)) = timed("cut", heard.frame()).await {
            assert_eq!(kind, kind::SETTINGS, "cut at {end}");
        }
    }
    world.serves_others("cut").await;
    measured.at_least(whole.len() as f64, "places where what a server reads was cut off", 1.0);
    measured.end();
}

/// A server that answers the first call on each connection with what it is told to.
struct Hostile {
    listener: TcpListener,
    address: String,
}

impl Hostile {
    async fn new() -> Hostile {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        Hostile { listener, address }
    }

    /// A connection on which a call has been made, and what becomes of that.
    async fn called(&self, stream: bool) -> (Heard, tokio::task::JoinHandle<Result<()>>, Arc<dyn Connection>) {
        let (connection, accepted) = tokio::join!(connect(&self.address), self.listener.accept());
        let call = connection.call(call("echo", if stream { Kind::ServerStream } else { Kind::Unary }));
        let outcome = tokio::spawn(async move {
            let mut replies = call.await?.body.stream();
            // Whoever lets the window overrun does not read before that.
            tokio::time::sleep(Duration::from_millis(if stream { 200 } else { 0 })).await;
            while let Some(item) = replies.next().await {
                item?;
            }
            Ok(())
        });
        let mut heard = Heard::new(accepted.expect("accepted").0);
        timed("a call", heard.until(kind::CALL)).await.expect("a call");
        (heard, outcome, connection)
    }
}

fn fine(id: u64) -> Vec<u8> {
    reply(id, flag::MESSAGE | flag::END, &message(2, b"ok"))
}

#[tokio::test]
async fn a_caller_answers_every_row_of_the_page_and_calls_others() {
    let mut measured = Measurement::begin("P14", "a_caller_answers_every_row_of_the_page_and_calls_others");
    let (world, hostile) = (World::new().await, Hostile::new().await);
    let all = paired("caller", [cases::both(), cases::to_caller()], &["truncated", "reply-late"]);
    measured.at_least(all.len() as f64, "by a caller", 1.0);
    for (case, expected) in all {
        let name = case.name;
        let (mut heard, outcome, connection) = hostile.called(case.stream).await;
        let mut bytes = if case.bare { Vec::new() } else { greeting() };
        bytes.extend_from_slice(&case.bytes);
        if expected == Answer::Nothing {
            bytes.extend(fine(1));
        }
        let _ = heard.io().write_all(&bytes).await;
        if let Answer::GoAway(..) = &expected {
            let payload = timed(name, heard.until(kind::GOAWAY)).await.unwrap_or_else(|| panic!("{name}: closed"));
            assert_eq!(goaway(&payload), expected, "{name}");
        }
        let result = timed(name, outcome).await.expect("no panic");
        match expected {
            Answer::Nothing => result.unwrap_or_else(|error| panic!("{name}: {error}")),
            Answer::GoAway(_, reason) => fails(name, result, Code::Internal, &reason),
            Answer::End(code, text) => {
                fails(name, result, code, &text);
                let payload = timed(name, heard.until(kind::CANCEL)).await.unwrap_or_else(|| panic!("{name}: closed"));
                assert_eq!(stream_of(&payload), 1, "{name}");
                goes_on(name, &mut heard, &*connection).await;
            }
            Answer::Fails(code, text) => {
                fails(name, result, code, &text);
                goes_on(name, &mut heard, &*connection).await;
            }
            Answer::Closed => panic!("{name}: callers say why"),
        }
        world.serves_others(name).await;
    }
    measured.end();
}

#[track_caller]
fn fails(name: &str, result: Result<()>, code: Code, text: &str) {
    let status: Status = result.expect_err(name);
    assert_eq!(status.code(), code, "{name}: {status}");
    assert!(status.message().contains(text), "{name}: {status}");
}

/// The connection is good for another call.
async fn goes_on(name: &str, heard: &mut Heard, connection: &dyn Connection) {
    let again = tokio::spawn(connection.call(echo()));
    let payload = timed(name, heard.until(kind::CALL)).await.unwrap_or_else(|| panic!("{name}: closed"));
    heard.io().write_all(&fine(stream_of(&payload))).await.expect("open");
    timed(name, again).await.expect("no panic").unwrap_or_else(|error| panic!("{name}: {error}"));
}

#[tokio::test]
async fn a_caller_passes_over_the_reply_to_a_call_that_it_cancelled() {
    let hostile = Hostile::new().await;
    assert!(rows("caller").contains(&("reply-late".to_owned(), Answer::Nothing)));
    let (mut heard, outcome, connection) = hostile.called(false).await;
    outcome.abort();
    heard.io().write_all(&greeting()).await.expect("open");
    timed("late", heard.until(kind::CANCEL)).await.expect("a cancel");
    heard.io().write_all(&fine(1)).await.expect("open");
    goes_on("late", &mut heard, &*connection).await;
}

#[tokio::test]
async fn a_caller_bears_frames_that_end_anywhere() {
    let hostile = Hostile::new().await;
    let mut whole = greeting();
    whole.extend(fine(1));
    for end in 0..whole.len() {
        let (mut heard, outcome, _connection) = hostile.called(false).await;
        heard.io().write_all(&whole[..end]).await.expect("open");
        heard.io().shutdown().await.expect("open");
        let mut rest = Vec::new();
        let _ = timed("cut", heard.io().read_to_end(&mut rest)).await;
        fails(
            "cut",
            timed("cut", outcome).await.expect("no panic"),
            Code::Unavailable,
            "the peer closed the connection",
        );
    }
}

/// The end of a peer may be known before its last words: a socket that is closed with unread bytes in
/// it is reset, and a write then fails while they still wait to be read.
#[tokio::test]
async fn what_a_peer_said_last_counts_when_writing_to_it_fails() {
    let hostile = Hostile::new().await;
    let (mut heard, outcome, connection) = hostile.called(false).await;
    heard.io().set_nodelay(true).expect("a socket");
    heard.io().write_all(&[greeting(), fine(1)].concat()).await.expect("open");
    timed("last words", outcome).await.expect("no panic").expect("answered");
    connection.call(echo()).now_or_never();
    heard.io().readable().await.expect("open");
    let mut goaway = BytesMut::new();
    wire::put_goaway(&mut goaway, 1, wire::ErrorCode::None, "that was all");
    heard.io().write_all(&goaway).await.expect("open");
    // From here on nothing runs but this, so that the caller learns of the end by writing.
    drop(heard);
    let status = timed("last words", connection.call(echo())).await.expect_err("gone");
    assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::No), "{status:?}");
    assert!(status.message().contains("that was all"), "{status}");
}

/// Bytes that the server has not read do not cost their sender what the server said.
#[tokio::test]
async fn what_a_server_says_last_arrives_at_a_peer_that_talks_on() {
    let world = World::new().await;
    let mut heard = world.dial().await;
    heard.io().write_all(&[greeting(), of(kind::CALL, &[])].concat()).await.expect("open");
    timed("talks on", heard.until(kind::GOAWAY)).await.expect("its last words");
    heard.io().write_all(&[0; 64 << 10]).await.expect("open");
    tokio::time::sleep(Duration::from_millis(20)).await;
    heard.io().write_all(&[0; 64 << 10]).await.expect("still open");
    let mut rest = Vec::new();
    timed("talks on", heard.io().read_to_end(&mut rest)).await.expect("an end in order, no reset");
    world.serves_others("talks on").await;
}
