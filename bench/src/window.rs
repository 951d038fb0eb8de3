//! The measured window of one row: warm up, then count calls, latencies and CPU time
//! between two moments while the callers go on undisturbed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::heap::{self, Heap};
use crate::histogram::Histogram;
use crate::process;
use crate::sample::Message;

/// What the client process is asked to do.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    /// Where the server listens.
    pub(crate) server: SocketAddr,
    /// The server's process, whose CPU time and memory are read.
    pub(crate) server_pid: u32,
    pub(crate) message: Message,
    pub(crate) connections: usize,
    /// Calls in flight, over all connections.
    pub(crate) in_flight: usize,
    pub(crate) warm_up: Duration,
    pub(crate) window: Duration,
}

impl Load {
    /// Calls in flight on each connection; they differ by one at most.
    pub(crate) fn in_flight_by_connection(&self) -> impl Iterator<Item = usize> {
        let (each, more) = (self.in_flight / self.connections, self.in_flight % self.connections);
        (0..self.connections).map(move |index| each + usize::from(index < more))
    }
}

/// What was measured.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) calls: u64,
    pub(crate) elapsed: Duration,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) server_cpu: Duration,
    pub(crate) client_cpu: Duration,
    /// CPU time of everything else on the machine.
    pub(crate) others_cpu: Duration,
    /// The server's resident memory at the end of the window.
    pub(crate) rss_kb: u64,
    /// What this process allocated; zero unless allocations are counted.
    pub(crate) heap: Heap,
}

/// Measures `callers`, which record into `histogram` until they are dropped here.
/// Fails as soon as one of them ends.
pub(crate) async fn measure(
    load: &Load,
    histogram: Arc<Histogram>,
    mut callers: JoinSet<Result<()>>,
) -> Result<Figures> {
    tokio::select! {
        figures = window(load, &histogram) => figures,
        Some(ended) = callers.join_next() => match ended.context("a caller panicked")? {
            Err(error) => Err(error.context("a call failed")),
            Ok(()) => bail!("a caller stopped by itself"),
        },
    }
}

async fn window(load: &Load, histogram: &Histogram) -> Result<Figures> {
    sleep(load.warm_up).await;
    let before = Moment::now(load.server_pid)?;
    histogram.switch(true);
    sleep(load.window).await;
    histogram.switch(false);
    let after = Moment::now(load.server_pid)?;

    let calls = histogram.calls();
    if calls == 0 {
        bail!("no call ended within {:?}", load.window);
    }
    let server_cpu = after.server_cpu.saturating_sub(before.server_cpu);
    let client_cpu = after.client_cpu.saturating_sub(before.client_cpu);
    let machine_cpu = after.machine_cpu.saturating_sub(before.machine_cpu);
    Ok(Figures {
        calls,
        elapsed: after.at - before.at,
        p50_us: histogram.percentile_us(0.50),
        p99_us: histogram.percentile_us(0.99),
        server_cpu,
        client_cpu,
        others_cpu: machine_cpu.saturating_sub(server_cpu + client_cpu),
        rss_kb: process::rss_kb(load.server_pid)?,
        heap: after.heap.since(before.heap),
    })
}

/// The counters at one end of the window.
struct Moment {
    at: Instant,
    server_cpu: Duration,
    client_cpu: Duration,
    machine_cpu: Duration,
    heap: Heap,
}

impl Moment {
    fn now(server_pid: u32) -> Result<Self> {
        Ok(Self {
            server_cpu: process::cpu_time(server_pid)?,
            client_cpu: process::cpu_time(std::process::id())?,
            machine_cpu: process::machine_cpu_time()?,
            heap: heap::heap(),
            at: Instant::now(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_in_flight_are_spread_evenly() {
        let mut load = crate::systems::smoke_load(Message::Big);
        load.connections = 8;
        load.in_flight = 100;
        let spread: Vec<usize> = load.in_flight_by_connection().collect();
        assert_eq!(spread, [13, 13, 13, 13, 12, 12, 12, 12]);
    }
}
