//! `grpc-timeout`: at most eight digits and a unit.

use std::time::Duration;

use motet_core::{Result, Status};

const UNITS: [(char, u128); 6] =
    [('n', 1), ('u', 1_000), ('m', 1_000_000), ('S', 1_000_000_000), ('M', 60_000_000_000), ('H', 3_600_000_000_000)];
const MOST: u128 = 99_999_999;

/// Reads a timeout.
///
/// ```
/// # use motet_protocol_grpc::wire::timeout;
/// assert_eq!(timeout::parse("250m").unwrap().as_millis(), 250);
/// ```
///
/// # Errors
/// Internal when it has another form, as gRPC's own servers answer.
pub fn parse(text: &str) -> Result<Duration> {
    let bad = || Status::internal("malformed grpc-timeout: it is 1 to 8 digits and one of H, M, S, m, u, n");
    let (digits, unit) = text.split_at_checked(text.len().wrapping_sub(1)).ok_or_else(bad)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad());
    }
    let number: u64 = digits.parse().map_err(|_| bad())?;
    match unit {
        "n" => Ok(Duration::from_nanos(number)),
        "u" => Ok(Duration::from_micros(number)),
        "m" => Ok(Duration::from_millis(number)),
        "S" => Ok(Duration::from_secs(number)),
        "M" => Ok(Duration::from_secs(number * 60)),
        "H" => Ok(Duration::from_secs(number * 3600)),
        _ => Err(bad()),
    }
}

/// Writes a timeout: exactly where eight digits can say it, else a little longer, so that the caller's
/// own clock runs out first. What is longer than 99,999,999 hours is cut to that, and zero is a
/// nanosecond.
pub fn format(timeout: Duration) -> String {
    let nanos = timeout.as_nanos().max(1);
    let exact = UNITS[..4].iter().rev().find(|(_, size)| nanos.is_multiple_of(*size) && nanos / size <= MOST);
    let unit = exact.or_else(|| UNITS.iter().find(|(_, size)| nanos.div_ceil(*size) <= MOST));
    let (unit, size) = unit.unwrap_or(&UNITS[5]);
    format!("{}{unit}", nanos.div_ceil(*size).min(MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read() {
        for (text, seconds) in [("1H", 3600.0), ("2M", 120.0), ("3S", 3.0), ("4m", 0.004), ("5u", 5e-6), ("6n", 6e-9)] {
            assert_eq!(parse(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        assert_eq!(parse("99999999H").map(|d| d.as_secs()), Ok(99_999_999 * 3600));
    }

    #[test]
    fn other_forms_are_refused() {
        for text in ["", "S", "1", "123456789S", "1s", "-1S", "+1S", "1.5S", "1 S", "1Sé", "é", "0x1S"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_written_is_exact_or_a_little_longer() {
        for (nanos, text) in [
            (0, "1n"),
            (10_000_000_000, "10S"),
            (250_000_000, "250m"),
            (1_500_000, "1500u"),
            (99_999_999, "99999999n"),
            (100_000_001, "100001u"),
            (99_999_999_999_999_999, "100000000S"),
        ] {
            let expected = if text == "100000000S" { "1666667M" } else { text };
            assert_eq!(format(Duration::from_nanos(nanos)), expected);
        }
        assert_eq!(format(Duration::MAX), "99999999H");
    }

    proptest::proptest! {
        #[test]
        fn writing_and_reading_never_makes_it_shorter(nanos in 1_u64..) {
            let timeout = Duration::from_nanos(nanos);
            let text = format(timeout);
            let read = parse(&text).expect("what is written can be read");
            assert!(read >= timeout && read.as_secs_f64() <= timeout.as_secs_f64() * 1.01, "{text}");
        }
    }
}
