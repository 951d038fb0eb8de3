//! A latency histogram as lines of text.

use motet::MethodSnapshot;

use crate::output::{Output, Style, micros};

/// The most lines that a chart has.
const LINES: usize = 12;
/// How many lines an octave has at most: the histogram itself has eight buckets in each.
const PER_OCTAVE: f64 = 4.0;

/// A line of a chart.
#[derive(Debug, PartialEq)]
struct Row {
    /// No call of this line took longer, in microseconds.
    up_to: f64,
    count: u64,
}

/// The lines of a histogram, the shortest time first; `width` is how many characters they may have.
/// None without calls.
pub(super) fn chart(counted: &MethodSnapshot, width: usize, output: &Output) -> Vec<String> {
    let rows = rows(counted);
    let most = rows.iter().map(|row| row.count).max().unwrap_or(0).max(1);
    let room = width.saturating_sub(28).clamp(10, 50);
    let line = |row: &Row| {
        // What is there is shown, however few.
        let length = (row.count as f64 * room as f64 / most as f64).ceil() as usize;
        let bar = output.paint(Style::Name, "█".repeat(length));
        let gap = " ".repeat(room - length.min(room));
        format!("  ≤ {:>8} │{bar}{gap} {}", micros(row.up_to), row.count)
    };
    rows.iter().map(line).collect()
}

/// The buckets put together in rows of equal ratio, so that short and long times are told apart
/// alike.
fn rows(counted: &MethodSnapshot) -> Vec<Row> {
    let mut buckets = counted.latencies_us().peekable();
    let Some(&(shortest, _)) = buckets.peek() else { return Vec::new() };
    // The middle of the last bucket may lie beyond the longest call.
    let longest = counted.latencies_us().last().map_or(shortest, |(us, _)| us.max(counted.max_us));
    let octaves = (longest / shortest).log2().max(0.0);
    let lines = ((octaves * PER_OCTAVE).ceil() as usize).clamp(1, LINES);
    let edge = |line: usize| shortest * 2f64.powf(octaves * (line + 1) as f64 / lines as f64);
    let mut rows: Vec<_> = (0..lines).map(|line| Row { up_to: edge(line), count: 0 }).collect();
    for (us, count) in buckets {
        let line = rows.iter().position(|row| us <= row.up_to).unwrap_or(lines - 1);
        rows[line].count += count;
    }
    rows
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PLAIN: Output = Output { json: false, terminal: true, colour: false };

    fn counted(times: &[(u64, usize)]) -> MethodSnapshot {
        let method = motet::Stats::new().method("a/b");
        for (us, count) in times {
            (0..*count).for_each(|_| method.end(Duration::from_micros(*us), None));
        }
        method.snapshot()
    }

    #[test]
    fn every_call_is_in_one_line_and_none_is_lost() {
        for times in [&[(100, 5)][..], &[(1, 1), (1_000_000, 1)], &[(100, 70), (130, 20), (900, 9), (5_000_000, 1)]] {
            let (counted, all) = (counted(times), times.iter().map(|(_, count)| *count as u64).sum::<u64>());
            let rows = rows(&counted);
            assert_eq!(rows.iter().map(|row| row.count).sum::<u64>(), all, "{rows:?}");
            assert!(rows.len() <= LINES && rows.is_sorted_by(|a, b| a.up_to < b.up_to), "{rows:?}");
        }
        assert!(chart(&counted(&[]), 80, &PLAIN).is_empty());
    }

    #[test]
    fn the_longest_bar_fills_the_room_and_a_single_call_is_seen() {
        let lines = chart(&counted(&[(100, 10_000), (90_000, 1)]), 60, &PLAIN);
        assert_eq!(lines[0].matches('█').count(), 32, "{lines:#?}");
        assert_eq!(lines[LINES - 1].matches('█').count(), 1, "{lines:#?}");
        assert!(lines[0].ends_with(" 10000") && lines.iter().all(|line| line.chars().count() <= 60), "{lines:#?}");
    }
}
