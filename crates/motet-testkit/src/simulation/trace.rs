//! What happened in a run, line by line.

use std::fmt::{self, Write};

/// The most lines that are kept; those after are counted only.
const MOST: usize = 1 << 20;

/// What happened in a run, line by line: simulated time in seconds, and what. Two runs of one seed
/// give equal traces, byte by byte. What a node notes or sends bears its own clock, which may be some
/// milliseconds behind the lines before. The first million lines are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    text: String,
    lines: usize,
    left_out: usize,
}

impl Trace {
    pub(super) fn add(&mut self, at_ms: u64, what: fmt::Arguments<'_>) {
        if self.lines == MOST {
            self.left_out += 1;
            return;
        }
        self.lines += 1;
        // Writing into a String cannot fail.
        let _ = writeln!(self.text, "{:4}.{:03} {what}", at_ms / 1000, at_ms % 1000);
    }

    /// The lines.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The last lines, at most so many.
    pub fn tail(&self, lines: usize) -> &str {
        let from = self.lines.saturating_sub(lines);
        let at = self.text.split_inclusive('\n').take(from).map(str::len).sum::<usize>();
        &self.text[at..]
    }

    /// The first line in which another trace differs, with the lines of both; `None` when they are
    /// equal.
    pub fn first_difference(&self, other: &Trace) -> Option<String> {
        if self == other {
            return None;
        }
        let (mut own, mut others) = (self.text.lines(), other.text.lines());
        for number in 1.. {
            match (own.next(), others.next()) {
                (None, None) => break,
                (a, b) if a != b => {
                    let shown = |line: Option<&str>| line.unwrap_or("(the end)").trim_start().to_owned();
                    return Some(format!("line {number}: {:?} and {:?}", shown(a), shown(b)));
                }
                _ => {}
            }
        }
        Some(format!("{} and {} lines were left out", self.left_out, other.left_out))
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match self.left_out {
            0 => Ok(()),
            n => writeln!(f, "({n} more lines)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(lines: &[&str]) -> Trace {
        let mut trace = Trace::default();
        lines.iter().zip(1..).for_each(|(line, at)| trace.add(at * 500, format_args!("{line}")));
        trace
    }

    #[test]
    fn the_first_line_that_differs_is_shown() {
        let one = trace(&["start", "call", "end"]);
        assert_eq!(one.first_difference(&one.clone()), None);
        let difference = one.first_difference(&trace(&["start", "stop"])).expect("differs");
        assert_eq!(difference, r#"line 2: "1.000 call" and "1.000 stop""#);
        let difference = one.first_difference(&trace(&["start", "call"])).expect("differs");
        assert_eq!(difference, r#"line 3: "1.500 end" and "(the end)""#);
    }

    #[test]
    fn the_tail_has_the_last_lines() {
        assert_eq!(trace(&["a", "b", "c"]).tail(2), "   1.000 b\n   1.500 c\n");
        assert_eq!(trace(&["a"]).tail(2), "   0.500 a\n");
    }
}
