//! Which rows are measured, in which order and for how long.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::cli::Compare;
use crate::message::Message;
use crate::row::Shape;
use crate::systems::{self, Entry};

/// A run with default options ends within 15 minutes; one is left for slow starts.
const LONGEST_RUN: Duration = Duration::from_secs(14 * 60);
/// Starting and ending both processes of a row.
const START: Duration = Duration::from_millis(150);
const LONGEST_WINDOW: Duration = Duration::from_secs(2);
/// Below this the processor's clock and the scheduler's ticks show.
const SHORTEST_WINDOW: Duration = Duration::from_millis(300);

/// The rows of a run in order.
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// Measured time of each row.
    pub(super) window: Duration,
    warm_up: Duration,
}

/// One row to measure.
pub(super) struct Step {
    pub(super) round: usize,
    pub(super) message: Message,
    pub(super) shape: Shape,
    pub(super) system: &'static Entry,
}

impl Plan {
    /// Fails when a system is unknown.
    pub(super) fn new(options: &Compare) -> Result<Self> {
        let systems = if options.only.is_empty() {
            systems::ALL.iter().collect()
        } else {
            let named = options.only.iter().map(|name| systems::find(name));
            named.collect::<Result<Vec<_>>>()?
        };
        let mut steps = Vec::new();
        for round in 1..=usize::from(options.rounds) {
            for &message in &options.messages {
                for &shape in &options.shapes {
                    steps.extend(systems.iter().map(|&system| Step { round, message, shape, system }));
                }
            }
        }
        let window = options.seconds.unwrap_or_else(|| window_for(steps.len(), options.warm_up));
        Ok(Self { steps, window, warm_up: options.warm_up })
    }

    /// Builds the systems that have binaries of their own, before anything is measured.
    pub(super) fn build(&self) -> Result<()> {
        self.steps.iter().try_for_each(|step| step.system.binary(Path::new("")).map(drop))
    }

    fn duration(&self) -> Duration {
        (self.warm_up + self.window + START) * self.steps.len() as u32
    }
}

/// The window that lets `rows` rows end in time.
fn window_for(rows: usize, warm_up: Duration) -> Duration {
    (LONGEST_RUN / rows.max(1) as u32).saturating_sub(warm_up + START).clamp(SHORTEST_WINDOW, LONGEST_WINDOW)
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} rows of {:.1} s after {:.1} s of warm-up: about {:.1} minutes",
            self.steps.len(),
            self.window.as_secs_f64(),
            self.warm_up.as_secs_f64(),
            self.duration().as_secs_f64() / 60.0
        )
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (message, shape) = (self.message.name(), self.shape);
        write!(f, "{message:<5} {shape:>8} {:<12}", self.system.name)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    fn plan(arguments: &[&str]) -> Result<Plan> {
        let cli = Cli::parse_from(["motet-bench"].iter().chain(arguments));
        Plan::new(&cli.compare)
    }

    #[test]
    fn systems_alternate_within_a_round() {
        let plan = plan(&["--only", "tonic,tarpc", "--shapes", "1:1", "--messages", "big", "--rounds", "2"])
            .expect("known systems");
        let order: Vec<_> = plan.steps.iter().map(|step| (step.round, step.system.name)).collect();
        assert_eq!(order, [(1, "tonic"), (1, "tarpc"), (2, "tonic"), (2, "tarpc")]);
    }

    #[test]
    fn a_run_of_everything_ends_within_15_minutes() {
        let plan = plan(&[]).expect("default options");
        assert!(plan.duration() < Duration::from_secs(15 * 60));
        for systems in 1..=12 {
            let rows = systems * 2 * 7 * 3;
            let row = window_for(rows, Duration::from_millis(500)) + Duration::from_millis(650);
            assert!(row * (rows as u32) < Duration::from_secs(15 * 60), "{systems}");
        }
    }

    #[test]
    fn an_unknown_system_is_refused_before_anything_runs() {
        assert!(plan(&["--only", "tonic,cobra"]).is_err());
    }
}
