//! `motet`: make, run, find and call services.

mod answer;
mod bench;
mod body;
mod call;
mod check;
mod completions;
mod demo;
mod describe;
mod descriptors;
mod doctor;
mod duration;
mod failure;
mod foreign;
mod generate;
mod global;
mod health;
mod input;
mod names;
mod new;
mod nodes;
mod output;
mod process;
mod proto;
mod run;
mod services;
mod session;
mod stats;
mod stream;
mod target;
mod url;

use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
};

use clap::{Parser, error::ErrorKind};

use crate::{
    failure::{Failure, Outcome, exit},
    global::Global,
};

/// Make, run, find and call services.
#[derive(Debug, Parser)]
#[command(name = "motet", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "See motet --help for the exit codes, motet COMMAND --help for a command.")]
#[command(after_long_help = exit::HELP)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a project with a service, a client and tests.
    New(new::Args),
    /// Build and run the services of a workspace; build and restart on change.
    Run(run::Args),
    /// Serve a few services to try things on, until Ctrl-C.
    Demo(demo::Args),
    /// List the services that run.
    Services(services::Args),
    /// List the nodes of a service, or of all: where they are and how they stand.
    Nodes(nodes::Args),
    /// Show what services offer: methods, fields, rules, documentation.
    Describe(describe::Args),
    /// Write services as .proto files for other languages.
    Proto(proto::Args),
    /// Make Rust of .proto files: messages, traits, servers and clients.
    Gen(generate::Args),
    /// Compare services with what callers know, and say what would break them.
    Check(check::Args),
    /// Make a call and print the reply.
    Call(call::Args),
    /// Make a call of any kind: messages in and out as lines of JSON.
    Stream(stream::Args),
    /// Show what was counted: rate, errors, latencies, calls in flight.
    Stats(stats::Args),
    /// Ask whether what runs is well; the exit code says it.
    Health(health::Args),
    /// Make a call again and again: how many a second, and how long they take.
    Bench(bench::Args),
    /// Look for what is wrong here, and say what to do.
    Doctor(doctor::Args),
    /// Print what makes a shell complete command lines of motet.
    Completions(completions::Args),
}

fn main() -> ExitCode {
    completions::answer();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misread(&error),
    };
    let json = cli.global.json;
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return end(&Failure::new(exit::PROGRAM, format!("cannot start: {error}")), json),
    };
    let outcome = runtime.block_on(dispatch(cli));
    // A thread may still wait for standard input; nobody waits for that thread.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => end(&failure, json),
    }
}

async fn dispatch(cli: Cli) -> Outcome {
    match cli.command {
        Command::New(args) => new::run(args, &cli.global).await,
        Command::Run(args) => run::run(args, &cli.global).await,
        Command::Demo(args) => demo::run(args, &cli.global).await,
        Command::Services(args) => services::run(args, &cli.global).await,
        Command::Nodes(args) => nodes::run(args, &cli.global).await,
        Command::Describe(args) => describe::run(args, &cli.global).await,
        Command::Proto(args) => proto::run(args, &cli.global).await,
        Command::Gen(args) => generate::run(args, &cli.global).await,
        Command::Check(args) => check::run(args, &cli.global).await,
        Command::Call(args) => call::run(args, &cli.global).await,
        Command::Stream(args) => stream::run(args, &cli.global).await,
        Command::Stats(args) => stats::run(args, &cli.global).await,
        Command::Health(args) => health::run(args, &cli.global).await,
        Command::Bench(args) => bench::run(args, &cli.global).await,
        Command::Doctor(args) => doctor::run(args, &cli.global).await,
        Command::Completions(args) => completions::run(args, &cli.global).await,
    }
}

/// Says what went wrong on standard error, as people or as programs read it.
fn end(failure: &Failure, json: bool) -> ExitCode {
    let mut stderr = std::io::stderr();
    let colour = stderr.is_terminal() && output::colour_allowed();
    // Where nobody can be told, the exit code is left.
    _ = match (failure.message.is_empty(), json) {
        (true, _) => Ok(()),
        (false, true) => writeln!(stderr, "{}", failure.to_json()),
        (false, false) if colour => writeln!(stderr, "\x1b[1;31merror:\x1b[0m {failure}"),
        (false, false) => writeln!(stderr, "error: {failure}"),
    };
    ExitCode::from(failure.code)
}

/// Help, a version, or a command line that cannot be read.
fn misread(error: &clap::Error) -> ExitCode {
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if !asked && std::env::args_os().any(|argument| argument == "--json") {
        let text = error.render().to_string();
        let message = text.trim().trim_start_matches("error: ");
        return end(&Failure::usage(message), true);
    }
    _ = error.print();
    if asked { ExitCode::SUCCESS } else { ExitCode::from(exit::USAGE) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_defined() {
        Cli::command().debug_assert();
    }
}
