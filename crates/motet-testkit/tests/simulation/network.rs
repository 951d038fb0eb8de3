//! What the simulated network itself is to do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use motet::{App, AppBuilder, Code, Context, Executed, Service, Status};
use motet_testkit::simulation::{ClientNode, Fault, Quality, Simulation};
use tokio::time::{Instant, sleep};

use crate::service::{Log, Work, WorkClient, WorkServer, Worker, app};

const SECOND: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(60);

/// One node and one client.
fn pair<F: Future<Output = ()> + Send + 'static>(
    history: &Log,
    program: impl Fn(ClientNode, WorkClient) -> F + Send + Sync + 'static,
) -> Simulation {
    let history = history.clone();
    Simulation::new(1).node("a", move || app("a", &history)).client("caller", move |node| {
        let client = WorkClient::new(node.client());
        program(node, client)
    })
}

/// A call that takes this long, and how long it took.
async fn call(client: &WorkClient, ms: u64, timeout: Duration) -> (Result<u64, Status>, Duration) {
    let (cx, began) = (Context::new().with_timeout(timeout), Instant::now());
    let result = client.once(&cx, 1, ms).await;
    (result, began.elapsed())
}

#[test]
fn bytes_take_their_time_and_no_longer() {
    let ms = Duration::from_millis;
    pair(&Log::default(), move |_, client| async move {
        call(&client, 0, SECOND).await.0.expect("answered");
        for _ in 0..100 {
            let (result, took) = call(&client, 0, SECOND).await;
            result.expect("answered");
            assert!((ms(40)..=ms(90)).contains(&took), "{took:?}");
        }
    })
    .quality(Quality::default().delay(ms(20), ms(40)))
    .run(LIMIT);
}

#[test]
fn what_is_lost_is_sent_again() {
    let run = pair(&Log::default(), |_, client| async move {
        for _ in 0..100 {
            call(&client, 0, 10 * SECOND).await.0.expect("answered");
        }
    })
    .quality(Quality::default().loss(0.1))
    .run(LIMIT);
    assert!(run.took > 2 * SECOND && run.trace.as_str().contains(" lost"), "{:?}", run.took);
}

#[test]
fn nothing_passes_a_partition_and_what_waited_passes_once_it_is_healed() {
    let history = Log::default();
    pair(&history, |_, client| async move {
        call(&client, 0, SECOND).await.0.expect("answered");
        sleep(2 * SECOND).await;
        let (result, took) = call(&client, 0, SECOND).await;
        assert_eq!(result.expect_err("cut off").code(), Code::DeadlineExceeded);
        assert_eq!(took, SECOND);
        let (result, took) = call(&client, 0, 10 * SECOND).await;
        result.expect("answered after all");
        assert!(took > SECOND && took < 4 * SECOND, "{took:?}");
    })
    .at(SECOND, Fault::partition("a", "caller"))
    .at(5 * SECOND, Fault::heal("a", "caller"))
    .run(LIMIT);
    // The one that was given up was cancelled behind its request: it may have begun.
    assert!((2..=3).contains(&history.lock().executed.len()));
}

#[test]
fn one_way_the_request_passes_and_the_reply_does_not() {
    let history = Log::default();
    pair(&history, |_, client| async move {
        call(&client, 0, SECOND).await.0.expect("answered");
        sleep(2 * SECOND).await;
        let status = call(&client, 0, SECOND).await.0.expect_err("the reply is cut off");
        assert_eq!((status.code(), status.executed()), (Code::DeadlineExceeded, Executed::Unknown));
    })
    .at(SECOND, Fault::one_way("a", "caller"))
    .run(LIMIT);
    assert_eq!(history.lock().executed.len(), 2);
}

#[test]
fn a_crash_ends_its_calls_at_once_and_its_tasks() {
    let history = Log::default();
    pair(&history, |node, client| async move {
        let (result, took) = call(&client, 5000, 10 * SECOND).await;
        assert_eq!(result.expect_err("crashed").code(), Code::Unavailable);
        assert!(took < 2 * SECOND, "{took:?}");
        sleep(6 * SECOND).await;
        call(&client, 0, 5 * SECOND).await.0.expect("it was restarted");
        node.note("done");
    })
    .at(SECOND, Fault::crash("a"))
    .at(3 * SECOND, Fault::restart("a"))
    .invariant("a crashed node has no task", |world| {
        assert_eq!(world.tasks("a") == 0, !world.is_up("a") && world.elapsed() < 3 * SECOND);
    })
    .run(LIMIT);
}

#[test]
fn a_node_that_stands_still_answers_once_it_goes_on() {
    pair(&Log::default(), |_, client| async move {
        call(&client, 0, SECOND).await.0.expect("answered");
        sleep(2 * SECOND).await;
        let (result, took) = call(&client, 0, 10 * SECOND).await;
        result.expect("answered");
        assert!(took > 2 * SECOND && took < 4 * SECOND, "{took:?}");
    })
    .at(SECOND, Fault::stall("a"))
    .at(5 * SECOND, Fault::resume("a"))
    .run(LIMIT);
}

