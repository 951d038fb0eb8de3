//! How a connection ends.

use std::fmt;

/// The longest reason of a Close frame, in bytes: 125 of a control frame without its code.
pub(crate) const MAX_REASON: usize = 123;

/// The number that says why a connection ends, one of those that may be sent: 1000–1003, 1007–1014
/// and 3000–4999 (RFC 6455, section 7.4, and its registry).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// All has been said.
    pub const NORMAL: CloseCode = CloseCode(1000);
    /// The server stops, or the page is left.
    pub const GOING_AWAY: CloseCode = CloseCode(1001);
    /// A rule of the protocol was broken.
    pub const PROTOCOL: CloseCode = CloseCode(1002);
    /// This kind of message, text or binary, is of no use here.
    pub const UNSUPPORTED: CloseCode = CloseCode(1003);
    /// A message is not what it claims to be, such as text that is not UTF-8.
    pub const INVALID: CloseCode = CloseCode(1007);
    /// A rule of this side was broken.
    pub const POLICY: CloseCode = CloseCode(1008);
    /// A message is too long.
    pub const TOO_BIG: CloseCode = CloseCode(1009);
    /// The server failed.
    pub const INTERNAL: CloseCode = CloseCode(1011);
    /// The server restarts.
    pub const RESTART: CloseCode = CloseCode(1012);
    /// The server has too much to do.
    pub const TRY_AGAIN: CloseCode = CloseCode(1013);

    /// The code of a number; `None` for those that nobody may send.
    pub const fn new(code: u16) -> Option<CloseCode> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(CloseCode(code)),
            _ => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a side ends the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseReason {
    /// The code.
    pub code: CloseCode,
    /// More about it, in at most 123 bytes.
    pub text: String,
}

/// The longest beginning of a text that fits into a Close frame.
pub(crate) fn fitting(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_REASON)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_that_may_be_sent_are_codes() {
        for code in [1000, 1001, 1003, 1007, 1010, 1011, 1014, 3000, 3999, 4000, 4999] {
            assert_eq!(CloseCode::new(code).map(CloseCode::get), Some(code));
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
            assert_eq!(CloseCode::new(code), None, "{code}");
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        assert_eq!(fitting("short"), "short");
        assert_eq!(fitting(&"x".repeat(200)).len(), 123);
        assert_eq!(fitting(&"é".repeat(100)).len(), 122);
    }
}
