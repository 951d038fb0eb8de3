//! `motet-bench gate`: whether a call still takes no more CPU time than when it was recorded.
//!
//! The figure is the CPU time of both sides of a call of Motet as a multiple of the codec floor's,
//! which moves little where throughput and latency move a lot. It is measured in alternating rounds,
//! and again when it is over the limit: what is slower by itself is so in every attempt, a busy
//! machine is not.

use anyhow::{Context, Result, bail};
use clap::Parser as _;

use super::pair::Pair;
use super::plan::Plan;
use crate::cli::Cli;
use crate::message::Message;
use crate::row::{Field, Rows, Shape};

/// What was recorded last: `motet-bench gate --record` prints what belongs here.
const RECORDED: f64 = 1.50;
/// A call may take so much more than it took.
const LIMIT: f64 = 1.15;
const ATTEMPTS: usize = 5;
const SHAPE: Shape = Shape::new(1, 100);

/// Measures, and fails when every attempt is over the limit.
pub(crate) fn run(record: bool) -> Result<()> {
    let most = RECORDED * LIMIT;
    let mut least = f64::MAX;
    for attempt in 1..=ATTEMPTS {
        let ratio = measure()?;
        if record {
            println!("const RECORDED: f64 = {ratio:.2};");
            return Ok(());
        }
        println!(
            "CPU of a call: {ratio:.2} × the floor's; recorded {RECORDED:.2}, limit {most:.2} (attempt {attempt})"
        );
        if ratio <= most {
            return Ok(());
        }
        least = least.min(ratio);
    }
    bail!(
        "a call takes {least:.2} × the floor's CPU time, {:.0} % more than recorded",
        (least / RECORDED - 1.0) * 100.0
    )
}

fn measure() -> Result<f64> {
    let options = "motet-bench --only floor-codec,motet --messages big --shapes 1:100 --seconds 0.5 --warm-up 0.2";
    let options = Cli::try_parse_from(options.split(' '))?.compare;
    let plan = Plan::new(&options)?;
    let pair = Pair::new(&options, plan.window)?;
    let rows = plan.steps.iter().map(|step| pair.measure(step)).collect::<Result<_>>()?;
    let ratio = Rows(rows).ratio(("motet", "floor-codec"), Message::Big, SHAPE, Field::Cpu);
    Ok(ratio.context("nothing was measured")?.median)
}
