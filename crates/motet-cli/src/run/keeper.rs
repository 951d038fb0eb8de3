//! Keeps one program running: starts what was built last, and again what ends by itself.

use std::{io, path::PathBuf, process::ExitStatus, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use super::{
    finder::{Finder, Found, LABEL},
    port::Port,
    process::Process,
    screen::Screen,
};

/// The wait before a program that failed is started again; each next one is twice as long.
const BACKOFF: Duration = Duration::from_secs(1);

/// How often in a row it is started again before a change is waited for.
const RESTARTS: u32 = 4;

/// After how long a run counts as a good one.
const GOOD: Duration = Duration::from_secs(30);

/// How much longer than it should take a stop may take, before it is made an end of.
const LATE: Duration = Duration::from_secs(2);

/// A program to be started in place of the one that runs.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    /// Counts the builds, from 1.
    pub(super) number: u64,
    /// Which build the program is of; one of the same build need not take the place of one that runs.
    pub(super) version: u64,
    pub(super) path: PathBuf,
    /// When the change was seen that led to it.
    pub(super) since: Instant,
}

/// What happened to a program.
#[derive(Debug)]
pub(super) enum Event {
    /// These programs are being started.
    Starting(Vec<usize>),
    /// It serves; since when it was wanted.
    Up(usize, Found, Duration),
    /// It has ended by itself.
    Down(usize),
}

/// Whether programs are to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(super) enum Will {
    Run,
    Stop,
    Kill,
}

/// What all programs of a run share.
pub(super) struct Plan {
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    /// How long a program may take to stop.
    pub(super) stop_timeout: Duration,
    /// Whether a program that fails is started again.
    pub(super) again: bool,
    pub(super) finder: Finder,
    pub(super) screen: Screen,
    pub(super) events: mpsc::Sender<Event>,
}

/// Keeps one program running.
pub(super) struct Keeper {
    pub(super) program: usize,
    pub(super) plan: Arc<Plan>,
    pub(super) wanted: watch::Receiver<Option<Launch>>,
    pub(super) will: watch::Receiver<Will>,
    port: Port,
    runs: u32,
}

/// How one run of a program ended.
enum Ending {
    /// By itself.
    Ended(io::Result<ExitStatus>, Duration),
    /// For a newer program.
    Replaced,
    /// Because all are to stop.
    Stopped,
}

impl Keeper {
    pub(super) fn new(
        program: usize,
        plan: Arc<Plan>,
        wanted: watch::Receiver<Option<Launch>>,
        will: watch::Receiver<Will>,
    ) -> Keeper {
        Keeper { program, plan, wanted, will, port: Port::default(), runs: 0 }
    }

    /// Runs until told to stop, or, where nothing is started again, until the program has ended:
    /// whether it ended well.
    pub(super) async fn keep(mut self) -> bool {
        let mut last = 0;
        loop {
            let launch = tokio::select! {
                biased;
                () = told(&mut self.will, Will::Stop) => return true,
                launch = wanted(&mut self.wanted, |launch| launch.number > last) => launch,
            };
            last = launch.number;
            match self.launched(&launch).await {
                Ending::Replaced => {}
                Ending::Stopped => return true,
                Ending::Ended(status, _) if !self.plan.again => return status.is_ok_and(|status| status.success()),
                Ending::Ended(..) => {}
            }
        }
    }

    /// Runs a program, and runs it again while it fails, for as long as that may help.
    async fn launched(&mut self, launch: &Launch) -> Ending {
        let (mut failures, mut since) = (0, launch.since);
        loop {
            let (status, lasted) = match self.once(launch, since).await {
                Ending::Ended(status, lasted) => (status, lasted),
                other => return other,
            };
            let _ = self.plan.events.send(Event::Down(self.program)).await;
            failures = if lasted > GOOD { 1 } else { failures + 1 };
            let good = status.as_ref().is_ok_and(ExitStatus::success);
            let wait = (self.plan.again && !good && failures <= RESTARTS).then(|| BACKOFF * (1 << (failures - 1)));
            self.report(&status, wait);
            let Some(wait) = wait else { return Ending::Ended(status, lasted) };
            tokio::select! {
                biased;
                () = told(&mut self.will, Will::Stop) => return Ending::Stopped,
                _ = wanted(&mut self.wanted, |other| other.number > launch.number) => return Ending::Replaced,
                () = tokio::time::sleep(wait) => since = Instant::now(),
            }
        }
    }

