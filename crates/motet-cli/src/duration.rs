//! Times on the command line: `500ms`, `10s`, `1h30m`.

use std::time::Duration;

/// Reads a time that leaves time for an answer, as configuration writes it.
///
/// # Errors
/// What to write instead.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    match motet_app::duration::parse(text) {
        Some(time) if time.is_zero() => {
            Err("a time of nothing leaves no time to answer; write 500ms or 10s".to_owned())
        }
        Some(time) => Ok(time),
        None if text.starts_with(|c: char| c.is_ascii_digit()) && text.parse::<f64>().is_ok() => {
            Err(format!("{text} has no unit; write {text}s for seconds or {text}ms for milliseconds"))
        }
        None => Err("write a number and a unit, such as 500ms, 10s or 1h30m".to_owned()),
    }
}

/// A time as people write it: `500ms`, `1.5s`, `2m`.
pub(crate) fn show(time: Duration) -> String {
    // What is left of a time is shown as the time that was given.
    let time = Duration::from_millis(time.as_micros().div_ceil(1000).try_into().unwrap_or(u64::MAX));
    let seconds = time.as_secs();
    if time.subsec_nanos() == 0 && seconds >= 60 && seconds.is_multiple_of(60) {
        return format!("{}m", seconds / 60);
    }
    if seconds == 0 { format!("{}ms", time.as_millis()) } else { format!("{}s", time.as_secs_f64()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit_are_read_and_shown() {
        for (text, ms) in [("500ms", 500), ("10s", 10_000), ("1.5s", 1500), ("2m", 120_000), ("1h30m", 5_400_000)] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["500ms", "10s", "1.5s", "2m"] {
            assert_eq!(show(parse(text).expect("read above")), text);
        }
    }

    #[test]
    fn what_cannot_be_read_says_what_to_write() {
        for (text, says) in [
            ("10", "10 has no unit; write 10s for seconds or 10ms for milliseconds"),
            ("", "such as 500ms"),
            ("s", "such as 500ms"),
            ("-1s", "such as 500ms"),
            ("1..5s", "such as 500ms"),
            ("ten", "such as 500ms"),
            ("0s", "leaves no time"),
            ("99999999999999999999999h", "such as 500ms"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
