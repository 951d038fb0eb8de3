//! The modules of a running App, from the first's init to the last's stop.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use motet_core::{DrainSignal, Endpoint, Registration, Result, Status};
use tokio::{
    task::{Id, JoinSet},
    time::{Instant, timeout, timeout_at},
};

use super::{
    Shared, StopReport, advertise, node,
    shared::{Will, lock},
};
use crate::{
    config::{ConfigView, Supervision},
    health::{ModuleState, Phase, ServiceHealth},
    module::{AppContext, Module, caught, supervise},
};

/// The longest that one registry may take to delete a record; it then expires by itself.
const CLOSE: Duration = Duration::from_secs(5);
/// The share of the stop's time, and the most of it, that is kept for modules whose turn has not
/// come when those before them took too long.
const RESERVE: (u32, Duration) = (10, Duration::from_secs(1));

/// What dropped tasks get to notice that they are.
const LEAST: Duration = Duration::from_millis(100);

/// The modules of a running App, and what they registered.
pub(super) struct Crew {
    shared: Arc<Shared>,
    members: Vec<Member>,
    tasks: JoinSet<Result<()>>,
    registrations: Vec<Box<dyn Registration>>,
}

struct Member {
    module: Arc<dyn Module>,
    cx: AppContext,
    drain: DrainSignal,
    task: Option<Id>,
    stage: Stage,
    ended: Option<Result<()>>,
}

/// Where a module is between its init and its stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing has been called.
    New,
    /// `init` has been called: `stop` is due.
    Begun,
    /// `stop` has been called.
    Stopping,
    /// `stop` has returned.
    Stopped,
}

impl Crew {
    pub(super) fn new(shared: Arc<Shared>) -> Crew {
        Crew { shared, members: Vec::new(), tasks: JoinSet::new(), registrations: Vec::new() }
    }

    /// Takes the App from nothing to running. Dropping the future leaves what has been begun, for
    /// [`Crew::stop`] to end.
    ///
    /// # Errors
    /// The first step that failed.
    pub(super) async fn start(&mut self, all: &[Arc<dyn Module>], group: Option<&[String]>) -> Result<()> {
        for module in all {
            let view = ConfigView::new(self.shared.config.clone(), module.name());
            caught(module.name(), "configure", || Box::pin(std::future::ready(module.configure(&view)))).await?;
            Supervision::read(&self.shared.config, module.name())?;
        }
        let wanted = |module: &Arc<dyn Module>| group.is_none_or(|names| names.iter().any(|n| n == module.name()));
        for module in all.iter().filter(|module| wanted(module)) {
            let view = ConfigView::new(self.shared.config.clone(), module.name());
            let cx = AppContext::new(self.shared.clone(), view, self.shared.board.add(module.name()));
            self.members.push(Member::new(module.clone(), cx));
        }
        for member in &mut self.members {
            member.stage = Stage::Begun;
            tracing::debug!(module = member.module.name(), "init");
            caught(member.module.name(), "init", || member.module.init(&member.cx)).await?;
        }
        self.shared.open.store(false, Ordering::Release);
        self.register().await?;
        for member in &mut self.members {
            let supervision = Supervision::read(&self.shared.config, member.module.name())?;
            let run = supervise(member.module.clone(), member.cx.clone(), member.drain.drain(), supervision);
            member.cx.health().set_state(ModuleState::Running);
            member.task = Some(self.tasks.spawn(run).id());
        }
        self.activate().await
    }

    /// Listens, and registers every service as starting.
    async fn register(&mut self) -> Result<()> {
        let services: Vec<_> = lock(&self.shared.offered).iter().map(|offered| offered.service.clone()).collect();
        let mut listen = self.shared.settings.server.listen.clone();
        if listen.is_empty() && !services.is_empty() {
            listen.push("tcp://127.0.0.1:0".to_owned());
        }
        for address in &listen {
            self.shared.server.listen(address).await?;
        }
        if services.is_empty() {
            return Ok(());
        }
        let advertise = self.shared.settings.server.advertise.as_deref();
        let endpoints = advertise::announced(self.shared.endpoints(), advertise, &self.shared.registry.url())?;
        for service in &services {
            if let Some(registration) = node::register(&self.shared, service, &endpoints).await? {
                self.registrations.push(registration);
            }
        }
        self.tell_services(false);
        Ok(())
    }

