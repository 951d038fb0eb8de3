//! Motet itself in a simulated network.
//!
//! `MOTET_SEEDS=1000 cargo test -p motet-testkit --test simulation` runs a thousand seeds in place of
//! thirty.

mod faults;
mod history;
mod network;
mod restarts;
mod service;
mod streams;
