//! The medians over the rounds, with the lowest and highest.

use super::{put_columns, put_line, thousands};
use crate::message::Message;
use crate::row::{Field, Row, Rows, Shape, Spread};

struct Column {
    field: Field,
    title: &'static str,
    show: fn(f64) -> String,
}

const fn column(field: Field, title: &'static str, show: fn(f64) -> String) -> Column {
    Column { field, title, show }
}

const COLUMNS: [Column; 7] = [
    column(Field::Rps, "rps", thousands),
    column(Field::P50, "p50 µs", short),
    column(Field::P99, "p99 µs", short),
    column(Field::ServerCpu, "server cpu µs", exact),
    column(Field::ClientCpu, "client cpu µs", exact),
    column(Field::Rss, "server MB", megabytes),
    column(Field::OthersCores, "other cores", exact),
];

pub(super) fn write(out: &mut String, rows: &Rows) {
    for message in rows.distinct(|row| row.message) {
        put_line(out, format_args!("{}: median (min–max) over the rounds", message.name()));
        let mut head = vec!["shape".to_owned(), "system".to_owned()];
        head.extend(COLUMNS.map(|column| column.title.to_owned()));
        let mut lines = vec![head];
        for shape in rows.distinct(Row::shape) {
            for system in rows.distinct(|row| row.system.clone()) {
                lines.extend(line(rows, &system, message, shape));
            }
        }
        put_columns(out, 2, &lines);
    }
}

fn line(rows: &Rows, system: &str, message: Message, shape: Shape) -> Option<Vec<String>> {
    let mut line = vec![shape.to_string(), system.to_owned()];
    for Column { field, show, .. } in COLUMNS {
        let spread = rows.spread(system, message, shape, |row| field.of(row))?;
        line.push(with_range(spread, show));
    }
    Some(line)
}

fn with_range(spread: Spread, show: fn(f64) -> String) -> String {
    let [median, min, max] = [spread.median, spread.min, spread.max].map(show);
    if min == max {
        return median;
    }
    format!("{median} ({min}–{max})")
}

fn short(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

fn exact(value: f64) -> String {
    format!("{value:.2}")
}

fn megabytes(kilobytes: f64) -> String {
    format!("{:.1}", kilobytes / 1024.0)
}
