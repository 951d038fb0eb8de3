//! Running a module, again where it failed.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use motet_core::{BoxFuture, Drain, Entropy, Result, Status};
use tokio::time::Instant;

use super::{AppContext, Module};
use crate::{
    config::{OnPanic, Supervision},
    health::ModuleState,
};

/// The longest wait before a restart.
const MAX_BACKOFF: Duration = Duration::from_secs(10);
/// A module that ran this long starts its count of restarts anew.
const STEADY: Duration = Duration::from_secs(60);

/// Runs a module until it ends, was told to finish, or has failed for good.
///
/// # Errors
/// The last failure.
pub(crate) async fn supervise(module: Arc<dyn Module>, cx: AppContext, drain: Drain, how: Supervision) -> Result<()> {
    let mut restarts = 0;
    loop {
        let started = Instant::now();
        cx.health().set_state(ModuleState::Running);
        let Err(status) = caught(module.name(), "run", || module.run(cx.clone(), drain.clone())).await else {
            cx.health().set_state(ModuleState::Finished);
            return Ok(());
        };
        if started.elapsed() >= STEADY {
            restarts = 0;
        }
        if drain.is_draining() || how.on_panic == OnPanic::Stop || restarts >= how.max_restarts {
            cx.health().set_state(ModuleState::Failed);
            tracing::error!(module = module.name(), restarts, error = %status, "the module failed for good");
            return Err(status);
        }
        let wait = backoff(how.backoff, restarts, cx.entropy());
        tracing::warn!(module = module.name(), restarts, ?wait, error = %status, "the module failed and is run again");
        cx.health().set_state(ModuleState::Restarting);
        tokio::select! {
            biased;
            () = drain.draining() => return Ok(()),
            () = tokio::time::sleep(wait) => {}
        }
        restarts += 1;
        cx.health().restarted();
    }
}

/// Doubled by each restart, and up to half of it left to chance, so that modules that failed
/// together do not come back together.
fn backoff(first: Duration, restarts: u32, entropy: &Entropy) -> Duration {
    let longest = first.saturating_mul(1 << restarts.min(20)).min(MAX_BACKOFF);
    longest.mul_f64(1.0 - entropy.unit() / 2.0)
}

/// Runs a step of a module; its panic becomes a status.
///
/// # Errors
/// The step's own error, or Internal when it panicked.
pub(crate) async fn caught<'a>(
    module: &str,
    step: &str,
    start: impl FnOnce() -> BoxFuture<'a, Result<()>>,
) -> Result<()> {
    // The panic hook has told what and where; a message of the user's may hold anything.
    let panicked = || Status::internal(format!("module {module} panicked in {step}"));
    let mut future = catch_unwind(AssertUnwindSafe(start)).map_err(|_| panicked())?;
    let outcome = poll_fn(|task| {
        let poll = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(task)));
        poll.unwrap_or_else(|_| std::task::Poll::Ready(Err(panicked())))
    })
    .await;
    // A future that panicked is dropped under the same guard: its destructors may panic too.
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(future))).map_err(|_| panicked());
    outcome.and(dropped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_before_a_restart_doubles_and_is_bounded() {
        let entropy = Entropy::seeded(1);
        for restarts in 0..40 {
            let longest = Duration::from_millis(100).saturating_mul(1 << restarts.min(20)).min(MAX_BACKOFF);
            let wait = backoff(Duration::from_millis(100), restarts, &entropy);
            assert!(wait >= longest / 2 && wait <= longest, "{restarts}: {wait:?}");
        }
    }

    #[tokio::test]
    async fn a_panic_becomes_a_status_without_its_message() {
        let panics = || -> BoxFuture<'static, Result<()>> { Box::pin(async { panic!("marker") }) };
        let status = caught("timer", "run", panics).await.expect_err("panicked");
        assert_eq!(status.message(), "module timer panicked in run");
        let at_once = || -> BoxFuture<'static, Result<()>> { panic!("marker") };
        assert!(caught("timer", "init", at_once).await.is_err());
    }
}
