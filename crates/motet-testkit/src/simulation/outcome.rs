//! How runs end, and how they are repeated.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::Duration,
};

use super::{Simulation, Trace};

/// How many lines of the trace a failure shows.
const SHOWN: usize = 40;
/// Replays one seed.
const SEED: &str = "MOTET_SEED";
/// Runs so many seeds.
const SEEDS: &str = "MOTET_SEEDS";

/// A run in which everything held.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Run {
    /// The seed.
    pub seed: u64,
    /// How long it took in simulated time.
    pub took: Duration,
    /// What happened.
    pub trace: Trace,
}

/// A run in which something did not hold. Shown, it says what, with the end of the trace and how to
/// replay it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// When, in simulated time.
    pub at: Duration,
    /// What was wrong.
    pub what: String,
    /// What happened.
    pub trace: Trace,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, at {:.3?} of simulated time: {}", self.seed, self.at, self.what)?;
        match variable(SEED) {
            Some(_) => writeln!(f, "the whole trace:\n{}", self.trace)?,
            None => writeln!(f, "the end of the trace:\n{}", self.trace.tail(SHOWN))?,
        }
        write!(f, "replay it with its whole trace: {}", replay(self.seed))
    }
}

impl std::error::Error for Failure {}

/// The command that replays a seed of the test that runs.
fn replay(seed: u64) -> String {
    let thread = std::thread::current();
    let test = thread.name().filter(|name| *name != "main").unwrap_or_default();
    format!("{SEED}={seed} cargo test {test} -- --exact").replace("  ", " ")
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{name} is {text:?}; write a whole number, such as {name}=17"),
    }
}

impl Simulation {
    /// Calls `run` with the seeds from 0 to `count`; with so many as the environment variable
    /// `MOTET_SEEDS` says, if it is set, or with the one of `MOTET_SEED` alone.
    ///
    /// # Panics
    /// As `run`, with the seed and how to replay it.
    pub fn seeds(count: u64, run: impl Fn(u64)) {
        let seeds = match variable(SEED) {
            Some(one) => one..one + 1,
            None => 0..variable(SEEDS).unwrap_or(count),
        };
        for seed in seeds {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed))) {
                eprintln!("seed {seed} failed; replay it: {}", replay(seed));
                resume_unwind(panic);
            }
        }
    }

    /// The first of the seeds from 0 to `count` whose run fails: to show that a bug would be found.
    pub fn first_failure(count: u64, run: impl Fn(u64) -> Result<Run, Failure>) -> Option<Failure> {
        (0..count).find_map(|seed| run(seed).err())
    }

    /// Runs a seed twice and gives the trace.
    ///
    /// # Panics
    /// When the traces differ, with the first line that does: something in the nodes does not keep the
    /// rules by which a run can be replayed.
    pub fn replayed(seed: u64, run: impl Fn(u64) -> Result<Run, Failure>) -> Trace {
        let trace = || run(seed).map_or_else(|failure| failure.trace, |run| run.trace);
        let (first, second) = (trace(), trace());
        if let Some(difference) = first.first_difference(&second) {
            panic!("two runs of seed {seed} differ: {difference}");
        }
        first
    }
}
