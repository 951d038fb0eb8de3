//! Modules: what an App runs.

mod context;
mod service;
mod supervise;

use motet_core::{BoxFuture, Drain, Result};

use crate::ConfigView;

pub use context::AppContext;

pub(crate) use service::{ServiceModule, UNVERSIONED};
pub(crate) use supervise::{caught, supervise};

/// A unit with a life cycle that an App runs: a service, a gateway, a timer.
///
/// The App calls [`configure`](Module::configure) on every module, then, in the order in which they
/// were given, [`init`](Module::init) on those of its process group; it opens its listeners,
/// registers its services, runs all modules side by side and activates the registrations. It stops
/// in reverse order: it deregisters, gives callers time to notice, refuses new calls, and then for
/// each module from the last to the first tells `run` to finish and calls [`stop`](Module::stop).
///
/// ```
/// use motet_app::{AppContext, Module};
/// use motet_core::{BoxFuture, Drain, Result};
///
/// struct Ticker;
///
/// impl Module for Ticker {
///     fn name(&self) -> &str {
///         "ticker"
///     }
///
///     fn run(&self, _cx: AppContext, drain: Drain) -> BoxFuture<'_, Result<()>> {
///         Box::pin(async move {
///             let mut seconds = tokio::time::interval(std::time::Duration::from_secs(1));
///             while !drain.is_draining() {
///                 tokio::select! {
///                     _ = seconds.tick() => println!("tick"),
///                     () = drain.draining() => {}
///                 }
///             }
///             Ok(())
///         })
///     }
/// }
/// ```
pub trait Module: Send + Sync + 'static {
    /// The name, unique in its App: it stands in `[modules.NAME]`, in process groups and in logs.
    fn name(&self) -> &str;

    /// Hears the configuration, before any module is initialised; also where the process group does
    /// not run this module, so that one process finds all mistakes in a file.
    ///
    /// # Errors
    /// Whatever is wrong with it; the App does not start.
    fn configure(&self, config: &ConfigView) -> Result<()> {
        let _ = config;
        Ok(())
    }

    /// Makes ready to run: opens what it needs, serves services through [`AppContext::serve`]. The
    /// App's listeners are not open yet.
    ///
    /// # Errors
    /// What keeps it from running; the App does not start, and stops the modules before this one.
    fn init<'a>(&'a self, cx: &'a AppContext) -> BoxFuture<'a, Result<()>> {
        let _ = cx;
        Box::pin(async { Ok(()) })
    }

    /// Runs until told to finish; work of its own that the stop is to wait for holds `drain`. The
    /// default waits for that. Ending without an error before is no failure. After an error or a
    /// panic it is run again or the App ends, as `[modules.NAME]` says with `on_panic` (`"restart"`
    /// or `"stop"`; default restart), `max_restarts` (in a row, default 5) and `backoff` (before the
    /// first restart, default 100 ms, doubled up to 10 s).
    ///
    /// # Errors
    /// Why it cannot go on.
    fn run(&self, cx: AppContext, drain: Drain) -> BoxFuture<'_, Result<()>> {
        let _ = cx;
        Box::pin(async move {
            drain.draining().await;
            Ok(())
        })
    }

    /// Gives back what [`init`](Module::init) took; called once, also after a start that failed
    /// later on. Dropped when the stop runs out of time.
    ///
    /// # Errors
    /// What could not be given back: it is logged and stands in the stop's report.
    fn stop<'a>(&'a self, cx: &'a AppContext) -> BoxFuture<'a, Result<()>> {
        let _ = cx;
        Box::pin(async { Ok(()) })
    }
}
