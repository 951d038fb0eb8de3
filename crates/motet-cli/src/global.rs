//! Options that every command takes.

use std::{path::PathBuf, time::Duration};

/// Options that every command takes.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Where services are registered: a URL such as `file:` (this machine, the default) or `file:///path`.
    #[arg(long, global = true, value_name = "URL", env = "MOTET_REGISTRY", hide_env_values = true)]
    pub(crate) registry: Option<String>,
    /// Talk to this address (`host:port`, `unix:/path`) instead of looking one up.
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub(crate) address: Option<String>,
    /// The longest time the command may wait: `500ms`, `10s`, `2m`.
    #[arg(long, global = true, value_name = "TIME", value_parser = crate::duration::parse)]
    pub(crate) timeout: Option<Duration>,
    /// Metadata to send; may be given several times.
    #[arg(long = "meta", global = true, value_name = "KEY=VALUE")]
    pub(crate) meta: Vec<String>,
    /// Authorities (PEM) that sign servers' certificates; turns TLS on.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The client's own certificate chain (PEM), for mutual TLS.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,
    /// The key of the client's certificate (PEM).
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// The name that the server's certificate must be for, in place of the address's.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) server_name: Option<String>,
    /// Print JSON for programs instead of tables for people.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}
