//! Connections that are cut around a request: how often does it run?

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use motet::{
    App, Client, ClientConfig, Context, Endpoint, Executed, Node, Result, RoundRobin, StaticRegistry, Status,
    Streaming, TcpTransport, core::Map,
};
use motet_promises::{Measurement, is_long};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    alone,
    attempts::{Attempt, CALL, Seen, Watched},
    cutter::{Cut, Cutter},
};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// Calls that are made at once.
const BATCH: u64 = 8;

/// After so many cuts a node refuses connections for a while.
const REFUSALS: usize = 5;

/// Counts how often each of its calls runs.
#[motet::service(name = "counted", version = "1.0.0")]
trait Counted {
    /// What must not run twice.
    async fn once(&self, cx: &Context, call: u64) -> Result<u64>;
    /// What may run twice.
    #[method(idempotent)]
    async fn again(&self, cx: &Context, call: u64) -> Result<u64>;
    /// Three answers, to something that must not run twice.
    async fn list(&self, cx: &Context, call: u64) -> Result<Streaming<u64>>;
}

#[derive(Clone, Default)]
struct Counter(Arc<Mutex<Map<u64, usize>>>);

impl Counter {
    async fn run(&self, call: u64) -> u64 {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(call).or_default() += 1;
        // Some answer at once, others are cut off while they run.
        if !call.is_multiple_of(3) {
            sleep(Duration::from_millis(call % 3)).await;
        }
        call
    }

    fn times(&self, call: u64) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&call).copied().unwrap_or_default()
    }
}

impl Counted for Counter {
    async fn once(&self, _: &Context, call: u64) -> Result<u64> {
        Ok(self.run(call).await)
    }

    async fn again(&self, _: &Context, call: u64) -> Result<u64> {
        Ok(self.run(call).await)
    }

    async fn list(&self, _: &Context, call: u64) -> Result<Streaming<u64>> {
        let call = self.run(call).await;
        Ok(Streaming::from_iter([call; 3]))
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Once,
    Again,
    List,
    OneWay,
}

#[derive(Debug)]
struct Outcome {
    call: u64,
    what: What,
    result: Result<()>,
}

/// A client of two nodes, which are the same server behind two proxies.
struct World {
    client: CountedClient,
    proxies: [Cutter; 2],
    seen: Seen,
    outcomes: Vec<Outcome>,
}

impl World {
    async fn new(server: SocketAddr) -> World {
        let proxies = [Cutter::start(server).await, Cutter::start(server).await];
        let node = |(at, proxy): (usize, &Cutter)| {
            Node::new("counted", ["a", "b"][at]).endpoint(Endpoint::new("tcp", proxy.address.to_string()))
        };
        let registry = StaticRegistry::new(proxies.iter().enumerate().map(node)).expect("two nodes");
        let watched = Watched::default();
        let seen = watched.seen();
        let mut config = ClientConfig::default();
        // One connection is lost for a few calls: the budget is not what is looked at here.
        config.retry_ratio = 2.0;
        let client = Client::builder()
            .config(config)
            .registry(Arc::new(registry))
            .transport(Arc::new(TcpTransport::new()))
            .protocol(Arc::new(watched))
            .strategy(Arc::new(RoundRobin))
            .build();
        World { client: CountedClient::new(client), proxies, seen, outcomes: Vec::new() }
    }

    /// Makes some calls of each kind at once and waits for their ends.
    async fn calls(&mut self) {
        let first = self.outcomes.len() as u64;
        let mut running = JoinSet::new();
        for call in first..first + BATCH {
            // Shifted from batch to batch, so that every kind meets every node.
            let what = [What::Once, What::Again, What::List, What::OneWay][((call + first / BATCH) % 4) as usize];
            let client = self.client.clone();
            running.spawn(async move { Outcome { call, what, result: make(&client, call, what).await } });
        }
        self.outcomes.extend(running.join_all().await);
    }

    /// Cuts one connection, by a call or by several.
    async fn cut(&mut self, proxy: usize, cut: Cut) {
        let started = Instant::now();
        self.proxies[proxy].cut(cut);
        while !self.proxies[proxy].has_cut() {
            assert!(started.elapsed() < PATIENCE, "no call comes by proxy {proxy} to be cut: {cut:?}");
            self.calls().await;
        }
    }

