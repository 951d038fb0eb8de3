//! What a test of a promise uses.

#[expect(clippy::disallowed_types, reason = "tests with a paused clock take time, too")]
use std::time::Instant;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::{Figure, Promise, Record};

/// Whether the long form was asked for: `MOTET_PROMISES=long`.
pub fn is_long() -> bool {
    std::env::var_os("MOTET_PROMISES").is_some_and(|form| form == "long")
}

/// A test of a promise at work.
#[derive(Debug)]
#[must_use = "only `end` writes it down and compares it with its limits"]
pub struct Measurement {
    record: Record,
    file: String,
    #[expect(clippy::disallowed_types, reason = "as above")]
    started: Instant,
}

impl Measurement {
    /// Begins to measure a promise by a test, each named as in the [`LIST`](crate::LIST).
    ///
    /// # Panics
    /// If the list has no such test.
    pub fn begin(promise: &str, test: &str) -> Measurement {
        let listed = Promise::named(promise).unwrap_or_else(|| panic!("{promise} is not in the list of promises"));
        let index = listed.tests.iter().position(|listed| listed.name == test);
        let index = index.unwrap_or_else(|| panic!("{test} is not among the tests of {promise} in the list"));
        let form = if is_long() { "long" } else { "short" };
        let record = Record {
            promise: promise.to_owned(),
            test: test.to_owned(),
            form: form.to_owned(),
            pass: false,
            figures: Vec::new(),
            seconds: 0.0,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            build: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
            date: date(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() / 86_400)),
        };
        #[expect(clippy::disallowed_types, reason = "as above")]
        let started = Instant::now();
        Measurement { record, file: format!("{form}/{promise}-{index}.json"), started }
    }

    /// Adds a figure without a limit. The text is read behind the number and names its unit.
    pub fn figure(&mut self, value: f64, text: &str) -> &mut Measurement {
        self.add(value, text, None, None, false)
    }

    /// Adds a figure that may be at most `limit` in every run.
    pub fn at_most(&mut self, value: f64, text: &str, limit: f64) -> &mut Measurement {
        self.add(value, text, Some(limit), None, false)
    }

    /// Adds a figure that must be at least `limit` in every run.
    pub fn at_least(&mut self, value: f64, text: &str, limit: f64) -> &mut Measurement {
        self.add(value, text, None, Some(limit), false)
    }

    /// Adds a figure whose median over the runs of the long form may be at most `limit`: a time, or a
    /// ratio of times. A run by itself does not fail because of it.
    pub fn median_at_most(&mut self, value: f64, text: &str, limit: f64) -> &mut Measurement {
        self.add(value, text, Some(limit), None, true)
    }

    fn add(
        &mut self,
        value: f64,
        text: &str,
        at_most: Option<f64>,
        at_least: Option<f64>,
        median: bool,
    ) -> &mut Measurement {
        self.record.figures.push(Figure { value, text: text.to_owned(), at_most, at_least, median });
        self
    }

    /// Prints the figures and writes them down.
    ///
    /// # Panics
    /// If a figure, other than one whose median counts, is beyond its limit, or if nothing can be
    /// written.
    pub fn end(mut self) {
        self.record.pass = self.record.figures.iter().all(Figure::passes);
        self.record.seconds = self.started.elapsed().as_secs_f64();
        println!("{}: {}", self.record.promise, self.record.line());
        self.record.write(&self.file).unwrap_or_else(|error| panic!("target/promises/{}: {error}", self.file));
        for figure in self.record.figures.iter().filter(|figure| !figure.median) {
            assert!(figure.passes(), "{}: {figure}: {}", self.record.promise, figure.limit());
        }
    }
}

/// The date of a day since 1970-01-01. The algorithm is Howard Hinnant's `civil_from_days`.
fn date(days: u64) -> String {
    // Eras of 400 years, counted from 0000-03-01, so that a leap day is the last of its year.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + next)
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn days_have_dates() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(11_016), "2000-02-29");
        assert_eq!(date(19_782), "2024-02-29");
        assert_eq!(date(20_819), "2027-01-01");
    }
}
