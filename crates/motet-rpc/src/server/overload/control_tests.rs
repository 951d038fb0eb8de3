//! The control in front of simulated services: virtual time, exact queues.

use std::{cmp::Reverse, collections::BinaryHeap};

use motet_core::Entropy;

use super::control::{Control, Window};

/// A service of some workers: a call takes one of them for its time, or waits for one.
struct Simulation {
    control: Control,
    entropy: Entropy,
    /// No limit at all, to see what would happen.
    unprotected: bool,
    workers: usize,
    /// The time a call takes, in seconds, and the share of it that is random, up and down.
    takes: f64,
    jitter: f64,
    /// After this time the caller gives up, and the work on its call is for nothing.
    patience: f64,
    now: f64,
    /// When each worker is free.
    free_at: BinaryHeap<Reverse<u64>>,
    /// When calls end, when they began, and whether in time.
    ends: BinaryHeap<Reverse<(u64, u64, bool)>>,
    window: Counted,
    owed: f64,
}

#[derive(Default)]
struct Counted {
    opened: Option<f64>,
    due: f64,
    calls: u64,
    latency: f64,
    given_up: u64,
    bound: bool,
}

/// What happened over some time.
#[derive(Debug, Default)]
struct Outcome {
    offered: u64,
    refused: u64,
    good: u64,
    latency: f64,
    most: usize,
}

impl Outcome {
    fn mean(&self) -> f64 {
        self.latency / self.good.max(1) as f64
    }
}

fn micros(seconds: f64) -> u64 {
    (seconds * 1e6) as u64
}

impl Simulation {
    fn new(workers: usize, takes: f64) -> Simulation {
        let mut simulation = Simulation {
            control: Control::new(16, 20_000),
            entropy: Entropy::seeded(7),
            unprotected: false,
            workers: 0,
            takes,
            jitter: 0.0,
            patience: 10.0,
            now: 0.0,
            free_at: BinaryHeap::new(),
            ends: BinaryHeap::new(),
            window: Counted::default(),
            owed: 0.0,
        };
        simulation.workers(workers);
        simulation
    }

    fn workers(&mut self, workers: usize) {
        self.workers = workers;
        let now = micros(self.now);
        self.free_at.extend((self.free_at.len()..workers).map(|_| Reverse(now)));
        while self.free_at.len() > workers {
            self.free_at.pop();
        }
    }

    fn capacity(&self) -> f64 {
        self.workers as f64 / self.takes
    }

    /// Offers so many calls a second, evenly but for some noise, for some seconds.
    fn offer(&mut self, rate: f64, seconds: f64) -> Outcome {
        const STEP: f64 = 0.0005;
        let mut outcome = Outcome::default();
        let until = self.now + seconds;
        while self.now < until {
            self.now += STEP;
            self.end_calls(&mut outcome);
            self.owed += rate * STEP * 2.0 * self.entropy.unit();
            while self.owed >= 1.0 {
                self.owed -= 1.0;
                self.arrive(&mut outcome);
            }
            outcome.most = outcome.most.max(self.ends.len());
        }
        outcome
    }

    fn arrive(&mut self, outcome: &mut Outcome) {
        outcome.offered += 1;
        let limit = self.control.limit().filter(|_| !self.unprotected).unwrap_or(20_000);
        if self.ends.len() >= limit as usize && !self.unprotected {
            self.window.bound = true;
            outcome.refused += 1;
            return;
        }
        let now = micros(self.now);
        let takes = self.takes * (1.0 + self.jitter * (2.0 * self.entropy.unit() - 1.0));
        let begins = self.free_at.peek().map_or(now, |Reverse(at)| (*at).max(now));
        let gives_up = now + micros(self.patience);
        if begins >= gives_up {
            // It leaves the queue before a worker is free.
            self.ends.push(Reverse((gives_up, now, false)));
            return;
        }
        self.free_at.pop();
        let ends = begins + micros(takes);
        self.free_at.push(Reverse(ends.min(gives_up)));
        self.ends.push(Reverse((ends.min(gives_up), now, ends <= gives_up)));
    }

