//! `motet`: make, run, find and call services.

mod demo;
mod failure;
mod global;
mod new;
mod run;

use std::process::ExitCode;

use clap::Parser;

use crate::{failure::Outcome, global::Global};

/// Make, run, find and call services.
#[derive(Debug, Parser)]
#[command(name = "motet", version, propagate_version = true)]
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
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match dispatch(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.code)
        }
    }
}

async fn dispatch(cli: Cli) -> Outcome {
    match cli.command {
        Command::New(args) => new::run(args, &cli.global).await,
        Command::Run(args) => run::run(args, &cli.global).await,
        Command::Demo(args) => demo::run(args, &cli.global).await,
    }
}
