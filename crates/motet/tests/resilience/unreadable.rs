//! A request that cannot be read, or breaks a constraint, never reaches its handler: by every protocol
//! that can say so, its error says that the call did not run.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use motet::{
    App, Body, Code, Codec, Context, Executed, MethodDescriptor, Payload, Result, Router, RunningApp, Status, Streaming,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[motet::message]
struct Order {
    /// How many.
    #[garde(range(max = 9))]
    count: u8,
}

#[motet::service(name = "shop", version = "1.0.0")]
trait Shop {
    async fn order(&self, cx: &Context, order: Order) -> Result<u8>;
    async fn several(&self, cx: &Context, count: u8, name: String) -> Result<u8>;
    async fn ticks(&self, cx: &Context, order: Order) -> Result<Streaming<u8>>;
}

/// Counts what ran; whoever orders nothing is refused.
#[derive(Clone, Default)]
struct Ran(Arc<AtomicUsize>);

impl Ran {
    fn take(&self, count: u8) -> Result<u8> {
        self.0.fetch_add(1, SeqCst);
        if count == 0 { Err(Status::invalid_argument("nothing is ordered")) } else { Ok(count) }
    }
}

impl Shop for Ran {
    async fn order(&self, _: &Context, order: Order) -> Result<u8> {
        self.take(order.count)
    }

    async fn several(&self, _: &Context, count: u8, _: String) -> Result<u8> {
        self.take(count)
    }

    async fn ticks(&self, _: &Context, order: Order) -> Result<Streaming<u8>> {
        self.take(order.count).map(|count| Streaming::from_iter(0..count))
    }
}

/// The same as closures, under another name.
fn closures(ran: &Ran) -> Router {
    let (one, many, all) = (ran.clone(), ran.clone(), ran.clone());
    Router::new()
        .named("closures", "1.0.0")
        .method("order", move |_, order: Order| std::future::ready(one.take(order.count)))
        .args("several", ["count", "name"], move |_: Context, count: u8, _: String| {
            std::future::ready(many.take(count))
        })
        .server_stream("ticks", move |_, order: Order| {
            std::future::ready(all.take(order.count).map(|count| Streaming::from_iter(0..count)))
        })
}

async fn start(ran: &Ran) -> RunningApp {
    let app = App::builder().listen("tcp://127.0.0.1:0").service(ShopServer::new(ran.clone())).service(closures(ran));
    app.build().start().await.expect("starts")
}

/// The error of a call with this body: the call's own, or the first item of its stream.
async fn refused(app: &RunningApp, scheme: &str, method: &Arc<MethodDescriptor>, codec: Codec, body: &str) -> Status {
    let client = app.client().to(format!("{scheme}://{}", app.endpoints()[0].address)).expect("an address");
    let service = client.service(method.service());
    let body = Body::One(Payload::encoded(body.to_owned(), codec.clone()));
    let call = service.prepare(method, &Context::new(), codec, body).expect("a call");
    let replied = match service.call(call).await.map(|reply| reply.body) {
        Ok(Body::Stream(mut items)) => items.next().await.expect("an end").map(drop),
        Ok(Body::One(_)) => Ok(()),
        Err(status) => Err(status),
    };
    replied.expect_err(&format!("{scheme} {}: it is no request", method.path))
}

/// Protocols that carry `executed`, whether they have streams, and the codec of the bodies below.
const SAYING: [(&str, bool, Codec); 9] = [
    ("motet", true, Codec::JSON),
    ("grpc", true, Codec::JSON),
    ("grpc-web", true, Codec::JSON),
    ("connect", true, Codec::JSON),
    ("http", true, Codec::JSON),
    ("ws", true, Codec::JSON),
    ("jsonrpc2", false, Codec::JSON),
    ("mucp", true, Codec::JSON),
    ("motet", true, Codec::MSGPACK),
];

/// Those that carry a text and nothing else: nobody can tell.
const MUTE: [&str; 5] = ["jsonrpc", "netrpc", "netrpc-http", "gorpc", "rpcx"];

