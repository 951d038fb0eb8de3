//! W3C trace context: which trace a call belongs to.

use std::fmt;

/// The `traceparent` header of W3C Trace Context, version 00
/// (<https://www.w3.org/TR/trace-context/#traceparent-header>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace; never zero.
    pub trace_id: u128,
    /// The span that made the call; never zero.
    pub span_id: u64,
    /// Bit 0: sampled.
    pub flags: u8,
}

impl TraceParent {
    /// The metadata key, `traceparent`.
    pub const KEY: &'static str = "traceparent";

    /// Reads a header of version 00; later versions are read by the same 55 characters. `None` for
    /// anything else, as the specification asks: a bad header starts a new trace.
    pub fn parse(text: &str) -> Option<TraceParent> {
        let bytes = text.as_bytes();
        let known = bytes.len() == 55 || (bytes.len() > 55 && &bytes[..2] != b"00" && bytes[55] == b'-');
        if !known || &bytes[..2] == b"ff" || !text.is_char_boundary(55) {
            return None;
        }
        let mut parts = text[..55].split('-');
        let mut hex = |length: usize| {
            let part = parts.next()?;
            let lower = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
            (part.len() == length && part.bytes().all(lower)).then_some(part)
        };
        hex(2)?;
        let trace_id = u128::from_str_radix(hex(32)?, 16).ok().filter(|id| *id != 0)?;
        let span_id = u64::from_str_radix(hex(16)?, 16).ok().filter(|id| *id != 0)?;
        let flags = u8::from_str_radix(hex(2)?, 16).ok()?;
        Some(TraceParent { trace_id, span_id, flags })
    }

    /// The same trace, called from another span.
    #[must_use]
    pub fn with_span(self, span_id: u64) -> TraceParent {
        TraceParent { span_id: span_id.max(1), ..self }
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_specification_s_example_survives_a_round_trip() {
        assert_eq!(TraceParent::parse(EXAMPLE).map(|t| t.to_string()).as_deref(), Some(EXAMPLE));
    }

    #[test]
    fn malformed_headers_are_ignored() {
        for bad in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0é",
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{bad}");
        }
    }
}
