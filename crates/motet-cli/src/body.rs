//! Bodies: JSON text that becomes a payload, and payloads that become JSON text.

use motet::{
    Codec, Payload, Plain,
    core::{MessageType, validate::Report},
};
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::failure::{Failure, Outcome, exit};

/// How bodies travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// As JSON.
    #[default]
    Json,
    /// As MessagePack, written from JSON and shown as JSON.
    Msgpack,
    /// As the bytes that are given.
    Raw,
}

impl Form {
    /// The codec of this form.
    pub(crate) fn codec(self) -> Codec {
        match self {
            Form::Json => Codec::JSON,
            Form::Msgpack => Codec::MSGPACK,
            Form::Raw => Codec::RAW,
        }
    }

    /// The payload of a body.
    ///
    /// # Errors
    /// What is wrong with it and where.
    pub(crate) fn payload(self, text: &[u8]) -> Result<Payload, Wrong> {
        if self == Form::Raw {
            return Ok(Payload::encoded(text.to_vec(), Codec::RAW));
        }
        let text = std::str::from_utf8(text).map_err(Wrong::utf8)?;
        let text = text.trim_start_matches('\u{feff}').trim_ascii();
        let text = if text.is_empty() { "{}" } else { text };
        // Checked here, where the place of a mistake can be shown; sent as it was written.
        serde_json::from_str::<IgnoredAny>(text).map_err(|error| Wrong::syntax(text, &error))?;
        if !text.starts_with('{') && text != "null" {
            return Err(Wrong::kind(text));
        }
        match self {
            Form::Msgpack => {
                let value: Value = serde_json::from_str(text).map_err(|error| Wrong::syntax(text, &error))?;
                Ok(Payload::typed(Plain(value), &MessageType::<Plain<Value>>::plain(), Codec::MSGPACK))
            }
            Form::Json | Form::Raw => Ok(Payload::encoded(text.to_owned(), Codec::JSON)),
        }
    }
}

/// What is wrong with a body.
#[derive(Debug)]
pub(crate) struct Wrong {
    /// What.
    problem: String,
    /// Line and column, from 1.
    at: Option<(usize, usize)>,
    /// The place, for people: the line and a mark below it.
    place: Option<String>,
}

impl Wrong {
    /// What is well-formed, but none of the method's messages.
    pub(crate) fn type_(problem: &str) -> Wrong {
        Wrong { problem: problem.to_owned(), at: None, place: None }
    }

    fn utf8(error: std::str::Utf8Error) -> Wrong {
        Wrong { problem: format!("it is not UTF-8 from byte {} on", error.valid_up_to() + 1), at: None, place: None }
    }

    fn kind(text: &str) -> Wrong {
        let what = match text.as_bytes().first() {
            Some(b'[') => "a list",
            Some(b'"') => "text",
            Some(b't' | b'f') => "true or false",
            _ => "a number",
        };
        let problem = format!("it is {what}; a request is an object, such as {{\"name\": \"Ada\"}}");
        Wrong { problem, at: None, place: None }
    }

    fn syntax(text: &str, error: &serde_json::Error) -> Wrong {
        let (number, column) = (error.line(), error.column());
        let whole = error.to_string();
        let what = whole.split(" at line ").next().unwrap_or_default();
        let line = text.lines().nth(number.saturating_sub(1)).unwrap_or_default();
        Wrong { problem: what.to_owned(), at: Some((number, column)), place: Some(excerpt(line, column)) }
    }

    /// The failure: `of` says what is wrong, such as `the JSON`.
    pub(crate) fn failure(self, of: &str) -> Failure {
        let at = self.at.map_or(String::new(), |(line, column)| format!("line {line}, column {column}: "));
        self.told(of, &at)
    }

    /// The failure of a message that stands on a line of its own.
    pub(crate) fn failure_of_line(self, line: u64, of: &str) -> Failure {
        let at = self.at.map_or(String::new(), |(_, column)| format!("column {column}: "));
        self.told(&format!("line {line} of {of}"), &at)
    }

    fn told(self, of: &str, at: &str) -> Failure {
        let failure = Failure::usage(format!("{of} cannot be sent: {at}{}", self.problem));
        match self.place {
            Some(place) => failure.hint(place),
            None => failure,
        }
    }
}

/// How much of a line is shown on each side of a mistake.
const AROUND: usize = 36;