fn methods(streams: bool) -> Vec<Arc<MethodDescriptor>> {
    let of_trait = ShopServer::descriptor().methods;
    let mut of_closures = ShopServer::descriptor();
    of_closures.name = "closures".to_owned();
    of_closures.ident = "Closures".to_owned();
    for method in &mut of_closures.methods {
        Arc::make_mut(method).path = format!("closures/{}", method.name);
    }
    of_closures.spell();
    of_trait.into_iter().chain(of_closures.methods).filter(|method| streams || !method.kind.server_streams()).collect()
}

#[tokio::test]
async fn what_is_no_request_did_not_run_and_every_protocol_that_can_says_so() {
    let ran = Ran::default();
    let app = start(&ran).await;
    for (scheme, streams, codec) in SAYING {
        for method in methods(streams) {
            for body in ["no body at all", r#"{"count": "two", "name": ""}"#, r#"{"count": 10000, "name": ""}"#] {
                let status = refused(&app, scheme, &method, codec.clone(), body).await;
                let known = (status.code(), status.executed());
                assert_eq!(known, (Code::InvalidArgument, Executed::No), "{scheme} {} {body}: {status}", method.path);
            }
            if method.name != "several" && codec == Codec::JSON {
                let status = refused(&app, scheme, &method, codec.clone(), r#"{"count": 10}"#).await;
                let known = (status.code(), status.executed());
                assert_eq!(known, (Code::InvalidArgument, Executed::No), "{scheme} {}: {status}", method.path);
            }
        }
    }
    assert_eq!(ran.0.load(SeqCst), 0, "nothing ran");
    for (scheme, streams, codec) in SAYING.into_iter().filter(|(_, _, codec)| *codec == Codec::JSON) {
        for method in methods(streams) {
            let status = refused(&app, scheme, &method, codec.clone(), r#"{"count": 0, "name": ""}"#).await;
            assert_eq!(status.message(), "nothing is ordered", "{scheme} {}", method.path);
            assert_eq!(status.executed(), Executed::Yes, "{scheme} {}: its handler says the same", method.path);
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn by_protocols_that_carry_a_text_nobody_can_tell() {
    let ran = Ran::default();
    let app = start(&ran).await;
    let order = &methods(false)[0];
    for scheme in MUTE {
        for body in [r#"{"count": 10}"#, r#"{"count": 0}"#] {
            let status = refused(&app, scheme, order, Codec::JSON, body).await;
            assert_eq!(status.executed(), Executed::Unknown, "{scheme}: {status}");
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn bodies_sent_by_hand_over_http_did_not_run_either() {
    let ran = Ran::default();
    let app = start(&ran).await;
    let no = r#""executed":"no""#;
    for (path, kind, body, expected) in [
        ("/shop/order", "application/json", "{", no),
        ("/shop/order", "application/json", r#"{"count":"x"}"#, no),
        ("/shop/order", "application/json", r#"{"count":10}"#, no),
        ("/shop/order", "application/json", "\u{feff}[]", no),
        ("/shop/order", "application/x-www-form-urlencoded", "count=x", no),
        ("/shop/order", "application/protobuf", "\u{7f}\u{7f}", no),
        ("/shop/ticks", "application/json", "{", no),
        ("/shop/order", "text/html", "<p>", no),
        ("/shop.Shop/Order", "application/proto", "\u{7f}\u{7f}", "motet-executed: no"),
        ("/shop.Shop/Order", "application/grpc-web+proto", "\0\0\0\0\u{2}\u{7f}\u{7f}", "motet-executed: no"),
        (
            "/jsonrpc",
            "application/json",
            r#"{"jsonrpc":"2.0","id":1,"method":"Shop.Order","params":{"count":"x"}}"#,
            no,
        ),
        ("/jsonrpc", "application/json", r#"{"jsonrpc":"2.0","id":1,"method":"Shop.Order","params":{"count":10}}"#, no),
        ("/jsonrpc", "application/json", r#"{"jsonrpc":"2.0","id":1,"method":"Shop.Order","params":7}"#, "-32600"),
    ] {
        let mut socket = TcpStream::connect(&app.endpoints()[0].address).await.expect("listening");
        let length = body.len();
        let ask = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        );
        socket.write_all(ask.as_bytes()).await.expect("it reads");
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.expect("an answer");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.contains(expected), "{path} {kind} {body}\n{answer}");
    }
    assert_eq!(ran.0.load(SeqCst), 0, "nothing ran");
    app.stop().await;
}