    fn cuts(&self) -> u64 {
        self.proxies.iter().map(Cutter::cuts).sum()
    }

    /// Closes the connections of one node while nothing is under way, and refuses new ones during
    /// some calls.
    async fn refuse(&mut self, proxy: usize) {
        self.proxies[proxy].refuse().await;
        self.calls().await;
        self.proxies[proxy].accept().await;
        self.calls().await;
    }
}

async fn make(client: &CountedClient, call: u64, what: What) -> Result<()> {
    let cx = Context::new().with_metadata(CALL, &call.to_string())?;
    match what {
        What::Once => client.once(&cx, call).await.map(drop),
        What::Again => client.again(&cx, call).await.map(drop),
        What::OneWay => client.one_way().once(&cx, call).await,
        What::List => match client.list(&cx, call).await?.collect().await?[..] {
            [_, _, _] => Ok(()),
            ref items => Err(Status::data_loss(format!("{} of 3 items came", items.len()))),
        },
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::await_holding_lock, reason = "it keeps the other experiments waiting")]
async fn what_may_not_run_twice_runs_at_most_once() {
    let _alone = alone();
    let mut measured = Measurement::begin("P1", "at_most_once::what_may_not_run_twice_runs_at_most_once");
    let counter = Counter::default();
    let app = App::builder().service(CountedServer::new(counter.clone())).start().await.expect("starts");
    let mut world = World::new(app.endpoints()[0].address.parse().expect("an address")).await;
    let wanted = if is_long() { 1_000 } else { 60 };
    for number in 0.. {
        world.cut(number / Cut::ALL.len() % 2, Cut::ALL[number % Cut::ALL.len()]).await;
        if number % REFUSALS == REFUSALS - 1 {
            world.refuse(number / REFUSALS % 2).await;
        }
        if world.cuts() >= wanted {
            break;
        }
    }
    // Whatever was written has arrived, and has run or been dropped.
    app.stop().await;

    let cuts = world.cuts();
    let World { outcomes, seen, .. } = world;
    let attempts = seen.attempts();
    let of = |call| attempts.get(&call).map_or(&[][..], Vec::as_slice);
    let left = |attempt: &&Attempt| **attempt != Attempt::Failed(Executed::No);
    let count = |wrong: &dyn Fn(&Outcome) -> bool| {
        let wrong: Vec<_> = outcomes.iter().filter(|outcome| wrong(outcome)).collect();
        wrong.iter().take(20).for_each(|o| println!("{o:?}, ran {} times, {:?}", counter.times(o.call), of(o.call)));
        wrong.len() as f64
    };
    let may_repeat = |outcome: &Outcome| outcome.what == What::Again;
    let never_left = attempts.values().flatten().filter(|attempt| !left(attempt)).count() as u64 + seen.refused();
    let repeated = outcomes.iter().filter(|outcome| of(outcome.call).iter().filter(left).count() > 1).count();

    measured
        .figure(outcomes.len() as f64, "calls")
        .at_least(cuts as f64, "connections cut around a request", wanted as f64)
        .at_most(count(&|o| !may_repeat(o) && counter.times(o.call) > 1), "non-idempotent calls ran twice", 0.0)
        .at_most(
            count(&|o| !may_repeat(o) && of(o.call).iter().filter(left).count() > 1),
            "non-idempotent calls sent again after they may have left",
            0.0,
        )
        .at_most(
            count(&|o| counter.times(o.call) > of(o.call).iter().filter(left).count()),
            "calls ran although they were said not to",
            0.0,
        )
        .at_most(
            count(&|o| o.what != What::OneWay && o.result.is_ok() && counter.times(o.call) == 0),
            "calls answered that had not run",
            0.0,
        )
        .at_least(never_left as f64, "attempts never left", 1.0)
        .at_most(
            count(&|o| o.result.as_ref().is_err_and(|status| status.executed() == Executed::No)),
            "calls given up although they never left",
            0.0,
        )
        .at_least(repeated as f64, "idempotent calls sent again", 1.0)
        .at_most(count(&|o| may_repeat(o) && o.result.is_err()), "idempotent calls failed", 0.0);
    measured.end();
}
