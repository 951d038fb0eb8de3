//! Text from elsewhere, and figures, as people read them.

use std::borrow::Cow;

/// Text that others wrote, safe for a terminal: control characters, which could move the cursor or
/// worse, and characters that turn the direction of reading are shown as `�`; lines stay.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    let hostile = |c: char| {
        c.is_control() && c != '\n'
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
    };
    if text.contains(hostile) {
        Cow::Owned(
            text.chars()
                .map(|c| {
                    if c == '\t' {
                        ' '
                    } else if hostile(c) {
                        '\u{fffd}'
                    } else {
                        c
                    }
                })
                .collect(),
        )
    } else {
        Cow::Borrowed(text)
    }
}

/// A time in microseconds, in the unit that suits it: `85 µs`, `1.2 ms`, `3.4 s`.
pub(crate) fn micros(us: f64) -> String {
    match us {
        us if us < 9.95 => format!("{us:.1} µs"),
        us if us < 999.5 => format!("{us:.0} µs"),
        us if us < 9_950.0 => format!("{:.1} ms", us / 1e3),
        us if us < 999_500.0 => format!("{:.0} ms", us / 1e3),
        us if us < 99_950_000.0 => format!("{:.1} s", us / 1e6),
        us => format!("{:.0} s", us / 1e6),
    }
}

/// A part of a whole in percent.
pub(crate) fn share(part: u64, whole: u64) -> String {
    let percent = if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 };
    match percent {
        p if p > 0.0 && p < 0.1 => "<0.1%".to_owned(),
        p if p > 99.9 && p < 100.0 => ">99.9%".to_owned(),
        p if p < 10.0 && p > 0.0 => format!("{p:.1}%"),
        p => format!("{p:.0}%"),
    }
}

/// `1 node`, `2 nodes`, `3 processes`.
pub(crate) fn plural(count: usize, noun: &str) -> String {
    let ending = match count {
        1 => "",
        _ if noun.ends_with('s') => "es",
        _ => "s",
    };
    format!("{count} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_elsewhere_reaches_the_terminal_as_a_command() {
        assert_eq!(clean("a\x1b[31mb\u{9b}c\u{202e}d\te\nf"), "a�[31mb�c�d e\nf");
        assert!(matches!(clean("plain, ünïcödé"), Cow::Borrowed(_)));
    }

    #[test]
    fn times_have_two_figures_and_a_unit() {
        for (us, text) in [
            (0.0, "0.0 µs"),
            (8.52, "8.5 µs"),
            (85.2, "85 µs"),
            (999.9, "1.0 ms"),
            (9.97, "10 µs"),
            (1234.0, "1.2 ms"),
            (9_960.0, "10 ms"),
            (12_340.0, "12 ms"),
            (3_400_000.0, "3.4 s"),
            (340_000_000.0, "340 s"),
        ] {
            assert_eq!(micros(us), text);
        }
    }

    #[test]
    fn shares_never_hide_that_there_is_something() {
        for (part, whole, text) in [
            (0, 0, "0%"),
            (0, 9, "0%"),
            (1, 100_000, "<0.1%"),
            (1, 30, "3.3%"),
            (1, 2, "50%"),
            (99_999, 100_000, ">99.9%"),
        ] {
            assert_eq!(share(part, whole), text);
        }
    }
}
