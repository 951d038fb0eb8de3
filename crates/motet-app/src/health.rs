//! Health: whether the App lives, and whether it should be called.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest reason that is kept, in characters.
const MAX_REASON: usize = 256;
/// How soon a task must run for the App to count as live.
const LIVE_WITHIN: Duration = Duration::from_secs(1);

/// How an App is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[non_exhaustive]
pub struct HealthReport {
    /// Whether the process gets work done: if not, restart it.
    pub live: bool,
    /// Whether it should be called: it is started, its services are registered where there is a
    /// registry that takes them, every module is ready, and it is not stopping.
    pub ready: bool,
    /// `starting`, `running` or `stopping`.
    pub phase: Phase,
    /// The modules, in order.
    pub modules: Vec<ModuleHealth>,
    /// The services.
    pub services: Vec<ServiceHealth>,
}

/// What an App is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Phase {
    /// It initialises its modules.
    #[default]
    Starting,
    /// It runs.
    Running,
    /// It finishes what it has.
    Stopping,
}

/// How a module is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[non_exhaustive]
pub struct ModuleHealth {
    /// The name.
    pub name: String,
    /// What it is doing.
    pub state: ModuleState,
    /// Whether it is ready.
    pub ready: bool,
    /// Why it is not ready, where it said so and the asker may know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How often it was restarted.
    pub restarts: u32,
}

/// What a module is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ModuleState {
    /// It is not initialised yet.
    #[default]
    Starting,
    /// It runs.
    Running,
    /// It failed and waits to be run again.
    Restarting,
    /// It ended by itself.
    Finished,
    /// It failed for good.
    Failed,
    /// It is stopped.
    Stopped,
}

/// How a service is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[non_exhaustive]
pub struct ServiceHealth {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// Whether a registry has its record, as one that takes calls.
    pub registered: bool,
}

/// A module's say in whether its App is ready. Cheap to clone; without a word a module is ready as
/// soon as it runs.
#[derive(Clone)]
pub struct Health {
    board: Board,
    module: usize,
}

impl Health {
    /// The module is ready; also where it said before that it is not.
    pub fn ready(&self) {
        self.board.change(self.module, |module| module.reason = None);
    }

    /// The module is not ready, and why; the first 256 characters are kept.
    pub fn not_ready(&self, reason: impl Into<String>) {
        let reason: String = reason.into().chars().take(MAX_REASON).collect();
        self.board.change(self.module, |module| module.reason = Some(reason));
    }

    pub(crate) fn module(&self) -> usize {
        self.module
    }

    pub(crate) fn set_state(&self, state: ModuleState) {
        self.board.change(self.module, |module| module.state = state);
    }

    pub(crate) fn restarted(&self) {
        self.board.change(self.module, |module| module.restarts = module.restarts.saturating_add(1));
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.board.lock().modules.get(self.module))
    }
}

/// Where an App keeps how it is.
#[derive(Clone, Default)]
pub(crate) struct Board(Arc<Mutex<HealthReport>>);

impl Board {
    pub(crate) fn add(&self, name: &str) -> Health {
        let mut report = self.lock();
        report.modules.push(ModuleHealth { name: name.to_owned(), ..ModuleHealth::default() });
        Health { board: self.clone(), module: report.modules.len() - 1 }
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.lock().phase = phase;
    }

    pub(crate) fn set_services(&self, services: Vec<ServiceHealth>) {
        self.lock().services = services;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HealthReport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, module: usize, f: impl FnOnce(&mut ModuleHealth)) {
        if let Some(module) = self.lock().modules.get_mut(module) {
            f(module);
        }
    }

    /// How the App is, all but whether it lives.
    pub(crate) fn report(&self) -> HealthReport {
        let mut report = self.lock().clone();
        for module in &mut report.modules {
            let runs = matches!(module.state, ModuleState::Running | ModuleState::Finished);
            module.ready = runs && module.reason.is_none();
        }
        report.live = true;
        report.ready = report.phase == Phase::Running
            && report.modules.iter().all(|module| module.ready)
            && report.services.iter().all(|service| service.registered);
        report
    }

    /// How the App is. It lives if a new task gets to run within a second.
    pub(crate) async fn examine(&self) -> HealthReport {
        let probe = tokio::spawn(async {});
        let live = tokio::time::timeout(LIVE_WITHIN, probe).await.is_ok();
        HealthReport { live, ..self.report() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_is_ready_when_it_runs_and_all_its_modules_are() {
        let board = Board::default();
        let (a, b) = (board.add("a"), board.add("b"));
        assert!(!board.report().ready);
        board.set_phase(Phase::Running);
        a.set_state(ModuleState::Running);
        assert!(!board.report().ready, "b is starting");
        b.set_state(ModuleState::Finished);
        assert!(board.report().ready);
        a.not_ready("x".repeat(1000));
        let report = board.report();
        assert!(!report.ready && !report.modules[0].ready && report.modules[1].ready);
        assert_eq!(report.modules[0].reason.as_ref().map(String::len), Some(MAX_REASON));
        a.ready();
        assert!(board.report().ready);
        board.set_services(vec![ServiceHealth { name: "s".to_owned(), ..ServiceHealth::default() }]);
        assert!(!board.report().ready, "s is not registered");
        board.set_services(Vec::new());
        a.set_state(ModuleState::Restarting);
        assert!(!board.report().ready);
        a.set_state(ModuleState::Running);
        board.set_phase(Phase::Stopping);
        assert!(!board.report().ready);
    }

    #[tokio::test]
    async fn an_app_whose_tasks_run_is_live() {
        assert!(Board::default().examine().await.live);
    }
}
