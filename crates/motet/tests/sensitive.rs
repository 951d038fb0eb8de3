//! A value that is marked as sensitive is sent in every right and wrong shape, and looked for in
//! everything that the library says: replies, logs, `Debug`, counters, introspection.

use std::{
    collections::BTreeMap,
    io::Write,
    sync::{Arc, Mutex},
};

use motet::{
    Body, Bytes, Call, Client, Codec, Context, Middleware, Next, Payload, Reply, Result, RunningApp, Status,
    core::{BoxFuture, MethodDescriptor, Service},
};
use serde_json::{Value, json};

const TEXT: &str = "hunter2-is-secret";
const NUMBER: u64 = 7_070_717_277;

#[motet::message]
#[derive(Clone, PartialEq)]
struct Login {
    user: String,
    #[motet(sensitive)]
    #[garde(length(max = 100))]
    password: String,
    #[motet(sensitive)]
    pin: Option<u64>,
    #[motet(sensitive)]
    #[garde(inner(length(max = 100)))]
    answers: Vec<String>,
    #[motet(sensitive)]
    vault: BTreeMap<String, Note>,
    #[motet(sensitive)]
    kind: Option<Kind>,
    #[motet(sensitive)]
    address: Option<std::net::IpAddr>,
}

#[motet::message]
#[derive(Clone, PartialEq)]
struct Note {
    #[motet(sensitive)]
    #[garde(length(max = 100))]
    text: String,
}

#[motet::message]
#[derive(Clone, PartialEq, Debug)]
enum Kind {
    Plain,
    Hashed { rounds: u32 },
}

