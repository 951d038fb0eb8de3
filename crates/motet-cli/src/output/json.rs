//! JSON text, laid out without changing what it says: order, numbers and doubled names stay.

use super::{Output, Style};

/// The longest text, in characters, that stays on one line.
const LINE: usize = 80;

/// The text for people: on one line if it fits, else with a line for every value. It must be valid.
pub(crate) fn pretty(text: &str, output: &Output) -> String {
    let one = lay_out(text, None, output);
    let plain = Output { colour: false, ..*output };
    let long = lay_out(text, None, &plain).chars().count() > LINE;
    if long { lay_out(text, Some(2), output) } else { one }
}

/// The text on one line.
pub(crate) fn line(text: &str, output: &Output) -> String {
    if output.json { compact(text) } else { lay_out(text, None, output) }
}

/// The text without any white space between values, for programs.
pub(crate) fn compact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for token in Tokens(text) {
        out.push_str(&safe(token));
    }
    out
}

/// The text with what could command a terminal written as an escape, which means the same.
pub(crate) fn safe(text: &str) -> std::borrow::Cow<'_, str> {
    let hostile = |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !text.contains(hostile) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if hostile(c) { out.push_str(&format!("\\u{:04x}", c as u32)) } else { out.push(c) }
    }
    out.into()
}

fn lay_out(text: &str, indent: Option<usize>, output: &Output) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0;
    let new_line = |out: &mut String, depth: usize| {
        if let Some(indent) = indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent * depth));
        }
    };
    let mut tokens = Tokens(text).peekable();
    while let Some(token) = tokens.next() {
        match token {
            "{" | "[" => {
                out.push_str(token);
                if matches!(tokens.peek(), Some(&("}" | "]"))) {
                    out.push_str(tokens.next().unwrap_or_default());
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            "}" | "]" => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push_str(token);
            }
            "," => {
                out.push(',');
                match indent {
                    Some(_) => new_line(&mut out, depth),
                    None => out.push(' '),
                }
            }
            ":" => out.push_str(": "),
            value => {
                let name = matches!(tokens.peek(), Some(&":"));
                let style = if name { Style::Name } else { Style::Plain };
                out.push_str(&output.paint(style, safe(value)));
            }
        }
    }
    out
}

/// The tokens of valid JSON: strings with their quotes, other scalars, and punctuation.
struct Tokens<'a>(&'a str);

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.0 = self.0.trim_start_matches([' ', '\t', '\n', '\r']);
        let bytes = self.0.as_bytes();
        let length = match bytes.first()? {
            b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
            b'"' => {
                let mut at = 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at + 1
            }
            _ => self.0.find(['{', '}', '[', ']', ',', ':', ' ', '\t', '\n', '\r', '"']).unwrap_or(bytes.len()),
        };
        // Text that ends within a string is not valid; what is left of it is shown.
        let token = self.0.get(..length).unwrap_or(self.0);
        self.0 = &self.0[token.len()..];
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Output = Output { json: false, terminal: false, colour: false };

    #[test]
    fn nothing_is_changed_but_white_space() {
        let text = "{ \"b\":1.50,\n \"a\":[ ],\"a\":{\"x y\":\"q\\\"{,}:\",\"n\":123456789012345678901234567890}}";
        assert_eq!(
            line(text, &PLAIN),
            r#"{"b": 1.50, "a": [], "a": {"x y": "q\"{,}:", "n": 123456789012345678901234567890}}"#
        );
        assert_eq!(compact(text), r#"{"b":1.50,"a":[],"a":{"x y":"q\"{,}:","n":123456789012345678901234567890}}"#);
    }

    #[test]
    fn what_does_not_fit_on_a_line_gets_many() {
        assert_eq!(pretty(r#"{"text":"Hello, Ada!"}"#, &PLAIN), r#"{"text": "Hello, Ada!"}"#);
        let long = format!(r#"{{"a":[1,{{}}],"b":"{}"}}"#, "x".repeat(80));
        let expected = format!("{{\n  \"a\": [\n    1,\n    {{}}\n  ],\n  \"b\": \"{}\"\n}}", "x".repeat(80));
        assert_eq!(pretty(&long, &PLAIN), expected);
    }

    #[test]
    fn names_are_coloured_where_colours_are_wanted() {
        let output = Output { colour: true, ..PLAIN };
        assert_eq!(line(r#"{"a":"b"}"#, &output), "{\x1b[36m\"a\"\x1b[0m: \"b\"}");
    }

    #[test]
    fn terminal_commands_become_escapes() {
        assert_eq!(compact("\"a\u{9b}31m\u{202e}\""), r#""a\u009b31m\u202e""#);
    }

    #[test]
    fn text_that_is_not_valid_ends_all_the_same() {
        for text in ["\"a", "\"a\\", "{", "}", "]]", "\"ü\\"] {
            compact(text);
            pretty(text, &PLAIN);
        }
    }
}
