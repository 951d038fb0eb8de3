//! `motet-bench extras`: what the comparison of unary calls leaves out: streams, large messages,
//! other transports, idle connections and new ones.
//!
//! As there, a server process on one core and a client process on another are started for each
//! figure, cases alternate, and the median of the rounds counts. To add a case, write a line of
//! its group with what serves and what loads.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::cli::{ExtraLoad, ExtraServe, Extras};
use crate::processes::{self, Server};
use crate::row::Spread;
use crate::{heap, net, process, runtime};

mod connections;
mod large;
mod streams;
mod transports;

/// A figure: what serves it and what loads that.
#[derive(Clone, Copy)]
pub(crate) struct Extra {
    /// What it is about: the word on the command line.
    group: &'static str,
    case: &'static str,
    /// What is counted.
    unit: &'static str,
    serve: fn(Scratch) -> BoxFuture<'static, Result<()>>,
    load: fn(Target) -> BoxFuture<'static, Result<Outcome>>,
}

/// All figures, in the order in which a round measures them.
fn all() -> Vec<Extra> {
    [streams::ALL, large::ALL, transports::ALL, connections::ALL].into_iter().flatten().copied().collect()
}

/// A folder that both processes of a figure share, for sockets and certificates; the server says in it
/// where it listens.
#[derive(Clone, Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Tells where the server listens, now that it does.
    fn announce(&self, address: impl std::fmt::Display) -> Result<()> {
        let line = format!("{address}\n");
        std::fs::write(self.file("address"), &line)?;
        let mut out = std::io::stdout();
        out.write_all(line.as_bytes())?;
        Ok(out.flush()?)
    }
}

/// What a load is aimed at.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    address: String,
    pid: u32,
    warm_up: Duration,
    window: Duration,
    scratch: Scratch,
}

/// What one round measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Units a second, or the units themselves where there is no second.
    value: f64,
    /// CPU time of a unit on both sides, in µs; none where it says nothing.
    cpu_us: Option<(f64, f64)>,
}

/// Counts units; tasks clone it.
#[derive(Clone, Debug, Default)]
struct Meter(Arc<AtomicU64>);

impl Meter {
    fn add(&self, units: u64) {
        self.0.fetch_add(units, Ordering::Relaxed);
    }
}

impl Target {
    /// Units a second that the tasks count while they run; fails when one of them ends.
    async fn rate(&self, meter: &Meter, mut tasks: JoinSet<Result<()>>) -> Result<Outcome> {
        let window = async {
            tokio::time::sleep(self.warm_up).await;
            let before = self.moment(meter)?;
            tokio::time::sleep(self.window).await;
            let after = self.moment(meter)?;
            let units = after.units - before.units;
            ensure!(units > 0, "nothing was counted within {:?}", self.window);
            let per_unit = |time: Duration| time.as_secs_f64() * 1e6 / units as f64;
            Ok(Outcome {
                value: units as f64 / (after.at - before.at).as_secs_f64(),
                // The time of a thread that has ended is gone.
                cpu_us: Some((
                    per_unit(after.server.saturating_sub(before.server)),
                    per_unit(after.client.saturating_sub(before.client)),
                )),
            })
        };
        tokio::select! {
            outcome = window => outcome,
            Some(ended) = tasks.join_next() => match ended.context("a task panicked")? {
                Err(error) => Err(error.context("a task failed")),
                Ok(()) => bail!("a task stopped by itself"),
            },
        }
    }

    fn moment(&self, meter: &Meter) -> Result<Moment> {
        Ok(Moment {
            at: Instant::now(),
            units: meter.0.load(Ordering::Relaxed),
            server: process::cpu_time(self.pid)?,
            client: process::cpu_time(std::process::id())?,
        })
    }
}

/// Announces an address once it takes connections; never ends.
async fn after_start(scratch: &Scratch, address: SocketAddr) -> Result<()> {
    while net::connect(address).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    scratch.announce(address)?;
    std::future::pending().await
}

struct Moment {
    at: Instant,
    units: u64,
    server: Duration,
    client: Duration,
}

/// Measures the chosen groups and prints a table.
pub(crate) fn run(options: &Extras) -> Result<()> {
    ensure!(!heap::COUNTED, "a build that counts allocations is slower than the real one");
    let mut extras = all();
    for group in &options.groups {
        ensure!(
            extras.iter().any(|extra| extra.group == group),
            "no group {group:?}; there are {}",
            groups().join(", ")
        );
    }
    extras.retain(|extra| options.groups.is_empty() || options.groups.iter().any(|group| group == extra.group));
    let cores = processes::cores()?;

    let mut outcomes: Vec<Vec<Outcome>> = extras.iter().map(|_| Vec::new()).collect();
    let mut failures = 0;
    for round in 1..=options.rounds {
        for (extra, outcomes) in extras.iter().zip(&mut outcomes) {
            match measure(extra, options, cores) {
                Ok(outcome) => {
                    eprintln!(
                        "round {round} {:<12}{:<26}{:>12.0} {}",
                        extra.group, extra.case, outcome.value, extra.unit
                    );
                    outcomes.push(outcome);
                }
                Err(error) => {
                    failures += 1;
                    eprintln!("round {round} {:<12}{:<26}FAILED: {error:#}", extra.group, extra.case);
                }
            }
        }
    }
    println!(
        "{:<12}{:<26}{:>14}{:>24}  {:<14}{:>22}",
        "group", "case", "median", "(min–max)", "unit", "CPU µs server/client"
    );
    for (extra, outcomes) in extras.iter().zip(&outcomes) {
        print_line(extra, outcomes);
    }
    ensure!(failures == 0, "{failures} figures failed");
    Ok(())
}

