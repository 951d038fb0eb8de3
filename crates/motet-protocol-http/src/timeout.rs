//! The time a caller gives a call: the header `request-timeout`.

use std::time::Duration;

use motet_core::{Result, Status};

/// The header.
pub(crate) const HEADER: &str = "request-timeout";

/// Reads seconds, such as `2` or `0.25`, or a number with a unit: `250ms`, `2s`, `1m`.
///
/// # Errors
/// InvalidArgument saying what is expected.
pub(crate) fn parse(text: &str) -> Result<Duration> {
    let text = text.trim();
    let (number, unit) = match text.find(|c: char| c.is_ascii_alphabetic()) {
        Some(at) => (
            &text[..at],
            match &text[at..] {
                "ms" => Some(0.001),
                "s" => Some(1.0),
                "m" => Some(60.0),
                _ => None,
            },
        ),
        None => (text, Some(1.0)),
    };
    let plain = !number.is_empty() && number.len() <= 16 && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let seconds = plain.then(|| number.parse::<f64>().ok()).flatten().zip(unit).map(|(number, unit)| number * unit);
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| Status::invalid_argument(format!("header {HEADER} is a time such as 2, 0.25, 250ms or 1m")))
}

/// Writes seconds.
pub(crate) fn write(time: Duration) -> String {
    format!("{:.6}", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_have_a_unit() {
        for (text, millis) in [("2", 2000), ("0.25", 250), ("250ms", 250), (" 2s", 2000), ("1m", 60_000), ("0", 0)] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "x", "-1", "1h", "1e9", "inf", "NaN", "99999999999999999999", "1 s x"] {
            assert!(parse(text).is_err(), "{text}");
        }
        let time = Duration::from_micros(1_234_567);
        assert_eq!(parse(&write(time)), Ok(time));
    }
}
