//! One measured row, and the numbers over the rounds of a run.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Error, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::sample::Message;
use crate::window::{Figures, Load};

/// Connections and calls in flight over all of them, written `8:100`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    pub(crate) connections: usize,
    pub(crate) in_flight: usize,
}

impl Shape {
    pub(crate) const fn new(connections: usize, in_flight: usize) -> Self {
        Self { connections, in_flight }
    }
}

impl FromStr for Shape {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (connections, in_flight) =
            text.split_once(':').context("a shape is CONNECTIONS:IN_FLIGHT, for example 8:100")?;
        let shape = Self::new(connections.parse()?, in_flight.parse()?);
        ensure!(shape.connections > 0, "a shape needs a connection");
        ensure!(shape.in_flight >= shape.connections, "{text} has fewer calls in flight than connections");
        Ok(shape)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}:{}", self.connections, self.in_flight))
    }
}

/// A line of the results file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// From 1.
    pub(crate) round: usize,
    pub(crate) system: String,
    pub(crate) message: Message,
    pub(crate) connections: usize,
    pub(crate) in_flight: usize,
    /// Calls a second.
    pub(crate) rps: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// CPU time of one call; 1 µs is 0.1 CPU-seconds for 100,000 calls.
    pub(crate) server_cpu_us: f64,
    pub(crate) client_cpu_us: f64,
    /// The server's resident memory before the first connection.
    pub(crate) rss_start_kb: u64,
    /// The same at the end of the window.
    pub(crate) rss_kb: u64,
    /// Cores kept busy by everything else on the machine: a noisy row has 0.2 or more.
    pub(crate) others_cores: f64,
}

impl Row {
    pub(crate) fn new(system: &str, load: &Load, rss_start_kb: u64, figures: &Figures) -> Self {
        let micros = |time: std::time::Duration| time.as_secs_f64() * 1e6 / figures.calls as f64;
        let seconds = figures.elapsed.as_secs_f64();
        Self {
            round: 0,
            system: system.to_owned(),
            message: load.message,
            connections: load.connections,
            in_flight: load.in_flight,
            rps: figures.calls as f64 / seconds,
            p50_us: figures.p50_us,
            p99_us: figures.p99_us,
            server_cpu_us: micros(figures.server_cpu),
            client_cpu_us: micros(figures.client_cpu),
            rss_start_kb,
            rss_kb: figures.rss_kb,
            others_cores: figures.others_cpu.as_secs_f64() / seconds,
        }
    }

    pub(crate) fn shape(&self) -> Shape {
        Shape::new(self.connections, self.in_flight)
    }
}

/// A number of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Rps,
    P50,
    P99,
    ServerCpu,
    ClientCpu,
    /// Of both sides.
    Cpu,
    Rss,
    RssStart,
    OthersCores,
}

impl Field {
    pub(crate) fn of(self, row: &Row) -> f64 {
        match self {
            Self::Rps => row.rps,
            Self::P50 => row.p50_us,
            Self::P99 => row.p99_us,
            Self::ServerCpu => row.server_cpu_us,
            Self::ClientCpu => row.client_cpu_us,
            Self::Cpu => row.server_cpu_us + row.client_cpu_us,
            Self::Rss => row.rss_kb as f64,
            Self::RssStart => row.rss_start_kb as f64,
            Self::OthersCores => row.others_cores,
        }
    }
}

/// A number over the rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// `None` without values.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            (values.get(middle.checked_sub(1)?)? + values[middle]) / 2.0
        };
        Some(Self { median, min: *values.first()?, max: *values.last()? })
    }
}

/// The rows of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows(pub(crate) Vec<Row>);

impl Rows {
    /// The values of `number` in the rounds of one cell.
    pub(crate) fn spread(
        &self,
        system: &str,
        message: Message,
        shape: Shape,
        number: impl Fn(&Row) -> f64,
    ) -> Option<Spread> {
        Spread::of(self.cell(system, message, shape).map(number).collect())
    }

    /// `field` of one system as a multiple of another's, round by round: systems
    /// alternate, so that what disturbs a round disturbs both.
    pub(crate) fn ratio(
        &self,
        (system, baseline): (&str, &str),
        message: Message,
        shape: Shape,
        field: Field,
    ) -> Option<Spread> {
        let by_round = self.cell(system, message, shape).filter_map(|row| {
            self.cell(baseline, message, shape)
                .find(|other| other.round == row.round)
                .map(|other| field.of(row) / field.of(other))
        });
        Spread::of(by_round.collect())
    }

    /// The different values of `key`, in order of appearance.
    pub(crate) fn distinct<K: PartialEq>(&self, key: impl Fn(&Row) -> K) -> Vec<K> {
        let mut keys = Vec::new();
        for key in self.0.iter().map(key) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }

    fn cell<'a>(&'a self, system: &'a str, message: Message, shape: Shape) -> impl Iterator<Item = &'a Row> {
        self.0.iter().filter(move |row| row.system == system && row.message == message && row.shape() == shape)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn row(system: &str, round: usize, shape: Shape, rps: f64) -> Row {
        Row {
            round,
            system: system.to_owned(),
            message: Message::Big,
            connections: shape.connections,
            in_flight: shape.in_flight,
            rps,
            p50_us: 20.0,
            p99_us: 30.0,
            server_cpu_us: 1.5,
            client_cpu_us: 1.5,
            rss_start_kb: 3000,
            rss_kb: 4000,
            others_cores: 0.0,
        }
    }

    #[test]
    fn a_row_has_the_fields_that_readers_of_the_file_expect() {
        let json = serde_json::to_value(row("tonic", 1, Shape::new(1, 100), 78_000.0));
        let json = json.expect("a row is JSON");
        let fields: Vec<_> = json.as_object().expect("an object").keys().collect();
        let expected = [
            "client_cpu_us",
            "connections",
            "in_flight",
            "message",
            "others_cores",
            "p50_us",
            "p99_us",
            "round",
            "rps",
            "rss_kb",
            "rss_start_kb",
            "server_cpu_us",
            "system",
        ];
        let mut fields: Vec<_> = fields.into_iter().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(fields, expected);
        assert_eq!(json["message"], "big");
    }

    #[test]
    fn shapes_are_read_as_they_are_printed() {
        let shape: Shape = "8:100".parse().expect("a shape");
        assert_eq!(shape, Shape::new(8, 100));
        assert_eq!(shape.to_string(), "8:100");
        for wrong in ["8", "0:1", "8:4", "a:1", ":"] {
            assert!(wrong.parse::<Shape>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_median_lies_between_the_middle_two() {
        let spread = Spread::of(vec![4.0, 1.0, 3.0, 2.0]).expect("values");
        assert_eq!((spread.min, spread.median, spread.max), (1.0, 2.5, 4.0));
        assert_eq!(Spread::of(Vec::new()), None);
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let shape = Shape::new(1, 1);
        let rows = Rows(vec![
            row("a", 1, shape, 20.0),
            row("b", 1, shape, 10.0),
            row("a", 2, shape, 90.0),
            row("b", 2, shape, 30.0),
            row("a", 3, shape, 50.0),
        ]);
        let ratio = rows.ratio(("a", "b"), Message::Big, shape, Field::Rps);
        let ratio = ratio.expect("two whole rounds");
        assert_eq!((ratio.min, ratio.median, ratio.max), (2.0, 2.5, 3.0));
    }
}
