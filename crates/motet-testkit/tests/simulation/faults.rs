//! Calls, registry and retries under loss, delay, partitions, stalls and crashes.

use std::{
    cell::Cell,
    future::Future,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use motet::{Context, Status};
use motet_promises::Measurement;
use motet_testkit::simulation::{Chaos, ClientNode, Fault, Simulation, World};
use tokio::time::{Instant, sleep};

use crate::{
    history::{Called, Summary},
    service::{Log, Work, WorkClient, app},
};

const SECOND: Duration = Duration::from_secs(1);
/// When the last fault is repaired.
const HEALED: Duration = Duration::from_secs(8);
/// By when everything is to work again.
const PATIENCE: Duration = Duration::from_secs(5);
/// No run takes longer.
const LIMIT: Duration = Duration::from_secs(60);
const NODES: [&str; 3] = ["a", "b", "c"];

/// What the caller says of its calls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Calling {
    /// The truth.
    Honest,
    /// That all may be executed twice: a bug.
    Careless,
}

/// Makes calls of both kinds at random moments, until a while after the last fault.
async fn caller(node: ClientNode, history: Log, calling: Calling) {
    let mut running = tokio::task::JoinSet::new();
    while node.elapsed() < HEALED + 2 * SECOND {
        let call = {
            let mut history = history.lock();
            history.begun += 1;
            history.begun
        };
        let entropy = node.entropy();
        let (idempotent, ms) = (entropy.below(2) == 0, [0, 0, 20, 300][entropy.below(4)]);
        let timeout = Duration::from_millis(200 + entropy.below(3000) as u64);
        let (client, history) = (WorkClient::new(node.client()), history.clone());
        running.spawn(async move {
            let (cx, began) = (Context::new().with_timeout(timeout), Instant::now());
            let result = match idempotent {
                true => client.again(&cx, call, ms).await,
                false if calling == Calling::Careless => {
                    client.configure(|options| options.idempotent = Some(true)).once(&cx, call, ms).await
                }
                false => client.once(&cx, call, ms).await,
            };
            history.lock().called.push(Called { call, idempotent, timeout, took: began.elapsed(), result });
        });
        sleep(Duration::from_millis(5 + node.entropy().below(150) as u64)).await;
    }
    while running.join_next().await.is_some() {}
}

/// After everything is healed, everything is reachable again in time: the service by its name, and
/// each node; and each is registered.
async fn prober(node: ClientNode) {
    sleep(HEALED).await;
    let end = Instant::now() + PATIENCE;
    let mut clients = vec![WorkClient::new(node.client())];
    clients.extend(NODES.map(|name| WorkClient::new(node.client().to(format!("sim://{name}")).expect("an address"))));
    for client in clients {
        until(end, || {
            let client = client.clone();
            async move { client.again(&Context::new().with_timeout(SECOND), 0, 0).await.map(|_| true) }
        })
        .await;
    }
    // Records of those that crashed may still be there.
    until(end, || {
        let registry = node.app().registry().clone();
        async move {
            let nodes = registry.lookup("work").await?;
            let listed = |name: &str| nodes.iter().any(|node| node.endpoints.iter().any(|at| at.address == name));
            Ok(NODES.iter().all(|name| listed(name)))
        }
    })
    .await;
}

/// Tries something until it succeeds.
async fn until<F: Future<Output = Result<bool, Status>>>(end: Instant, try_it: impl Fn() -> F) {
    loop {
        let outcome = try_it().await;
        if outcome == Ok(true) {
            return;
        }
        assert!(Instant::now() < end, "not {PATIENCE:?} after the last fault: {outcome:?}");
        sleep(Duration::from_millis(100)).await;
    }
}

/// Three nodes and a caller, under all kinds of faults.
fn chaotic(seed: u64, history: &Log, caller: Calling) -> Simulation {
    let chaos = Chaos::between(SECOND, HEALED)
        .partitions(["a", "b", "c", "caller", "registry"])
        .crashes(["a", "b", "c", "registry"])
        .stalls(["a", "b", "c"])
        .loss(0.2)
        .delay(Duration::from_millis(200));
    let mut simulation = Simulation::new(seed).chaos(chaos);
    for node in NODES {
        let history = history.clone();
        simulation = simulation.node(node, move || app(node, &history));
    }
    let (calls, executions, ends) = (history.clone(), history.clone(), history.clone());
    simulation
        .client("caller", move |node| self::caller(node, calls.clone(), caller))
        .client("prober", prober)
        .invariant("each attempt is executed once at most", move |_| executions.lock().check_executions())
        .at_end("every call has ended by its deadline", move |_| ends.lock().check_ends())
}

