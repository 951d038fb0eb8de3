//! The fault proxy, over real sockets.

use std::{io::ErrorKind, time::Duration};

use motet_testkit::proxy::{Direction, Ending, FaultProxy, Faults};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long nothing must come.
const A_WHILE: Duration = Duration::from_millis(50);

struct World {
    proxy: FaultProxy,
    listener: TcpListener,
}

impl World {
    async fn new() -> World {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let proxy = FaultProxy::start(listener.local_addr().expect("bound").to_string()).await.expect("a port");
        World { proxy, listener }
    }

    /// Both ends of a connection through the proxy.
    async fn connect(&self) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(self.proxy.address()).await.expect("the proxy listens");
        let (server, _) = timed(self.listener.accept()).await.expect("the proxy dials");
        (client, server)
    }
}

async fn timed<F: Future>(work: F) -> F::Output {
    timeout(PATIENCE, work).await.expect("nothing comes")
}

async fn hear(from: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    timed(from.read_exact(&mut bytes)).await.expect("bytes");
    bytes
}

async fn hears_nothing(from: &mut TcpStream) {
    let mut byte = [0];
    assert!(timeout(A_WHILE, from.read(&mut byte)).await.is_err(), "something came");
}

/// Everything up to the end, and whether that was a reset.
async fn rest(from: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    match timed(from.read_to_end(&mut bytes)).await {
        Ok(_) => (bytes, false),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            (bytes, true)
        }
    }
}

