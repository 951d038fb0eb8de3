//! The table of `docs/promises.md`.
//!
//! Its columns: promise, what it says, how it is measured, when it passes, what was measured last, on
//! what day and machine, the tests.

use std::path::PathBuf;

use crate::Record;

/// The columns that measuring fills in.
const MEASURED: usize = 4;
const ON: usize = 5;
const COLUMNS: usize = 7;

/// Where the page is.
pub fn path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/promises.md"))
}

/// The rows of the table, by their cells.
pub fn rows(page: &str) -> Vec<Vec<&str>> {
    page.lines().filter_map(cells).collect()
}

/// The page with the figures of these records in their rows. Records without a row are passed over.
pub fn with(page: &str, records: &[Record]) -> String {
    let line = |line: &str| {
        let Some(mut cells) = cells(line) else { return line.to_owned() };
        let Some(record) = records.iter().find(|record| record.promise == cells[0]) else { return line.to_owned() };
        let (measured, on) = (record.line(), format!("{}, {} cores", record.date, record.cores));
        (cells[MEASURED], cells[ON]) = (&measured, &on);
        format!("| {} |", cells.join(" | "))
    };
    page.lines().map(|text| line(text) + "\n").collect()
}

/// The cells of a row of the table: those whose first is `P` and a number.
fn cells(line: &str) -> Option<Vec<&str>> {
    let cells: Vec<_> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    let number = cells.first()?.strip_prefix('P')?;
    let is_row = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
    (is_row && cells.len() == COLUMNS).then_some(cells)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{Figure, LIST};

    #[test]
    fn every_promise_has_its_row_and_every_row_its_tests_and_figures() {
        let page = fs::read_to_string(path()).expect("docs/promises.md");
        let written = page.lines().filter(|line| line.starts_with("| P")).count();
        let rows = rows(&page);
        assert_eq!(rows.len(), written, "a row has not {COLUMNS} cells");
        let ids: Vec<_> = rows.iter().map(|row| row[0]).collect();
        let listed: Vec<_> = LIST.iter().map(|promise| promise.id).collect();
        assert_eq!(ids, listed, "the rows of docs/promises.md and the list in promises/src/list.rs differ");
        for (row, promise) in rows.iter().zip(LIST) {
            let tests: Vec<_> = promise.tests.iter().map(|test| format!("`{test}`")).collect();
            assert_eq!(row[COLUMNS - 1], tests.join("<br>"), "{}: the tests", promise.id);
            assert!(row.iter().all(|cell| !cell.is_empty()), "{}: an empty cell", promise.id);
            let day = row[ON].split_once(',').map_or("", |(day, _)| day);
            let is_day = day.len() == 10 && day.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
            assert!(is_day, "{}: never measured; run ./test --promises --write {}", promise.id, promise.id);
        }
    }

    #[test]
    fn figures_go_into_their_row_and_nothing_else_changes() {
        let page =
            "# x\n\n| # | a |\n|---|---|\n| P1 | a | b | c | old | never | `t` |\n| P2 | a | b | c | d | e | f |\n";
        let figure = Figure { value: 2.0, text: "cuts".into(), at_most: None, at_least: None, median: false };
        let record = Record {
            promise: "P1".into(),
            test: String::new(),
            form: "long".into(),
            pass: true,
            figures: vec![figure],
            seconds: 1.0,
            cores: 2,
            build: "debug".into(),
            date: "2026-01-31".into(),
        };
        let expected = page.replace("old | never", "2 cuts | 2026-01-31, 2 cores");
        assert_eq!(with(page, &[record]), expected);
    }
}