    fn end_calls(&mut self, outcome: &mut Outcome) {
        let now = micros(self.now);
        while let Some(Reverse((end, began, good))) = self.ends.peek().copied().filter(|Reverse((end, ..))| *end <= now)
        {
            self.ends.pop();
            let took = (end - began) as f64 / 1e6;
            if good {
                outcome.good += 1;
                outcome.latency += took;
            }
            self.learn(end as f64 / 1e6, took, good);
        }
    }

    /// As the gate does it.
    fn learn(&mut self, now: f64, took: f64, good: bool) {
        let window = &mut self.window;
        if window.opened.is_none() {
            window.due = now + took.clamp(0.05, 0.3);
        }
        let opened = *window.opened.get_or_insert(now);
        window.calls += 1;
        window.latency += took;
        window.given_up += u64::from(!good);
        let seconds = now - opened;
        if window.calls <= 20 || now < window.due {
            return;
        }
        let calls = window.calls as f64;
        let measured = Window {
            seconds,
            rate: (calls - 1.0) / seconds,
            mean: window.latency / calls,
            given_up: window.given_up as f64 / calls,
            running: self.ends.len() as u32,
            bound: window.bound,
        };
        self.window = Counted::default();
        self.control.update(&measured);
    }
}

#[test]
fn at_ten_times_its_capacity_a_service_still_does_what_it_can() {
    for (workers, takes) in [(20, 0.005), (2, 0.001), (200, 0.050), (64, 0.5), (4, 0.02)] {
        let mut service = Simulation::new(workers, takes);
        service.jitter = 0.5;
        let capacity = service.capacity();
        let before = service.offer(capacity * 0.7, 20.0);
        assert_eq!(before.refused, 0, "{workers} × {takes}");
        // Until what came before the limit was found has been worked off or given up.
        service.offer(capacity * 10.0, 10.0 + 20.0 * takes);
        let during = service.offer(capacity * 10.0, 20.0);
        let share = during.good as f64 / 20.0 / capacity;
        assert!(share > 0.9, "{workers} × {takes}: {share} of its capacity");
        let bound = (3.0 * takes + 0.03).max(1.5 * 16.0 / capacity);
        assert!(during.mean() < bound, "{workers} × {takes}: {during:?}, {}", during.mean());
        assert!(during.most as f64 <= (capacity * bound).max(17.0) * 1.5, "{workers} × {takes}: {during:?}");
        service.offer(capacity * 0.7, 3.0);
        let after = service.offer(capacity * 0.7, 10.0);
        assert_eq!(after.refused, 0, "{workers} × {takes}: recovered within three seconds");
        assert!(after.mean() < before.mean() * 1.2, "{workers} × {takes}: {after:?}");
    }
}

#[test]
fn overload_of_any_degree_is_found_and_does_not_outgrow_the_patience_of_callers() {
    for factor in [1.1, 1.5, 2.0, 5.0] {
        let mut service = Simulation::new(20, 0.005);
        service.patience = 0.2;
        service.offer(2_000.0, 5.0);
        service.offer(4_000.0 * factor, 10.0);
        let during = service.offer(4_000.0 * factor, 20.0);
        let share = during.good as f64 / 20.0 / 4_000.0;
        assert!(share > 0.9, "{factor}: {share} of its capacity in time");
    }
}

#[test]
fn without_a_limit_most_work_would_be_for_nothing() {
    let mut service = Simulation::new(20, 0.005);
    service.unprotected = true;
    service.patience = 0.2;
    service.offer(40_000.0, 10.0);
    let during = service.offer(40_000.0, 10.0);
    assert!(during.most > 7_000, "{during:?}");
}

#[test]
fn calls_that_only_wait_are_not_limited() {
    // As many workers as there are calls: latency says nothing about load.
    for takes in [0.01, 0.1, 1.0] {
        let mut service = Simulation::new(5_000, takes);
        let mut refused = 0;
        for at_once in [1.0, 1_000.0, 10.0, 1_000.0] {
            refused += service.offer(at_once / takes, 5.0).refused;
        }
        assert_eq!(refused, 0, "{takes}");
    }
}

