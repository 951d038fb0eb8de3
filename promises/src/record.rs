//! What a run has measured, as it is written down.

use std::{fmt, fs, io, path::PathBuf};

use serde::{Deserialize, Serialize};

/// A number and what it counts, with the limit that it must keep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Figure {
    /// The number.
    pub value: f64,
    /// What it counts and its unit, to be read behind the number: `calls failed`.
    pub text: String,
    /// What it may be at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// What it must be at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// Whether the median of several runs counts, and not each.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub median: bool,
}

impl Figure {
    /// Whether it keeps its limits.
    pub fn passes(&self) -> bool {
        self.at_most.is_none_or(|limit| self.value <= limit) && self.at_least.is_none_or(|limit| self.value >= limit)
    }

    /// The limit, for people.
    pub fn limit(&self) -> String {
        match (self.at_least, self.at_most) {
            (Some(least), _) => format!("must be at least {least}"),
            (None, Some(most)) => format!("may be at most {most}"),
            (None, None) => "has no limit".to_owned(),
        }
    }

    /// What several runs have measured as one figure: the median where that counts or where there is
    /// no limit, else the worst.
    fn of_runs(runs: &[&Figure]) -> Figure {
        let mut sorted: Vec<_> = runs.to_vec();
        sorted.sort_by(|a, b| a.value.total_cmp(&b.value));
        let one = sorted[sorted.len() / 2];
        match (one.median, one.at_most, one.at_least) {
            (false, Some(_), _) => sorted[sorted.len() - 1].clone(),
            (false, None, Some(_)) => sorted[0].clone(),
            _ => one.clone(),
        }
    }
}

impl fmt::Display for Figure {
    /// Writes whole numbers with commas, others with three digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figure { value, text, .. } = self;
        if value.fract() != 0.0 && value.abs() < 100.0 {
            let digits = if value.abs() < 1.0 {
                3
            } else if value.abs() < 10.0 {
                2
            } else {
                1
            };
            return write!(f, "{value:.digits$} {text}");
        }
        let plain = format!("{:.0}", value.abs());
        let commas: String = plain
            .char_indices()
            .flat_map(|(at, digit)| {
                let comma = at > 0 && (plain.len() - at).is_multiple_of(3);
                comma.then_some(',').into_iter().chain([digit])
            })
            .collect();
        write!(f, "{}{commas} {text}", if *value < 0.0 { "-" } else { "" })
    }
}

/// What a run of a test has measured, or all runs of all tests of a promise together.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Record {
    /// The promise, such as `P1`.
    pub promise: String,
    /// The test; empty for all of a promise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub test: String,
    /// `long` or `short`.
    pub form: String,
    /// Whether all figures keep their limits.
    pub pass: bool,
    /// What was measured.
    pub figures: Vec<Figure>,
    /// How long it took.
    pub seconds: f64,
    /// How many cores this process may use.
    pub cores: usize,
    /// `debug` or `release`.
    pub build: String,
    /// The day in UTC, such as `2026-01-31`.
    pub date: String,
}

impl Record {
    /// The records of the tests of a promise, of one run after the other, as one; `None` if there are
    /// none. What a figure is called tells which belong together.
    pub fn together(records: &[Record]) -> Option<Record> {
        let last = records.last()?;
        let mut figures: Vec<Figure> = Vec::new();
        for figure in records.iter().flat_map(|record| &record.figures) {
            if figures.iter().all(|known| known.text != figure.text) {
                let all = records.iter().flat_map(|record| &record.figures);
                let same: Vec<_> = all.filter(|other| other.text == figure.text).collect();
                figures.push(Figure::of_runs(&same));
            }
        }
        let pass = figures.iter().all(Figure::passes);
        let seconds = records.iter().map(|record| record.seconds).sum();
        Some(Record { test: String::new(), pass, figures, seconds, ..last.clone() })
    }

    /// The figures in one line.
    pub fn line(&self) -> String {
        self.figures.iter().map(Figure::to_string).collect::<Vec<_>>().join("; ")
    }

    /// Writes it to a file of the [`folder`].
    ///
    /// # Errors
    /// That of the file system.
    pub fn write(&self, name: &str) -> io::Result<()> {
        let path = folder().join(name);
        fs::create_dir_all(path.parent().unwrap_or(&path))?;
        fs::write(path, serde_json::to_string_pretty(self)? + "\n")
    }

    /// Reads a file of the [`folder`].
    ///
    /// # Errors
    /// That of the file system; InvalidData when it is no record.
    pub fn read(name: &str) -> io::Result<Record> {
        Ok(serde_json::from_slice(&fs::read(folder().join(name))?)?)
    }
}

/// Where records are: `target/promises` of this checkout, wherever cargo builds.
pub fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/promises"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(value: f64, at_most: Option<f64>, median: bool) -> Figure {
        Figure { value, text: "things".to_owned(), at_most, at_least: None, median }
    }

    fn run(figure: Figure) -> Record {
        let (promise, form, build, date) = ("P0".into(), "long".into(), "debug".into(), "2026-01-31".into());
        let pass = figure.passes();
        Record { promise, test: "t".into(), form, pass, figures: vec![figure], seconds: 1.0, cores: 2, build, date }
    }

    #[test]
    fn every_run_must_keep_a_limit_unless_the_median_counts() {
        let of = |median| {
            let runs = [0.0, 9.0, 1.0].map(|value| run(figure(value, Some(2.0), median)));
            let all = Record::together(&runs).expect("three runs");
            (all.pass, all.figures[0].value, all.seconds)
        };
        assert_eq!(of(false), (false, 9.0, 3.0));
        assert_eq!(of(true), (true, 1.0, 3.0));
        assert!(Record::together(&[]).is_none());
    }

    #[test]
    fn numbers_are_written_for_people() {
        let text = |value| figure(value, None, false).to_string();
        assert_eq!(text(0.0), "0 things");
        assert_eq!(text(120_000.0), "120,000 things");
        assert_eq!(text(1.234), "1.23 things");
        assert_eq!(text(12.34), "12.3 things");
        assert_eq!(text(0.0123), "0.012 things");
        assert_eq!(text(-1234.5), "-1,234 things");
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = run(figure(1.5, Some(2.0), true));
        let json = serde_json::to_string(&record).expect("JSON");
        let read: Record = serde_json::from_str(&json).expect("a record");
        assert_eq!((read.figures, read.date), (record.figures, record.date));
    }
}
