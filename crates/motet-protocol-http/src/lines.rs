//! Lines of a body, such as the messages of NDJSON. Bytes in, lines out.

use bytes::{Buf, Bytes, BytesMut};
use motet_core::{Result, Status};

/// Cuts lines from bytes that come in parts. Empty lines are passed over.
#[derive(Debug)]
pub struct Lines {
    buffer: BytesMut,
    /// How much of it is known to hold no end of a line.
    searched: usize,
    limit: usize,
}

impl Lines {
    /// No bytes yet; a line has `limit` bytes at most.
    pub fn new(limit: usize) -> Lines {
        Lines { buffer: BytesMut::new(), searched: 0, limit }
    }

    /// Bytes that came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next line, without its end; with `last`, no more bytes will come and the rest is one.
    ///
    /// # Errors
    /// ResourceExhausted when a line is longer than the limit.
    pub fn next(&mut self, last: bool) -> Result<Option<Bytes>> {
        loop {
            let end = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n').map(|at| self.searched + at);
            let length = end.unwrap_or(self.buffer.len());
            if length > self.limit.saturating_add(1) {
                return Err(Status::resource_exhausted(format!(
                    "a line is longer than {} bytes, a limit set by server.message_limit",
                    self.limit
                )));
            }
            let line = match end {
                Some(end) => {
                    let line = self.buffer.split_to(end);
                    self.buffer.advance(1);
                    line
                }
                None if last && !self.buffer.is_empty() => self.buffer.split(),
                None => {
                    self.searched = self.buffer.len();
                    return Ok(None);
                }
            };
            self.searched = 0;
            let line = line.freeze();
            let trimmed = line.trim_ascii();
            if !trimmed.is_empty() {
                return Ok(Some(line.slice_ref(trimmed)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_at_every_split() {
        let text = b"one\n\n two \r\nthree";
        for first in 0..text.len() {
            for second in first..text.len() {
                let (mut lines, mut all) = (Lines::new(100), Vec::new());
                for part in [&text[..first], &text[first..second], &text[second..]] {
                    lines.push(part);
                    while let Some(line) = lines.next(false).expect("short") {
                        all.push(line);
                    }
                }
                all.extend(lines.next(true).expect("short"));
                assert_eq!(all, [&b"one"[..], b"two", b"three"]);
                assert_eq!(lines.next(true), Ok(None));
            }
        }
    }

    #[test]
    fn a_line_has_a_limit_before_its_end_is_there() {
        let mut lines = Lines::new(4);
        lines.push(b"1234\n12345");
        assert_eq!(lines.next(false).expect("short").as_deref(), Some(&b"1234"[..]));
        assert_eq!(lines.next(false), Ok(None), "its end may be a carriage return");
        lines.push(b"6");
        assert!(lines.next(false).is_err());
    }
}
