//! What happens to calls while nodes stop, die, freeze and lose their registry: real processes, real
//! signals, an open loop of calls.
//!
//! Most measure a promise of `docs/promises.md`: `./test --promises P2` runs the rolling restarts in
//! full length; without it all are brief. `MOTET_RESTARTS=100` asks for that many of them. Each test
//! prints what it has measured; a failing one lists the calls that were lost, with status, time and
//! the event before it.
#![cfg(unix)]

mod at_most_once;
mod attempts;
mod cutter;
mod folder;
mod frozen;
mod killed;
mod load;
mod mixed;
mod node;
mod overload;
mod process;
mod rolling;
mod soak;
mod timeline;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Runs a node where one of the other tests has started this binary anew; nothing otherwise.
#[test]
fn another_process() {
    node::run_if_asked();
    overload::run_if_asked();
}

/// Held by each experiment: two at once would measure each other.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
