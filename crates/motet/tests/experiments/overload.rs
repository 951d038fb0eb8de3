//! A server that is offered much more than it can do.
//!
//! `MOTET_OVERLOAD=60 cargo test -p motet --test experiments overload -- --nocapture` offers ten times
//! its capacity for 60 seconds and holds what it measures against the promise; without the variable it
//! is a few seconds, and no rate counts.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use motet::{App, Client, Code, Context, Executed, FailMode, Result, Status};
use motet_promises::Measurement;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use super::alone;

const ADDRESS: &str = "MOTET_TEST_OVERLOAD";
/// Eight workers of 20 ms.
const WORKERS: usize = 8;
const TAKES: Duration = Duration::from_millis(20);
const CAPACITY: usize = 400;
/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the server may need over idle, in MiB.
const MEMORY: u64 = 64;

/// Does what it can.
#[motet::service(name = "works", version = "1.0.0")]
trait Works {
    /// One piece of work.
    async fn work(&self, cx: &Context, number: u64) -> Result<u64>;
}

struct Workers(Semaphore);

impl Works for Workers {
    async fn work(&self, _: &Context, number: u64) -> Result<u64> {
        let _worker = self.0.acquire().await.map_err(Status::internal_from)?;
        sleep(TAKES).await;
        Ok(number)
    }
}

/// Serves until killed, if this process was started by [`Server::start`].
pub(crate) fn run_if_asked() {
    let Some(file) = std::env::var_os(ADDRESS) else { return };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let works = WorksServer::new(Workers(Semaphore::new(WORKERS)));
        let app = App::builder().listen("127.0.0.1:0").service(works).build().start().await.expect("starts");
        let address = app.endpoints()[0].to_string();
        let written = Path::new(&file).with_extension("new");
        std::fs::write(&written, address).and_then(|()| std::fs::rename(&written, &file)).expect("written");
        app.wait().await.expect("serves");
    });
}

/// A process that serves. Dropping it kills it.
struct Server(Child);

