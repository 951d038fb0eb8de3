//! The listener in front of a protocol that nothing else knows, and of several at once.

mod server_support;

use std::{sync::Arc, time::Duration};

use motet_core::{
    Body, BoxFuture, Call, CallOptions, Cancel, Code, Codec, Context, Incoming, MemoryTransport, Next, Node, Payload,
    Recognition, ServerProtocol, StaticRegistry, Status, Streaming, Transport,
};
use motet_rpc::{Client, NativeClient, NativeServer, Server, ServerConfig, ServiceClient, TcpTransport, UnixTransport};
use server_support::{Caller, Line, LineClient, builder, greeter};
use tokio::io::AsyncWriteExt;

/// Claims what begins with its bytes, says its name and closes.
struct Fake(&'static str, &'static [u8]);

impl ServerProtocol for Fake {
    fn name(&self) -> &str {
        self.0
    }

    fn recognise(&self, first: &[u8], _: bool) -> Recognition {
        let length = first.len().min(self.1.len());
        match first[..length] == self.1[..length] {
            true if length == self.1.len() => Recognition::Yes,
            true => Recognition::NeedMore(self.1.len()),
            false => Recognition::No,
        }
    }

    fn serve(&self, mut incoming: Incoming) -> BoxFuture<'static, ()> {
        let name = self.0;
        Box::pin(async move {
            let mut first = [0; 3];
            let read = tokio::io::AsyncReadExt::read_exact(&mut incoming.io, &mut first).await;
            let answer = format!("{name} {:02x?} {}\n", first, read.is_ok());
            let _ = incoming.io.write_all(answer.as_bytes()).await;
        })
    }
}

#[tokio::test]
async fn a_call_is_answered_on_every_transport() {
    let memory = MemoryTransport::new();
    let server = builder(&memory).build().expect("valid");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = format!("unix://{}", directory.path().join("s").display());
    let (tcp, unix): (Arc<dyn Transport>, Arc<dyn Transport>) =
        (Arc::new(TcpTransport::new()), Arc::new(UnixTransport::new()));
    for (transport, address) in [(tcp, "127.0.0.1:0"), (unix, &path), (Arc::new(memory), "memory://greeter")] {
        let endpoint = server.listen(address).await.expect("free");
        assert_eq!(endpoint.protocols, ["line"]);
        let mut caller = Caller::dial(&*transport, &endpoint).await;
        assert_eq!(caller.call("greeter/hello {\"name\":\"Ada\"}").await, "ok {\"name\":\"Ada\"}");
        assert_eq!(caller.call("greeter/current").await, "ok true");
        caller.send("greeter/ticks\n").await;
        let lines = [caller.line().await, caller.line().await, caller.line().await, caller.line().await];
        assert_eq!(lines, ["item 1 line", "item 2 line", "item 3 line", "end"]);
    }
    assert_eq!(server.endpoints().len(), 3);
    assert!(server.shutdown(Duration::from_secs(5)).await.drained);
}

