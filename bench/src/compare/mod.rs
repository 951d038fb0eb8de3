//! A comparison: every row of every round in its own pair of processes.
//!
//! Within a round each cell (message and shape) is measured for system A, B, C … in turn,
//! so that a slow minute of the machine meets all of them.

use std::fs::File;
use std::io::Write;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::cli::Compare;
use crate::heap;
use crate::report;
use crate::row::{Row, Rows};

pub(crate) mod gate;
mod pair;
mod plan;

use pair::Pair;
use plan::Plan;

/// Runs everything, prints the tables, and fails if a row did.
pub(crate) fn run(options: &Compare) -> Result<()> {
    ensure!(!heap::COUNTED, "a build that counts allocations is slower than the real one: it compares nothing");
    let plan = Plan::new(options)?;
    plan.build()?;
    let pair = Pair::new(options, plan.window)?;
    let mut file = match &options.json {
        Some(path) => Some(File::create(path).with_context(|| format!("cannot write {}", path.display()))?),
        None => None,
    };
    println!("{plan}\n{pair}\n");

    let started = Instant::now();
    let mut rows = Rows::default();
    let mut failures = 0;
    for (index, step) in plan.steps.iter().enumerate() {
        let progress = format!(
            "[{}/{} {:>3.0} s] round {}",
            index + 1,
            plan.steps.len(),
            started.elapsed().as_secs_f64(),
            step.round
        );
        match pair.measure(step) {
            Ok(row) => {
                println!("{progress} {}", report::line(&row));
                if let Some(file) = &mut file {
                    write_line(file, &row)?;
                }
                rows.0.push(row);
            }
            Err(error) => {
                failures += 1;
                println!("{progress} {step} FAILED: {error:#}");
            }
        }
    }
    print!("\n{}", report::of(&rows));
    if failures > 0 {
        bail!("{failures} of {} rows failed", plan.steps.len());
    }
    Ok(())
}

fn write_line(file: &mut File, row: &Row) -> Result<()> {
    let mut line = serde_json::to_string(row)?;
    line.push('\n');
    file.write_all(line.as_bytes())?;
    Ok(())
}
