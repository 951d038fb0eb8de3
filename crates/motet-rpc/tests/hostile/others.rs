//! Those who use the server in earnest.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use motet_rpc::NativeConfig;
use tokio::time::{Instant, sleep};

use crate::target::{call, connect, timed};

/// Calls, one after the other, from a thread of their own.
pub(crate) struct Others {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Waits>,
}

/// How long calls took, in order.
pub(crate) struct Waits(Vec<Duration>);

impl Others {
    pub(crate) fn start(address: &str) -> Others {
        let (address, stop) = (address.to_owned(), Arc::new(AtomicBool::new(false)));
        let stopped = stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let thread = std::thread::spawn(move || runtime.block_on(run(&address, &stopped)));
        Others { stop, thread }
    }

    /// Ends them, after one more call.
    pub(crate) fn stop(self) -> Waits {
        self.stop.store(true, Ordering::Release);
        self.thread.join().expect("all calls were answered")
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
            waits.sort();
            return Waits(waits);
        }
        sleep(Duration::from_millis(1)).await;
    }
}

impl Waits {
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn p99(&self) -> Duration {
        self.0[(self.0.len() - 1) * 99 / 100]
    }
}
