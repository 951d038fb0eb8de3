//! Those who use the server in earnest.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use motet_rpc::NativeConfig;
use tokio::time::{Instant, sleep};

use crate::target::{call, connect, thorough, timed};

/// Calls, one after the other, from a thread of their own.
pub(crate) struct Others {
    stop: Arc<AtomicBool>,
    begin: Sender<()>,
    ended: Receiver<Waits>,
}

/// How long calls took, in order.
pub(crate) struct Waits(Vec<Duration>);

impl Others {
    /// Ready to call this server.
    pub(crate) fn new(address: &str) -> Others {
        let (address, stop) = (address.to_owned(), Arc::new(AtomicBool::new(false)));
        let stopped = stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let ((begin, begun), (done, ended)) = (channel(), channel());
        std::thread::spawn(move || {
            while begun.recv().is_ok() && done.send(runtime.block_on(run(&address, &stopped))).is_ok() {}
        });
        Others { stop, begin, ended }
    }

    pub(crate) fn start(&self) {
        self.stop.store(false, Ordering::Release);
        self.begin.send(()).expect("all calls were answered");
    }

    /// Ends them, after one more call.
    pub(crate) fn stop(&self) -> Waits {
        self.stop.store(true, Ordering::Release);
        self.ended.recv().expect("all calls were answered")
    }
}

async fn run(address: &str, stopped: &AtomicBool) -> Waits {
    let connection = connect(address, NativeConfig::default()).await;
    let mut waits = Vec::new();
    loop {
        let last = stopped.load(Ordering::Acquire);
        let began = Instant::now();
        let reply = timed("others", connection.call(call("echo"))).await.expect("others are served");
        assert_eq!(&reply.body.one().expect("one").bytes().expect("encoded")[..], b"hi");
        waits.push(began.elapsed());
        if last {
            return Waits(waits);
        }
        // Where times count there are to be many, also in a short attack.
        if !thorough() {
            sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Waits {
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Of each third, and of these the median: a moment in which the machine did something else does
    /// not count.
    pub(crate) fn p99(&self) -> Duration {
        let mut thirds: Vec<_> = self.0.chunks(self.0.len().div_ceil(3)).map(p99).collect();
        thirds.sort();
        thirds[thirds.len() / 2]
    }
}

fn p99(waits: &[Duration]) -> Duration {
    let mut waits = waits.to_vec();
    waits.sort();
    waits[(waits.len() - 1) * 99 / 100]
}
