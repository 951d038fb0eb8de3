//! Spans of time as people write them, in files, environment, flags and on the command line:
//! `250ms`, `10s`, `1h30m`.

use std::time::Duration;

/// What the text must look like, for error messages.
pub const EXPECTED: &str = "a time such as \"250ms\", \"10s\" or \"1h30m\"";

/// Longer is a mistake, and times too far away cannot be represented: a hundred years.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Reads a time: numbers with the units `ns`, `us`, `ms`, `s`, `m`, `h`, `d`, added up, at most a
/// hundred years. A number without a unit is refused, since nobody can tell what it counts; a bare `0`
/// needs none.
pub fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut total) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|n| *n > 0)?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ns" => 1e-9,
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        total = total.checked_add(Duration::try_from_secs_f64(number * unit).ok()?)?;
        rest = rest[letters..].trim_start();
    }
    (!text.is_empty() && total <= LONGEST).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_added_up() {
        for (text, ms) in
            [("250ms", 250), ("10s", 10_000), ("1.5s", 1500), ("1h30m", 5_400_000), ("2m 5s", 125_000), ("0", 0)]
        {
            assert_eq!(parse(text), Some(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn a_number_without_a_unit_is_refused() {
        for text in ["", "10", "s", "10 s", "-1s", "1w", "1e9s", "1..5s", "99999999999999999999d", "101000d"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
