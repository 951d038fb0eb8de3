//! What goes wrong.

use std::{error, fmt, io};

use crate::close::CloseCode;

/// A rule that the peer broke. The connection ends with its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What the peer is told.
    pub code: CloseCode,
    /// The rule, in words.
    pub rule: &'static str,
}

impl Violation {
    pub(crate) const fn protocol(rule: &'static str) -> Violation {
        Violation { code: CloseCode::PROTOCOL, rule }
    }

    pub(crate) const fn invalid(rule: &'static str) -> Violation {
        Violation { code: CloseCode::INVALID, rule }
    }

    pub(crate) const fn policy(rule: &'static str) -> Violation {
        Violation { code: CloseCode::POLICY, rule }
    }

    pub(crate) const fn too_big(rule: &'static str) -> Violation {
        Violation { code: CloseCode::TOO_BIG, rule }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (close code {})", self.rule, self.code)
    }
}

impl error::Error for Violation {}

/// Why something cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The connection is closed or closing.
    Closed,
    /// As much waits to be written as may: `max_unsent`.
    Full,
}

/// What kind of failure an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The connection broke, or ended without a Close frame.
    Io,
    /// The peer broke a rule or a limit; it was told.
    Violation,
    /// The peer was silent, took nothing, or was too slow.
    TimedOut,
    /// Something was to be sent on a connection that is closed or closing.
    Closed,
}

/// Why a connection failed, or why it took no message.
#[derive(Debug)]
pub struct Error(Failure);

#[derive(Debug)]
enum Failure {
    Io(&'static str, Option<io::Error>),
    Violation(Violation),
    TimedOut(&'static str),
    Closed,
}

impl Error {
    pub(crate) fn broken(error: io::Error) -> Error {
        Error(Failure::Io("the WebSocket connection broke", Some(error)))
    }

    pub(crate) fn lost() -> Error {
        Error(Failure::Io("the peer ended the WebSocket connection without a Close frame", None))
    }

    pub(crate) fn timed_out(what: &'static str) -> Error {
        Error(Failure::TimedOut(what))
    }

    pub(crate) fn closed() -> Error {
        Error(Failure::Closed)
    }

    /// The same failure again, for another who asks.
    pub(crate) fn repeated(&self) -> Error {
        Error(match &self.0 {
            Failure::Io(what, source) => Failure::Io(what, source.as_ref().map(|error| error.kind().into())),
            Failure::Violation(violation) => Failure::Violation(*violation),
            Failure::TimedOut(what) => Failure::TimedOut(what),
            Failure::Closed => Failure::Closed,
        })
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self.0 {
            Failure::Io(..) => ErrorKind::Io,
            Failure::Violation(_) => ErrorKind::Violation,
            Failure::TimedOut(_) => ErrorKind::TimedOut,
            Failure::Closed => ErrorKind::Closed,
        }
    }

    /// The rule that the peer broke, if it broke one.
    pub fn violation(&self) -> Option<Violation> {
        match self.0 {
            Failure::Violation(violation) => Some(violation),
            _ => None,
        }
    }
}

impl From<Violation> for Error {
    fn from(violation: Violation) -> Error {
        Error(Failure::Violation(violation))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Failure::Io(what, None) => f.write_str(what),
            Failure::Io(what, Some(error)) => write!(f, "{what}: {error}"),
            Failure::Violation(violation) => write!(f, "the WebSocket peer broke a rule: {violation}"),
            Failure::TimedOut(what) => write!(f, "the WebSocket connection timed out: {what}"),
            Failure::Closed => f.write_str("the WebSocket connection is closed"),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match &self.0 {
            Failure::Io(_, Some(error)) => Some(error),
            Failure::Violation(violation) => Some(violation),
            _ => None,
        }
    }
}