    fn report(&self, status: &io::Result<ExitStatus>, wait: Option<Duration>) {
        let label = self.plan.screen.label(self.program);
        let what = match status {
            Ok(status) if status.success() => format!("{label} has finished"),
            Ok(status) => format!("{label} ended by itself ({status})"),
            Err(error) => format!("{label} could not be started: {error}"),
        };
        let next = match wait {
            Some(wait) => format!("; starts again in {} s", wait.as_secs()),
            None if self.plan.again => "; starts again when a source file changes".to_owned(),
            None => String::new(),
        };
        self.plan.screen.say(&format!("{what}{next}"));
    }

    /// One process, from start to end.
    async fn once(&mut self, launch: &Launch, since: Instant) -> Ending {
        self.runs += 1;
        let label = format!("{}.{}.{}", std::process::id(), self.program, self.runs);
        let mut environment = self.plan.environment.clone();
        environment.push((format!("MOTET_APP__LABELS__{}", LABEL.to_uppercase()), label.clone()));
        environment.extend(self.port.address().map(|address| ("MOTET_DEFAULT_LISTEN".to_owned(), address)));
        let started = Instant::now();
        let plan = self.plan.clone();
        let mut process = match Process::start(&launch.path, &plan.arguments, &environment, self.program, &plan.screen)
        {
            Ok(process) => process,
            Err(error) => return Ending::Ended(Err(error), Duration::ZERO),
        };
        let mut found = std::pin::pin!(plan.finder.find(&label));
        let mut is_found = false;
        loop {
            tokio::select! {
                biased;
                () = told(&mut self.will, Will::Stop) => {
                    self.stop(&mut process).await;
                    return Ending::Stopped;
                }
                _ = wanted(&mut self.wanted, |other| other.version != launch.version) => {
                    self.stop(&mut process).await;
                    return Ending::Replaced;
                }
                status = process.ended() => return Ending::Ended(status, started.elapsed()),
                found = &mut found, if !is_found => {
                    is_found = true;
                    let _ = plan.events.send(Event::Up(self.program, found, since.elapsed())).await;
                }
            }
        }
    }

    /// Asks a process to end, and makes an end of it when that takes too long or is told to.
    async fn stop(&mut self, process: &mut Process) {
        process.ask();
        let limit = self.plan.stop_timeout + LATE;
        tokio::select! {
            biased;
            _ = process.ended() => return,
            () = told(&mut self.will, Will::Kill) => {}
            () = tokio::time::sleep(limit) => {
                let label = self.plan.screen.label(self.program);
                self.plan.screen.say(&format!("{label} did not stop within {} s and is killed", limit.as_secs()));
            }
        }
        process.kill();
        let _ = process.ended().await;
    }
}

/// Waits for a launch that is as told; for ever, where there is none to come. Cancel safe.
async fn wanted(launches: &mut watch::Receiver<Option<Launch>>, is: impl Fn(&Launch) -> bool) -> Launch {
    match launches.wait_for(|launch| launch.as_ref().is_some_and(&is)).await.map(|launch| launch.clone()) {
        Ok(Some(launch)) => launch,
        _ => std::future::pending().await,
    }
}

/// Waits until this is the will, or more than this; who could tell having gone is as good. Cancel
/// safe.
async fn told(will: &mut watch::Receiver<Will>, least: Will) {
    let _ = will.wait_for(|will| *will >= least).await;
}
