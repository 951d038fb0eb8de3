//! What middleware sees and does.

use std::time::Duration;

use middleware::{Library, LibraryClient, LibraryServer, Log, MyLibrary, RequireToken, SendToken, request_ids, timed};
use motet::{App, AppBuilder, Code, Context, Entropy, Executed, MemoryRegistry, RunningApp, meta};

async fn start(app: AppBuilder) -> RunningApp {
    app.start().await.expect("starts")
}

fn library() -> LibraryServer {
    LibraryServer::new(MyLibrary { behind: None })
}

#[tokio::test]
async fn a_call_without_the_token_reaches_no_handler() {
    let registry = MemoryRegistry::new();
    let guarded =
        App::builder().registry(registry.clone()).middleware(RequireToken::new("right", "Ada")).service(library());
    let server = start(guarded).await;
    for (token, expected) in
        [(Some("right"), None), (Some("wrong"), Some(Code::PermissionDenied)), (None, Some(Code::Unauthenticated))]
    {
        let mut app = App::builder().registry(registry.clone());
        if let Some(token) = token {
            app = app.client_middleware(SendToken::new(token));
        }
        let client = start(app).await;
        let library = LibraryClient::new(client.client());
        let outcome = library.whoami(&Context::new()).await;
        assert_eq!(outcome.map_err(|error| error.code()), expected.map_or(Ok("Ada".to_owned()), Err));
        let stream = library.books(&Context::new(), 1).await;
        assert_eq!(stream.err().map(|error| error.code()), expected, "streams are calls");
        client.stop().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn health_needs_no_token() {
    let server = start(App::builder().middleware(RequireToken::new("right", "Ada")).service(library())).await;
    let client = server.client().to(&server.endpoints()[0]).expect("an address");
    let health = client.service(meta::SERVICE).call_json(&Context::new(), "health", "{}").await.expect("an answer");
    assert_eq!(health["ready"], true);
    server.stop().await;
}

#[tokio::test]
async fn a_request_id_follows_the_call_and_a_token_does_not() {
    let registry = MemoryRegistry::new();
    let back = start(App::builder().registry(registry.clone()).service(library())).await;
    let asking = start(App::builder().registry(registry)).await;
    let middle = MyLibrary { behind: Some(LibraryClient::new(asking.client())) };
    let front = start(App::builder().service(LibraryServer::new(middle))).await;
    let client = start(
        App::builder()
            .registry(format!("static:library={}", front.endpoints()[0].address))
            .client_middleware(request_ids(Entropy::seeded(1))),
    )
    .await;
    let library = LibraryClient::new(client.client());
    let first = library.forward(&Context::new(), "Ada".into()).await.expect("an answer");
    assert!(first.starts_with("hello Ada, request ") && !first.ends_with("none"), "{first}");
    let second = library.forward(&Context::new(), "Ada".into()).await.expect("an answer");
    assert_ne!(first, second, "each call has its own");
    let cx = Context::new().with_metadata("x-request-id", "mine").expect("text");
    assert_eq!(library.forward(&cx, "Ada".into()).await.as_deref(), Ok("hello Ada, request mine"));
    for app in [client, front, asking, back] {
        app.stop().await;
    }
}

#[tokio::test]
async fn the_end_of_a_call_is_told_once_whatever_it_is() {
    let log = Log::default();
    let (server_log, registry) = (Log::default(), MemoryRegistry::new());
    let server =
        start(App::builder().registry(registry.clone()).middleware(timed(server_log.clone())).service(library())).await;
    let client = start(App::builder().registry(registry).client_middleware(timed(log.clone()))).await;
    let (library, cx) = (LibraryClient::new(client.client()), &Context::new());
    library.hello(cx, "Ada".into()).await.expect("an answer");
    let error = library.forward(cx, "Ada".into()).await.expect_err("nobody behind");
    assert_eq!(error.executed(), Executed::Yes);
    library.books(cx, 3).await.expect("a stream").collect().await.expect("to the end");
    let mut endless = library.books(cx, u32::MAX).await.expect("a stream");
    endless.next().await.expect("a book").expect("no error");
    drop(endless);
    let expected = [
        "library/hello: OK, 1 messages",
        "library/forward: FAILED_PRECONDITION, 0 messages",
        "library/books: OK, 3 messages",
        "library/books: CANCELLED, 1 messages",
    ];
    assert_eq!(log.lines(), expected);
    // The server hears of the cancelled stream a moment later.
    for _ in 0..1000 {
        if server_log.lines().len() == expected.len() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let lines = server_log.lines();
    assert_eq!(lines[..3], expected[..3]);
    assert!(lines[3].starts_with("library/books: CANCELLED"), "{lines:?}");
    client.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn calls_inside_an_app_pass_both_sides_middleware() {
    let (server, client) = (Log::default(), Log::default());
    let app =
        App::builder().middleware(timed(server.clone())).client_middleware(timed(client.clone())).service(library());
    let app = start(app).await;
    LibraryClient::new(app.client()).hello(&Context::new(), "Ada".into()).await.expect("an answer");
    assert_eq!((server.lines(), client.lines().len()), (client.lines(), 1));
    app.stop().await;
}

#[test]
fn the_program_prints_its_log() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_middleware")).output().expect("runs");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("hello Ada, request "), "{text}");
    assert_eq!(lines[1..3], ["[0, 1, 2]", "library/whoami: OK, 1 messages"]);
    assert_eq!(lines[3..5], ["library/hello: OK, 1 messages", "library/books: OK, 3 messages"]);
    assert!(lines[5].starts_with("library/books: CANCELLED"), "{text}");
}