#[test]
fn a_connection_breaks_for_a_sender_that_nobody_acknowledges() {
    let run = pair(&Log::default(), |_, client| async move {
        call(&client, 0, SECOND).await.0.expect("answered");
        sleep(2 * SECOND).await;
        call(&client, 0, SECOND).await.0.expect_err("cut off");
        sleep(20 * SECOND).await;
    })
    .at(SECOND, Fault::partition("a", "caller"))
    .run(LIMIT);
    assert!(run.trace.as_str().contains("caller TimedOut"), "{}", run.trace);
}

#[test]
fn a_node_cut_off_from_the_registry_is_forgotten_and_comes_back() {
    let history = Log::default();
    pair(&history, |node, _| async move {
        let listed = || async { node.app().registry().lookup("work").await.map(|nodes| nodes.len()) };
        sleep(SECOND).await;
        assert_eq!(listed().await, Ok(1));
        sleep(15 * SECOND).await;
        assert_eq!(listed().await, Ok(0), "its record has expired");
        sleep(10 * SECOND).await;
        assert_eq!(listed().await, Ok(1));
    })
    .at(2 * SECOND, Fault::partition("a", "registry"))
    .at(20 * SECOND, Fault::heal("a", "registry"))
    .run(LIMIT);
}

#[test]
fn a_registry_that_lost_everything_is_told_again() {
    pair(&Log::default(), |node, client| async move {
        sleep(2 * SECOND).await;
        call(&client, 0, SECOND).await.0.expect("the last nodes known are used");
        sleep(5 * SECOND).await;
        assert_eq!(node.app().registry().lookup("work").await.map(|nodes| nodes.len()), Ok(1));
    })
    .at(SECOND, Fault::crash("registry"))
    .at(3 * SECOND, Fault::restart("registry"))
    .run(LIMIT);
}

#[test]
fn a_process_that_ends_by_itself_is_started_again() {
    let (starts, history) = (Arc::new(AtomicU32::new(0)), Log::default());
    let run = Simulation::new(1)
        .node("a", move || -> AppBuilder {
            let fails = starts.fetch_add(1, Ordering::Relaxed) == 0;
            let twice = if fails { 2 } else { 1 };
            // Two modules of one name: the App does not start.
            (0..twice).fold(App::builder(), |app, _| {
                app.service(WorkServer::new(Worker { node: "a", history: history.clone() }))
            })
        })
        .client("caller", |node| async move {
            sleep(2 * SECOND).await;
            call(&WorkClient::new(node.client()), 0, SECOND).await.0.expect("answered");
        })
        .run(LIMIT);
    assert!(run.trace.as_str().contains("a ended: ALREADY_EXISTS"), "{}", run.trace);
}

#[test]
fn methods_that_block_run_inline_and_take_no_time() {
    let threads = |history: &Log| history.lock().executed.iter().map(|run| run.thread).collect::<Vec<_>>();
    let history = Log::default();
    pair(&history, |_, client| async move {
        let began = Instant::now();
        assert_eq!(client.block(&Context::new(), 1).await, Ok(1));
        assert!(began.elapsed() < SECOND);
    })
    .run(LIMIT);
    assert_eq!(threads(&history), [std::thread::current().id()]);
}

#[test]
fn a_service_alone_is_a_program_too() {
    Simulation::new(1)
        .node("a", || Service::new("job").serve(WorkServer::new(Worker { node: "a", history: Log::default() })))
        .client("caller", |node| async move {
            let client = WorkClient::named(node.client(), "job");
            call(&client, 0, SECOND).await.0.expect("answered");
        })
        .run(LIMIT);
}

#[test]
fn failures_say_what_is_wrong() {
    let what = |simulation: Simulation| simulation.try_run(5 * SECOND).expect_err("fails").what;
    let idle = |program: fn() -> bool| pair(&Log::default(), move |_, _| async move { assert!(program(), "not so") });
    assert_eq!(what(idle(|| false)), "client caller: not so");
    let endless = pair(&Log::default(), |_, _| std::future::pending());
    assert_eq!(what(endless), "client caller has not finished by 5s");
    let unknown = idle(|| true).at(SECOND, Fault::crash("b"));
    assert_eq!(what(unknown), r#"a fault names the node "b", and the simulation has only registry, a, caller"#);
    let broken = idle(|| true).invariant("it is late", |world| assert!(world.elapsed() > SECOND, "too early"));
    assert_eq!(what(broken), r#"invariant "it is late": too early"#);
    let never = idle(|| true).node("b", || App::builder().config("no/such/file.toml"));
    assert!(what(never).starts_with("node b has never come up; its process ended: "));
}

#[test]
#[should_panic(expected = "two runs of seed 1 differ: line")]
fn a_node_that_cannot_be_replayed_is_found_out() {
    let entropy = motet::Entropy::from_system();
    let drawing = Arc::new(move || entropy.next_u64());
    Simulation::replayed(1, |_| {
        let drawing = drawing.clone();
        pair(&Log::default(), move |node, _| {
            let drawing = drawing.clone();
            async move { node.note(drawing()) }
        })
        .try_run(LIMIT)
    });
}
