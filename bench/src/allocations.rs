//! `motet-bench allocations`: heap allocations of one call, both sides together.
//!
//! Client and server run in one process, each on a runtime of its own, and the window
//! of the row is counted. Needs the feature `count-allocations`, which replaces the
//! allocator of the whole binary.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::net::TcpListener;

use crate::heap::COUNTED;
use crate::message::Message;
use crate::runtime;
use crate::systems::{self, Entry};
use crate::window::{Figures, Load};

/// Prints a line for each system, message and number of calls in flight.
pub(crate) fn run() -> Result<()> {
    if !COUNTED {
        bail!("build with `--features count-allocations` to count allocations");
    }
    println!("allocations per call, both sides together");
    println!("{:<14}{:<8}{:>8}{:>14}{:>14}", "system", "message", "shape", "allocations", "bytes");
    for entry in systems::ALL {
        for message in Message::ALL {
            for in_flight in [1, 100] {
                let figures = count(entry, message, in_flight)?;
                let per_call = |total: u64| total as f64 / figures.calls as f64;
                println!(
                    "{:<14}{:<8}{:>8}{:>14.2}{:>14.0}",
                    entry.name,
                    message.name(),
                    format!("1:{in_flight}"),
                    per_call(figures.heap.allocations),
                    per_call(figures.heap.bytes),
                );
            }
        }
    }
    Ok(())
}

fn count(entry: &'static Entry, message: Message, in_flight: usize) -> Result<Figures> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    let load = Load {
        server: listener.local_addr()?,
        server_pid: std::process::id(),
        message,
        connections: 1,
        in_flight,
        warm_up: Duration::from_millis(100),
        window: Duration::from_millis(300),
    };
    let server = runtime::build(Some(1))?;
    server.spawn(async move { entry.serve(TcpListener::from_std(listener)?, message).await });
    let figures = runtime::build(None)?.block_on(entry.load(load));
    server.shutdown_background();
    figures
}
