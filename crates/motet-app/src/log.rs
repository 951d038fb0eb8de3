//! The log that `run` installs where there is none.

use std::io::IsTerminal;

use motet_core::Result;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt};

use crate::config::{Config, LogFormat, LogSettings};

/// Installs a subscriber that writes to standard error, unless the process has one.
///
/// # Errors
/// InvalidArgument for a level that cannot be read.
pub(crate) fn install(settings: &LogSettings, config: &Config) -> Result<()> {
    let filter = EnvFilter::try_new(&settings.level)
        .map_err(|_| config.wrong("log.level", "must be a filter such as \"info\" or \"warn,motet_rpc=debug\""))?;
    if !settings.install || tracing::dispatcher::has_been_set() {
        return Ok(());
    }
    let registry = tracing_subscriber::registry().with(filter);
    let layer = fmt::layer().with_writer(std::io::stderr);
    // An error means that another thread was faster: then the process has one.
    let _ = match settings.format {
        LogFormat::Json => tracing::subscriber::set_global_default(registry.with(layer.json())),
        LogFormat::Text => {
            let layer = layer.with_ansi(std::io::stderr().is_terminal());
            tracing::subscriber::set_global_default(registry.with(layer))
        }
    };
    Ok(())
}
