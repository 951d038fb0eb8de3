//! This program, what the system gives it, and the compiler.

use std::process::Stdio;

use tokio::process::Command;

use super::{
    Limit,
    finding::{Finding, State},
};
use crate::run::paste;

/// The version of motet.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The oldest compiler that builds services.
const COMPILER: &str = env!("CARGO_PKG_RUST_VERSION");

/// The fewest files that a process should be able to open: each connection is one.
const FILES: u64 = 1024;

/// This program and its limits.
pub(super) fn about() -> Vec<Finding> {
    let mut all = vec![Finding::ok("program", format!("motet {VERSION}, which speaks motet/1"))];
    #[cfg(unix)]
    all.push(files(rustix::process::getrlimit(rustix::process::Resource::Nofile).current));
    all
}

/// `None` is no limit.
fn files(limit: Option<u64>) -> Finding {
    match limit {
        None => Finding::ok("limits", "any number of files and connections may be open"),
        Some(limit) if limit >= FILES => {
            Finding::ok("limits", format!("{limit} files and connections may be open (ulimit -n)"))
        }
        Some(limit) => Finding::warning(
            "limits",
            format!("only {limit} files and connections may be open (ulimit -n)"),
            format!("allow more before you start a service: ulimit -n {}", FILES * 4),
        ),
    }
}

/// Cargo and the compiler, which `motet run` and `motet new` need.
pub(super) async fn toolchain(limit: Limit) -> Vec<Finding> {
    let cargo = paste::cargo();
    let (cargo, compiler) = tokio::join!(version(limit, cargo.as_os_str()), version(limit, "rustc".as_ref()));
    [("cargo", cargo), ("rustc", compiler)].into_iter().map(|(name, found)| judge(name, found)).collect()
}

const AREA: &str = "toolchain";
const INSTALL: &str = "install Rust from https://rustup.rs; without it, motet run and motet new do not work";

fn judge(name: &str, found: Result<Option<String>, Finding>) -> Finding {
    match found {
        // A slow disk keeps no service from running.
        Err(finding) => Finding { state: State::Warning, ..finding },
        Ok(None) => Finding::warning(AREA, format!("there is no {name} that works"), INSTALL),
        Ok(Some(version)) if name == "rustc" && is_older(&version, COMPILER) => Finding::warning(
            AREA,
            format!("{version} is older than {COMPILER}, which Motet needs"),
            "update it: rustup update stable",
        ),
        Ok(Some(version)) => Finding::ok(AREA, version),
    }
}

/// The first line of what a program says of its version; none if it cannot be run.
async fn version(limit: Limit, program: &std::ffi::OsStr) -> Result<Option<String>, Finding> {
    let mut command = Command::new(program);
    // In a folder that asks for another toolchain, rustup would fetch it.
    command.arg("--version").env("RUSTUP_AUTO_INSTALL", "0").stdin(Stdio::null()).kill_on_drop(true);
    let output = limit.on(AREA, &format!("{} --version", program.to_string_lossy()), command.output()).await?;
    let output = output.ok().filter(|output| output.status.success());
    Ok(output.and_then(|output| String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned)))
}

/// Whether the version in a line such as `rustc 1.95.0 (abc)` is below another.
fn is_older(line: &str, needed: &str) -> bool {
    let numbers = |text: &str| -> Vec<u32> { text.split(['.', '-']).map_while(|part| part.parse().ok()).collect() };
    let found = line.split_whitespace().nth(1).map(numbers).unwrap_or_default();
    !found.is_empty() && found < numbers(needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_that_is_too_old_is_found() {
        for (line, old) in [
            ("rustc 1.94.1 (abc 2026-01-01)", true),
            ("rustc 1.95.0 (abc 2026-04-01)", false),
            ("rustc 1.100.0-nightly", false),
            ("rustc 2.0.0", false),
            ("something else", false),
        ] {
            assert_eq!(is_older(line, "1.95"), old, "{line}");
        }
        assert_eq!(judge("rustc", Ok(Some("rustc 1.0.0".to_owned()))).state, State::Warning);
        assert_eq!(judge("cargo", Ok(None)).state, State::Warning);
    }

    #[test]
    fn few_files_are_a_warning_with_the_command_that_helps() {
        assert_eq!((files(None).state, files(Some(1024)).state), (State::Ok, State::Ok));
        let few = files(Some(256));
        assert!(few.state == State::Warning && few.fix.is_some_and(|fix| fix.contains("ulimit -n 4096")));
    }
}
