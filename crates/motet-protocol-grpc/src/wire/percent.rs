//! `grpc-message`: UTF-8, percent-encoded.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// What cannot stand for itself; all beyond ASCII besides.
const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');

/// Encodes a message for `grpc-message`. Nothing is allocated where there is nothing to encode.
pub fn percent_encode(text: &str) -> Cow<'_, str> {
    utf8_percent_encode(text, ESCAPED).into()
}

/// Decodes `grpc-message`. What is no valid escape stands for itself, what is no UTF-8 is replaced: a
/// message that is a little wrong is better than none.
pub fn percent_decode(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives() {
        let special = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
        let encoded = "%09%0Atest with whitespace%0D%0Aand Unicode BMP %E2%98%BA and non-BMP %F0%9F%98%88%09%0A";
        assert_eq!(percent_encode(special), encoded);
        assert_eq!(percent_decode(encoded), special);
        assert_eq!(percent_encode("100 %"), "100 %25");
        assert!(matches!(percent_encode("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_is_wrong_stands_for_itself() {
        assert_eq!(percent_decode("50 % off %zz %4"), "50 % off %zz %4");
        assert_eq!(percent_decode("%ff"), "\u{fffd}");
    }
}