/// Takes secrets.
#[motet::service(name = "vault", version = "1.0.0")]
trait Vault {
    async fn login(&self, cx: &Context, req: Login) -> Result<bool>;
    async fn echo(&self, cx: &Context, req: Login) -> Result<Login>;
    async fn refuse(&self, cx: &Context, req: Login) -> Result<bool>;
    async fn panics(&self, cx: &Context, req: Login) -> Result<bool>;
    async fn word(&self, cx: &Context, #[motet(sensitive)] password: String, times: u8) -> Result<bool>;
}

struct MyVault;

impl Vault for MyVault {
    async fn login(&self, _: &Context, _: Login) -> Result<bool> {
        Ok(true)
    }
    async fn echo(&self, _: &Context, req: Login) -> Result<Login> {
        Ok(req)
    }
    async fn refuse(&self, _: &Context, req: Login) -> Result<bool> {
        Err(Status::permission_denied("nobody may come in").with_source(req.password))
    }
    async fn panics(&self, _: &Context, req: Login) -> Result<bool> {
        std::panic::resume_unwind(Box::new(format!("cannot take {}", req.password)))
    }
    async fn word(&self, _: &Context, _: String, _: u8) -> Result<bool> {
        Ok(true)
    }
}

fn right() -> Value {
    json!({
        "user": "ada", "password": TEXT, "pin": NUMBER, "answers": [TEXT], "vault": {TEXT: {"text": TEXT}},
        "kind": {"Hashed": {"rounds": 7}}, "address": null,
    })
}

/// JSON bodies in which the marker stands where it should and where it should not.
fn bodies() -> Vec<Value> {
    let with = |field: &str, value: Value| {
        let mut body = right();
        body[field] = value;
        body
    };
    let long = TEXT.repeat(20);
    let mut all = vec![
        right(),
        json!(TEXT),
        json!(NUMBER),
        json!([TEXT, NUMBER]),
        json!({ TEXT: TEXT }),
        json!({ "password": TEXT }),
        json!({ "password": TEXT, "times": TEXT }),
        json!({ "password": TEXT, "times": NUMBER }),
        with("password", json!(long)),
        with("answers", json!([long])),
        with("vault", json!({ TEXT: { "text": long } })),
    ];
    let wrong = [
        json!(TEXT),
        json!(NUMBER),
        json!(-7_070_717_277_i64),
        json!(7_070_717_277.5),
        json!(true),
        json!([TEXT]),
        json!([NUMBER, TEXT]),
        json!({ TEXT: TEXT }),
        json!({ TEXT: { "text": NUMBER } }),
        json!({ TEXT: { TEXT: NUMBER } }),
        json!({ "Hashed": { "rounds": TEXT } }),
        json!({ "Hashed": { "rounds": NUMBER } }),
        json!({ "Plain": TEXT, TEXT: 1 }),
    ];
    for field in ["user", "password", "pin", "answers", "vault", "kind", "address"] {
        all.extend(wrong.iter().map(|value| with(field, value.clone())));
    }
    all
}

/// The bodies in every codec, whole and broken.
fn encoded() -> Vec<(Codec, Vec<u8>)> {
    let mut all = Vec::new();
    for body in bodies() {
        all.push((Codec::JSON, body.to_string().into_bytes()));
        all.push((Codec::MSGPACK, rmp(&body)));
    }
    let login: Login = serde_json::from_value(right()).expect("the right shape");
    for codec in [Codec::PROTOBUF, Codec::JSON, Codec::MSGPACK] {
        let message = motet::core::MessageType::<Login>::serde();
        let mut whole = bytes::BytesMut::new();
        message.encode(&login, &codec, &mut whole).expect("written");
        all.push((codec.clone(), whole.to_vec()));
        for at in 0..whole.len() {
            all.push((codec.clone(), whole[..at].to_vec()));
            let mut damaged = whole.to_vec();
            damaged[at] = damaged[at].wrapping_add(0x85);
            all.push((codec.clone(), damaged));
        }
    }
    // Protobuf: the marker in every field, as every wire type.
    for field in 1..=8_u8 {
        let text = [&[field << 3 | 2, TEXT.len() as u8][..], TEXT.as_bytes()].concat();
        let number = [&[field << 3][..], &varint(NUMBER)].concat();
        let fixed = [&[field << 3 | 1][..], &NUMBER.to_le_bytes()].concat();
        let inner = [&[field << 3 | 2, text.len() as u8][..], &text].concat();
        let bad = [&[field << 3 | 2, TEXT.len() as u8 + 1][..], TEXT.as_bytes(), &[0xff]].concat();
        all.extend([text, number, fixed, inner, bad].map(|bytes| (Codec::PROTOBUF, bytes)));
    }
    all
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

/// MessagePack of a JSON value.
fn rmp(value: &Value) -> Vec<u8> {
    let mut out = bytes::BytesMut::new();
    motet::core::MessageType::<motet::Plain<AnyValue>>::plain()
        .encode(&motet::Plain(AnyValue(value.clone())), &Codec::MSGPACK, &mut out)
        .expect("written");
    out.to_vec()
}

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
struct AnyValue(Value);

/// Everything that was said.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Said {
    fn note(&self, what: &str) {
        self.0.lock().expect("no panic").extend_from_slice(what.as_bytes());
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no panic")).into_owned()
    }
}

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Says all it sees of a call and of its end.
struct Talkative(Said);

impl Middleware for Talkative {
    fn handle<'a>(&'a self, mut call: Call, next: Next) -> BoxFuture<'a, Result<Reply>> {
        let said = self.0.clone();
        Box::pin(async move {
            said.note(&format!("{call:?} {:?} {:?}", call.body, call.cx));
            let at_end = said.clone();
            call.on_end(move |end| at_end.note(&format!("{end:?}")));
            let reply = next.run(call).await;
            said.note(&format!("{reply:?}"));
            reply
        })
    }
}

struct World {
    app: RunningApp,
    client: Client,
    service: Service,
    said: Said,
}

impl World {
    async fn new() -> World {
        let said = Said::default();
        let writer = said.clone();
        // Without times: their digits may be those that are looked for.
        let subscriber = tracing_subscriber::fmt()
            .without_time()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::set_global_default(subscriber).expect("the only test of this binary that sets one");
        let service = VaultServer::new(MyVault).into_service().expect("valid");
        let app = motet::App::builder()
            .middleware(Talkative(said.clone()))
            .service(VaultServer::new(MyVault))
            .listen("tcp://127.0.0.1:0")
            .start()
            .await
            .expect("starts");
        let endpoint = app.endpoints()[0].to_string();
        let client = app.client().to(&endpoint).expect("an address");
        World { app, client, service, said }
    }

