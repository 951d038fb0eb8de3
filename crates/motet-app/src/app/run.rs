//! The one place that reads environment, arguments and signals.

use motet_core::{Result, Status};

use super::{AppBuilder, RunningApp, StopReport};
use crate::{
    config::{Settings, USAGE},
    log,
};

/// Runs an App to its end.
pub(super) async fn run(builder: AppBuilder) -> Result<()> {
    let environment = builder.environment.clone().unwrap_or_else(environment);
    let arguments = builder.arguments.clone().unwrap_or_else(|| {
        // Arguments that are no UTF-8 are shown with replacement marks in the error they cause.
        std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect()
    });
    let loaded = builder.load(environment, arguments)?;
    if loaded.help {
        println!("{USAGE}");
        return Ok(());
    }
    let settings = Settings::read(&loaded.config)?;
    log::install(&settings.log, &loaded.config)?;
    let mut signals = Signals::new()?;

    let (app, started) = builder.launch(loaded, settings, "file:").await?;
    tokio::select! {
        biased;
        () = signals.next() => return stop(&app, &mut signals).await,
        outcome = started.wait() => outcome?,
    }
    tokio::select! {
        biased;
        () = signals.next() => stop(&app, &mut signals).await,
        // Ended by itself: what it could not finish in time is in the log.
        reason = app.wait() => reason,
    }
}

/// Stops in order; at once on a second signal.
async fn stop(app: &RunningApp, signals: &mut Signals) -> Result<()> {
    tokio::select! {
        biased;
        () = signals.next() => {
            tracing::warn!("a second signal: stopping at once");
            app.halt().await;
            Err(Status::aborted("stopped at once by a second signal"))
        }
        report = app.stop() => judge(&report),
    }
}

fn judge(report: &StopReport) -> Result<()> {
    if report.not_stopped.is_empty() {
        return Ok(());
    }
    let late = report.not_stopped.join(", ");
    Err(Status::deadline_exceeded(format!("did not stop in time and were dropped: {late} (app.stop_timeout)")))
}

fn environment() -> Vec<(String, String)> {
    let read = |name: &str| name.starts_with("MOTET_") || name == "RUST_LOG";
    let text =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    text.filter(|(name, _)| read(name)).collect()
}

/// SIGINT and SIGTERM; elsewhere Ctrl-C.
struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen =
            |kind| signal(kind).map_err(|error| Status::internal("signals cannot be received").with_source(error));
        Ok(Signals { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    #[cfg(not(unix))]
    fn new() -> Result<Signals> {
        Ok(Signals {})
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
