//! `motet doctor`: looks at everything that a service needs and says what is wrong and what to do.
//!
//! Each area gives [`Finding`]s; all of them together end within the time, whatever hangs. It changes
//! nothing: a file that shows whether the registry can be written is deleted again at once.

mod clock;
mod config;
mod finding;
mod nodes;
mod ports;
mod process;
mod program;
mod registry;

use std::{path::PathBuf, time::Duration};

use serde::Serialize;
use tokio::time::Instant;

use crate::{
    call::interruptible,
    failure::{Failure, Outcome, exit},
    global::Global,
    output::{Cell, Output, Style, Table, plural},
    session::{PATIENCE, Session},
};

use finding::{Finding, State};

#[derive(Debug, clap::Args)]
#[command(after_help = "It looks at what is registered, asks every node, and reads the configuration that a service \
would read here: motet.toml in this folder, the files of MOTET_CONFIG, the environment.")]
pub(crate) struct Args {
    /// Read this configuration file, too; may be given several times.
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
}

/// What was found, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Diagnosis {
    /// Whether there is no problem; there may be warnings.
    healthy: bool,
    /// Where services were looked up; absent where that cannot be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    problems: usize,
    warnings: usize,
    findings: Vec<Finding>,
}

/// The time that all of it may take.
#[derive(Clone, Copy, Debug)]
struct Limit {
    time: Duration,
    until: Instant,
}

/// Looks, prints what was found, and fails if there is a problem.
pub(crate) async fn run(args: Args, global: &Global) -> Outcome {
    let session = Session::without_registry(global)?;
    let time = global.timeout.unwrap_or(PATIENCE);
    let limit = Limit { time, until: Instant::now() + time };
    let (place, findings) = interruptible(async { Ok(examine(args.config, global, &session, limit).await) }).await?;
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    let (problems, warnings) = (count(State::Problem), count(State::Warning));
    let diagnosis = Diagnosis { healthy: problems == 0, place, problems, warnings, findings };
    match session.output.json {
        true => session.output.json(&diagnosis)?,
        false => session.output.write(table(&diagnosis, &session.output))?,
    }
    if problems == 0 { Ok(()) } else { Err(Failure::said(exit::UNHEALTHY)) }
}

/// Where services were looked up, and what was found.
async fn examine(
    files: Vec<PathBuf>,
    global: &Global,
    session: &Session,
    limit: Limit,
) -> (Option<String>, Vec<Finding>) {
    let services = async {
        let (config, registry) = tokio::join!(config::read(files, limit), registry::look(global, session, limit));
        let addresses: Vec<_> = registry.nodes.iter().flat_map(|listed| &listed.node.endpoints).cloned().collect();
        let (nodes, ports) =
            tokio::join!(nodes::ask(session, &registry, limit), ports::check(config.listen, addresses, limit));
        (registry.place, [config.findings, registry.findings, nodes, ports].concat())
    };
    let (toolchain, (place, services)) = tokio::join!(program::toolchain(limit), services);
    let place = session.address.clone().or(place);
    (place, [program::about(), toolchain, clock::own(), services].concat())
}

impl Limit {
    /// What a future gives, or a problem when time is over before it.
    async fn on<T>(&self, area: &'static str, what: &str, work: impl Future<Output = T>) -> Result<T, Finding> {
        tokio::time::timeout_at(self.until, work).await.map_err(|_| {
            let time = crate::duration::show(self.time);
            Finding::problem(area, format!("{what}: no answer within {time}"), "give it longer with --timeout 1m")
        })
    }

    /// The same of work that blocks. When time is over it is left alone, and ends with the process.
    async fn on_blocking<T: Send + 'static>(
        &self,
        area: &'static str,
        what: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Finding> {
        match self.on(area, what, tokio::task::spawn_blocking(work)).await? {
            Ok(done) => Ok(done),
            Err(error) => {
                Err(Finding::problem(area, format!("{what}: {error}"), "report this: it is a mistake of motet"))
            }
        }
    }

    /// The time that one question may take, so that some is left to tell of it.
    fn of_one(&self) -> Duration {
        let left = self.until.saturating_duration_since(Instant::now());
        (left * 4 / 5).max(Duration::from_millis(1))
    }
}

fn table(diagnosis: &Diagnosis, output: &Output) -> String {
    let mut table = Table::new(&["STATE", "AREA", "FINDING"]);
    for finding in &diagnosis.findings {
        let state = match finding.state {
            State::Ok => Cell::styled(Style::Good, "ok"),
            State::Warning => Cell::styled(Style::Warn, "warning"),
            State::Problem => Cell::styled(Style::Bad, "problem"),
        };
        let what = match &finding.fix {
            Some(fix) => format!("{}\n→ {fix}", finding.what),
            None => finding.what.clone(),
        };
        table.row([state, finding.area.into(), what.into()]);
    }
    let end = match (diagnosis.problems, diagnosis.warnings) {
        (0, 0) => output.paint(Style::Good, "Everything is well."),
        (0, warnings) => output.paint(Style::Warn, format!("No problem, {}.", plural(warnings, "warning"))),
        (problems, 0) => output.paint(Style::Bad, format!("{}.", plural(problems, "problem"))),
        (problems, warnings) => {
            let text = format!("{}, {}.", plural(problems, "problem"), plural(warnings, "warning"));
            output.paint(Style::Bad, text)
        }
    };
    format!("{}\n{end}\n", table.render(output))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_hangs_is_a_problem_when_time_is_over() {
        let limit = Limit { time: Duration::from_secs(2), until: Instant::now() + Duration::from_secs(2) };
        let found = limit.on("nodes", "tcp://a:1", std::future::pending::<()>()).await.expect_err("it hangs");
        assert_eq!((found.state, &*found.what), (State::Problem, "tcp://a:1: no answer within 2s"));
        assert_eq!(limit.of_one(), Duration::from_millis(1), "no time is left");
        let none = limit.on("nodes", "x", async { 5 }).await;
        assert_eq!(none.ok(), Some(5), "what is done is taken");
    }

    #[test]
    fn the_last_line_counts_what_is_wrong() {
        let output = Output { json: false, terminal: false, colour: false };
        let of = |findings: Vec<Finding>| {
            let count = |state| findings.iter().filter(|finding| finding.state == state).count();
            let (problems, warnings) = (count(State::Problem), count(State::Warning));
            table(&Diagnosis { healthy: problems == 0, place: None, problems, warnings, findings }, &output)
        };
        let (bad, odd) = (Finding::problem("a", "x is off", "turn x on"), Finding::warning("a", "y", "z"));
        assert!(of(vec![Finding::ok("a", "x")]).ends_with("\nEverything is well.\n"));
        assert!(of(vec![odd.clone()]).ends_with("\nNo problem, 1 warning.\n"));
        let text = of(vec![bad.clone(), bad, odd]);
        assert!(text.ends_with("\n2 problems, 1 warning.\n") && text.contains("→ turn x on"), "{text}");
    }
}
