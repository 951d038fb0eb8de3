//! Systems in a package of their own, because they would make every build of this one much longer.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, bail, ensure};

use super::Entry;
use super::entry::Runs;

/// volo-thrift in its multiplexing form; see `bench/volo`.
pub(super) const VOLO: Entry = Entry {
    name: "volo",
    per_call: "volo-thrift with multiplexing, TTHeader over framed binary Thrift, default settings and \
        TCP_NODELAY; server: every handler in a task of its own; client: one connection, the request cloned \
        because it is taken by value. Not part of a run of everything: built when it is asked for by name",
    single_thread: false,
    runs: Runs::Apart,
    apart: Some(volo),
};

/// The systems of Go; see `bench/go`. A process has one thread that runs Go code, as the others have one
/// worker.
pub(super) const GO: [Entry; 6] = [
    go(
        "go-net-rpc",
        "Go's own net/rpc in gob, plain structs; server: a goroutine a call; both sides: a write a message",
    ),
    go("go-jsonrpc", "Go's own net/rpc/jsonrpc, plain structs; otherwise as go-net-rpc"),
    go("go-rpcx", "rpcx 1.9.1 with protobuf, default settings; server: a goroutine a call"),
    go("go-arpc", "arpc 1.2.14 with protobuf, default settings: reads and writes in batches"),
    go("go-grpc", "grpc-go 1.85 with protobuf, default settings; server: a goroutine a call"),
    go(
        "go-micro",
        "go-micro 4.11's own protocol (mucp) with protobuf, default settings, by address; client: a connection \
        for each call in flight, of a pool of 100",
    ),
];

const fn go(name: &'static str, per_call: &'static str) -> Entry {
    Entry { name, per_call, single_thread: false, runs: Runs::Apart, apart: Some(go_binary) }
}

/// The binary that has Motet's own systems alone, beside this one.
pub(super) fn motet() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build_motet().map_err(|error| format!("{error:#}")));
    built.clone().map_err(|error| anyhow!(error))
}

fn build_motet() -> Result<PathBuf> {
    const NAME: &str = "motet-bench-motet";
    let mut command = cargo(&["build", "--quiet", "--bin", NAME]);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{NAME} could not be built: {status}");
    let binary = std::env::current_exe()?.with_file_name(NAME);
    ensure!(binary.exists(), "{} is not there: this binary was moved from where cargo put it", binary.display());
    Ok(binary)
}

fn go_binary() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build_go().map_err(|error| format!("{error:#}")));
    built.clone().map_err(|error| anyhow!(error))
}

/// Builds the package in `bench/go`.
fn build_go() -> Result<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("go");
    let binary = package.join("target/motet-bench-go");
    let mut command = Command::new("go");
    command.args(["build", "-trimpath", "-o"]).arg(&binary).arg(".").current_dir(&package);
    eprintln!("building {}, which takes a minute for the first time", package.display());
    match command.status() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("systems whose names begin with go- need Go 1.26 or newer: install it from https://go.dev/dl")
        }
        status => {
            let status = status.with_context(|| format!("cannot start {command:?}"))?;
            ensure!(status.success(), "{} could not be built: {status}", package.display());
        }
    }
    Ok(binary)
}

fn volo() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build("volo").map_err(|error| format!("{error:#}")));
    built.clone().map_err(|error| anyhow!(error))
}

/// Builds the package in this folder of the bench, with optimisation if this binary has it.
fn build(folder: &str) -> Result<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let target = package.join("target");
    let mut command = cargo(&["build", "--locked"]);
    command.arg("--manifest-path").arg(package.join("Cargo.toml"));
    command.arg("--target-dir").arg(&target);
    eprintln!("building {folder}, which takes minutes for the first time: {command:?}");
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{folder} could not be built: {status}");
    Ok(target.join(PROFILE).join(format!("motet-bench-{folder}")))
}

const PROFILE: &str = if cfg!(debug_assertions) { "debug" } else { "release" };

/// A command of cargo, with optimisation if this binary has it.
fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    if PROFILE == "release" {
        command.arg("--release");
    }
    command
}