    /// Sends a body as it is, over TCP, and notes all that comes back but an answer.
    async fn send(&self, method: &Arc<MethodDescriptor>, codec: &Codec, body: &[u8]) {
        let vault = self.client.service(method.service());
        let body = Body::One(Payload::encoded(Bytes::copy_from_slice(body), codec.clone()));
        let call = vault.prepare(method, &Context::new(), codec.clone(), body).expect("a call");
        self.said.note(&format!("{call:?}"));
        match vault.call(call).await {
            Ok(reply) => self.said.note(&format!("{reply:?}")),
            Err(status) => self.note_status(&status),
        }
    }

    fn note_status(&self, status: &Status) {
        self.said.note(&format!("{status} {status:?} {:?} {:?}", status.reason(), status.metadata()));
        if let Some(details) = status.details() {
            let bytes = details.bytes().expect("written");
            self.said.note(&format!("{details:?} {}", String::from_utf8_lossy(&bytes)));
        }
    }

    async fn ask(&self, method: &str) {
        let method = Arc::new(MethodDescriptor::new("motet.meta", method));
        let meta = self.client.service("motet.meta");
        let body = Body::One(Payload::encoded("{}", Codec::JSON));
        let call = meta.prepare(&method, &Context::new(), Codec::JSON, body).expect("a call");
        let reply = meta.call(call).await.unwrap_or_else(|error| panic!("{method:?}: {error}"));
        let bytes = reply.body.one().expect("one").bytes().expect("encoded");
        self.said.note(&String::from_utf8_lossy(&bytes));
    }
}

#[tokio::test]
async fn what_is_sensitive_is_said_nowhere() {
    let world = World::new().await;
    let bodies = encoded();
    assert!(bodies.len() > 500);
    for (method, _) in world.service.methods() {
        // Those that differ only in what the handler does get the first: the right one.
        let some = if ["refuse", "panics", "echo"].contains(&method.name.as_str()) { 2 } else { bodies.len() };
        for (codec, body) in &bodies[..some] {
            world.send(method, codec, body).await;
        }
    }
    let login: Login = serde_json::from_value(right()).expect("the right shape");
    world.said.note(&format!("{login:?} {:?}", Some(&login.vault.values().next())));
    // Inside the App nothing is encoded.
    let inside = VaultClient::new(world.app.client());
    let cx = Context::new();
    for result in [
        inside.login(&cx, login.clone()).await,
        inside.refuse(&cx, login.clone()).await,
        inside.panics(&cx, login.clone()).await,
        inside.word(&cx, TEXT.to_owned(), 1).await,
    ] {
        match result {
            Ok(_) => {}
            Err(status) => world.note_status(&status),
        }
    }
    for method in ["describe", "health", "stats", "nodes"] {
        world.ask(method).await;
    }
    world.said.note(&format!("{:?} {:?}", world.app.client().stats(), world.client));
    let said = world.said.text();
    for expected in
        ["vault/login", "INVALID_ARGUMENT", "password: length is above 100", "motet.server", "PERMISSION_DENIED"]
    {
        assert!(said.contains(expected), "nothing is heard of {expected}");
    }
    let numbers = TEXT.as_bytes().iter().take(6).map(u8::to_string).collect::<Vec<_>>().join(", ");
    let hexadecimal = TEXT.as_bytes().iter().take(6).map(|byte| format!("{byte:02x}")).collect::<String>();
    for marker in [TEXT, "hunter2", "7070717277", "7.0707", &numbers, &hexadecimal] {
        if let Some(at) = said.find(marker) {
            let from = said.floor_char_boundary(at.saturating_sub(300));
            panic!("{marker} is said: {}", &said[from..said.ceil_char_boundary(at + 100)]);
        }
    }
    world.app.stop().await;
}
