//! What was found.

use serde::Serialize;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What it belongs to, such as `registry`.
    pub(super) area: &'static str,
    /// How it is.
    pub(super) state: State,
    /// What was found.
    pub(super) what: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fix: Option<String>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// Odd; it works.
    Warning,
    /// It does not work.
    Problem,
}

impl Finding {
    /// Something as it should be.
    pub(super) fn ok(area: &'static str, what: impl Into<String>) -> Finding {
        Finding { area, state: State::Ok, what: what.into(), fix: None }
    }

    /// Something odd, and what to do.
    pub(super) fn warning(area: &'static str, what: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding { area, state: State::Warning, what: what.into(), fix: Some(fix.into()) }
    }

    /// Something that does not work, and what to do.
    pub(super) fn problem(area: &'static str, what: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding { area, state: State::Problem, what: what.into(), fix: Some(fix.into()) }
    }
}
