//! The listener in front of a protocol that nothing else knows, and of several at once.

mod server_support;

use std::{sync::Arc, time::Duration};

use motet_core::{BoxFuture, Incoming, MemoryTransport, Recognition, ServerProtocol, Transport};
use motet_rpc::{Server, ServerConfig, TcpTransport, UnixTransport};
use server_support::{Caller, Line, builder, greeter};
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
