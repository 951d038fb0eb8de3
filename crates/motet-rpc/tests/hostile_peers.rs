//! Peers that keep most rules and want to do harm, over real sockets: each is stopped by a limit that
//! its test names, others are served meanwhile, the server's memory stays within bounds, and what
//! happened is counted and logged, once for a connection and not once for a packet. What breaks the
//! rules frame by frame is in `bad_input.rs`.
//!
//! The server is a process of its own, so that its memory can be read. Each test prints a row: the
//! attack, its limit, what the attacker saw, how much memory the server took beyond idle, and how long
//! others waited before and meanwhile. `MOTET_HOSTILE=1 cargo test -p motet-rpc --test hostile_peers
//! --release -- --nocapture --test-threads 1` goes on for longer and compares the last two: *before* is
//! then beside a peer that uses the server as much as it can and keeps to the rules, because whoever
//! uses it takes some of its processors' time.
#![cfg(target_os = "linux")]

mod hostile;

#[path = "hostile/client.rs"]
mod client;
#[path = "hostile/connections.rs"]
mod connections;
#[path = "hostile/floods.rs"]
mod floods;
#[path = "hostile/others.rs"]
mod others;
#[path = "hostile/slow.rs"]
mod slow;
#[path = "hostile/storm.rs"]
mod storm;
#[path = "hostile/target.rs"]
mod target;

/// Serves where one of the tests has started this binary anew; nothing otherwise.
#[test]
fn another_process() {
    target::serve_if_asked();
}
