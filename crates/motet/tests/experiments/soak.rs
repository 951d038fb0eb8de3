//! A mixed load for a long time: what stays behind?

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use motet::{App, Context, FileConfig, FileRegistry, Registry};
use motet_promises::{Measurement, is_long};
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until},
};

use super::{
    alone,
    mixed::{self, KINDS, Mixed, MixedClient},
    node::{Process, url},
    process::Holdings,
};

/// Long enough for a busy machine, and for what goes after ten idle seconds.
const PATIENCE: Duration = Duration::from_secs(40);
const CALLS_A_SECOND: u32 = 400;
/// Calls under way at once; more are not made.
const MOST: usize = 1_000;

/// Calls of all kinds at a steady rate; keeps nothing of them but numbers.
struct Load {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    made: Arc<AtomicU64>,
    wrong: Arc<Wrong>,
}

/// What did not go as expected: how much, and some of it.
#[derive(Default)]
struct Wrong {
    count: AtomicU64,
    some: Mutex<Vec<String>>,
}

impl Load {
    fn start(client: &MixedClient) -> Load {
        let (stop, stopped) = watch::channel(false);
        let (made, wrong): (Arc<AtomicU64>, Arc<Wrong>) = Default::default();
        let task = tokio::spawn(run(client.clone(), stopped, made.clone(), wrong.clone()));
        Load { stop, task, made, wrong }
    }

    /// Makes no more calls and waits for those that run; gives how many there were and how many went
    /// wrong.
    async fn stop(self) -> (u64, u64) {
        self.stop.send_replace(true);
        self.task.await.expect("the load does not panic");
        let some = self.wrong.some.lock().unwrap_or_else(PoisonError::into_inner);
        some.iter().for_each(|wrong| println!("{wrong}"));
        (self.made.load(Relaxed), self.wrong.count.load(Relaxed))
    }
}

async fn run(client: MixedClient, stopped: watch::Receiver<bool>, made: Arc<AtomicU64>, wrong: Arc<Wrong>) {
    let mut running = JoinSet::new();
    let mut ticks = interval(Duration::from_secs(1) / CALLS_A_SECOND);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while !*stopped.borrow() {
        ticks.tick().await;
        while running.try_join_next().is_some() {}
        if running.len() >= MOST {
            continue;
        }
        let number = made.fetch_add(1, Relaxed);
        let (client, wrong) = (client.clone(), wrong.clone());
        running.spawn(async move {
            if let Err(what) = mixed::call(&client, number).await {
                wrong.count.fetch_add(1, Relaxed);
                let mut some = wrong.some.lock().unwrap_or_else(PoisonError::into_inner);
                if some.len() < 20 {
                    some.push(format!("call {number}, of kind {}: {what}", number % KINDS));
                }
            }
        });
    }
    while running.join_next().await.is_some() {}
}

/// This process, which calls, and a node that is never restarted, which is asked about itself.
struct Watched {
    node: MixedClient,
}

impl Watched {
    async fn holdings(&self) -> [Holdings; 2] {
        let node = self.node.holdings(&Context::new()).await.expect("the node answers");
        [Holdings::here(), node]
    }

    /// The most memory that each has held, in so many looks.
    async fn memory(&self, looks: u32, pause: Duration) -> [u64; 2] {
        let mut most = [0; 2];
        for _ in 0..looks {
            let now = self.holdings().await;
            most = [most[0].max(now[0].kib), most[1].max(now[1].kib)];
            sleep(pause).await;
        }
        most
    }

