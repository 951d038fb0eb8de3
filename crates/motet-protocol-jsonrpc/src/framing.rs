//! JSON values cut from a stream of bytes.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};

use crate::scan::plain;

/// Cuts objects and arrays from a stream of bytes; white space between them is optional. It looks at
/// each byte once, however the stream is split, and notices a broken structure where it breaks.
///
/// Numbers and words are only delimited here; whoever parses the value checks them.
#[derive(Clone, Debug)]
pub struct Framing {
    max_bytes: usize,
    max_depth: usize,
    /// How far the value at the front has been looked at.
    at: usize,
    expects: Expects,
    inside: Inside,
    /// Open objects (`true`) and arrays.
    open: Vec<bool>,
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expects {
    /// A value.
    Value,
    /// A value, or the end of an empty array.
    FirstItem,
    /// A key.
    Key,
    /// A key, or the end of an empty object.
    FirstKey,
    /// The colon behind a key.
    Colon,
    /// A comma or an end.
    More,
}

/// What the next byte is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    Nothing,
    Text,
    /// Behind a backslash.
    Escape,
    Word,
}

/// Why no value can be cut from the stream any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FramingError {
    /// The bytes are no object or array.
    Syntax,
    /// The value is longer than this many bytes.
    TooLong(usize),
    /// The value nests deeper than this.
    TooDeep(usize),
}

impl fmt::Display for FramingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FramingError::Syntax => f.write_str("the bytes are no JSON object or array"),
            FramingError::TooLong(limit) => write!(f, "the message is longer than {limit} bytes"),
            FramingError::TooDeep(limit) => write!(f, "the message nests deeper than {limit}"),
        }
    }
}

impl std::error::Error for FramingError {}

impl Framing {
    /// For values of at most so many bytes and levels.
    pub fn new(max_bytes: usize, max_depth: usize) -> Framing {
        Framing { max_bytes, max_depth, at: 0, expects: Expects::Value, inside: Inside::Nothing, open: Vec::new() }
    }

    /// Takes the next value off the input; `None` until it is whole.
    ///
    /// # Errors
    /// The stream cannot be read any further: what follows has no known beginning.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Bytes>, FramingError> {
        if self.at == 0 {
            let blank = input.iter().take_while(|byte| is_space(**byte)).count();
            input.advance(blank);
        }
        // Up to the limit; a byte behind it is one too many.
        let bytes = &input[..input.len().min(self.max_bytes)];
        while let Some(byte) = bytes.get(self.at) {
            if self.inside == Inside::Text {
                let run = plain(&bytes[self.at..]);
                if run > 0 {
                    self.at += run;
                    continue;
                }
            }
            self.at += 1;
            if self.step(*byte)? {
                let value = input.split_to(self.at).freeze();
                (self.at, self.expects) = (0, Expects::Value);
                return Ok(Some(value));
            }
        }
        if self.at >= self.max_bytes && input.len() > self.at {
            return Err(FramingError::TooLong(self.max_bytes));
        }
        Ok(None)
    }

    /// Whether a value has begun and is not whole.
    pub fn is_inside(&self) -> bool {
        self.at > 0
    }

    /// How many bytes of the value at the front have been looked at.
    pub(crate) fn seen(&self) -> usize {
        self.at
    }

    /// Takes one byte in, and says whether it ends the value.
    fn step(&mut self, byte: u8) -> Result<bool, FramingError> {
        match (self.inside, byte) {
            (Inside::Text, b'"') => self.inside = Inside::Nothing,
            (Inside::Text, b'\\') => self.inside = Inside::Escape,
            (Inside::Text, 0..0x20) => return Err(FramingError::Syntax),
            (Inside::Text, _) => {}
            (Inside::Escape, _) => self.inside = Inside::Text,
            (Inside::Word, byte) if is_word(byte) => {}
            (Inside::Word | Inside::Nothing, byte) => {
                self.inside = Inside::Nothing;
                return if is_space(byte) { Ok(false) } else { self.token(byte) };
            }
        }
        Ok(false)
    }

    /// Takes the first byte of a token in, and says whether it ends the value.
    fn token(&mut self, byte: u8) -> Result<bool, FramingError> {
        use Expects::{Colon, FirstItem, FirstKey, Key, More, Value};
        match (byte, self.expects) {
            (b'{' | b'[', Value | FirstItem) => {
                if self.open.len() >= self.max_depth {
                    return Err(FramingError::TooDeep(self.max_depth));
                }
                self.open.push(byte == b'{');
                self.expects = if byte == b'{' { FirstKey } else { FirstItem };
            }
            (b'"', Key | FirstKey) => (self.inside, self.expects) = (Inside::Text, Colon),
            (b':', Colon) => self.expects = Value,
            (b'"', Value | FirstItem) if !self.open.is_empty() => {
                (self.inside, self.expects) = (Inside::Text, More);
            }
            (byte, Value | FirstItem) if is_word(byte) && !self.open.is_empty() => {
                (self.inside, self.expects) = (Inside::Word, More);
            }
            (b',', More) => self.expects = if self.open.last() == Some(&true) { Key } else { Value },
            (b'}', More | FirstKey) if self.open.last() == Some(&true) => return Ok(self.close()),
            (b']', More | FirstItem) if self.open.last() == Some(&false) => return Ok(self.close()),
            _ => return Err(FramingError::Syntax),
        }
        Ok(false)
    }

    fn close(&mut self) -> bool {
        self.open.pop();
        self.expects = Expects::More;
        self.open.is_empty()
    }
}

pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(bytes: &[u8], step: usize) -> Result<Vec<Bytes>, FramingError> {
        let (mut framing, mut input, mut all) = (Framing::new(1000, 10), BytesMut::new(), Vec::new());
        for part in bytes.chunks(step) {
            input.extend_from_slice(part);
            while let Some(value) = framing.next(&mut input)? {
                all.push(value);
            }
        }
        Ok(all)
    }

    #[test]
    fn values_are_cut_the_same_at_every_split() {
        let stream = b" {\"a\":[1,-2.5e3,true,\"\\\"}\xe6\x9d\x8e\"],\"b\":{}}[]\n\n[{}, null]{}  ";
        for step in 1..=stream.len() {
            let all = cut(stream, step).expect("valid");
            let expected: [&[u8]; 4] =
                [b"{\"a\":[1,-2.5e3,true,\"\\\"}\xe6\x9d\x8e\"],\"b\":{}}", b"[]", b"[{}, null]", b"{}"];
            assert_eq!(all, expected, "{step}");
        }
    }

    #[test]
    fn a_broken_structure_is_noticed_where_it_breaks() {
        for bytes in [
            "x",
            "1",
            "\"a\"",
            "}",
            "{]",
            "[}",
            "{1",
            "{\"a\" 1",
            "{\"a\":}",
            "[1 2",
            "[1,,",
            "{\"a\":1,}",
            "[,",
            "{\"jsonrpc\": \"2.0\", \"method\": \"foobar, \"p",
            "[\"\n",
        ] {
            assert_eq!(cut(bytes.as_bytes(), 1), Err(FramingError::Syntax), "{bytes}");
        }
    }

    #[test]
    fn length_and_depth_are_bounded() {
        assert_eq!(cut(&[b'['; 11], 3), Err(FramingError::TooDeep(10)));
        assert!(cut(&[b'['; 10], 3).expect("deep enough").is_empty());
        let long = format!("[\"{}\"]", "x".repeat(996));
        assert_eq!(cut(long.as_bytes(), 7).expect("just fits").len(), 1);
        let long = format!("[\"{}\"]", "x".repeat(997));
        assert_eq!(cut(long.as_bytes(), 7), Err(FramingError::TooLong(1000)));
    }

    #[test]
    fn white_space_takes_no_memory() {
        let (mut framing, mut input) = (Framing::new(10, 10), BytesMut::new());
        for _ in 0..1000 {
            input.extend_from_slice(b" \r\n\t");
            assert_eq!(framing.next(&mut input), Ok(None));
            assert!(input.is_empty() && !framing.is_inside());
        }
    }
}
