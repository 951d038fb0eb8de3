//! An App that runs.

use std::{fmt, sync::Arc, time::Duration};

use motet_core::{Endpoint, Node, Registry, Result, Status};
use motet_rpc::Client;
use tokio::sync::{oneshot, watch};

use super::{Shared, crew::Crew, shared::Will};
use crate::{HealthReport, StatsReport, health::Phase, module::Module};

/// An App that runs. Dropping it ends everything at once; [`RunningApp::stop`] ends it in order.
pub struct RunningApp {
    shared: Arc<Shared>,
    outcome: watch::Receiver<Option<Outcome>>,
}

/// Says when an App has started.
pub(super) struct Started(oneshot::Receiver<Result<()>>);

impl Started {
    /// Waits for the start.
    ///
    /// # Errors
    /// Why the App did not start; what had been started is stopped again.
    pub(super) async fn wait(self) -> Result<()> {
        self.0.await.unwrap_or_else(|_| Err(Status::internal("the App ended while it started")))
    }
}

/// How an App ended.
#[derive(Clone)]
struct Outcome {
    reason: Result<()>,
    report: StopReport,
}

/// How a stop went.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct StopReport {
    /// How long it took.
    pub took: Duration,
    /// The modules that did not stop in time and were dropped.
    pub not_stopped: Vec<String>,
    /// The calls that did not end in time and were dropped: method and number.
    pub abandoned: Vec<(String, usize)>,
    /// What failed on the way: the name of a module or service, and why.
    pub failures: Vec<(String, Status)>,
}

impl StopReport {
    /// Whether everything stopped in time and nothing failed.
    pub fn is_clean(&self) -> bool {
        self.not_stopped.is_empty() && self.abandoned.is_empty() && self.failures.is_empty()
    }
}

impl RunningApp {
    /// Begins to start the modules, and says when that is done. Dropping the App ends what was
    /// started.
    pub(super) fn begin(
        shared: Arc<Shared>,
        modules: Vec<Arc<dyn Module>>,
        group: Option<Vec<String>>,
    ) -> (RunningApp, Started) {
        let (started, is_started) = oneshot::channel();
        let (ended, outcome) = watch::channel(None);
        // The task belongs to the RunningApp, which asks it to end when dropped.
        let app = RunningApp { shared: shared.clone(), outcome };
        tokio::spawn(conduct(shared, modules, group, started, ended));
        (app, Started(is_started))
    }

    /// The App's name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Calls services, those of this App without the network.
    pub fn client(&self) -> &Client {
        &self.shared.client
    }

    /// Who runs where.
    pub fn registry(&self) -> &Arc<dyn Registry> {
        &self.shared.registry
    }

    /// Where others reach the App.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.shared.endpoints()
    }

    /// The nodes that it has registered.
    pub fn nodes(&self) -> Vec<Node> {
        self.shared.nodes()
    }

    /// What its server and its client have counted.
    pub fn stats(&self) -> StatsReport {
        StatsReport::of(&self.shared)
    }

    /// How it is.
    pub fn health(&self) -> HealthReport {
        self.shared.board.report()
    }

    /// Asks it to stop, in order, and returns at once; [`RunningApp::wait`] tells when it has.
    pub fn begin_stop(&self) {
        self.shared.ask(Will::Stop);
    }

    /// Stops in order and says how that went: it deregisters, gives callers time to notice
    /// (`app.drain_delay`; by default what the registry needs), refuses new calls in a way that may
    /// be retried, finishes what runs, and stops the modules from the last to the first. Takes at
    /// most `app.stop_timeout` (default 30 s), then drops what is left. Repeating it is fine. Cancel
    /// safe: the stop goes on.
    pub async fn stop(&self) -> StopReport {
        self.begin_stop();
        self.ended().await.report
    }

    /// Ends everything at once, dropping what runs.
    pub async fn halt(&self) -> StopReport {
        self.shared.ask(Will::Halt);
        self.ended().await.report
    }

    /// Waits until it has ended: because it was stopped, because all modules have finished and there
    /// is nothing to serve, or because a module failed for good. Cancel safe.
    ///
    /// # Errors
    /// The module's failure.
    pub async fn wait(&self) -> Result<()> {
        self.ended().await.reason
    }

    async fn ended(&self) -> Outcome {
        let mut outcome = self.outcome.clone();
        let lost = || Outcome {
            reason: Err(Status::internal("the runtime of the App has ended")),
            report: StopReport::default(),
        };
        outcome.wait_for(Option::is_some).await.map_or_else(|_| lost(), |ended| ended.clone().unwrap_or_else(lost))
    }
}

impl Drop for RunningApp {
    fn drop(&mut self) {
        self.shared.ask(Will::Halt);
    }
}

impl fmt::Debug for RunningApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningApp")
            .field("name", &self.shared.name)
            .field("endpoints", &self.endpoints())
            .finish_non_exhaustive()
    }
}

/// The life of an App.
async fn conduct(
    shared: Arc<Shared>,
    modules: Vec<Arc<dyn Module>>,
    group: Option<Vec<String>>,
    started: oneshot::Sender<Result<()>>,
    ended: watch::Sender<Option<Outcome>>,
) {
    let mut crew = Crew::new(shared.clone());
    let limit = shared.settings.app.start_timeout;
    let start = tokio::select! {
        biased;
        () = shared.asked(Will::Stop) => Err(Status::cancelled("the App was stopped while it started")),
        outcome = tokio::time::timeout(limit, crew.start(&modules, group.as_deref())) => {
            outcome.unwrap_or_else(|_| Err(too_slow(&shared, limit)))
        }
    };
    let reason = match start {
        Err(status) => {
            let report = crew.stop().await;
            let _ = started.send(Err(status.clone()));
            ended.send_replace(Some(Outcome { reason: Err(status), report }));
            return;
        }
        Ok(()) => {
            shared.board.set_phase(Phase::Running);
            let endpoints: Vec<_> = crew.endpoints().iter().map(Endpoint::to_string).collect();
            tracing::info!(app = shared.name, ?endpoints, registry = shared.registry.url(), "started");
            #[cfg(feature = "http")]
            shared.tell_given_way();
            // An error means that the start was dropped, and with it the RunningApp, which asked for a halt.
            let _ = started.send(Ok(()));
            tokio::select! {
                biased;
                () = shared.asked(Will::Stop) => Ok(()),
                reason = crew.ended() => reason,
            }
        }
    };
    tracing::info!(app = shared.name, "stopping");
    let report = crew.stop().await;
    tracing::info!(app = shared.name, took = ?report.took, clean = report.is_clean(), "stopped");
    ended.send_replace(Some(Outcome { reason, report }));
}

/// Names the module that kept the App from starting.
fn too_slow(shared: &Shared, limit: Duration) -> Status {
    Status::deadline_exceeded(format!(
        "the App did not start within {limit:?} (app.start_timeout); modules that were initialised or waited: {}",
        shared.board.report().modules.iter().map(|module| module.name.as_str()).collect::<Vec<_>>().join(", ")
    ))
}