/// Calls everything that there is, in every way, and tells what became of it.
async fn all_calls(client: &ServiceClient, server: &Server) -> Vec<String> {
    let service = greeter();
    let prepare = |name: &str, cx: &Context, body: Body| {
        let known = service.methods().find(|(method, _)| method.name == name).map(|(method, _)| method.clone());
        let method = known.unwrap_or_else(|| Arc::new(motet_core::MethodDescriptor::new("greeter", name)));
        client.prepare(&method, cx, Codec::JSON, body).expect("little metadata")
    };
    let json = |text: &'static str| Payload::encoded(text, Codec::JSON);
    let shown = |payload: Payload| String::from_utf8_lossy(&payload.bytes().expect("encoded")).into_owned();
    let failed = |status: Status| format!("{status} {:?}", status.executed());
    let parts = || Body::Stream(Streaming::from_iter([json("1"), json("2"), json("3")]));
    let mut told = Vec::new();
    for name in
        ["hello", "refuses", "panics", "crashes", "brief", "current", "missing", "upload", "ticks", "breaks", "chat"]
    {
        let body = if matches!(name, "upload" | "chat") { parts() } else { Body::One(json("7")) };
        let outcome = match client.call(prepare(name, &Context::new(), body)).await.map(|reply| reply.body) {
            Ok(Body::One(payload)) => shown(payload),
            Ok(Body::Stream(mut items)) => {
                let mut all = String::new();
                while let Some(item) = items.next().await {
                    all.push_str(&item.map_or_else(failed, shown));
                    all.push(' ');
                }
                all
            }
            Err(status) => failed(status),
        };
        told.push(format!("{name}: {outcome}"));
    }

    let limited = Context::new().with_timeout(Duration::from_millis(60));
    let status = client.call(prepare("slow", &limited, Body::One(json("7")))).await.expect_err("too slow");
    told.push(status.to_string());
    let (cx, cancel) = Context::new().cancellable();
    let call = client.call(prepare("slow", &cx, Body::One(json("7"))));
    let later = async {
        while server.stats().method("greeter/slow").snapshot().in_flight == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        cancel.cancel();
    };
    let (status, ()) = tokio::join!(call, later);
    assert_eq!(status.expect_err("cancelled"), Cancel::status());
    let slow = || server.stats().method("greeter/slow").snapshot();
    while slow().in_flight > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    told.push(format!("{:?}", slow().errors.keys().collect::<Vec<_>>()));

    let before = server.stats().method("greeter/hello").snapshot().count;
    let mut one_way = prepare("hello", &Context::new(), Body::One(json("7")));
    one_way.one_way = true;
    client.call(one_way).await.expect("written");
    while server.stats().method("greeter/hello").snapshot().count == before {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    told
}

#[tokio::test]
async fn nothing_above_the_seams_knows_which_protocol_it_is() {
    let server = Server::builder()
        .protocol(Arc::new(NativeServer::default()))
        .protocol(Arc::new(Line::default()))
        .service(greeter())
        .build()
        .expect("valid");
    let endpoint = server.listen("tcp://127.0.0.1:0").await.expect("free");
    assert_eq!(endpoint.protocols, ["motet", "line"], "one port");
    let (line, seen) = (LineClient::default(), Arc::new(std::sync::Mutex::new(0)));
    let counted = seen.clone();
    let client = Client::builder()
        .transport(Arc::new(TcpTransport::new()))
        .registry(Arc::new(StaticRegistry::new(vec![Node::new("greeter", "a").endpoint(endpoint)]).expect("valid")))
        .protocol(Arc::new(NativeClient::default()))
        .protocol(Arc::new(line.clone()))
        .middleware(move |call: Call, next: Next| {
            *counted.lock().expect("no panic") += 1;
            next.run(call)
        })
        .build();
    let mut told = Vec::new();
    for protocol in ["motet", "line"] {
        let mut options = CallOptions::default();
        options.protocol = Some(protocol.to_owned());
        let calls = all_calls(&client.service("greeter").with_options(options), &server).await;
        // The one thing that a handler may know: who its peer is.
        let own = |told: &String| if told.starts_with("ticks") { told.replace(protocol, "…") } else { told.clone() };
        told.push(calls.iter().map(own).collect::<Vec<_>>());
        assert_eq!(line.calls.load(std::sync::atomic::Ordering::SeqCst), if protocol == "line" { 14 } else { 0 });
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(*seen.lock().expect("no panic"), 28, "middleware sees every call once");
    for expected in
        ["hello: 7", "refuses: NOT_FOUND: nobody of that name Yes", "upload: 3", "ticks: 1 … 2 … 3 … ", "chat: 1 2 3 "]
    {
        assert!(told[0].iter().any(|told| told == expected), "{expected} in {told:#?}");
    }
    assert!(told[0].iter().any(|told| told.contains("the caller's limit of 60ms")), "{told:#?}");
    assert!(told[0].iter().any(|told| told.contains(Code::Internal.name())), "{told:#?}");
    assert!(server.shutdown(Duration::from_secs(5)).await.drained);
}

#[tokio::test]
async fn every_split_of_the_first_bytes_reaches_the_same_protocol() {
    let memory = MemoryTransport::new();
    let server = Server::builder()
        .transport(Arc::new(memory.clone()))
        .protocol(Arc::new(Fake("long", b"\xab\xba\x00")))
        .protocol(Arc::new(Fake("short", b"\xab\xba")))
        .protocol(Arc::new(Line::default()))
        .service(greeter())
        .build()
        .expect("valid");
    let endpoint = server.listen("memory://many").await.expect("free");
    let cases: [(&[u8], &str); 3] = [
        (b"\xab\xba\x00", "long [ab, ba, 00] true"),
        (b"\xab\xba\x01", "short [ab, ba, 01] true"),
        (b"greeter/hello {}\n", "ok {}"),
    ];
    for (bytes, answer) in cases {
        for split in 1..bytes.len() {
            let mut caller = Caller::dial(&memory, &endpoint).await;
            caller.send(&bytes[..split]).await;
            // Lets the listener see the first part alone.
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            caller.send(&bytes[split..]).await;
            assert_eq!(caller.line().await, answer, "{bytes:02x?} split at {split}");
        }
        let mut caller = Caller::dial(&memory, &endpoint).await;
        for byte in bytes {
            caller.send([*byte]).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(caller.line().await, answer, "{bytes:02x?} byte by byte");
    }
}

#[tokio::test]
async fn bytes_that_nobody_claims_are_closed_and_counted() {
    let memory = MemoryTransport::new();
    let server = builder(&memory).build().expect("valid");
    let endpoint = server.listen("memory://a").await.expect("free");
    for bytes in [&b"\x00\x01\x02"[..], b"\x16\x03\x01\x02\x00", b"PRI * HTTP/2.0\r\n", b"GETTING"] {
        let mut caller = Caller::dial(&memory, &endpoint).await;
        caller.send(bytes).await;
        assert_eq!(caller.rest().await, "", "{bytes:02x?}");
    }
    let counts = server.connections();
    assert_eq!((counts.accepted, counts.unrecognised), (4, 4));
}

#[tokio::test]
async fn an_http_request_that_nobody_claims_is_told_so() {
    let memory = MemoryTransport::new();
    let server = builder(&memory).build().expect("valid");
    let endpoint = server.listen("memory://a").await.expect("free");
    let mut caller = Caller::dial(&memory, &endpoint).await;
    for part in ["G", "ET / HT", "TP/1.1\r\nHost: a\r\n\r\n"] {
        caller.send(part).await;
        tokio::task::yield_now().await;
    }
    let answer = caller.rest().await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(answer.ends_with("Enabled: line.\n"), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
}

#[tokio::test(start_paused = true)]
async fn slow_first_bytes_are_closed_at_ten_seconds_and_silence_at_ten_minutes() {
    let memory = MemoryTransport::new();
    let server = builder(&memory).build().expect("valid");
    let endpoint = server.listen("memory://a").await.expect("free");
    let start = tokio::time::Instant::now();

    let mut dripping = Caller::dial(&memory, &endpoint).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    let first = tokio::time::Instant::now();
    for _ in 0..9 {
        dripping.send("a").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(dripping.rest().await, "");
    assert_eq!(first.elapsed().as_secs(), 10, "counted from the first byte, though more came");

    // Recognised at once, but its head never ends: the protocol keeps the same limit.
    let mut headless = Caller::dial(&memory, &endpoint).await;
    headless.send("greeter/hel").await;
    let first = tokio::time::Instant::now();
    assert_eq!(headless.rest().await, "");
    assert_eq!(first.elapsed().as_secs(), 10);

    let mut silent = Caller::dial(&memory, &endpoint).await;
    let dialled = tokio::time::Instant::now();
    assert_eq!(silent.rest().await, "");
    assert_eq!(dialled.elapsed().as_secs(), 600);
    assert_eq!(server.connections().too_slow, 1);
    assert_eq!(server.connections().open, 0);
    assert!(start.elapsed() > Duration::from_secs(900));
}

#[tokio::test(start_paused = true)]
async fn the_oldest_silent_connection_makes_room_for_a_new_one() {
    let memory = MemoryTransport::new();
    let mut config = ServerConfig::default();
    config.max_connections = 3;
    let server = builder(&memory).config(config).build().expect("valid");
    let endpoint = server.listen("memory://a").await.expect("free");
    let mut talker = Caller::dial(&memory, &endpoint).await;
    assert_eq!(talker.call("greeter/hello {}").await, "ok {}");
    let mut oldest = Caller::dial(&memory, &endpoint).await;
    let mut younger = Caller::dial(&memory, &endpoint).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut newest = Caller::dial(&memory, &endpoint).await;
    assert_eq!(oldest.rest().await, "", "the oldest silent one goes first");
    assert_eq!(newest.call("greeter/hello {}").await, "ok {}");
    assert_eq!(younger.call("greeter/hello {}").await, "ok {}");
    assert_eq!(talker.call("greeter/hello {}").await, "ok {}");
    // All speak now: nobody can make room.
    let mut refused = Caller::dial(&memory, &endpoint).await;
    assert_eq!(refused.rest().await, "");
    let counts = server.connections();
    assert_eq!((counts.open, counts.silent, counts.over_limit), (3, 0, 1));
}

#[tokio::test]
async fn failures_to_accept_do_not_end_the_loop() {
    struct Flaky(MemoryTransport);
    struct Listener(Box<dyn motet_core::Listener>, std::sync::atomic::AtomicU32);

    impl Transport for Flaky {
        fn scheme(&self) -> &str {
            "flaky"
        }

        fn listen<'a>(&'a self, address: &'a str) -> BoxFuture<'a, motet_core::Result<Box<dyn motet_core::Listener>>> {
            Box::pin(async move { Ok(Box::new(Listener(self.0.listen(address).await?, 0.into())) as _) })
        }

        fn dial<'a>(
            &'a self,
            endpoint: &'a motet_core::Endpoint,
        ) -> BoxFuture<'a, motet_core::Result<motet_core::BoxIo>> {
            self.0.dial(endpoint)
        }
    }

    impl motet_core::Listener for Listener {
        fn endpoint(&self) -> motet_core::Endpoint {
            self.0.endpoint()
        }

        fn accept(&self) -> BoxFuture<'_, motet_core::Result<motet_core::Accepted>> {
            match self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
                0..3 => {
                    Box::pin(async { Err(motet_core::Status::resource_exhausted("too many open files (os error 24)")) })
                }
                _ => self.0.accept(),
            }
        }
    }

    let memory = MemoryTransport::new();
    let server = builder(&memory).transport(Arc::new(Flaky(memory.clone()))).build().expect("valid");
    let endpoint = server.listen("flaky://a").await.expect("free");
    let mut caller = Caller::dial(&memory, &endpoint).await;
    assert_eq!(caller.call("greeter/hello {}").await, "ok {}");
    assert_eq!(server.connections().accept_errors, 3);
}

#[tokio::test]
async fn two_servers_in_one_process_share_nothing() {
    let (here, there) = (MemoryTransport::new(), MemoryTransport::new());
    let (a, b) = (builder(&here).build().expect("valid"), builder(&there).build().expect("valid"));
    let (at_a, at_b) = (a.listen("memory://x").await.expect("free"), b.listen("memory://x").await.expect("free"));
    b.remove("greeter");
    let mut caller = Caller::dial(&here, &at_a).await;
    assert_eq!(caller.call("greeter/hello {}").await, "ok {}");
    let mut other = Caller::dial(&there, &at_b).await;
    assert!(other.call("greeter/hello {}").await.starts_with("error UNIMPLEMENTED"));
    assert_eq!(a.stats().method("greeter/hello").snapshot().count, 1);
    assert_eq!(b.stats().method("greeter/hello").snapshot().count, 0);
    assert!(b.shutdown(Duration::from_secs(5)).await.drained);
    assert_eq!(caller.call("greeter/hello {}").await, "ok {}");
}

#[tokio::test]
async fn addresses_that_cannot_be_listened_at_say_why() {
    let server = builder(&MemoryTransport::new()).build().expect("valid");
    for (address, problem) in [
        ("carrier-pigeon://a", "carrier-pigeon"),
        ("tls://127.0.0.1:0", "set server.tls"),
        ("unix+tls:///tmp/x", "set server.tls"),
        ("tcp://127.0.0.1", "127.0.0.1"),
    ] {
        let error = server.listen(address).await.expect_err("wrong");
        assert!(error.message().contains(problem), "{address}: {error}");
    }
}
