//! What a command says when it cannot do its work, and the exit code that tells programs.

use std::fmt;

use motet::{Code, Executed, Status};
use serde::Serialize;

use crate::answer::Answer;

/// Why a command failed: what happened, what to do next, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code; see [`exit`].
    pub(crate) code: u8,
    /// What happened, in one sentence.
    pub(crate) message: String,
    /// What to do next.
    pub(crate) hint: Option<String>,
    /// The Status behind it.
    pub(crate) answer: Option<Box<Answer>>,
}

/// What a command ends with.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// The exit codes of `motet`.
pub(crate) mod exit {
    /// A call was answered with an error Status; of a bench, every call. `motet check` found a break,
    /// `motet proto export` a number that would change.
    pub(crate) const STATUS: u8 = 1;
    /// The command line, the JSON or a file was wrong.
    pub(crate) const USAGE: u8 = 2;
    /// Nothing to talk to: no such service, no node, no registry, no connection.
    pub(crate) const UNREACHABLE: u8 = 3;
    /// The time ran out.
    pub(crate) const TIMEOUT: u8 = 4;
    /// A program that `motet` runs (cargo, a service) failed.
    pub(crate) const PROGRAM: u8 = 5;
    /// `motet health` or `motet doctor` found something that is not well.
    pub(crate) const UNHEALTHY: u8 = 6;
    /// Ctrl-C ended it, as shells write it: 128 and the number of the signal.
    pub(crate) const INTERRUPTED: u8 = 130;

    /// What `motet --help` says about them.
    pub(crate) const HELP: &str = "\
Exit codes:
  0    done
  1    a call was answered with an error; `motet bench`: every call failed; `motet check`: callers
       would break; `motet proto export`: a number would change
  2    the command line, the JSON or a file is wrong
  3    nothing to talk to: no such service or method, no node, no registry, no connection
  4    the time ran out
  5    a program that motet runs (cargo, a service) failed
  6    `motet health`, `motet doctor`: something is not well
  130  Ctrl-C";
}

impl Failure {
    /// A failure without advice.
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, answer: None }
    }

    /// A wrong command line, JSON or file.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(exit::USAGE, message)
    }

    /// Nothing to talk to.
    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self::new(exit::UNREACHABLE, message)
    }

    /// An end that is no failure and says nothing: the reader of the output has gone.
    pub(crate) fn quiet() -> Self {
        Self::new(0, "")
    }

    /// An end of which everything has been said already, with this exit code.
    pub(crate) fn said(code: u8) -> Self {
        Self::new(code, "")
    }

    /// Adds what to do next.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the Status behind it.
    #[must_use]
    pub(crate) fn answer(mut self, status: &Status) -> Self {
        self.answer = Some(Box::new(Answer::of(status)));
        self
    }

    /// The failure as one line of JSON.
    pub(crate) fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Error<'a> {
            error: Inner<'a>,
        }
        #[derive(Serialize)]
        struct Inner<'a> {
            exit_code: u8,
            message: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            hint: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            status: Option<&'a Answer>,
        }
        let error = Inner {
            exit_code: self.code,
            message: &self.message,
            hint: self.hint.as_deref(),
            status: self.answer.as_deref(),
        };
        let text = serde_json::to_string(&Error { error }).unwrap_or_default();
        crate::output::json::safe(&text).into_owned()
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let code = match status.code() {
            // A handler's own Unavailable is an answer; there was somebody to talk to.
            Code::Unavailable if status.executed() != Executed::Yes => exit::UNREACHABLE,
            Code::DeadlineExceeded => exit::TIMEOUT,
            _ => exit::STATUS,
        };
        let message = in_flags(status.message());
        if status.executed() == Executed::No && message.starts_with("cannot connect to ") {
            // That says more than the code.
            let refused = message.contains("Connection refused");
            let failure = Self::unreachable(message).answer(&status);
            return match refused {
                true => failure.hint("nobody listens there; see where services run: motet nodes"),
                false => failure,
            };
        }
        if message.contains(" has not answered within ") {
            return Self::new(code, message).answer(&status).hint("give it longer with --timeout 1m");
        }
        Self::new(code, format!("{}: {message}", status.code())).answer(&status)
    }
}

/// A message of the framework, which names settings, in the words of the command line.
pub(crate) fn in_flags(message: &str) -> String {
    let mut text = message.to_owned();
    for (setting, flag) in [
        (
            "no TLS roots configured: set client.tls.ca",
            "it speaks TLS: name the authority that signed its certificate with --ca FILE",
        ),
        ("client.tls.server_name", "--server-name"),
        ("client.tls.ca", "--ca"),
        ("client.tls.cert", "--cert"),
        ("client.tls.key", "--key"),
    ] {
        text = text.replace(setting, flag);
    }
    text
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::output::clean(&self.message))?;
        if let Some(answer) = &self.answer {
            answer.fmt(f)?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n  {}", crate::output::clean(hint)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_says_whether_anybody_answered() {
        for (status, code) in [
            (Status::unavailable("gone"), exit::UNREACHABLE),
            (Status::unavailable("busy").with_executed(Executed::Yes), exit::STATUS),
            (Status::deadline_exceeded("late"), exit::TIMEOUT),
            (Status::not_found("no"), exit::STATUS),
        ] {
            assert_eq!(Failure::from(status.clone()).code, code, "{status}");
        }
    }

    #[test]
    fn settings_are_named_as_flags() {
        assert_eq!(
            in_flags("tcp+tls://a:1: no TLS roots configured: set client.tls.ca"),
            "tcp+tls://a:1: it speaks TLS: name the authority that signed its certificate with --ca FILE"
        );
        assert_eq!(in_flags("no authority of client.tls.ca has signed it"), "no authority of --ca has signed it");
    }

    #[test]
    fn a_failure_is_one_line_of_json() {
        let failure = Failure::usage("bad\nline").hint("do this");
        assert_eq!(failure.to_json(), r#"{"error":{"exit_code":2,"message":"bad\nline","hint":"do this"}}"#);
    }
}
