//! No retry storm: what clients send to a service that fails, and then is slow.

mod client_fake;

use std::time::Duration;

use client_fake::*;
use motet_core::{ConnectionState, Executed, MemoryRegistry, Status};
use motet_promises::Measurement;
use motet_rpc::{Client, ServiceClient};
use tokio::{task::JoinSet, time::Instant};

const NODES: [&str; 3] = ["a", "b", "c"];

/// A client, the nodes it calls, and how much it has called.
struct Storm {
    fakes: Fakes,
    client: Client,
    began: Instant,
    calls: usize,
    _registered: Vec<Box<dyn motet_core::Registration>>,
}

impl Storm {
    async fn new() -> Storm {
        let (fakes, registry) = (Fakes::new(), MemoryRegistry::new());
        let mut registered = Vec::new();
        for id in NODES {
            registered.push(register(&registry, id).await);
        }
        let client = fakes.client(&registry).build();
        Storm { fakes, client, began: Instant::now(), calls: 0, _registered: registered }
    }

    /// All nodes answer like this from now on.
    fn answer(&self, answer: impl Fn(usize) -> Answer + Clone + Send + Sync + 'static) {
        for id in NODES {
            let answer = answer.clone();
            self.fakes.node(id).answer(move |nth, _| answer(nth));
        }
    }

    fn attempts(&self) -> usize {
        NODES.iter().map(|id| self.fakes.node(id).called()).sum()
    }

    /// Makes so many calls a second in an open loop, and checks the promise every second.
    async fn call(&mut self, service: &ServiceClient, a_second: usize, seconds: usize) {
        let mut running = JoinSet::new();
        for n in 0..seconds * 100 {
            for call in n * a_second / 100..(n + 1) * a_second / 100 {
                let service = service.clone();
                running.spawn(async move {
                    // Both kinds: those that may run twice, and those that did not run.
                    let _ = if call % 2 == 0 { hello_idempotent(&service).await } else { hello(&service).await };
                });
                self.calls += 1;
            }
            sleep_ms(10).await;
            while running.try_join_next().is_some() {}
            if n % 100 == 99 {
                self.check();
            }
        }
        while running.join_next().await.is_some() {}
        self.check();
    }

    /// A fifth of the calls and ten a second, the first ten of them from the beginning.
    fn check(&self) {
        let (attempts, most) = (self.attempts(), self.most());
        assert!(attempts as f64 <= most, "{attempts} attempts of {} calls: at most {most}", self.calls);
    }

    fn most(&self) -> f64 {
        1.2 * self.calls as f64 + 10.0 * (self.began.elapsed().as_secs_f64() + 1.0)
    }
}

/// Fails for a while, then is slow for a while.
async fn storm(a_second: usize, seconds: usize, mut measured: Measurement) {
    let mut storm = Storm::new().await;
    let service = storm.client.service("greeter").with_options(options(|options| {
        options.timeout = Some(Duration::from_millis(500));
        options.retries = Some(5);
    }));

    storm.answer(|_| fails(Status::unavailable("down").with_executed(Executed::No)));
    storm.call(&service, a_second, seconds).await;
    let (attempts, calls) = (storm.attempts(), storm.calls);
    assert!(attempts as f64 > 1.15 * calls as f64, "retries are made: {attempts} of {calls}");

    // Overloaded nodes, whose hints are obeyed.
    let busy = || Status::resource_exhausted("busy").with_executed(Executed::No);
    storm.answer(move |_| fails(busy().with_retry_after(Duration::from_millis(100))));
    storm.call(&service, a_second, seconds).await;

    // Slower than their callers wait, and suspect of being gone: some are sent again elsewhere.
    storm.answer(|_| after(5_000, Ok(reply("late"))));
    storm.call(&service, a_second, seconds).await;
    storm.fakes.node("a").set_state(ConnectionState::Suspect);
    storm.call(&service, a_second, seconds).await;
    measured
        .figure(a_second as f64, "calls a second")
        .figure(storm.calls as f64, "calls")
        .figure(storm.attempts() as f64, "attempts")
        .at_most(storm.attempts() as f64 / storm.most(), "of the most that are allowed", 1.0);
    measured.end();
}

#[tokio::test(start_paused = true)]
async fn twenty_calls_a_second_to_a_failing_service_do_not_become_a_storm() {
    let measured = Measurement::begin("P10", "twenty_calls_a_second_to_a_failing_service_do_not_become_a_storm");
    storm(20, 20, measured).await;
}

#[tokio::test(start_paused = true)]
async fn two_thousand_calls_a_second_to_a_failing_service_do_not_become_a_storm() {
    let measured = Measurement::begin("P10", "two_thousand_calls_a_second_to_a_failing_service_do_not_become_a_storm");
    storm(2_000, 3, measured).await;
}
