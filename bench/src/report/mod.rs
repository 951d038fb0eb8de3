//! What is printed: the figures, ratios between systems, and Motet's goals.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::row::{Row, Rows};

mod goals;
mod ratios;
mod table;

/// A row as it is measured.
pub(crate) fn line(row: &Row) -> String {
    format!(
        "{:<5} {:>8} {:<12} {:>8} rps  p50 {:>7.1}  p99 {:>8.1} µs  cpu {:>6.3}/{:<6.3} µs  {:>5.1} MB{}",
        row.message.name(),
        row.shape(),
        row.system,
        thousands(row.rps),
        row.p50_us,
        row.p99_us,
        row.server_cpu_us,
        row.client_cpu_us,
        row.rss_kb as f64 / 1024.0,
        if row.others_cores >= 0.2 {
            format!("  ({:.1} cores busy elsewhere)", row.others_cores)
        } else {
            String::new()
        }
    )
}

/// All tables of a run.
pub(crate) fn of(rows: &Rows) -> String {
    let mut out = String::new();
    table::write(&mut out, rows);
    ratios::write(&mut out, rows);
    goals::write(&mut out, rows);
    out
}

/// Prints the tables of a results file.
pub(crate) fn print_file(path: &Path) -> Result<()> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let rows = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
    print!("{}", of(&Rows(rows.context("not a results file")?)));
    Ok(())
}

/// `78.1k`, `2.82M`.
fn thousands(value: f64) -> String {
    if value >= 1e6 {
        format!("{:.2}M", value / 1e6)
    } else if value >= 1e3 {
        format!("{:.1}k", value / 1e3)
    } else {
        format!("{value:.0}")
    }
}

/// Writing to a `String` cannot fail.
fn put_line(out: &mut String, line: std::fmt::Arguments<'_>) {
    let _ = writeln!(out, "{line}");
}

/// Writes `lines` with every column as wide as its widest cell; the first `left` columns
/// are aligned to the left.
fn put_columns(out: &mut String, left: usize, lines: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    for line in lines {
        for (column, cell) in line.iter().enumerate() {
            let width = width(column);
            let _ = if column < left { write!(out, "{cell:<width$}  ") } else { write!(out, "{cell:>width$}  ") };
        }
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Shape;
    use crate::row::tests::row;

    #[test]
    fn numbers_are_short() {
        assert_eq!(thousands(2_820_000.0), "2.82M");
        assert_eq!(thousands(78_123.0), "78.1k");
        assert_eq!(thousands(12.0), "12");
    }

    #[test]
    fn a_report_names_every_cell_and_ratio() {
        let shape = Shape::new(1, 100);
        let rows = Rows(vec![row("floor-codec", 1, shape, 400_000.0), row("tonic", 1, shape, 80_000.0)]);
        let report = of(&rows);
        assert!(report.contains("400.0k"), "{report}");
        assert!(report.contains("0.20"), "{report}");
    }
}
