//! Following the registry.

use std::{
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};

use motet_core::{Deadline, Executed, Registry, Result, Status};
use tokio::time::Instant;

use super::target::Target;

/// The longest wait before a watch that failed is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Target {
    /// Sees to it that a task follows the registry, where there is a registry and a runtime. Cheap to
    /// repeat; calls do it when they find no node.
    pub(crate) fn follow(self: &Arc<Self>) {
        let Some(registry) = &self.settings.registry else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let mut follower = self.follower.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.pinned && follower.as_ref().is_none_or(|task| task.is_finished()) {
            let task = runtime.spawn(run(Arc::downgrade(self), registry.clone(), self.service.clone()));
            *follower = Some(task.abort_handle());
        }
    }

    /// Waits until the registry has said which nodes there are: until the call's deadline, but no
    /// longer than a connection may take. Cancel safe.
    ///
    /// # Errors
    /// Unavailable, executed: no, when it does not answer; FailedPrecondition without a registry.
    pub(crate) async fn settle(self: &Arc<Self>, by: Option<Deadline>) -> Result<()> {
        if self.nodes().settled {
            return Ok(());
        }
        let Some(registry) = &self.settings.registry else {
            let text = "this client has no registry to find `{}` in; give its builder one, or call Client::to(address)";
            return Err(Status::failed_precondition(text.replace("{}", &self.service)).with_executed(Executed::No));
        };
        self.follow();
        let patience = Instant::now() + self.settings.config.connect_timeout;
        let until = by.map_or(patience, |by| by.at.min(patience));
        loop {
            let changed = self.changed.notified();
            if self.nodes().settled {
                return Ok(());
            }
            if tokio::time::timeout_at(until, changed).await.is_err() {
                let answered = self.nodes().starting > 0;
                let why = self.outage().map_or(String::new(), |error| format!(": {}", error.message()));
                return match answered {
                    true => Ok(()),
                    false => Err(Status::unavailable(format!(
                        "the registry {} has not said where `{}` runs{why}",
                        registry.url(),
                        self.service
                    ))
                    .with_executed(Executed::No)),
                };
            }
        }
    }
}

/// Follows the nodes of one service until its target is dropped, which aborts the task.
async fn run(target: Weak<Target>, registry: Arc<dyn Registry>, service: String) {
    let mut pause = Duration::from_millis(50);
    loop {
        match registry.watch(&service).await {
            Ok(mut watch) => {
                let mut look = None;
                loop {
                    let item = match look {
                        Some(at) => tokio::time::timeout_at(at, watch.next()).await,
                        None => Ok(watch.next().await),
                    };
                    let Some(target) = target.upgrade() else { return };
                    match item {
                        Ok(Some(Ok(event))) => {
                            pause = Duration::from_millis(50);
                            target.apply(event);
                        }
                        Ok(Some(Err(error))) => target.away(error),
                        Ok(None) => break target.away(Status::unavailable("the registry ended its watch")),
                        Err(_) => {}
                    }
                    look = target.forget(Instant::now());
                }
            }
            Err(error) => match target.upgrade() {
                Some(target) => target.away(error),
                None => return,
            },
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