    /// Marks every node as one that takes calls.
    async fn activate(&mut self) -> Result<()> {
        for registration in &self.registrations {
            registration.activate().await?;
        }
        *lock(&self.shared.nodes) = self.registrations.iter().map(|registration| registration.node()).collect();
        self.tell_services(true);
        Ok(())
    }

    fn tell_services(&self, registered: bool) {
        let health = |service: &motet_core::Service| ServiceHealth {
            name: service.name().to_owned(),
            version: service.descriptor().version.clone(),
            registered,
        };
        let services = lock(&self.shared.offered).iter().map(|offered| health(&offered.service)).collect();
        self.shared.board.set_services(services);
    }

    /// Waits until the App has a reason of its own to end: a module failed for good, or all have
    /// finished and there is nothing to serve. Cancel safe.
    ///
    /// # Errors
    /// The module's failure.
    pub(super) async fn ended(&mut self) -> Result<()> {
        let serves = !lock(&self.shared.offered).is_empty() || self.members.is_empty();
        while self.next_ended().await {
            if let Some(status) = self.members.iter().find_map(|member| member.ended.as_ref()?.as_ref().err()) {
                return Err(status.clone());
            }
        }
        match serves {
            true => std::future::pending().await,
            false => Ok(()),
        }
    }

    /// Waits for the next task to end; false when none is left. Cancel safe.
    async fn next_ended(&mut self) -> bool {
        let (task, outcome) = match self.tasks.join_next_with_id().await {
            None => return false,
            Some(Ok((task, outcome))) => (task, outcome),
            Some(Err(error)) => (error.id(), Err(Status::internal("the module's task was cut off"))),
        };
        if let Some(member) = self.members.iter_mut().find(|member| member.task == Some(task)) {
            member.ended = Some(outcome);
        }
        true
    }

    /// Ends everything in order, within the configured time; at once when a halt is asked for.
    pub(super) async fn stop(&mut self) -> StopReport {
        let started = Instant::now();
        let bound = self.shared.settings.app.stop_timeout;
        let (last, patience) = (started + bound, started + bound - (bound / RESERVE.0).min(RESERVE.1));
        self.shared.board.set_phase(Phase::Stopping);
        self.shared.open.store(false, Ordering::Release);

        let mut report = StopReport::default();
        let shared = self.shared.clone();
        tokio::select! {
            biased;
            () = shared.asked(Will::Halt) => {}
            _ = timeout_at(patience, self.in_order(patience, &mut report)) => {}
        }
        let halt = *shared.will.borrow() == Will::Halt;
        self.at_once(if halt { Instant::now() } else { last }, &mut report).await;
        report.took = started.elapsed();
        report
    }

    async fn in_order(&mut self, patience: Instant, report: &mut StopReport) {
        let left = || patience.saturating_duration_since(Instant::now());
        if !self.registrations.is_empty() {
            self.deregister(report).await;
            let notice = node::notice(&self.shared);
            tracing::debug!(?notice, "waiting for callers to notice");
            tokio::time::sleep(notice).await;
        }
        let mut serving = true;
        for index in (0..self.members.len()).rev() {
            // Modules behind the last service may call it until they have finished.
            if serving && self.serves(index) {
                serving = false;
                self.close_server(left(), report).await;
            }
            self.members[index].drain.start();
            while self.members[index].runs() && self.next_ended().await {}
            self.members[index].drain.idle().await;
            self.members[index].stop(report).await;
        }
        if serving {
            self.close_server(left(), report).await;
        }
        self.shared.local.idle().await;
    }