#[tokio::test]
async fn without_faults_bytes_and_ends_go_through_and_are_counted() {
    let world = World::new().await;
    let (mut client, mut server) = world.connect().await;
    let large: Vec<u8> = (0..1_000_000u32).map(|n| n as u8).collect();
    let (sent, heard) = tokio::join!(client.write_all(&large), hear(&mut server, large.len()));
    sent.expect("open");
    assert!(heard == large, "all bytes in order");
    server.write_all(b"reply").await.expect("open");
    assert_eq!(hear(&mut client, 5).await, b"reply");
    client.shutdown().await.expect("open");
    assert_eq!(rest(&mut server).await, (Vec::new(), false));
    server.write_all(b"last words").await.expect("half open");
    drop(server);
    assert_eq!(rest(&mut client).await, (b"last words".to_vec(), false));
    let started = Instant::now();
    while world.proxy.counts().open > 0 {
        assert!(started.elapsed() < PATIENCE, "{:?}", world.proxy);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let counts = world.proxy.counts();
    assert_eq!((counts.accepted, counts.failed), (1, 0));
    assert_eq!((counts.to_server, counts.to_client), (1_000_000, 15));
}

#[tokio::test]
async fn a_delay_holds_bytes_back_in_its_direction_only() {
    let world = World::new().await;
    let (mut client, mut server) = world.connect().await;
    let delay = Duration::from_millis(200);
    world.proxy.set(Direction::ToServer, Faults::none().delay(delay));
    let started = Instant::now();
    client.write_all(b"a").await.expect("open");
    server.write_all(b"b").await.expect("open");
    assert_eq!(hear(&mut client, 1).await, b"b");
    assert_eq!(hear(&mut server, 1).await, b"a");
    assert!(started.elapsed() >= delay);
}

#[tokio::test]
async fn a_stalled_direction_stays_open_and_holds_a_bounded_number_of_bytes() {
    let world = World::new().await;
    let (mut client, mut server) = world.connect().await;
    world.proxy.set(Direction::ToServer, Faults::none().stall());
    let large = vec![7; 64 << 20];
    let writing = timeout(Duration::from_millis(300), client.write_all(&large)).await;
    assert!(writing.is_err(), "64 MiB do not fit into what is on its way");
    hears_nothing(&mut server).await;
    server.write_all(b"still there").await.expect("open");
    assert_eq!(hear(&mut client, 11).await, b"still there");
    assert_eq!(world.proxy.counts().to_server, 0);
    world.proxy.heal();
    assert_eq!(hear(&mut server, 100_000).await, vec![7; 100_000]);
}

#[tokio::test]
async fn a_connection_is_cut_within_a_frame() {
    let world = World::new().await;
    world.proxy.script(|_| [Faults::none().end_after(10, Ending::Cut), Faults::none()]);
    let (mut client, mut server) = world.connect().await;
    client.write_all(b"0123456789abc").await.expect("open");
    assert_eq!(rest(&mut server).await, (b"0123456789".to_vec(), false));
    assert_eq!(rest(&mut client).await.0, b"");
}

#[tokio::test]
async fn a_reset_reaches_both_sides() {
    let world = World::new().await;
    let (mut client, mut server) = world.connect().await;
    server.write_all(b"x").await.expect("open");
    assert_eq!(hear(&mut client, 1).await, b"x");
    assert!(world.proxy.set_connection(0, Direction::ToClient, Faults::none().end_after(0, Ending::Reset)));
    assert_eq!(rest(&mut client).await, (Vec::new(), true));
    assert_eq!(rest(&mut server).await, (Vec::new(), true));
}

#[tokio::test]
async fn a_reset_reaches_a_side_that_reads_nothing() {
    let world = World::new().await;
    let (mut client, server) = world.connect().await;
    let large = vec![7; 64 << 20];
    let (written, ()) = tokio::join!(timed(client.write_all(&large)), async {
        tokio::time::sleep(A_WHILE).await;
        world.proxy.set(Direction::ToServer, Faults::none().end_after(0, Ending::Reset));
    });
    written.expect_err("reset");
    drop(server);
}

#[tokio::test]
async fn a_half_close_ends_one_direction_and_leaves_the_other() {
    let world = World::new().await;
    let (mut client, mut server) = world.connect().await;
    world.proxy.set(Direction::ToServer, Faults::none().end_after(3, Ending::HalfClose));
    client.write_all(b"abcdef").await.expect("open");
    assert_eq!(rest(&mut server).await, (b"abc".to_vec(), false));
    server.write_all(b"answer").await.expect("half open");
    assert_eq!(hear(&mut client, 6).await, b"answer");
}

#[tokio::test]
async fn a_bandwidth_makes_bytes_take_their_time() {
    let world = World::new().await;
    let (mut client, mut server) = world.connect().await;
    world.proxy.set(Direction::ToServer, Faults::none().bandwidth(100_000));
    let started = Instant::now();
    client.write_all(&[7; 30_000]).await.expect("open");
    assert_eq!(hear(&mut server, 30_000).await, vec![7; 30_000]);
    assert!(started.elapsed() >= Duration::from_millis(250), "{:?}", started.elapsed());
}

#[tokio::test]
async fn each_connection_may_have_a_script_of_its_own() {
    let world = World::new().await;
    world.proxy.script(|connection| match connection {
        1 => [Faults::none(), Faults::none().end_after(2, Ending::Reset)],
        _ => Default::default(),
    });
    for number in 0..3 {
        let (mut client, mut server) = world.connect().await;
        server.write_all(b"abc").await.expect("open");
        drop(server);
        let (heard, reset) = rest(&mut client).await;
        match number {
            1 => assert!(reset && heard.len() <= 2, "{heard:?}"),
            _ => assert_eq!((heard, reset), (b"abc".to_vec(), false)),
        }
    }
    assert_eq!(world.proxy.counts().accepted, 3);
    assert!(!world.proxy.set_connection(7, Direction::ToServer, Faults::none()), "there is no such connection");
}

#[tokio::test]
async fn a_client_is_reset_when_nobody_listens_behind_the_proxy() {
    let world = World::new().await;
    drop(world.listener);
    let mut client = TcpStream::connect(world.proxy.address()).await.expect("the proxy listens");
    assert!(rest(&mut client).await.1);
    assert_eq!(world.proxy.counts().failed, 1);
}

#[tokio::test]
async fn dropping_the_proxy_closes_its_port_and_all_connections() {
    let World { proxy, listener } = World::new().await;
    let world = World { proxy, listener };
    let (mut client, mut server) = world.connect().await;
    let address = world.proxy.address();
    drop(world.proxy);
    assert_eq!(rest(&mut client).await.0, b"");
    assert_eq!(rest(&mut server).await.0, b"");
    let started = Instant::now();
    while TcpStream::connect(address).await.is_ok() {
        assert!(started.elapsed() < PATIENCE, "the port is still open");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
