//! What a command prints: tables and text for people, JSON for programs.

pub(crate) mod json;
mod table;
mod text;

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

pub(crate) use self::{
    table::{Cell, Table},
    text::{clean, micros, plural, share},
};
use crate::failure::{Failure, Outcome};

/// Standard output, and in which form it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// JSON for programs.
    pub(crate) json: bool,
    /// Whether somebody looks at it.
    pub(crate) terminal: bool,
    /// Whether colours are wanted: on a terminal, unless `NO_COLOR` is set.
    pub(crate) colour: bool,
}

/// How a piece of text stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Bold,
    Dim,
    Good,
    Warn,
    Bad,
    Name,
}

impl Style {
    fn code(self) -> Option<&'static str> {
        match self {
            Style::Plain => None,
            Style::Bold => Some("1"),
            Style::Dim => Some("2"),
            Style::Good => Some("32"),
            Style::Warn => Some("33"),
            Style::Bad => Some("31"),
            Style::Name => Some("36"),
        }
    }
}

/// Whether colours are welcome at all: <https://no-color.org>.
pub(crate) fn colour_allowed() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

impl Output {
    /// Standard output as it is.
    pub(crate) fn new(json: bool) -> Output {
        let terminal = io::stdout().is_terminal();
        Output { json, terminal, colour: terminal && !json && colour_allowed() }
    }

    /// The columns and lines of the terminal; 80 and 24 where they are not known.
    pub(crate) fn size(&self) -> (usize, usize) {
        #[cfg(unix)]
        if let Ok(size) = rustix::termios::tcgetwinsize(io::stdout())
            && size.ws_col > 0
            && size.ws_row > 0
        {
            return (size.ws_col.into(), size.ws_row.into());
        }
        (80, 24)
    }

    /// The text in a style, where colours are wanted.
    pub(crate) fn paint(&self, style: Style, text: impl AsRef<str>) -> String {
        let text = text.as_ref();
        match style.code().filter(|_| self.colour && !text.is_empty()) {
            Some(code) => format!("\x1b[{code}m{text}\x1b[0m"),
            None => text.to_owned(),
        }
    }

    /// Writes text, which ends its own lines, at once.
    ///
    /// # Errors
    /// A quiet failure when the reader has gone; another when the text cannot be written.
    pub(crate) fn write(&self, text: impl AsRef<[u8]>) -> Outcome {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_ref()).and_then(|()| stdout.flush()).map_err(unwritten)
    }

    /// Writes one line.
    ///
    /// # Errors
    /// As [`Output::write`].
    pub(crate) fn line(&self, line: impl AsRef<str>) -> Outcome {
        let mut text = line.as_ref().to_owned();
        text.push('\n');
        self.write(text)
    }

    /// Writes a value as one line of JSON.
    ///
    /// # Errors
    /// As [`Output::write`].
    pub(crate) fn json(&self, value: &impl Serialize) -> Outcome {
        let text = serde_json::to_string(value)
            .map_err(|error| Failure::new(crate::failure::exit::STATUS, format!("cannot write JSON: {error}")))?;
        self.line(json::safe(&text))
    }

    /// Says something beside the result: on standard error, to people only.
    pub(crate) fn note(&self, text: impl AsRef<str>) {
        if !self.json {
            // Nothing can be done where nobody can be told.
            _ = writeln!(io::stderr(), "{}", text.as_ref());
        }
    }
}

/// What a failure to write means: a reader that has seen enough is no error.
pub(crate) fn unwritten(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::quiet(),
        _ => Failure::new(crate::failure::exit::USAGE, format!("cannot write to standard output: {error}")),
    }
}
