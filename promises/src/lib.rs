//! What Motet promises: the list of promises with the tests behind each, and what those tests write
//! down. For tests and `./test --promises` only; it measures nothing itself.
//!
//! A test of the [`LIST`] begins a [`Measurement`], adds figures, and ends it, which writes a
//! [`Record`] as JSON under `target/promises/` and panics if a figure is beyond its limit. Two
//! variables of the environment are read: `MOTET_PROMISES=long` asks for the long form
//! ([`is_long`]), which is what `docs/promises.md` reports; without it tests are brief, and promise
//! the same but for times. A test may read variables of its own, which its entry in the list sets.
//!
//! ```
//! let mut measured = motet_promises::Measurement::begin("P1", "at_most_once::what_may_not_run_twice_runs_at_most_once");
//! measured.figure(40.0, "cuts").at_most(0.0, "calls ran twice", 0.0);
//! # let nowhere = measured;
//! ```
//!
//! [`page`] reads and rewrites the table of `docs/promises.md`.

pub mod page;

mod list;
mod measurement;
mod record;

pub use list::{LIST, Promise, Test};
pub use measurement::{Measurement, is_long};
pub use record::{Figure, Record, folder};
