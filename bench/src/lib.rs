//! Benchmarks of Motet beside other frameworks, in one run.
//!
//! Run with: `cargo run --release -p motet-bench` (see `--help`).
//!
//! The question: how much does a framework add to a call, compared with what sockets and
//! the codec cost anyway, and with what other frameworks add? Every row is one system, one
//! message and one shape (`C:N` = connections : calls in flight over all of them):
//!
//! - A server process on one core and a client process on another, both one binary,
//!   started anew for each row; a single-thread runtime each.
//! - A closed loop: each call in flight is a task that calls, checks the reply and calls
//!   again. The floors keep a window on each connection instead.
//! - After the warm-up, a window in which calls, latencies and both processes' CPU time
//!   are counted; memory of the server at its end.
//! - Systems alternate: A B C …, then the next cell; all cells again in the next round.
//!
//! Compare ratios within a run, never absolute figures of two runs, and prefer CPU time per
//! call to latency on a shared machine. It does *not* measure several cores, or an
//! open loop (arrivals that do not wait for replies). Streams, large messages, transports and
//! connections are measured by `motet-bench extras`.
//!
//! What each system does for a call is said by `motet-bench systems`; all but `floor-raw`
//! decode on the server, encode the reply, and decode it on the client. To add a system,
//! write `systems/NAME.rs` like its neighbours and add its line to `systems::ALL`.

#![allow(
    clippy::disallowed_types,
    reason = "real time is what is measured; tokio's clock can be paused and costs a lookup"
)]

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use cli::{Cli, Command, MotetOnly};

mod allocations;
mod child;
mod cli;
mod closed_loop;
mod codec;
mod compare;
mod extras;
mod heap;
mod histogram;
mod message;
mod middlewares;
mod net;
mod plain;
mod process;
mod processes;
mod recognise;
mod report;
mod row;
mod runtime;
mod sample;
mod systems;
mod timing;
mod window;

/// The benchmark, by its command line.
pub fn run() -> ExitCode {
    ended(command(&Cli::parse()))
}

/// The two processes of a row of Motet: a binary that has nothing of others in it, as a user's has not,
/// because pages of a binary that are never used count as its memory, too.
pub fn run_motet() -> ExitCode {
    ended(child::run(&MotetOnly::parse().process, systems::MOTET))
}

fn ended(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("motet-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn command(cli: &Cli) -> Result<()> {
    match &cli.command {
        None => compare::run(&cli.compare),
        Some(Command::Report { file }) => report::print_file(file),
        Some(Command::Systems) => {
            for system in systems::ALL.iter().chain(systems::BY_NAME) {
                println!("{:<12} {}", system.name, system.per_call);
            }
            Ok(())
        }
        Some(Command::Codec) => codec::run(),
        Some(Command::Middlewares) => middlewares::run(),
        Some(Command::Recognise) => recognise::run(),
        Some(Command::Allocations) => allocations::run(),
        Some(Command::Gate { record }) => compare::gate::run(*record),
        Some(Command::Extras(args)) => extras::run(args),
        Some(Command::ExtraServe(args)) => extras::serve(args),
        Some(Command::ExtraLoad(args)) => extras::load(args),
        Some(Command::Process(process)) => child::run(process, systems::ALL.iter().chain(systems::BY_NAME)),
    }
}
