//! `motet completions`: what makes a shell complete command lines, and what it is told.
//!
//! The script that is printed calls this program with [`VARIABLE`] set whenever the user presses Tab,
//! so that names of services and methods are those that are registered at that moment.

use std::{ffi::OsString, time::Duration};

use clap::{ArgMatches, Command, CommandFactory};
use clap_complete::{
    CompleteEnv,
    engine::{ArgValueCandidates, CompletionCandidate},
    env::Shells,
};
use motet::{Node, Registries};

use crate::{
    Cli,
    failure::{Failure, Outcome, exit},
    global::Global,
    names,
    output::Output,
    run::paste,
};

/// The environment variable by which a shell asks.
const VARIABLE: &str = "MOTET_COMPLETE";
/// How long a registry may take to say what it knows; somebody waits for the line.
const PATIENCE: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
#[command(
    after_help = "docs/cli.md says where each shell wants it; for bash: echo 'source <(motet completions bash)' \
>> ~/.bashrc"
)]
pub(crate) struct Args {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// The shells that can be told.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
    Elvish,
    Powershell,
}

/// Prints the script.
pub(crate) async fn run(args: Args, global: &Global) -> Outcome {
    let name = match args.shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
        Shell::Elvish => "elvish",
        Shell::Powershell => "powershell",
    };
    let mut script = Vec::new();
    let shells = Shells::builtins();
    let written = shells
        .completer(name)
        .map(|shell| shell.write_registration(VARIABLE, "motet", "motet", &program(), &mut script));
    match written {
        Some(Ok(())) => Output::new(global.json).write(script),
        _ => Err(Failure::new(exit::PROGRAM, format!("there is no script for {name}"))),
    }
}

/// This program as a shell finds it from any folder.
fn program() -> String {
    let own = std::env::current_exe().ok().filter(|_| paste::program() != "motet");
    own.map_or_else(|| "motet".to_owned(), |own| own.to_string_lossy().into_owned())
}

/// Answers a shell that asks and ends the process; otherwise does nothing. It must run before anything
/// is written.
pub(crate) fn answer() {
    CompleteEnv::with_factory(Cli::command).var(VARIABLE).complete();
}

/// Completes the name of a service.
pub(crate) fn services() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let nodes = Line::read(words()).nodes();
        candidates(nodes.into_iter().map(|node| node.service))
    })
}

/// Completes the name of a method of the service before it.
pub(crate) fn methods() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let line = Line::read(words());
        let (service, nodes) = (line.service.clone().unwrap_or_default(), line.nodes());
        let known = nodes.iter().map(|node| &*node.service);
        let Some(service) = names::find(&service, known).map(str::to_owned) else { return Vec::new() };
        let own = nodes.into_iter().filter(|node| node.service == service);
        candidates(own.flat_map(|node| node.methods))
    })
}

fn candidates(names: impl Iterator<Item = String>) -> Vec<CompletionCandidate> {
    let mut names: Vec<_> = names.collect();
    names.sort();
    names.dedup();
    names.into_iter().map(CompletionCandidate::new).collect()
}

/// The words of the line that is to be completed: a shell gives them behind `--`.
fn words() -> Vec<OsString> {
    std::env::args_os().skip_while(|word| word != "--").skip(1).collect()
}

/// What an unfinished command line says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Line {
    registry: Option<String>,
    /// An address is not asked: that may take long.
    address: bool,
    service: Option<String>,
}

impl Line {
    fn read(words: Vec<OsString>) -> Line {
        let command: Command = Cli::command().ignore_errors(true);
        let Ok(matches) = command.try_get_matches_from(words) else { return Line::default() };
        let Some((_, matches)) = matches.subcommand() else { return Line::default() };
        let text = |id: &str, matches: &ArgMatches| matches.try_get_one::<String>(id).ok().flatten().cloned();
        Line {
            registry: text("registry", matches).filter(|url| !url.is_empty()),
            address: text("address", matches).is_some(),
            service: text("service", matches),
        }
    }

    /// What is registered; nothing where it cannot be told soon.
    fn nodes(&self) -> Vec<Node> {
        if self.address {
            return Vec::new();
        }
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return Vec::new() };
        let url = self.registry.as_deref().unwrap_or("file:");
        let found = runtime.block_on(async { tokio::time::timeout(PATIENCE, all(url)).await });
        // A thread may still wait for a disk; nobody waits for that thread.
        runtime.shutdown_background();
        found.ok().and_then(Result::ok).unwrap_or_default()
    }
}

async fn all(url: &str) -> motet::Result<Vec<Node>> {
    let registry = Registries::default().open(url).await?;
    let mut nodes = Vec::new();
    for service in registry.list().await? {
        nodes.extend(registry.lookup(&service.name).await?);
    }
    Ok(nodes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfinished_line_is_read_as_far_as_it_goes() {
        let read = |line: &str| Line::read(line.split(' ').map(OsString::from).collect());
        let line = |registry: Option<&str>, service: Option<&str>| Line {
            registry: registry.map(str::to_owned),
            address: false,
            service: service.map(str::to_owned),
        };
        // The test's own environment may name a registry.
        for (text, service) in [
            ("motet call --registry r greeter he", "greeter"),
            ("motet call greeter --registry r --timeout 5s he", "greeter"),
            ("motet bench greeter --registry r --rate 5 --concurrency", "greeter"),
            ("motet describe greeter --registry r ", "greeter"),
        ] {
            assert_eq!(read(text), line(Some("r"), Some(service)), "{text}");
        }
        assert_eq!(read("motet"), Line::default());
        assert!(read("motet call --address a:1 greeter").address);
    }
}
