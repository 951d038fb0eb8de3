//! Nanoseconds of an operation within this process.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::process;
use crate::row::Spread;

const REPEATS: usize = 7;
const REPEAT: Duration = Duration::from_millis(60);

/// Keeps this thread on the first core, so that a repeat is not moved half-way.
pub(crate) fn settle() -> Result<()> {
    match process::cores()?.first() {
        Some(&core) => process::pin(core),
        None => Ok(()),
    }
}

/// The median time of one `operation`, in ns. The operation hides its input and its
/// result from the optimiser (`black_box`).
pub(crate) fn nanos(mut operation: impl FnMut()) -> f64 {
    let mut calls = 1;
    while time(calls, &mut operation) < REPEAT {
        calls *= 2;
    }
    let repeats = (0..REPEATS).map(|_| time(calls, &mut operation).as_nanos() as f64);
    let per_call = repeats.map(|total| total / calls as f64).collect();
    Spread::of(per_call).map_or(0.0, |spread| spread.median)
}

fn time(calls: u64, operation: &mut impl FnMut()) -> Duration {
    let started = Instant::now();
    for _ in 0..calls {
        operation();
    }
    started.elapsed()
}