fn groups() -> Vec<&'static str> {
    let mut groups: Vec<_> = all().iter().map(|extra| extra.group).collect();
    groups.dedup();
    groups
}

fn print_line(extra: &Extra, outcomes: &[Outcome]) {
    let Some(value) = Spread::of(outcomes.iter().map(|outcome| outcome.value).collect()) else { return };
    let side = |of: fn((f64, f64)) -> f64| {
        Spread::of(outcomes.iter().filter_map(|outcome| outcome.cpu_us.map(of)).collect()).map(|spread| spread.median)
    };
    let cpu = match (side(|cpu| cpu.0), side(|cpu| cpu.1)) {
        (Some(server), Some(client)) => format!("{server:.2}/{client:.2}"),
        _ => String::new(),
    };
    let range = format!("({:.0}–{:.0})", value.min, value.max);
    println!("{:<12}{:<26}{:>14.0}{range:>24}  {:<14}{cpu:>22}", extra.group, extra.case, value.median, extra.unit);
}

fn measure(extra: &Extra, options: &Extras, cores: (usize, usize)) -> Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(command("extra-serve", extra, folder.path(), cores.0)?)?;
    let client = command("extra-load", extra, folder.path(), cores.1)?;
    server.measured_by(client, options.warm_up, options.seconds)
}

fn command(child: &str, extra: &Extra, scratch: &Path, core: usize) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([child, extra.group, extra.case]).arg("--scratch").arg(scratch).args(["--core", &core.to_string()]);
    Ok(command)
}

/// The server process of a figure.
pub(crate) fn serve(args: &ExtraServe) -> Result<()> {
    let extra = find(&args.place.group, &args.place.case)?;
    process::pin(args.place.core)?;
    process::raise_open_files();
    processes::end_with_input();
    runtime::build(Some(1))?.block_on((extra.serve)(Scratch(args.place.scratch.clone())))
}

/// The client process of a figure.
pub(crate) fn load(args: &ExtraLoad) -> Result<()> {
    let extra = find(&args.place.group, &args.place.case)?;
    process::pin(args.place.core)?;
    process::raise_open_files();
    let target = Target {
        address: args.server.clone(),
        pid: args.server_pid,
        warm_up: args.warm_up,
        window: args.seconds,
        scratch: Scratch(args.place.scratch.clone()),
    };
    let outcome = runtime::build(Some(1))?.block_on(async {
        let patience = args.warm_up + args.seconds + Duration::from_secs(60);
        tokio::time::timeout(patience, (extra.load)(target)).await.context("it took too long")?
    })?;
    println!("{}", serde_json::to_string(&outcome)?);
    // Ending now closes every connection; waiting for the tasks would prove nothing.
    std::process::exit(0)
}

fn find(group: &str, case: &str) -> Result<Extra> {
    let known = all().into_iter().find(|extra| extra.group == group && extra.case == case);
    known.with_context(|| format!("no figure {group} {case:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server and its load in this process, for a moment.
    async fn smoke(extra: &Extra, window: Duration) -> Result<Outcome> {
        let folder = tempfile::tempdir()?;
        let scratch = Scratch(folder.path().to_owned());
        let serving = tokio::spawn((extra.serve)(scratch.clone()));
        let address = loop {
            match std::fs::read_to_string(scratch.file("address")) {
                Ok(address) if address.ends_with('\n') => break address.trim().to_owned(),
                _ if serving.is_finished() => bail!("the server ended: {:?}", serving.await),
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        let warm_up = Duration::from_millis(20);
        let pid = std::process::id();
        let load = (extra.load)(Target { address, pid, warm_up, window, scratch });
        let outcome = tokio::time::timeout(Duration::from_secs(60), load).await.context("it hangs")?;
        serving.abort();
        outcome
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_figure_can_be_measured() {
        for extra in all().iter().filter(|extra| extra.group != "idle") {
            let mut outcome = smoke(extra, Duration::from_millis(100)).await;
            if outcome.is_err() {
                // Without optimisation, on a busy machine, even one large message takes its time.
                outcome = smoke(extra, Duration::from_secs(5)).await;
            }
            let outcome = outcome.unwrap_or_else(|error| panic!("{} {}: {error:#}", extra.group, extra.case));
            assert!(outcome.value > 0.0, "{} {}", extra.group, extra.case);
        }
    }

    #[test]
    fn a_group_that_is_not_there_is_answered_with_those_that_are() {
        let options = Extras {
            groups: vec!["cobra".to_owned()],
            rounds: 1,
            seconds: Duration::from_secs(1),
            warm_up: Duration::from_secs(1),
        };
        let error = run(&options).expect_err("no such group").to_string();
        assert!(error.contains("streams, large"), "{error}");
    }
}