#[test]
fn calls_keep_their_promises_whatever_happens() {
    let mut measured = Measurement::begin("P17", "faults::calls_keep_their_promises_whatever_happens");
    let (seeds, simulated, summary) = (Cell::new(0), Cell::new(Duration::ZERO), Cell::new(Summary::default()));
    Simulation::seeds(30, |seed| {
        let history = Log::default();
        let run = chaotic(seed, &history, Calling::Honest)
            .at_end("all nodes are up", |world| assert!(NODES.iter().all(|node| world.is_up(node))))
            .run(LIMIT);
        seeds.set(seeds.get() + 1);
        simulated.set(simulated.get() + run.took);
        summary.set(summary.get().and(history.lock().summary()));
    });
    let (seeds, simulated) = (seeds.get(), simulated.get());
    // The faults are such as to hurt.
    let Summary { answered, failed, again, .. } = summary.get();
    assert!(seeds < 30 || answered > 0 && failed > 0 && again > 0, "{:?}", summary.get());
    // Each seed that broke a rule would have ended the test.
    measured
        .figure(f64::from(seeds), "seeds")
        .at_most(0.0, "rules broken", 0.0)
        .figure(simulated.as_secs_f64(), "s of simulated time")
        .figure(answered as f64, "calls answered")
        .figure(failed as f64, "failed")
        .figure(again as f64, "idempotent ones ran again");
    measured.end();
}

#[test]
fn a_seed_that_is_run_twice_gives_the_same_trace() {
    Simulation::seeds(6, |seed| {
        let trace = Simulation::replayed(seed, |seed| chaotic(seed, &Log::default(), Calling::Honest).try_run(LIMIT));
        assert!(trace.as_str().lines().count() > 100, "{trace}");
        // Two runs of the tests can be compared, too.
        let mut digest = DefaultHasher::new();
        trace.as_str().hash(&mut digest);
        println!("seed {seed}: {:016x}", digest.finish());
    });
    let other = |seed| chaotic(seed, &Log::default(), Calling::Honest).run(LIMIT).trace;
    assert!(other(3).first_difference(&other(4)).is_some(), "another seed is another run");
}

#[test]
fn a_call_that_is_wrongly_said_to_be_idempotent_is_found_out() {
    let failure =
        Simulation::first_failure(100, |seed| chaotic(seed, &Log::default(), Calling::Careless).try_run(LIMIT))
            .expect("one of the seeds shows it");
    assert!(failure.what.contains("ran 2 times") || failure.what.contains("ran 3 times"), "{}", failure.what);
    let shown = failure.to_string();
    assert!(shown.contains(&format!("MOTET_SEED={} cargo test", failure.seed)), "{shown}");
    assert!(shown.contains("each attempt is executed once at most"), "{shown}");
}

#[test]
fn a_node_that_stays_away_is_found_out() {
    let failure =
        chaotic(1, &Log::default(), Calling::Honest).at(HEALED + SECOND / 1000, Fault::isolate("b")).try_run(LIMIT);
    let failure = failure.expect_err("b cannot be reached");
    assert!(failure.what.contains("client prober: not 5s after the last fault"), "{}", failure.what);
}

#[test]
fn nodes_that_stop_leave_no_task_behind() {
    let all = ["a", "b", "c", "caller", "prober"];
    Simulation::seeds(5, |seed| {
        let mut simulation = chaotic(seed, &Log::default(), Calling::Honest).client("last", |_| sleep(30 * SECOND));
        for node in all {
            simulation = simulation.at(20 * SECOND, Fault::stop(node));
        }
        let left = move |world: &World| {
            let left: Vec<_> = all.iter().filter(|node| world.tasks(node) > 0).collect();
            assert!(left.is_empty(), "tasks are left at {left:?}");
        };
        simulation.at_end("no task is left", left).run(2 * LIMIT);
    });
}
