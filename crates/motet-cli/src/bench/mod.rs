//! `motet bench`: one call again and again, and how long it took.
//!
//! A closed loop ([`load::Mode::Closed`]) keeps so many calls running; an open one
//! ([`load::Mode::Open`]) begins calls at their times whatever becomes of those before, and counts
//! their latencies from these times, so that a server that stalls cannot hide it. [`pace`] keeps the
//! times, [`load`] makes the calls, [`tally`] counts, [`screen`] and [`chart`] draw while it runs,
//! [`report`] is the result.

mod chart;
mod load;
mod pace;
mod report;
mod screen;
mod tally;

use std::{sync::Arc, time::Duration};

use motet::{CallOptions, ClientConfig, Kind, Status};

use crate::{
    body::Form,
    call::{DEFAULT, interruptible, kind_name},
    failure::{Failure, Outcome, exit},
    global::Global,
    input,
    run::signals::Signals,
    session::Session,
    target::{Found, TargetArgs, check_name},
};

use load::{Load, Mode};
use report::Report;
use screen::Screen;

/// The longest bench.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The calls are really made: a method that changes something changes it with each of them. \
None is tried again. --timeout is the time that each call may take.")]
pub(crate) struct Args {
    #[command(flatten)]
    target: TargetArgs,
    /// Keep this many calls running: a new one begins when one ends.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    concurrency: u32,
    /// Begin this many calls a second, whatever becomes of those before; latencies count from the
    /// moment at which a call was due.
    #[arg(long, value_name = "N", conflicts_with = "concurrency", value_parser = rate)]
    rate: Option<f64>,
    /// With --rate, how many calls may run at once; those that are due beyond begin late.
    #[arg(long, value_name = "N", requires = "rate", default_value_t = 1024)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=65_536))]
    max_in_flight: u32,
    /// How long to count.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    duration: Duration,
    /// How long to call before counting; `0s` for not at all.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time_or_none)]
    warm_up: Duration,
    /// How many connections to hold to each node; what the protocol needs if absent.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    connections: Option<u8>,
    /// How the request travels.
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    codec: Form,
    /// The id of the node to call, and no other.
    #[arg(long, value_name = "ID")]
    node: Option<String>,
}

/// Makes the calls and prints what came of them.
pub(crate) async fn run(args: Args, global: &Global) -> Outcome {
    let (target, global) = args.target.read(global)?;
    check_name(&target.service)?;
    let body = input::one(target.json.as_deref(), args.codec).await?;
    let mut config = ClientConfig::default();
    config.connections_per_node = args.connections.map(usize::from);
    let session = Session::open_with(&global, config).await?;
    let found = interruptible(target.find(&session, None)).await?;
    let method = &found.method;
    if method.kind != Kind::Unary {
        return Err(Failure::usage(format!("{} is a {} method", method.path, kind_name(method.kind)))
            .hint("a bench makes unary calls only"));
    }
    let body = found.encode(body).map_err(|wrong| wrong.failure("the JSON"))?;
    warn(&session, &found);
    let mut options = CallOptions::default();
    options.timeout = Some(global.timeout.or(method.timeout()).unwrap_or(DEFAULT));
    options.retries = Some(0);
    options.node.clone_from(&args.node);
    let load = Arc::new(Load {
        mode: args.mode(),
        warm_up: args.warm_up,
        duration: args.duration,
        service: session.service(method.service(), options),
        method: method.clone(),
        cx: session.cx.clone(),
        codec: found.codec(args.codec),
        body,
    });
    let mut signals = Signals::new()?;
    let title = report::title(&load, &session.place());
    let mut screen = Screen::new(session.output, &title);
    let ended = load.run(&mut signals, |at, tally| screen.draw(at, tally)).await?;
    screen.close().await;
    let report = Report::new(&load, &ended, session.place(), args.connections);
    match session.output.json {
        true => session.output.json(&report)?,
        false => session.output.write(report.text(&title, &ended, &session.output))?,
    }
    match &ended.first_error {
        _ if ended.interrupted => Err(Failure::said(exit::INTERRUPTED)),
        Some(error) if ended.counted.ok.count == 0 => Err(all_failed(&method.path, error)),
        _ => Ok(()),
    }
}

/// The failure of a bench none of whose calls was answered well.
fn all_failed(path: &str, first: &Status) -> Failure {
    let failure = Failure::from(first.clone());
    let lists = failure.answer.as_ref().is_some_and(|answer| answer.lists_violations());
    let what = if lists { first.code().name() } else { &failure.message };
    Failure { code: exit::STATUS, message: format!("{path}: every call failed, the first with {what}"), ..failure }
}

impl Args {
    fn mode(&self) -> Mode {
        match self.rate {
            Some(rate) => Mode::Open { rate, max_in_flight: self.max_in_flight },
            None => Mode::Closed { concurrency: self.concurrency },
        }
    }
}

/// Says that a call that may change something is made many times.
fn warn(session: &Session, found: &Found) {
    if found.silent.is_none() && !found.method.is_idempotent() {
        let path = &found.method.path;
        session.output.note(format!("{path} is not marked as idempotent: what it does is done by every call."));
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.trim_end_matches("/s").parse::<f64>() {
        Ok(rate) if (0.01..=1e6).contains(&rate) => Ok(rate),
        _ => Err("write the calls a second as a number from 0.01 to 1000000".to_owned()),
    }
}

fn time(text: &str) -> Result<Duration, String> {
    match crate::duration::parse(text)? {
        time if time > LONGEST => Err("a bench takes 24h at most".to_owned()),
        time => Ok(time),
    }
}

fn time_or_none(text: &str) -> Result<Duration, String> {
    match text {
        "0" | "0s" | "0ms" => Ok(Duration::ZERO),
        _ => time(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_within_bounds() {
        assert_eq!((rate("500"), rate("0.5"), rate("100/s")), (Ok(500.0), Ok(0.5), Ok(100.0)));
        for text in ["0", "-1", "1e9", "NaN", "inf", "", "fast"] {
            assert!(rate(text).is_err_and(|says| says.contains("from 0.01 to 1000000")), "{text}");
        }
    }

    #[test]
    fn a_warm_up_may_be_nothing_and_a_duration_may_not() {
        assert_eq!(time_or_none("0s"), Ok(Duration::ZERO));
        assert!(time("0s").is_err() && time("25h").is_err_and(|says| says.contains("24h")));
    }
}
