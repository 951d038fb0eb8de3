//! A module that is no service: it does something every so often, until the App stops.

use std::time::Duration;

use motet::{AppContext, BoxFuture, ConfigView, Context, Drain, Module, Result};
use serde::Deserialize;

use crate::{Prices, PricesClient};

/// Looks whether prices can be had. Until they can, its App is not ready, and why stands in the
/// health report.
#[derive(Debug)]
pub struct Reporter;

/// What stands in `[modules.reporter]` beside the keys by which the App supervises the module.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ReporterConfig {
    every: Duration,
}

impl Default for ReporterConfig {
    fn default() -> ReporterConfig {
        ReporterConfig { every: Duration::from_secs(30) }
    }
}

impl Module for Reporter {
    fn name(&self) -> &str {
        "reporter"
    }

    fn configure(&self, config: &ConfigView) -> Result<()> {
        config.module::<ReporterConfig>().map(|_| ())
    }

    fn init<'a>(&'a self, cx: &'a AppContext) -> BoxFuture<'a, Result<()>> {
        cx.health().not_ready("prices were not asked yet");
        Box::pin(async { Ok(()) })
    }

    fn run(&self, cx: AppContext, drain: Drain) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let config: ReporterConfig = cx.config().module()?;
            let prices = PricesClient::new(cx.client()).with_timeout(Duration::from_secs(1));
            let mut ticks = tokio::time::interval(config.every);
            while !drain.is_draining() {
                tokio::select! {
                    _ = ticks.tick() => match prices.of(&Context::new(), "pear".to_owned()).await {
                        Ok(_) => cx.health().ready(),
                        Err(status) => cx.health().not_ready(format!("prices: {status}")),
                    },
                    () = drain.draining() => {}
                }
            }
            Ok(())
        })
    }
}
