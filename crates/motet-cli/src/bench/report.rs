//! The result of a bench, as JSON for programs and as text for people.

use std::collections::BTreeMap;

use motet::MethodSnapshot;
use serde::Serialize;

use super::{
    chart::chart,
    load::{Ended, LATE, Load, Mode},
};
use crate::{
    answer::Answer,
    duration,
    output::{Cell, Output, Style, Table, clean, micros, share},
};

/// What came of a bench, as `--json` prints it. Times are in seconds or, where the name says so, in
/// microseconds.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    method: String,
    place: String,
    /// `closed` or `open`.
    r#loop: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_in_flight: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connections: Option<u8>,
    warm_up_seconds: f64,
    /// For how long calls were counted.
    seconds: f64,
    interrupted: bool,
    /// Calls that began while it was counted and have ended.
    calls: u64,
    ok: u64,
    errors: u64,
    errors_by_code: BTreeMap<String, u64>,
    /// The errors that said when to try again.
    refused_with_retry_after: u64,
    /// Calls that ended while it was counted, well or not, per second.
    per_second: f64,
    /// Those of them that ended well.
    ok_per_second: f64,
    /// Calls that began late.
    late: u64,
    /// Calls that were due and never began.
    not_begun: u64,
    most_in_flight: u64,
    /// Calls that were cancelled when it was interrupted.
    unfinished: u64,
    /// The calls that were answered well; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_us: Option<Latency>,
    /// The calls that failed; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_latency_us: Option<Latency>,
    /// The latencies of the calls that were answered well: microseconds and calls.
    histogram_us: Vec<(f64, u64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_error: Option<Answer>,
}

/// How long calls took, in microseconds: at most 7 % off, the maximum is exact.
#[derive(Debug, Serialize)]
struct Latency {
    p50: f64,
    p90: f64,
    p99: f64,
    p99_9: f64,
    max: f64,
}

impl Latency {
    fn of(counted: &MethodSnapshot) -> Option<Latency> {
        (counted.count > 0).then(|| Latency {
            p50: counted.p50_us,
            p90: counted.p90_us,
            p99: counted.p99_us,
            p99_9: counted.percentile_us(0.999),
            max: counted.max_us,
        })
    }

    fn row(&self, name: &str) -> Vec<Cell> {
        let times = [self.p50, self.p90, self.p99, self.p99_9, self.max].map(|us| Cell::from(micros(us)));
        [Cell::from(name)].into_iter().chain(times).collect()
    }
}

/// What is done, in a line: method, load, time, place.
pub(super) fn title(load: &Load, place: &str) -> String {
    let how = match load.mode {
        Mode::Closed { concurrency } => format!("{concurrency} at once"),
        Mode::Open { rate, max_in_flight } => format!("{rate} a second, at most {max_in_flight} at once"),
    };
    let warm_up = match load.warm_up.is_zero() {
        true => String::new(),
        false => format!(" after {} of warm-up", duration::show(load.warm_up)),
    };
    format!("{}: {how}, for {}{warm_up}, in {place}", load.method.path, duration::show(load.duration))
}

impl Report {
    /// The result of a load.
    pub(super) fn new(load: &Load, ended: &Ended, place: String, connections: Option<u8>) -> Report {
        let (counted, seconds) = (&ended.counted, ended.time.as_secs_f64());
        let tenths = |number: f64| (number * 10.0).round() / 10.0;
        let per_second = |count: u64| if seconds > 0.0 { tenths(count as f64 / seconds) } else { 0.0 };
        let (kind, concurrency, rate, max_in_flight) = match load.mode {
            Mode::Closed { concurrency } => ("closed", Some(concurrency), None, None),
            Mode::Open { rate, max_in_flight } => ("open", None, Some(rate), Some(max_in_flight)),
        };
        Report {
            method: load.method.path.clone(),
            place,
            r#loop: kind,
            concurrency,
            rate,
            max_in_flight,
            connections,
            warm_up_seconds: load.warm_up.as_secs_f64(),
            seconds,
            interrupted: ended.interrupted,
            calls: counted.calls(),
            ok: counted.ok.count,
            errors: counted.failed.count,
            errors_by_code: counted.failed.errors.clone(),
            refused_with_retry_after: counted.refused,
            per_second: per_second(counted.ended_in_time),
            ok_per_second: per_second(counted.ok_in_time),
            late: counted.late,
            not_begun: ended.not_begun,
            most_in_flight: counted.most_in_flight,
            unfinished: counted.in_flight,
            latency_us: Latency::of(&counted.ok),
            error_latency_us: Latency::of(&counted.failed),
            histogram_us: counted.ok.latencies_us().collect(),
            first_error: ended.first_error.as_ref().map(Answer::of),
        }
    }

    /// The result for people; on a terminal with a histogram.
    pub(super) fn text(&self, title: &str, ended: &Ended, output: &Output) -> String {
        let mut text = format!("{}\n", output.paint(Style::Bold, clean(title)));
        if self.interrupted {
            let line = format!("interrupted after {}", duration::show(ended.time));
            text += &format!("{}\n", output.paint(Style::Warn, line));
        }
        text.push('\n');
        for (name, value) in self.lines(ended, output) {
            text += &format!("{name:<11}{value}\n");
        }
        let mut table = Table::new(&["LATENCY", ">P50", ">P90", ">P99", ">P99.9", ">MAX"]);
        for (name, latency) in [("ok", &self.latency_us), ("failed", &self.error_latency_us)] {
            latency.iter().for_each(|latency| table.row(latency.row(name)));
        }
        if self.calls > 0 {
            text += &format!("\n{}", table.render(output));
        }
        if output.terminal && self.ok > 0 {
            text += &format!("\n{}\n", chart(&ended.counted.ok, output.size().0, output).join("\n"));
        }
        text
    }

    fn lines(&self, ended: &Ended, output: &Output) -> Vec<(&'static str, String)> {
        let seconds = duration::show(ended.time);
        let mut lines = vec![("calls", format!("{} in {seconds}, {:.1}/s", self.calls, self.per_second))];
        lines.push(("ok", format!("{}, {:.1}/s", self.ok, self.ok_per_second)));
        if self.errors > 0 {
            let codes: Vec<_> = ended.counted.errors().iter().map(|(code, count)| format!("{code} {count}")).collect();
            let text = format!("{} ({}): {}", self.errors, share(self.errors, self.calls), codes.join(", "));
            lines.push(("failed", output.paint(Style::Bad, text)));
        }
        if self.refused_with_retry_after > 0 {
            lines.push(("refused", format!("{} of them, and told when to try again", self.refused_with_retry_after)));
        }
        let (late, due) = (self.late, ended.counted.begun + self.not_begun);
        if late > 0 {
            let text =
                format!("{late} ({}) began {} or more after they were due", share(late, due), duration::show(LATE));
            lines.push(("late", output.paint(Style::Warn, text)));
        }
        if self.not_begun > 0 {
            let text = format!("{} ({}) were due and never began", self.not_begun, share(self.not_begun, due));
            lines.push(("not begun", output.paint(Style::Bad, text)));
        }
        let cancelled = match self.unfinished {
            0 => String::new(),
            unfinished => format!("; {unfinished} cancelled"),
        };
        lines.push(("in flight", format!("{} at most{cancelled}", self.most_in_flight)));
        lines
    }
}
