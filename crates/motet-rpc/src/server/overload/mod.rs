//! Protection against more calls than can be served.
//!
//! Each method has a [`Gate`]. It counts the calls that wait in the handler, not those that are
//! answered at their first poll, and lets a bounded number wait in front of it, for a bounded time,
//! when the limit is reached. Whoever cannot be served in time is refused with ResourceExhausted,
//! executed: no, and a time after which to try again. The limit is found by [`control`] from latency
//! and throughput.

mod config;
mod control;
#[cfg(test)]
mod control_tests;
mod gate;
mod queue;
mod samples;
mod slow;
mod waiting;

pub use self::config::OverloadConfig;
pub(in crate::server) use self::{
    slow::{Naming, Slow},
    waiting::{Proceed, Waiting},
};
pub(crate) use gate::Gate;
