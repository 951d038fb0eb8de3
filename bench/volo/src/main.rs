//! `volo` as a system of `motet-bench`, which builds and starts this: its `serve` and `load` with one
//! system in them. Everything but that system is the bench's own code.
//!
//! Run with: `cargo run --release -p motet-bench -- --only motet,volo --shapes 1:100`.
#![allow(dead_code, reason = "the bench's modules are used in part")]

use anyhow::{Result, bail};
use clap::Parser;

#[path = "../../src/child.rs"]
mod child;
#[path = "../../src/cli.rs"]
mod cli;
#[path = "../../src/closed_loop.rs"]
mod closed_loop;
#[path = "../../src/heap.rs"]
mod heap;
#[path = "../../src/histogram.rs"]
mod histogram;
mod message;
#[path = "../../src/net.rs"]
mod net;
#[path = "../../src/process.rs"]
mod process;
#[path = "../../src/processes.rs"]
mod processes;
#[path = "../../src/row.rs"]
mod row;
#[path = "../../src/runtime.rs"]
mod runtime;
#[path = "../../src/sample.rs"]
mod sample;
mod systems;
#[path = "../../src/window.rs"]
mod window;

fn main() -> Result<()> {
    match &cli::Cli::parse().command {
        Some(cli::Command::Serve(args)) => child::serve(args),
        Some(cli::Command::Load(args)) => child::load(args),
        _ => bail!("motet-bench starts this: cargo run --release -p motet-bench -- --only motet,volo"),
    }
}
