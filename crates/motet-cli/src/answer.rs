//! The Status of a call, as it is shown.

use std::fmt;

use motet::{Executed, Status};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{body, output::clean};

/// The Status of a call: what `--json` prints of it.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The details as JSON, where they can be shown as such.
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Box<RawValue>>,
    /// The fields that break a rule.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    violations: Vec<Violation>,
    executed: Executed,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

/// A field, and what is asked of it.
#[derive(Debug, Serialize)]
struct Violation {
    field: String,
    rule: String,
    message: String,
}

impl Answer {
    /// What there is to show of a Status.
    pub(crate) fn of(status: &Status) -> Answer {
        let details = status.details().and_then(|details| body::details(details).ok());
        Answer {
            code: status.code().name(),
            message: status.message().to_owned(),
            reason: status.reason().map(str::to_owned),
            violations: details.as_deref().map(violations).unwrap_or_default(),
            details: details.and_then(|text| RawValue::from_string(text).ok()),
            executed: status.executed(),
            retry_after_ms: status.retry_after().map(|wait| wait.as_millis().try_into().unwrap_or(u64::MAX)),
        }
    }

    /// Whether the message is nothing but the list of violations.
    pub(crate) fn lists_violations(&self) -> bool {
        !self.violations.is_empty()
    }
}

/// The violations that details list, if they are a list of violations.
fn violations(details: &str) -> Vec<Violation> {
    let Ok(value) = serde_json::from_str::<serde_json::Value>(details) else { return Vec::new() };
    let list = value.get("field_violations").and_then(|list| list.as_array());
    let read = |one: &serde_json::Value| {
        let text = |key: &str| one.get(key).and_then(|text| text.as_str()).unwrap_or_default().to_owned();
        Violation { field: text("field"), rule: text("reason"), message: text("description") }
    };
    list.into_iter().flatten().map(read).collect()
}

/// The lines below the message.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.violations.iter().map(|one| one.field.chars().count()).max().unwrap_or_default();
        for Violation { field, rule, message } in &self.violations {
            let field = if field.is_empty() { "(request)" } else { field };
            write!(f, "\n  {:width$}  {}", clean(field), clean(message))?;
            if !rule.is_empty() && !message.contains(rule.as_str()) {
                write!(f, " ({})", clean(rule))?;
            }
        }
        if let Some(reason) = &self.reason {
            write!(f, "\n  reason: {}", clean(reason))?;
        }
        if let Some(details) = self.details.as_deref().filter(|_| self.violations.is_empty()) {
            let plain = crate::output::Output { json: false, terminal: false, colour: false };
            let text = crate::output::json::pretty(details.get(), &plain).replace('\n', "\n  ");
            write!(f, "\n  details: {text}")?;
        }
        match self.retry_after_ms {
            Some(wait) => write!(f, "\n  try again after {wait}ms"),
            None => Ok(()),
        }
    }
}