/// The part of a line around a column, counted in bytes from 1 as serde_json does, and a mark below.
fn excerpt(line: &str, column: usize) -> String {
    let before = line.char_indices().filter(|(at, _)| *at < column.saturating_sub(1)).count();
    let from = before.saturating_sub(AROUND);
    let shown: String = line.chars().skip(from).take(before - from + AROUND).collect();
    let (dots, cut) = if from > 0 { ("…", 1) } else { ("", 0) };
    format!("{dots}{}\n  {}^", shown.replace('\t', " "), " ".repeat(before - from + cut))
}

/// A reply.
pub(crate) enum Shown {
    /// JSON text, valid.
    Json(String),
    /// Bytes of another content type.
    Bytes(motet::Bytes),
}

/// What there is to show of a reply.
///
/// # Errors
/// When it came in a form that needs the type of the message.
pub(crate) fn show(payload: &Payload) -> Outcome<Shown> {
    if *payload.codec() == Codec::RAW {
        let bytes = payload.bytes()?;
        return Ok(match std::str::from_utf8(&bytes) {
            Ok(text) if serde_json::from_str::<IgnoredAny>(text).is_ok() => Shown::Json(text.to_owned()),
            _ => Shown::Bytes(bytes),
        });
    }
    to_json(payload).map(Shown::Json)
}

/// The JSON of details: those of a broken constraint are known in every codec.
pub(crate) fn details(payload: &Payload) -> Outcome<String> {
    if *payload.codec() == Codec::PROTOBUF {
        let report = payload.clone().take(&MessageType::<Report>::serde())?;
        return Ok(serde_json::to_string(&report).unwrap_or_default());
    }
    to_json(payload)
}

fn to_json(payload: &Payload) -> Outcome<String> {
    let codec = payload.codec().clone();
    let bytes = payload.bytes()?;
    if codec == Codec::JSON {
        // Unit may travel as nothing at all.
        let bytes = if bytes.is_empty() { &b"{}"[..] } else { &bytes };
        let text = std::str::from_utf8(bytes).ok().filter(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
        return text
            .map(str::to_owned)
            .ok_or_else(|| Failure::new(exit::STATUS, "the reply says that it is JSON, but it is not"));
    }
    if codec == Codec::MSGPACK {
        let Plain(value) = MessageType::<Plain<Value>>::plain().decode(&codec, &bytes)?;
        return Ok(value.to_string());
    }
    let text = format!("a reply came as {}, which cannot be shown without its type", codec.content_type());
    Err(Failure::new(exit::STATUS, text))
}

/// Bytes as base64 (RFC 4648 §4), for programs.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().enumerate().fold(0u32, |word, (at, byte)| word | u32::from(*byte) << (16 - 8 * at));
        for at in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * at)) as usize & 63];
            out.push(if at <= chunk.len() { letter.into() } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        Form::Json.payload(text.as_bytes()).expect_err(text).failure("the JSON").to_string()
    }

    #[test]
    fn json_is_sent_as_it_was_written() {
        for (text, sent) in [("{\"b\":1.50, \"a\":2}\n", "{\"b\":1.50, \"a\":2}"), ("", "{}"), ("null", "null")] {
            assert_eq!(Form::Json.payload(text.as_bytes()).expect(text).bytes().expect("bytes"), sent);
        }
        assert_eq!(Form::Raw.payload(b"\xff").expect("any bytes").bytes().expect("bytes"), &b"\xff"[..]);
    }

    #[test]
    fn a_mistake_is_shown_where_it_is() {
        assert_eq!(
            problem("{\"name\": Ada}"),
            "the JSON cannot be sent: line 1, column 10: expected value\n  {\"name\": Ada}\n           ^"
        );
        assert_eq!(
            problem("{\n  \"name\": \"Ada\",\n}"),
            "the JSON cannot be sent: line 3, column 1: key must be a string\n  }\n  ^"
        );
        assert!(problem("{\"a\": \"ü\", x}").ends_with("  {\"a\": \"ü\", x}\n             ^"));
        assert!(problem(&format!("{{\"a\": \"{}\", x}}", "y".repeat(200))).contains("\n  …yyy"));
    }

    #[test]
    fn what_is_no_object_is_named() {
        for (text, what) in [("[1]", "a list"), ("5", "a number"), ("\"x\"", "text"), ("true", "true or false")] {
            assert!(problem(text).contains(&format!("it is {what}; a request is an object")), "{text}");
        }
        let wrong = Form::Json.payload(b"{\"a\": \"\xff\"}").expect_err("no text");
        assert!(wrong.failure("x").message.contains("not UTF-8 from byte 8 on"));
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