    /// Deletes the records, all at the same time.
    async fn deregister(&mut self, report: &mut StopReport) {
        lock(&self.shared.nodes).clear();
        self.tell_services(false);
        let mut closing = JoinSet::new();
        for registration in self.registrations.drain(..) {
            closing.spawn(async move {
                let name = registration.node().service;
                (name, timeout(CLOSE, registration.close()).await)
            });
        }
        while let Some(closed) = closing.join_next().await {
            let (service, status) = match closed {
                Ok((_, Ok(Ok(())))) | Err(_) => continue,
                Ok((service, Ok(Err(status)))) => (service, status),
                Ok((service, Err(_))) => (service, Status::deadline_exceeded("the registry did not answer in time")),
            };
            tracing::warn!(service, error = %status, "the node's record stays until it expires");
            report.failures.push((service, status));
        }
    }

    async fn close_server(&self, grace: Duration, report: &mut StopReport) {
        self.shared.local.start();
        report.abandoned = self.shared.server.shutdown(grace).await.abandoned;
    }

    /// Whether a module serves something.
    fn serves(&self, index: usize) -> bool {
        lock(&self.shared.offered).iter().any(|offered| offered.module == index)
    }

    /// Tells everything that is left to finish, and drops what has not by `last`.
    async fn at_once(&mut self, last: Instant, report: &mut StopReport) {
        let least = Instant::now() + LEAST;
        self.registrations.clear();
        self.shared.local.abort();
        self.members.iter().for_each(|member| member.drain.start());
        // Whatever happens to this future, its first poll has told all calls to end.
        if let Ok(shutdown) = timeout_at(last.max(least), self.shared.server.shutdown(Duration::ZERO)).await {
            report.abandoned = shutdown.abandoned;
        }
        let _ = timeout_at(last, async {
            loop {
                for member in self.members.iter_mut().rev().filter(|member| !member.runs()) {
                    member.stop(report).await;
                }
                if !self.next_ended().await {
                    break;
                }
            }
        })
        .await;
        let late = |member: &&Member| member.runs() || matches!(member.stage, Stage::Begun | Stage::Stopping);
        report.not_stopped = self.members.iter().filter(late).map(|member| member.module.name().to_owned()).collect();
        // They are dropped where they wait; one that blocks its thread keeps that until it returns.
        self.tasks.abort_all();
        let _ = timeout(LEAST, async { while self.next_ended().await {} }).await;
        // Handlers often hold the client, which holds them: this lets go of both.
        for offered in lock(&self.shared.offered).drain(..) {
            self.shared.server.remove(offered.service.name());
        }
        if !report.not_stopped.is_empty() {
            tracing::error!(modules = ?report.not_stopped, "did not stop in time and were dropped");
        }
    }

    /// Where the App can be reached.
    pub(super) fn endpoints(&self) -> Vec<Endpoint> {
        self.shared.endpoints()
    }
}

impl Member {
    fn new(module: Arc<dyn Module>, cx: AppContext) -> Member {
        Member { module, cx, drain: DrainSignal::new(), task: None, stage: Stage::New, ended: None }
    }

    fn runs(&self) -> bool {
        self.task.is_some() && self.ended.is_none()
    }

    async fn stop(&mut self, report: &mut StopReport) {
        if self.stage != Stage::Begun {
            return;
        }
        self.stage = Stage::Stopping;
        let name = self.module.name();
        tracing::debug!(module = name, "stop");
        let stopped = caught(name, "stop", || self.module.stop(&self.cx)).await;
        self.stage = Stage::Stopped;
        self.cx.health().set_state(ModuleState::Stopped);
        let failed = self.ended.take().unwrap_or(Ok(())).and(stopped);
        self.ended = Some(Ok(()));
        if let Err(status) = failed {
            report.failures.push((name.to_owned(), status));
        }
    }
}
