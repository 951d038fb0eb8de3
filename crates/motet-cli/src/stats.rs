//! `motet stats`: what each method has counted, on each node.

use std::{collections::BTreeMap, time::Duration};

use motet::{MethodSnapshot, StatsReport};
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    call::interruptible,
    failure::{Failure, Outcome, exit},
    global::Global,
    output::{Cell, Output, Style, Table, micros, plural, share},
    process::{Process, ask_all, filter},
    session::Session,
};

/// How often `--watch` looks, unless told otherwise.
const EVERY: Duration = Duration::from_secs(1);
/// The shortest time between two looks.
const SHORTEST: Duration = Duration::from_millis(100);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The service; all if absent.
    #[arg(value_name = "SERVICE", add = crate::completions::services())]
    service: Option<String>,
    /// Look again and again, and show what happened in between, until Ctrl-C.
    #[arg(long, short)]
    watch: bool,
    /// How often to look with --watch; 1s if absent.
    #[arg(long, value_name = "TIME", value_parser = crate::duration::parse, requires = "watch")]
    every: Option<Duration>,
    /// Show the calls that the processes make, in place of those that they serve.
    #[arg(long)]
    client: bool,
}

/// What was counted, as `--json` prints it: once, or with --watch a line for every look.
#[derive(Debug, Serialize)]
struct Stats {
    /// The time that the counts cover, in seconds; absent where they cover all time since the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    methods: Vec<Row>,
    /// The processes that do not answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreachable: Vec<Silent>,
}

#[derive(Debug, Serialize)]
struct Row {
    method: String,
    node: String,
    address: String,
    calls: u64,
    per_second: f64,
    errors: u64,
    errors_by_code: BTreeMap<String, u64>,
    in_flight: u64,
    #[serde(skip_serializing_if = "is_zero")]
    queued: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    #[serde(skip_serializing_if = "is_zero")]
    refused: u64,
    #[serde(skip_serializing_if = "is_zero")]
    slow_polls: u64,
    p50_us: f64,
    p99_us: f64,
    max_us: f64,
}

#[derive(Debug, Serialize)]
struct Silent {
    address: String,
    error: String,
}

/// What a look saw: by address and method.
type Seen = BTreeMap<(String, String), MethodSnapshot>;

/// Prints what was counted.
pub(crate) async fn run(args: Args, global: &Global) -> Outcome {
    if let Some(name) = &args.service {
        crate::target::check_name(name)?;
    }
    let session = Session::open(global).await?;
    if args.watch {
        let watched = interruptible(watch(&args, &session)).await;
        // Ctrl-C is how watching ends.
        return watched.or_else(|failure| if failure.code == exit::INTERRUPTED { Ok(()) } else { Err(failure) });
    }
    let (stats, _) = look(&args, &session, None).await?;
    if stats.methods.is_empty() && !stats.unreachable.is_empty() {
        let silent = &stats.unreachable[0];
        return Err(Failure::unreachable(format!("nobody answers: {}", silent.error)));
    }
    match session.output.json {
        true => session.output.json(&stats),
        false if stats.methods.is_empty() => {
            session.output.note("No method has been called yet.");
            Ok(())
        }
        false => session.output.write(table(&stats, &session.output)),
    }
}

async fn watch(args: &Args, session: &Session) -> Outcome {
    let every = args.every.unwrap_or(EVERY).max(SHORTEST);
    let output = &session.output;
    let (_, mut before) = look(args, session, None).await?;
    let mut at = Instant::now();
    let mut ticks = tokio::time::interval_at(at + every, every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = Instant::now();
        let (stats, seen) = look(args, session, Some((&before, now - at))).await?;
        (before, at) = (seen, now);
        if output.json {
            output.json(&stats)?;
            continue;
        }
        let place = crate::output::clean(&session.place()).into_owned();
        let head = format!("Every {}: {place}", crate::duration::show(every));
        // On a terminal each look takes the place of the one before.
        let clear = if output.terminal { "\x1b[H\x1b[2J" } else { "" };
        let body = if stats.methods.is_empty() { "No calls.\n".to_owned() } else { table(&stats, output) };
        output.write(format!("{clear}{}\n\n{body}\n", output.paint(Style::Dim, head)))?;
    }
}

