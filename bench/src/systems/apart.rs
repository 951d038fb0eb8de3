//! Systems in a package of their own, because they would make every build of this one much longer.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, ensure};

use super::Entry;
use super::entry::Runs;

/// volo-thrift in its multiplexing form; see `bench/volo`.
pub(super) const VOLO: Entry = Entry {
    name: "volo",
    per_call: "volo-thrift with multiplexing, TTHeader over framed binary Thrift, default settings and \
        TCP_NODELAY; server: every handler in a task of its own; client: one connection, the request cloned \
        because it is taken by value. Not part of a run of everything: built when it is asked for by name",
    single_thread: false,
    runs: Runs::Apart(volo),
};

fn volo() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build("volo").map_err(|error| format!("{error:#}")));
    built.clone().map_err(|error| anyhow!(error))
}

/// Builds the package in this folder of the bench, with optimisation if this binary has it.
fn build(folder: &str) -> Result<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let target = package.join("target");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--locked"]).arg("--manifest-path").arg(package.join("Cargo.toml"));
    command.arg("--target-dir").arg(&target);
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    if profile == "release" {
        command.arg("--release");
    }
    eprintln!("building {folder}, which takes minutes for the first time: {command:?}");
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{folder} could not be built: {status}");
    Ok(target.join(profile).join(format!("motet-bench-{folder}")))
}
