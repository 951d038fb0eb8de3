//! Options that every command takes.

use std::path::PathBuf;

/// Options that every command takes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Global {
    /// Where services are registered: a URL such as `file:` (this machine, the default) or `file:///path`.
    #[arg(long, global = true, value_name = "URL", env = "MOTET_REGISTRY")]
    pub(crate) registry: Option<String>,
    /// Talk to this address (`host:port`, `unix:/path`) instead of looking one up.
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub(crate) address: Option<String>,
    /// The longest time a call may take: `500ms`, `10s`, `2m`.
    #[arg(long, global = true, value_name = "TIME")]
    pub(crate) timeout: Option<String>,
    /// Metadata to send; may be given several times.
    #[arg(long = "meta", global = true, value_name = "KEY=VALUE")]
    pub(crate) meta: Vec<String>,
    /// Certificates (PEM) that vouch for the server; turns TLS on.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The client's own certificate chain (PEM), for mutual TLS.
    #[arg(long, global = true, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// The key of the client's certificate (PEM).
    #[arg(long, global = true, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// Print JSON for programs instead of tables for people.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}