/// Asks all processes; the counts are those since the look before, if there was one.
async fn look(args: &Args, session: &Session, before: Option<(&Seen, Duration)>) -> Outcome<(Stats, Seen)> {
    let service = args.service.as_deref();
    let processes = match Process::all(session, service).await {
        // While watching, services may go and come.
        Err(failure) if before.is_some() && failure.code == exit::UNREACHABLE => Vec::new(),
        other => other?,
    };
    let answers = ask_all::<StatsReport>(&processes, "stats", &filter(service), session.patience()).await;
    if let (Some(_), None, [Err(status)]) = (&session.address, before, &answers[..]) {
        return Err(Failure::from(status.clone()));
    }
    let mut seen = Seen::new();
    let mut stats = Stats { seconds: before.map(|(_, time)| time.as_secs_f64()), methods: vec![], unreachable: vec![] };
    for (process, answer) in processes.iter().zip(answers) {
        let report = match answer {
            Ok(report) => report,
            Err(status) => {
                let error = Failure::from(status).message;
                stats.unreachable.push(Silent { address: process.address.clone(), error });
                continue;
            }
        };
        for method in if args.client { report.client } else { report.server } {
            if service.is_none() && method.path.starts_with("motet.meta/") {
                continue;
            }
            stats.methods.extend(row(process, &method, before));
            seen.insert((process.address.clone(), method.path.clone()), method);
        }
    }
    stats.methods.sort_by(|a, b| (&a.method, &a.node).cmp(&(&b.method, &b.node)));
    Ok((stats, seen))
}

/// The row of a method; none where it has never been called.
fn row(process: &Process, method: &MethodSnapshot, before: Option<(&Seen, Duration)>) -> Option<Row> {
    let (change, per_second) = match before {
        None => (method.clone(), method.per_second),
        Some((seen, time)) => {
            let earlier = seen.get(&(process.address.clone(), method.path.clone()));
            let change = earlier.map_or_else(|| method.clone(), |earlier| method.since(earlier));
            let rate = change.count as f64 / time.as_secs_f64().max(1e-3);
            (change, rate)
        }
    };
    (method.count + method.in_flight > 0).then(|| Row {
        node: process.id(method.path.split('/').next().unwrap_or_default()).to_owned(),
        method: method.path.clone(),
        address: process.address.clone(),
        calls: change.count,
        per_second: (per_second * 10.0).round() / 10.0,
        errors: change.error_count(),
        in_flight: change.in_flight,
        queued: change.queued,
        limit: change.limit,
        refused: change.refused,
        slow_polls: change.slow_polls,
        p50_us: change.p50_us,
        p99_us: change.p99_us,
        max_us: change.max_us,
        errors_by_code: change.errors,
    })
}

fn table(stats: &Stats, output: &Output) -> String {
    let mut table = Table::new(&[
        "METHOD",
        "NODE",
        ">CALLS",
        ">RATE",
        ">ERRORS",
        ">IN FLIGHT",
        ">P50",
        ">P99",
        "?>LIMIT",
        "?>QUEUED",
        "?>REFUSED",
        "?>SLOW POLLS",
        "?TOP ERROR",
    ]);
    for row in &stats.methods {
        let errors = match row.errors {
            0 => "0".into(),
            errors => Cell::styled(Style::Bad, format!("{errors} ({})", share(errors, row.calls))),
        };
        let time = |us: f64| if row.calls == 0 { "-".to_owned() } else { micros(us) };
        let worst = row.errors_by_code.iter().max_by_key(|(_, count)| **count).map(|(code, _)| code.as_str());
        table.row([
            Cell::styled(Style::Name, &row.method),
            (&row.node).into(),
            row.calls.to_string().into(),
            rate(row.per_second).into(),
            errors,
            row.in_flight.to_string().into(),
            time(row.p50_us).into(),
            time(row.p99_us).into(),
            row.limit.map(|limit| limit.to_string()).unwrap_or_default().into(),
            unless_zero(row.queued).into(),
            unless_zero(row.refused).into(),
            unless_zero(row.slow_polls).into(),
            worst.unwrap_or_default().into(),
        ]);
    }
    let mut text = table.render(output);
    if !stats.unreachable.is_empty() {
        text.push_str(&format!("\n{} not answering:\n", plural(stats.unreachable.len(), "process")));
        for Silent { address, error } in &stats.unreachable {
            let line = crate::output::clean(&format!("  {address}: {error}")).into_owned();
            text.push_str(&output.paint(Style::Bad, line));
            text.push('\n');
        }
    }
    text
}

fn unless_zero(count: u64) -> String {
    if count == 0 { String::new() } else { count.to_string() }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn rate(per_second: f64) -> String {
    match per_second {
        rate if rate > 0.0 && rate < 9.95 => format!("{rate:.1}/s"),
        rate => format!("{rate:.0}/s"),
    }
}