impl Server {
    async fn start(folder: &Path) -> (Server, String) {
        let file = folder.join("address");
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command.args(["another_process", "--exact", "--nocapture"]).stdout(Stdio::null());
        let server = Server(command.env(ADDRESS, &file).spawn().expect("starts"));
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Ok(address) = std::fs::read_to_string(&file) {
                return (server, address);
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("the server does not listen after {PATIENCE:?}");
    }

    /// What it has in memory, in MiB, where the system tells.
    fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib / 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How calls went: when they began, how long they took.
#[derive(Default)]
struct Outcomes {
    good: Vec<(Duration, Duration)>,
    refused: Vec<(Duration, Duration)>,
    hints: Vec<Duration>,
    others: Vec<(Duration, Status)>,
}

impl Outcomes {
    fn add(&mut self, began: Duration, took: Duration, result: Result<u64>) {
        match result {
            Ok(_) => self.good.push((began, took)),
            Err(status) if status.code() == Code::ResourceExhausted && status.executed() == Executed::No => {
                self.refused.push((began, took));
                self.hints.extend(status.retry_after());
            }
            Err(status) => self.others.push((began, status)),
        }
    }

    /// How many were answered per second.
    fn goodput(&self, seconds: Duration) -> f64 {
        self.good.len() as f64 / seconds.as_secs_f64()
    }
}

fn percentile(calls: &[(Duration, Duration)], share: f64) -> Duration {
    let mut took: Vec<_> = calls.iter().map(|(_, took)| *took).collect();
    took.sort();
    took.get((took.len() as f64 * share) as usize).or(took.last()).copied().unwrap_or_default()
}

/// Makes so many calls a second for some time, however long they take; none is sent again.
async fn offer(client: &WorksClient, a_second: usize, time: Duration) -> Outcomes {
    let outcomes = Arc::new(Mutex::new(Outcomes::default()));
    let mut running = JoinSet::new();
    let mut ticks = interval(Duration::from_millis(2));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (start, mut made) = (Instant::now(), 0);
    while start.elapsed() < time {
        ticks.tick().await;
        let due = (start.elapsed().as_secs_f64() * a_second as f64) as u64;
        for number in made..due {
            let (client, outcomes) = (client.clone(), outcomes.clone());
            running.spawn(async move {
                let began = Instant::now();
                let cx = Context::new().with_timeout(Duration::from_secs(1));
                let result = client.work(&cx, number).await;
                let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
                outcomes.add(began - start, began.elapsed(), result);
            });
        }
        made = due;
        while running.try_join_next().is_some() {}
    }
    while running.join_next().await.is_some() {}
    std::mem::take(&mut *outcomes.lock().unwrap_or_else(PoisonError::into_inner))
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::await_holding_lock, reason = "it keeps the other experiments waiting")]
async fn a_server_offered_ten_times_its_capacity_does_what_it_can_and_recovers() {
    let _alone = alone();
    let mut measured =
        Measurement::begin("P8", "overload::a_server_offered_ten_times_its_capacity_does_what_it_can_and_recovers");
    let long = std::env::var("MOTET_OVERLOAD").ok().map(|text| text.parse::<u64>().expect("seconds"));
    let temp = tempfile::tempdir().expect("a folder");
    let (server, address) = Server::start(temp.path()).await;
    let caller = App::builder().build().start().await.expect("starts");
    let client = once(caller.client().to(&address).expect("an address"));

    let (before, time) = match long {
        Some(time) => (offer(&client, CAPACITY * 7 / 10, seconds(10)).await, seconds(time)),
        None => (offer(&client, CAPACITY / 4, seconds(1)).await, seconds(4)),
    };
    let idle = server.memory();
    let peak = match long {
        Some(_) => offer(&client, CAPACITY, seconds(10)).await.goodput(seconds(10)),
        None => CAPACITY as f64,
    };
    let during = offer(&client, CAPACITY * 10, time).await;
    let memory = idle.zip(server.memory()).map(|(idle, now)| now.saturating_sub(idle));

    let ended = Instant::now();
    let recovered = loop {
        let after = offer(&client, CAPACITY / 4, Duration::from_millis(500)).await;
        if after.refused.is_empty() && after.others.is_empty() {
            break ended.elapsed().saturating_sub(Duration::from_millis(500));
        }
        assert!(ended.elapsed() < PATIENCE, "calls are still refused after {PATIENCE:?}");
    };

    let goodput = during.goodput(time);
    println!(
        "before: {} answered, p50 {:.1?}, p99 {:.1?}; {} refused, {} others",
        before.good.len(),
        percentile(&before.good, 0.5),
        percentile(&before.good, 0.99),
        before.refused.len(),
        before.others.len()
    );
    println!(
        "offered {} calls/s for {time:?}: {goodput:.0}/s answered of {peak:.0}/s at peak ({:.0} %), p50 {:.1?}, p99 \
         {:.1?}; {} refused, p50 {:.1?}, p99 {:.1?}, hints of {:.0?} to {:.0?}; {} others; memory + {memory:?} MiB; \
         recovered within {recovered:.1?}",
        (during.good.len() + during.refused.len() + during.others.len()) as u64 / time.as_secs(),
        100.0 * goodput / peak,
        percentile(&during.good, 0.5),
        percentile(&during.good, 0.99),
        during.refused.len(),
        percentile(&during.refused, 0.5),
        percentile(&during.refused, 0.99),
        during.hints.iter().min().copied().unwrap_or_default(),
        during.hints.iter().max().copied().unwrap_or_default(),
        during.others.len(),
    );
    assert!(!during.good.is_empty() && during.refused.len() > during.good.len(), "most were refused, not all");
    assert_eq!(during.hints.len(), during.refused.len(), "each is told when to come back");
    let expected = |status: &Status| status.code() == Code::DeadlineExceeded;
    let odd: Vec<_> = during.others.iter().filter(|(_, status)| !expected(status)).take(5).collect();
    assert!(odd.is_empty(), "{odd:?}");
    let lost = before.refused.len() + before.others.len();
    let lost = 100.0 * lost as f64 / (before.good.len() + lost) as f64;
    let share = 100.0 * goodput / peak;
    let refused = percentile(&during.refused, 0.99).as_secs_f64() * 1e3;
    measured.figure((during.good.len() + during.refused.len() + during.others.len()) as f64, "calls");
    if let Some(memory) = memory {
        measured.at_most(memory as f64, "MiB over idle", MEMORY as f64);
    }
    if long.is_some() {
        measured
            // A machine that stands still for a moment has less capacity in it.
            .at_most(lost, "% lost at 0.7 × the capacity", 1.0)
            .at_least(share, "% of the peak's goodput at 10 × the capacity", 80.0)
            .at_most(refused, "ms p99 of refusals", 50.0)
            .at_most(recovered.as_secs_f64(), "s until nothing was refused", 5.0);
    }
    measured.end();
}

/// A client that makes each call once.
fn once(client: Client) -> WorksClient {
    let mut options = motet::CallOptions::default();
    options.fail_mode = Some(FailMode::Fast);
    WorksClient::new(&client).with_options(options)
}
