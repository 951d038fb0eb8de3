//! An open loop of calls: they are made at their time, however long others take.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use motet::{Context, Result, Status};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{
    node::{Work, WorkClient},
    timeline::Timeline,
};

/// What kind of call the one of this number is.
pub(crate) type Mix = fn(u64) -> What;

/// A kind of call, and how many milliseconds it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Once(u64),
    Again(u64),
    Many(u64, u64),
}

/// How a call went.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) number: u64,
    pub(crate) what: What,
    pub(crate) began: Duration,
    pub(crate) took: Duration,
    /// The node that answered.
    pub(crate) result: Result<String>,
}

impl Outcome {
    pub(crate) fn ended(&self) -> Duration {
        self.began + self.took
    }

    pub(crate) fn failed(&self) -> bool {
        self.result.is_err()
    }

    pub(crate) fn answered_by(&self, name: &str) -> bool {
        self.result.as_deref().is_ok_and(|node| node == name)
    }
}

/// Calls that are being made.
pub(crate) struct Load {
    stop: watch::Sender<bool>,
    task: JoinHandle<Vec<Outcome>>,
}

impl Load {
    /// Begins to make so many calls a second.
    pub(crate) fn start(client: WorkClient, timeline: &Arc<Timeline>, a_second: u64, mix: Mix) -> Load {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(run(client, timeline.clone(), a_second, mix, stopped));
        Load { stop, task }
    }

    /// Makes no more calls, waits for those that run, and tells how all went, by number.
    pub(crate) async fn stop(self) -> Vec<Outcome> {
        self.stop.send_replace(true);
        self.task.await.expect("the load does not panic")
    }
}

async fn run(
    client: WorkClient,
    timeline: Arc<Timeline>,
    a_second: u64,
    mix: Mix,
    stopped: watch::Receiver<bool>,
) -> Vec<Outcome> {
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let mut running = tokio::task::JoinSet::new();
    let mut ticks = interval(Duration::from_millis(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (start, mut number) = (Instant::now(), 0);
    while !*stopped.borrow() {
        ticks.tick().await;
        let due = (start.elapsed().as_secs_f64() * a_second as f64) as u64;
        for number in number..due {
            let (client, timeline, outcomes) = (client.clone(), timeline.clone(), outcomes.clone());
            running.spawn(async move {
                let (what, began) = (mix(number), timeline.now());
                let result = call(&client, what).await;
                let took = timeline.now() - began;
                let outcome = Outcome { number, what, began, took, result };
                outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
            });
        }
        number = due;
        while running.try_join_next().is_some() {}
    }
    while running.join_next().await.is_some() {}
    let mut outcomes = std::mem::take(&mut *outcomes.lock().unwrap_or_else(PoisonError::into_inner));
    outcomes.sort_by_key(|outcome| outcome.number);
    outcomes
}

async fn call(client: &WorkClient, what: What) -> Result<String> {
    let cx = Context::new();
    match what {
        What::Once(ms) => client.once(&cx, ms).await,
        What::Again(ms) => client.again(&cx, ms).await,
        What::Many(count, ms) => {
            let mut items = client.many(&cx, count, ms).await?;
            let (mut seen, mut last) = (0, String::new());
            while let Some(item) = items.next().await {
                (seen, last) = (seen + 1, item?);
            }
            if seen == count { Ok(last) } else { Err(Status::data_loss(format!("{seen} of {count} items came"))) }
        }
    }
}

/// What a run has shown, for people.
pub(crate) struct Summary {
    calls: usize,
    failed: usize,
    seconds: f64,
    p50: Duration,
    p99: Duration,
    longest: Duration,
}

impl Summary {
    pub(crate) fn of(outcomes: &[Outcome]) -> Summary {
        let mut took: Vec<_> = outcomes.iter().map(|outcome| outcome.took).collect();
        took.sort();
        let at = |share: f64| took.get((took.len() as f64 * share) as usize).copied().unwrap_or_default();
        Summary {
            calls: outcomes.len(),
            failed: outcomes.iter().filter(|outcome| outcome.failed()).count(),
            seconds: outcomes.last().map_or(0.0, |last| last.began.as_secs_f64()),
            p50: at(0.5),
            p99: at(0.99),
            longest: took.last().copied().unwrap_or_default(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} calls in {:.1} s ({:.0} a second), {} failed; p50 {:.1?}, p99 {:.1?}, longest {:.1?}",
            self.calls,
            self.seconds,
            self.calls as f64 / self.seconds.max(0.001),
            self.failed,
            self.p50,
            self.p99,
            self.longest
        )
    }
}

/// The calls, at most twenty, with the event before their end.
pub(crate) fn list<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>, timeline: &Timeline) -> String {
    let line = |outcome: &Outcome| {
        let Outcome { number, what, began, took, result } = outcome;
        let how = match result {
            Ok(node) => format!("answered by {node}"),
            Err(status) => format!("{status:?}"),
        };
        let when = timeline.before(outcome.ended());
        format!("\n  call {number} {what:?}, begun at {began:.3?}, over after {took:.1?}, {when}: {how}")
    };
    outcomes.into_iter().take(20).map(line).collect()
}
