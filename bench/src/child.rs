//! The two processes of a row: `serve` and `load`.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::cli::{LoadArgs, Place, Process, Serve};
use crate::row::Row;
use crate::systems::{self, Entry};
use crate::{net, process, processes, runtime};

/// A row that takes this much longer than its warm-up and window is given up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Is that process, of one of these systems.
pub(crate) fn run(process: &Process, systems: impl IntoIterator<Item = &'static Entry>) -> Result<()> {
    match process {
        Process::Serve(args) => serve(args, systems::named(&args.system, systems)?),
        Process::Load(args) => load(args, systems::named(&args.system, systems)?),
    }
}

/// Prints the address it listens on and serves until standard input ends, which it does
/// when the process that started it is gone.
fn serve(args: &Serve, system: &Entry) -> Result<()> {
    let runtime = prepare(args.place)?;
    processes::end_with_input();
    runtime.block_on(async {
        let listener = net::listen()?;
        println!("{}", listener.local_addr()?);
        io::stdout().flush()?;
        system.serve(listener, args.message).await
    })
}

/// Measures one row and prints it.
fn load(args: &LoadArgs, system: &Entry) -> Result<()> {
    let runtime = prepare(args.place)?;
    let load = args.load();
    give_up_after(load.warm_up + load.window + PATIENCE);
    let rss_start_kb = process::rss_kb(load.server_pid)?;
    let figures = runtime.block_on(system.load(load.clone()))?;
    let row = Row::new(system.name, &load, rss_start_kb, &figures);
    println!("{}", serde_json::to_string(&row)?);
    // Ending now closes every connection; waiting for the callers would prove nothing.
    std::process::exit(0)
}

/// Pins this thread before the runtime's threads inherit where it runs.
fn prepare(place: Place) -> Result<tokio::runtime::Runtime> {
    if let Some(core) = place.core {
        process::pin(core)?;
    }
    Ok(runtime::build(place.workers)?)
}

/// Ends the process if it still runs after `limit`: a thread of its own, because a
/// runtime that hangs cannot time itself out.
fn give_up_after(limit: Duration) {
    thread::spawn(move || {
        thread::sleep(limit);
        eprintln!("no result after {limit:?}");
        std::process::exit(1);
    });
}
