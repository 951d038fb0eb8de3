//! What a command says when it cannot do its work, and the exit code that tells programs.

use std::fmt;

use motet::{Code, Status};

/// Why a command failed: what happened, what to do next, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code; see [`exit`].
    pub(crate) code: u8,
    /// What happened, in one sentence.
    pub(crate) message: String,
    /// What to do next.
    pub(crate) hint: Option<String>,
}

/// What a command ends with.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// The exit codes of `motet`.
pub(crate) mod exit {
    /// A call was answered with an error Status.
    pub(crate) const STATUS: u8 = 1;
    /// The command line, the JSON or a file was wrong.
    pub(crate) const USAGE: u8 = 2;
    /// Nothing to talk to: no such service, no node, no registry, no connection.
    pub(crate) const UNREACHABLE: u8 = 3;
    /// The time ran out.
    pub(crate) const TIMEOUT: u8 = 4;
    /// A program that `motet` runs (cargo, a service) failed.
    pub(crate) const PROGRAM: u8 = 5;
}

impl Failure {
    /// A failure without advice.
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// A wrong command line, JSON or file.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(exit::USAGE, message)
    }

    /// Adds what to do next.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let code = match status.code() {
            Code::Unavailable => exit::UNREACHABLE,
            Code::DeadlineExceeded => exit::TIMEOUT,
            _ => exit::STATUS,
        };
        Self::new(code, status.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  {hint}"),
            None => Ok(()),
        }
    }
}
