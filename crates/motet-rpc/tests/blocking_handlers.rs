//! A server whose handler works without ever waiting, and that is offered ten times what its one
//! thread can do, over a real socket: the method is named, calls are refused instead of queueing up,
//! some are answered meanwhile, and once there are fewer all are.

mod server_support;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use motet_core::{
    Body, BoxFuture, Call, CallOptions, ClientProtocol, Code, Codec, Codecs, Connecting, Connection, Context, Deadline,
    Endpoint, Entropy, Executed, Limit, MethodDescriptor, Payload, Reply, Result, Status, Transports,
};
use motet_rpc::{MethodSnapshot, NativeClient, NativeServer, Server, TcpTransport};
use server_support::greeter::{service, text};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

const TAKES: Duration = Duration::from_millis(5);
/// What one thread can do in a second.
const CAPACITY: u32 = 200;
/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps log lines as text.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn saying(&self, what: &str) -> usize {
        String::from_utf8_lossy(&self.0.lock().expect("no panic")).lines().filter(|line| line.contains(what)).count()
    }
}

/// A server on one thread of its own.
struct OneThread {
    server: Server,
    runtime: Option<Runtime>,
}

impl OneThread {
    fn start() -> OneThread {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let handler = |_: Call| -> BoxFuture<'static, Result<Reply>> {
            Box::pin(async {
                let began = Instant::now();
                while began.elapsed() < TAKES {
                    std::hint::spin_loop();
                }
                Ok(text("done"))
            })
        };
        let burns = service("greeter", vec![(MethodDescriptor::new("greeter", "burn"), Arc::new(handler))]);
        let builder = Server::builder().transport(Arc::new(TcpTransport::new()));
        let server = builder.protocol(Arc::new(NativeServer::default())).service(burns).build().expect("valid");
        OneThread { server, runtime: Some(runtime) }
    }

    async fn connect(&self) -> Arc<dyn Connection> {
        let server = self.server.clone();
        let listening = async move { server.listen("tcp://127.0.0.1:0").await };
        let runtime = self.runtime.as_ref().expect("until dropped");
        let endpoint: Endpoint = runtime.spawn(listening).await.expect("no panic").expect("a port");
        let transports = Transports::new().with(Arc::new(TcpTransport::new()));
        let connecting = Connecting::new(transports, Codecs::default(), Instant::now() + PATIENCE, Entropy::seeded(1));
        NativeClient::default().connect(&endpoint, &connecting).await.expect("connects")
    }

    fn snapshot(&self) -> MethodSnapshot {
        self.server.stats().method("greeter/burn").snapshot()
    }
}

impl Drop for OneThread {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn burn(connection: Arc<dyn Connection>, within: Duration) -> Result<()> {
    let method = Arc::new(MethodDescriptor::new("greeter", "burn"));
    let cx = Context::new().with_deadline(Deadline::after(within, Limit::Caller));
    let body = Body::One(Payload::encoded("{}", Codec::JSON));
    let call = Call::new(method, cx, body, Codec::JSON, Arc::new(CallOptions::default()));
    connection.call(call).await.map(drop)
}

/// What became of calls.
#[derive(Default)]
struct Outcomes {
    good: usize,
    refused: usize,
    late: usize,
}

impl Outcomes {
    fn add(&mut self, result: Result<()>) {
        match result {
            Ok(()) => self.good += 1,
            Err(status) if status.code() == Code::DeadlineExceeded => self.late += 1,
            Err(status) => {
                assert!(refused_well(&status), "{status}");
                self.refused += 1;
            }
        }
    }
}

fn refused_well(status: &Status) -> bool {
    status.code() == Code::ResourceExhausted && status.executed() == Executed::No && status.retry_after().is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_handler_burns_its_thread_names_it_sheds_and_recovers() {
    let lines = Lines::default();
    let writer = lines.clone();
    // The server's thread is another, and this the only test of its process.
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).expect("the first");
    let one = OneThread::start();
    let connection = one.connect().await;
    for _ in 0..30 {
        burn(connection.clone(), PATIENCE).await.expect("one after the other they are all answered");
    }
    let named = || lines.saying("this handler holds its thread again and again");
    assert_eq!((named(), lines.saying("method=\"greeter/burn\"")), (1, 1));
    assert!(one.snapshot().slow_polls >= 3, "{:?}", one.snapshot());

    let (mut outcomes, mut calls) = (Outcomes::default(), JoinSet::new());
    let (began, mut made) = (Instant::now(), 0.0);
    // Until both have been seen: that it refuses, and that it works meanwhile.
    while outcomes.refused < 500 || outcomes.good < 50 || began.elapsed() < Duration::from_secs(2) {
        assert!(began.elapsed() < PATIENCE, "{} answered, {} refused", outcomes.good, outcomes.refused);
        while made < began.elapsed().as_secs_f64() * f64::from(10 * CAPACITY) && calls.len() < 4_000 {
            made += 1.0;
            calls.spawn(burn(connection.clone(), Duration::from_secs(1)));
        }
        sleep(Duration::from_millis(2)).await;
        while let Some(ended) = calls.try_join_next() {
            outcomes.add(ended.expect("no panic"));
        }
    }
    while let Some(ended) = timeout(PATIENCE, calls.join_next()).await.expect("all calls end") {
        outcomes.add(ended.expect("no panic"));
    }
    let time = began.elapsed();
    println!("{} answered, {} refused, {} too late in {time:.1?}", outcomes.good, outcomes.refused, outcomes.late);
    assert!(one.snapshot().refused >= outcomes.refused as u64);

    let ended = Instant::now();
    let mut in_a_row = 0;
    while in_a_row < 20 {
        assert!(ended.elapsed() < PATIENCE, "calls are still refused: {:?}", one.snapshot());
        in_a_row = match burn(connection.clone(), PATIENCE).await {
            Ok(()) => in_a_row + 1,
            Err(status) if refused_well(&status) => 0,
            Err(status) => panic!("{status}"),
        };
    }
    println!("as ever after {:.1?}", ended.elapsed());
    assert_eq!(named(), 1, "once, and not once for each call");
    assert_eq!((one.snapshot().in_flight, one.snapshot().queued), (0, 0));
}
