//! What a connection keeps while nothing happens on it.

mod hostile;
mod server_support;

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use hostile::{CallFrame, greeting};
use motet_core::{Codecs, Dispatcher, DrainSignal, Incoming, Peer, ServerProtocol};
use motet_rpc::{
    NativeServer,
    server::{PipelineSettings, routes},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf},
    time::{Instant, sleep},
};

/// Tells how much room it was given for the last read.
struct Watched {
    io: DuplexStream,
    room: Arc<AtomicUsize>,
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        self.room.store(buf.remaining(), SeqCst);
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Reads until nothing more comes.
async fn hear(far: &mut DuplexStream) {
    let mut heard = [0; 4096];
    let mut any = false;
    while let Ok(read) = tokio::time::timeout(Duration::from_millis(1), far.read(&mut heard)).await {
        assert!(read.expect("open") > 0, "it is not closed");
        any = true;
    }
    assert!(any, "an answer");
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_a_buffer_while_it_is_used_and_none_a_second_later() {
    let (mut far, near) = tokio::io::duplex(64 << 10);
    let room = Arc::new(AtomicUsize::new(0));
    let io = Box::pin(Watched { io: near, room: room.clone() });
    let dispatcher = Dispatcher::new(Codecs::default());
    let greeter = server_support::greeter();
    dispatcher.add(greeter.descriptor(), routes(&greeter, &PipelineSettings::default())).expect("free");
    let signal = DrainSignal::new();
    let head_by = Instant::now() + Duration::from_secs(10);
    let incoming = Incoming::new(io, Peer::new("memory", "peer", false), head_by, dispatcher, signal.drain());
    let serving = tokio::spawn(NativeServer::default().serve(incoming));

    far.write_all(&greeting()).await.expect("open");
    hear(&mut far).await;
    let at_rest = room.load(SeqCst);
    assert!((1..=1024).contains(&at_rest), "{at_rest} bytes, and those are the stack's");
    let mut id = 1;
    for _ in 0..3 {
        for _ in 0..10 {
            far.write_all(&CallFrame::one(id, b"{}").to("greeter/hello").bytes()).await.expect("open");
            id += 2;
            hear(&mut far).await;
        }
        let in_use = room.load(SeqCst);
        assert!(in_use >= 4096, "{in_use}");
        sleep(Duration::from_millis(1_100)).await;
        // What it would read into now is seen when it reads: a ping wakes it.
        far.write_all(&hostile::of(motet_rpc::native::wire::kind::PING, &[0; 8])).await.expect("open");
        hear(&mut far).await;
        assert_eq!(room.load(SeqCst), at_rest);
    }
    drop(far);
    serving.await.expect("no panic");
}