#[test]
fn calls_that_begin_to_take_longer_in_themselves_are_soon_let_through() {
    // 1,000 calls at once that wait for a second, where one took a millisecond before.
    for steps in [1, 2, 5, 20] {
        let mut service = Simulation::new(5_000, 0.001);
        service.offer(1_000.0, 30.0);
        let mut refused = 0;
        for step in 1..=steps {
            service.takes = 0.001 + f64::from(step) / f64::from(steps);
            refused += service.offer(1_000.0, 20.0 / f64::from(steps)).refused;
        }
        let share = refused as f64 / 20_000.0;
        assert!(share < 0.1, "{steps} steps: {share} refused meanwhile");
        let after = service.offer(1_000.0, 10.0);
        assert_eq!(after.refused, 0, "{steps} steps");
    }
}

#[test]
fn where_few_run_at_once_none_is_refused() {
    for a_second in [1.0, 5.0, 15.0, 20.0] {
        let mut service = Simulation::new(5_000, 0.001);
        service.jitter = 0.3;
        let mut refused = service.offer(a_second, 60.0).refused;
        for takes in [0.3, 0.6, 1.0, 0.001, 1.0] {
            service.takes = takes;
            refused += service.offer(a_second, 20.0).refused;
        }
        assert_eq!(refused, 0, "{a_second} a second");
    }
}

#[test]
fn calls_that_callers_give_up_by_habit_are_let_through() {
    // Each waits for a second; its caller mostly does not: a poll for news, or a search while typing.
    for patience in [0.3, 0.9, 1.1] {
        let mut service = Simulation::new(5_000, 0.001);
        service.offer(500.0, 30.0);
        (service.takes, service.jitter, service.patience) = (1.0, 0.9, patience);
        let meanwhile = service.offer(500.0, 20.0);
        assert!(meanwhile.refused < 2_000, "{patience}: {meanwhile:?}");
        let after = service.offer(500.0, 20.0);
        assert_eq!(after.refused, 0, "{patience}");
    }
}

#[test]
fn a_limit_follows_a_capacity_that_changes() {
    let mut service = Simulation::new(20, 0.005);
    service.offer(2_000.0, 5.0);
    service.offer(20_000.0, 10.0);
    for workers in [5, 80, 10, 40] {
        service.workers(workers);
        service.offer(20_000.0, 10.0);
        let during = service.offer(20_000.0, 10.0);
        let share = during.good as f64 / 10.0 / service.capacity();
        assert!(share > 0.9, "{workers} workers: {share} of their capacity");
        assert!(during.mean() < 0.1, "{workers} workers: {}", during.mean());
    }
}

#[test]
fn a_server_that_starts_into_an_overload_finds_its_limit() {
    let mut service = Simulation::new(20, 0.005);
    service.offer(40_000.0, 15.0);
    let during = service.offer(40_000.0, 20.0);
    let share = during.good as f64 / 20.0 / 4_000.0;
    assert!(share > 0.9 && during.mean() < 0.15, "{share} of its capacity, {} s", during.mean());
}

#[test]
fn a_standstill_is_not_taken_for_the_ordinary() {
    let mut service = Simulation::new(20, 0.005);
    service.offer(3_000.0, 20.0);
    for _ in 0..5 {
        // Nothing ends for two seconds, as if the machine stood still.
        let stalled = micros(service.now + 2.0);
        service.free_at = service.free_at.iter().map(|Reverse(at)| Reverse((*at).max(stalled))).collect();
        service.offer(3_000.0, 10.0);
    }
    let after = service.offer(3_000.0, 5.0);
    assert_eq!(after.refused, 0);
    service.offer(40_000.0, 15.0);
    let during = service.offer(40_000.0, 20.0);
    assert!(during.mean() < 0.5 && during.good > 72_000, "{during:?}");
}

#[test]
fn limits_stay_between_their_bounds_whatever_is_measured() {
    let entropy = Entropy::seeded(3);
    for _ in 0..200 {
        let mut control = Control::new(16, 500);
        for _ in 0..300 {
            // From nothing at all to far beyond what can be.
            let any = |most: f64| most * entropy.unit().powi(8);
            let window = Window {
                seconds: any(100.0),
                rate: any(1e9),
                mean: any(1e3),
                given_up: entropy.unit(),
                running: any(4e9) as u32,
                bound: entropy.unit() < 0.7,
            };
            let limit = control.update(&window);
            assert!(limit.is_none_or(|limit| (16..=500).contains(&limit)), "{limit:?} after {window:?}");
            assert!((control.ordinary().is_finite() && control.ordinary() >= 0.0), "{control:?}");
        }
    }
}