    /// What both hold beyond these tasks and descriptors, once that is nothing or after a while.
    async fn beyond(&self, idle: [Holdings; 2]) -> [Holdings; 2] {
        let started = Instant::now();
        loop {
            let now = self.holdings().await;
            let beyond = [0, 1].map(|at| Holdings {
                kib: 0,
                tasks: now[at].tasks.saturating_sub(idle[at].tasks),
                descriptors: now[at].descriptors.saturating_sub(idle[at].descriptors),
            });
            let nothing = beyond.iter().all(|held| held.tasks == 0 && held.descriptors == 0);
            if nothing || started.elapsed() > PATIENCE {
                return beyond;
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// How long the load lasts, and the times in it: in the long form as long as `MOTET_SOAK_SECONDS`
/// says, 600 s by default; memory is compared with that at three tenths, which is minute 3 of ten.
fn plan() -> (Duration, Duration, Duration) {
    if !is_long() {
        return (Duration::from_secs(5), Duration::from_secs(1), Duration::from_millis(1_500));
    }
    let seconds = std::env::var("MOTET_SOAK_SECONDS").map_or(600, |text| text.parse().expect("a number of seconds"));
    let whole = Duration::from_secs(seconds);
    (whole, whole * 3 / 10, Duration::from_secs(10))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::await_holding_lock, reason = "it keeps the other experiments waiting")]
async fn mixed_load_with_restarts_leaves_nothing_behind() {
    let _alone = alone();
    let mut measured = Measurement::begin("P15", "soak::mixed_load_with_restarts_leaves_nothing_behind");
    let (whole, settled, every) = plan();
    let temp = tempfile::tempdir().expect("a folder");
    let folder = temp.path().join("registry");
    let _steady = Process::start(&folder, "steady").await;
    let registry = FileRegistry::open(FileConfig::at(&folder)).expect("opens");
    let steady = registry.lookup("mixed").await.expect("a folder").pop().expect("a node");
    let mut nodes = [Process::start(&folder, "a").await, Process::start(&folder, "b").await];
    let app = App::builder().registry(url(&folder)).build().start().await.expect("starts");
    let client = MixedClient::new(app.client());
    let watched = Watched { node: MixedClient::new(app.client().to(&steady.endpoints[0]).expect("an endpoint")) };

    // Makes all connections and whatever else is made once.
    let load = Load::start(&client);
    sleep(Duration::from_secs(1)).await;
    load.stop().await;
    sleep(Duration::from_millis(500)).await;
    let idle = watched.holdings().await;

    let load = Load::start(&client);
    let began = Instant::now();
    let restarting = tokio::spawn({
        let folder = folder.clone();
        async move {
            let mut restarts = 0;
            while began.elapsed() + every < whole {
                sleep_until(began + every * (restarts + 1)).await;
                let node = &mut nodes[restarts as usize % 2];
                node.signal("-TERM");
                assert!(node.ended().await, "restart {restarts}: {} did not stop well", node.name);
                *node = Process::start(&folder, node.name).await;
                restarts += 1;
            }
            (nodes, restarts)
        }
    });
    let (looks, pause) = if is_long() { (10, Duration::from_secs(1)) } else { (2, Duration::from_millis(100)) };
    sleep_until(began + settled - pause * looks).await;
    let before = watched.memory(looks, pause).await;
    sleep_until(began + whole - pause * looks).await;
    let after = watched.memory(looks, pause).await;
    let (_nodes, restarts) = restarting.await.expect("the nodes are restarted");
    let (calls, wrong) = load.stop().await;
    let left = watched.beyond(idle).await;

    println!("idle: {idle:?}; KiB before: {before:?}, after: {after:?}; left: {left:?}");
    let grown = [0, 1].map(|at| after[at] as f64 - before[at] as f64);
    measured
        .figure(whole.as_secs_f64(), "s")
        .figure(calls as f64, "calls")
        .figure(f64::from(restarts), "restarts")
        .at_most(wrong as f64, "calls went wrong", 0.0);
    for (at, who) in ["client", "node"].into_iter().enumerate() {
        measured.figure(before[at] as f64, &format!("KiB held by the {who} after three tenths of the time"));
        let text = format!("KiB more at the end ({who})");
        // In a few seconds buffers still grow to their size.
        if is_long() {
            measured.at_most(grown[at], &text, 1024.0)
        } else {
            measured.figure(grown[at], &text)
        };
        measured.at_most(left[at].tasks as f64, &format!("tasks more than idle ({who})"), 0.0).at_most(
            left[at].descriptors as f64,
            &format!("descriptors more than idle ({who})"),
            0.0,
        );
    }
    measured.end();
}
